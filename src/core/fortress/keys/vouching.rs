//! Which rows are believed: whoever can write the table brings in no key by that.
//!
//! A row must go together: its fingerprint is its key's, and its statement, which its key signed,
//! names its number, itself and the one before. And one of these must vouch for it:
//!
//! - the worker's secret is its private half;
//! - the key before, believed itself, signed the statement;
//! - its sealed private half opens: who sealed it had the encryption key;
//! - the key after, believed itself, names it as the one before.

use serde::Deserialize;

use super::OVERLAP_MS;
use super::ring::KnownKey;
use super::rotating::{self, Statement};
use super::table::{KeyRow, Revoked};
use crate::fortress::service::FortressService;
use crate::openpgp::{PublicKey, verify_there};

impl FortressService {
    /// The keys that are believed, the first one first.
    pub(super) fn believed(&self, rows: Vec<KeyRow>) -> Vec<KnownKey> {
        let (published, now_secs) = (&self.keys.secrets.public_key, self.now_secs());
        let read = |row| KnownKey::read(row, published, now_secs);
        let mut vouched: Vec<(KnownKey, bool)> = Vec::new();
        for key in rows.into_iter().filter_map(read) {
            let by_before = vouched.last().is_some_and(|(before, is_vouched)| {
                *is_vouched && key.is_signed_by(before, now_secs)
            });
            let is_vouched = by_before || self.has_half_of(&key);
            vouched.push((key, is_vouched));
        }
        let mut believed: Vec<KnownKey> = Vec::new();
        for (mut key, is_vouched) in vouched.into_iter().rev() {
            let after = believed.last();
            if is_vouched || after.is_some_and(|after| after.follows(&key)) {
                // No row puts a key's end further off than the one after it does.
                let end = after.and_then(|after| after.row.valid_from);
                let ends = [key.row.valid_until, end.map(|from| from.at + OVERLAP_MS)];
                key.row.valid_until = ends.into_iter().flatten().min();
                believed.push(key);
            }
        }
        believed.reverse();
        believed
    }

    fn has_half_of(&self, key: &KnownKey) -> bool {
        let half = self.private_half(key);
        half.is_ok_and(|half| half.fingerprint() == key.row.fingerprint)
    }
}

impl KnownKey {
    /// None: the row does not go together.
    fn read(row: KeyRow, published: &PublicKey, now_secs: u64) -> Option<Self> {
        let stored = PublicKey::from_armor(&row.public_key).ok()?;
        // An operator may have revoked the key with other tools: the graver word counts.
        let by_hand = published.fingerprint() == row.fingerprint
            && published.revocation() >= stored.revocation();
        let public = if by_hand { published.clone() } else { stored };
        let key = Self {
            before: public.before_revocation().ok()?,
            rotation: row.statement.as_deref().and_then(Statement::read),
            public,
            row,
        };
        let is_itself = key.public.fingerprint() == key.row.fingerprint;
        let is_first = key.row.number == 1 && key.row.statement.is_none();
        (is_itself && (is_first || key.signed_itself(now_secs))).then_some(key)
    }

    fn signed_itself(&self, now_secs: u64) -> bool {
        let names_itself = self.rotation.as_ref().is_some_and(|said| {
            said.kind == rotating::KIND
                && said.number == self.row.number
                && said.new_fingerprint == self.row.fingerprint
        });
        names_itself && self.has_signature(self.row.new_signature.as_deref(), self, now_secs)
    }

    /// Whether its statement names that key as the one before.
    fn follows(&self, before: &Self) -> bool {
        self.row.number == before.row.number + 1
            && self
                .rotation
                .as_ref()
                .is_some_and(|said| said.old_fingerprint == before.row.fingerprint)
    }

    fn is_signed_by(&self, before: &Self, now_secs: u64) -> bool {
        self.follows(before)
            && self.has_signature(self.row.old_signature.as_deref(), before, now_secs)
    }

    /// Whether the other key signed its statement, at the time that it names.
    fn has_signature(&self, signature: Option<&str>, by: &Self, now_secs: u64) -> bool {
        let said = self.row.statement.as_deref().zip(signature);
        let made_ms = self.rotation.as_ref().map(|said| said.made_at_ms);
        said.zip(made_ms)
            .is_some_and(|((statement, signature), made_ms)| {
                signed_then(statement, signature, by, made_ms, now_secs)
            })
    }
}

/// Of a revocation's statement.
#[derive(Deserialize)]
struct RevocationStatement {
    compromised_at_ms: Option<i64>,
    declared_at_ms: i64,
    fingerprint: String,
    reason: String,
}

/// When a revocation was declared, if its row says what a key of these signed.
pub(super) fn declared_at(
    revoked: &Revoked,
    of: &KeyRow,
    keys: &[KnownKey],
    now_secs: u64,
) -> Option<i64> {
    let said: RevocationStatement = serde_json::from_str(&revoked.statement).ok()?;
    let by = keys
        .iter()
        .find(|key| key.row.fingerprint == revoked.signer)?;
    let (statement, signature) = (&revoked.statement, &revoked.signature);
    let is_said = said.fingerprint == of.fingerprint
        && said.reason == revoked.reason
        && said.compromised_at_ms == revoked.compromised_at
        && by.row.number > of.number
        && signed_then(statement, signature, by, said.declared_at_ms, now_secs);
    is_said.then_some(said.declared_at_ms)
}

/// By a key that may have expired or been revoked since.
fn signed_then(statement: &str, signature: &str, by: &KnownKey, at_ms: i64, now_secs: u64) -> bool {
    let at_secs = u64::try_from(at_ms / 1_000).unwrap_or_default();
    verify_there(
        statement.as_bytes(),
        signature,
        &by.before,
        now_secs,
        at_secs,
    )
    .valid
}
