//! Rows of `fortress_keys`.

use std::cmp::Reverse;

use super::revoking;
use crate::sql::{DatabaseError, Row, Statement};

/// More rotations than a deployment sees.
const MOST: i64 = 1_000;

/// A key as its row has it. What is null there is told in the migration.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct KeyRow {
    pub fingerprint: String,
    pub number: i64,
    pub is_made: bool,
    pub public_key: String,
    pub private_key: Option<String>,
    pub created_at: i64,
    pub statement: Option<String>,
    pub old_signature: Option<String>,
    pub new_signature: Option<String>,
    pub valid_from: Option<Place>,
    pub rotation_fact: Option<String>,
    /// Milliseconds since 1970.
    pub valid_until: Option<i64>,
    pub valid_until_index: Option<i64>,
    pub end_fact: Option<String>,
    pub revocation: Option<Revoked>,
}

/// A place in the log and the log's time there, milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub index: i64,
    pub at: i64,
}

/// How a key was revoked.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Revoked {
    pub reason: String,
    pub statement: String,
    pub signature: String,
    pub signer: String,
    pub compromised_at: Option<i64>,
    pub place: Option<Place>,
    pub fact: Option<String>,
}

pub(super) fn all() -> Statement {
    Statement::new("SELECT * FROM fortress_keys ORDER BY number LIMIT ?1").bind(MOST)
}

/// Leaves what another has written under the same number or fingerprint.
pub(super) fn insert(row: &KeyRow) -> Statement {
    Statement::new(
        "INSERT INTO fortress_keys (fingerprint, number, origin, public_key, private_key, \
         created_at, statement, old_signature, new_signature) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING",
    )
    .bind(row.fingerprint.as_str())
    .bind(row.number)
    .bind(if row.is_made { "made" } else { "secret" })
    .bind(row.public_key.as_str())
    .bind(row.private_key.clone())
    .timestamp(row.created_at)
    .bind(row.statement.clone())
    .bind(row.old_signature.clone())
    .bind(row.new_signature.clone())
}

/// Writes all but the private half, if the row's revocation still has the statement `before`. What
/// is known to be compromised signs nothing again, not even here.
pub(super) fn update(row: &KeyRow, before: Option<&str>) -> Statement {
    let revoked = row.revocation.as_ref();
    let of_revoked = |column: fn(&Revoked) -> &String| revoked.map(|new| column(new).clone());
    let revoked_at = revoked.and_then(|new| new.place);
    Statement::new(
        "UPDATE fortress_keys SET number = ?2, public_key = ?3, statement = ?4, \
         old_signature = ?5, new_signature = ?6, valid_from = ?7, valid_from_index = ?8, \
         rotation_fact = ?9, valid_until = ?10, valid_until_index = ?11, end_fact = ?12, \
         revocation = ?13, revocation_statement = ?14, revocation_signature = ?15, \
         revocation_signer = ?16, compromised_at = ?17, revoked_at = ?18, revoked_index = ?19, \
         revocation_fact = ?20, \
         private_key = CASE WHEN ?13 = 'compromised' THEN NULL ELSE private_key END \
         WHERE fingerprint = ?1 \
         AND CASE WHEN revocation IS NULL THEN '' ELSE revocation_statement END = ?21",
    )
    .bind(row.fingerprint.as_str())
    .bind(row.number)
    .bind(row.public_key.as_str())
    .bind(row.statement.clone())
    .bind(row.old_signature.clone())
    .bind(row.new_signature.clone())
    .timestamp(row.valid_from.map(|place| place.at))
    .bind(row.valid_from.map(|place| place.index))
    .bind(row.rotation_fact.clone())
    .timestamp(row.valid_until)
    .bind(row.valid_until_index)
    .bind(row.end_fact.clone())
    .bind(of_revoked(|new| &new.reason))
    .bind(of_revoked(|new| &new.statement))
    .bind(of_revoked(|new| &new.signature))
    .bind(of_revoked(|new| &new.signer))
    .timestamp(revoked.and_then(|new| new.compromised_at))
    .timestamp(revoked_at.map(|place| place.at))
    .bind(revoked_at.map(|place| place.index))
    .bind(revoked.and_then(|new| new.fact.clone()))
    .bind(before.unwrap_or_default())
}

