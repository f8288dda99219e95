//! Rows of `fortress_keys`.

use crate::sql::{DatabaseError, Row, Statement};

/// More rotations than a deployment sees.
const MOST: i64 = 1_000;

/// A key as its row has it. What is null there is told in the migration.
#[derive(Debug, Clone)]
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
#[derive(Debug, Clone)]
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
         created_at, statement, old_signature, new_signature, valid_from, valid_from_index) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT DO NOTHING",
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
    .timestamp(row.valid_from.map(|place| place.at))
    .bind(row.valid_from.map(|place| place.index))
}

/// The rotation is logged: the key signs from there, and its predecessor has an end.
pub(super) fn rotated(row: &KeyRow, place: Place, fact: &str, until_ms: i64) -> Vec<Statement> {
    vec![
        Statement::new(
            "UPDATE fortress_keys SET valid_from = ?2, valid_from_index = ?3, rotation_fact = ?4 \
             WHERE fingerprint = ?1 AND valid_from_index IS NULL",
        )
        .bind(row.fingerprint.as_str())
        .timestamp(place.at)
        .bind(place.index)
        .bind(fact),
        Statement::new(
            "UPDATE fortress_keys SET valid_until = ?2 WHERE number = ?1 AND valid_until IS NULL",
        )
        .bind(row.number - 1)
        .timestamp(until_ms),
    ]
}

pub(super) fn ended(row: &KeyRow, place: Place, fact: &str) -> Statement {
    Statement::new(
        "UPDATE fortress_keys SET valid_until_index = ?2, end_fact = ?3 \
         WHERE fingerprint = ?1 AND valid_until_index IS NULL",
    )
    .bind(row.fingerprint.as_str())
    .bind(place.index)
    .bind(fact)
}

/// Revokes a key that is still as it was read. What was known to be compromised signs nothing
/// again, not even here.
pub(super) fn revoke(row: &KeyRow, public_key: &str, new: &Revoked) -> Statement {
    let before = row.revocation.as_ref().map(|old| old.statement.as_str());
    Statement::new(
        "UPDATE fortress_keys SET public_key = ?2, revocation = ?3, revocation_statement = ?4, \
         revocation_signature = ?5, revocation_signer = ?6, compromised_at = ?7, \
         revoked_at = NULL, revoked_index = NULL, revocation_fact = NULL, \
         private_key = CASE WHEN ?3 = 'compromised' THEN NULL ELSE private_key END \
         WHERE fingerprint = ?1 AND COALESCE(revocation_statement, '') = ?8",
    )
    .bind(row.fingerprint.as_str())
    .bind(public_key)
    .bind(new.reason.as_str())
    .bind(new.statement.as_str())
    .bind(new.signature.as_str())
    .bind(new.signer.as_str())
    .timestamp(new.compromised_at)
    .bind(before.unwrap_or_default())
}

pub(super) fn revoked(row: &KeyRow, new: &Revoked, place: Place, fact: &str) -> Statement {
    Statement::new(
        "UPDATE fortress_keys SET revoked_at = ?3, revoked_index = ?4, revocation_fact = ?5 \
         WHERE fingerprint = ?1 AND revocation_statement = ?2 AND revoked_index IS NULL",
    )
    .bind(row.fingerprint.as_str())
    .bind(new.statement.as_str())
    .timestamp(place.at)
    .bind(place.index)
    .bind(fact)
}

impl KeyRow {
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