impl Revoked {
    /// What a statement says, whoever signed it.
    pub fn said(statement: &str, signature: &str, signer: &str) -> Option<Self> {
        let said = revoking::Statement::read(statement)?;
        Some(Self {
            reason: said.reason.as_str().to_owned(),
            statement: statement.to_owned(),
            signature: signature.to_owned(),
            signer: signer.to_owned(),
            compromised_at: said.compromised_at_ms,
            place: None,
            fact: None,
        })
    }

    /// The graver of two: compromised, and since earlier; of two like that, the other.
    pub fn or_graver(self, other: Option<Self>) -> Self {
        let weight = |one: &Self| (one.compromised_at.is_some(), Reverse(one.compromised_at));
        match other {
            Some(other) if weight(&self) <= weight(&other) => other,
            _ => self,
        }
    }
}

impl KeyRow {
    /// A row with nothing said yet.
    pub fn bare(number: i64, fingerprint: &str, created_at: i64) -> Self {
        Self {
            fingerprint: fingerprint.to_owned(),
            number,
            is_made: false,
            public_key: String::new(),
            private_key: None,
            created_at,
            statement: None,
            old_signature: None,
            new_signature: None,
            valid_from: None,
            rotation_fact: None,
            valid_until: None,
            valid_until_index: None,
            end_fact: None,
            revocation: None,
        }
    }

    /// The key of a deployment's beginning: valid since the log began.
    pub fn first(fingerprint: &str) -> Self {
        Self {
            valid_from: Some(Place { index: 0, at: 0 }),
            ..Self::bare(1, fingerprint, 0)
        }
    }

    /// Whether what it says is other than what is known: more than that it is behind the log.
    pub fn contradicts(&self, known: &Self) -> bool {
        let revoked = |row: &Self| {
            let said = row.revocation.as_ref();
            said.map(|said| {
                (
                    said.statement.clone(),
                    said.reason.clone(),
                    said.compromised_at,
                )
            })
        };
        let differs = |said: Option<i64>, known| said.is_some() && said != known;
        let from = |row: &Self| row.valid_from.map(|place| place.index);
        revoked(self) != revoked(known)
            || (self.number, &self.statement) != (known.number, &known.statement)
            || differs(from(self), from(known))
            || differs(self.valid_until, known.valid_until)
            || differs(self.valid_until_index, known.valid_until_index)
    }

    pub(super) fn read(row: &Row) -> Result<Self, DatabaseError> {
        let place = |at: &str, index: &str| {
            let both = row.opt_timestamp(at)?.zip(row.opt_int(index)?);
            Ok::<_, DatabaseError>(both.map(|(at, index)| Place { index, at }))
        };
        let text = |column: &str| row.opt_text(column);
        let revocation = match text("revocation")? {
            None => None,
            Some(reason) => Some(Revoked {
                reason,
                statement: row.text("revocation_statement")?,
                signature: row.text("revocation_signature")?,
                signer: text("revocation_signer")?.unwrap_or_default(),
                compromised_at: row.opt_timestamp("compromised_at")?,
                place: place("revoked_at", "revoked_index")?,
                fact: text("revocation_fact")?,
            }),
        };
        Ok(Self {
            fingerprint: row.text("fingerprint")?,
            number: row.int("number")?,
            is_made: row.text("origin")? == "made",
            public_key: row.text("public_key")?,
            private_key: text("private_key")?,
            created_at: row.timestamp("created_at")?,
            statement: text("statement")?,
            old_signature: text("old_signature")?,
            new_signature: text("new_signature")?,
            valid_from: place("valid_from", "valid_from_index")?,
            rotation_fact: text("rotation_fact")?,
            valid_until: row.opt_timestamp("valid_until")?,
            valid_until_index: row.opt_int("valid_until_index")?,
            end_fact: text("end_fact")?,
            revocation,
        })
    }
}
