//! Which keys count: those that the log names, and after them those of rows that are not logged
//! yet, if they go together and a key that counts, or our own secrets, vouch for them.
//!
//! What the log says of a key stands, whatever its row says; the row adds the halves of the key.
//! A row goes together if its statement, which its key signed, names its number, its key and the
//! newest one before. Then one of these must vouch for it:
//!
//! - the key before signed the statement, may still sign, and is not known to be compromised;
//! - the worker's secret is its private half, or its sealed private half opens: who sealed it had
//!   the encryption key.

use super::revoking;
use super::ring::KnownKey;
use super::rotating::{self, Statement};
use super::table::{KeyRow, Revoked};
use crate::fortress::service::FortressService;
use crate::openpgp::{PublicKey, Revocation, verify_there};

impl FortressService {
    /// The keys that count, the first one first. `logged` are those that the log names.
    pub(super) fn believed(&self, rows: &[KeyRow], logged: &[KeyRow]) -> Vec<KnownKey> {
        let own = &self.keys.secrets.public_key;
        let named = |said: &KeyRow| KnownKey::logged(said, row_of(rows, &said.fingerprint), own);
        let mut keys: Vec<KnownKey> = logged.iter().filter_map(named).collect();
        let mut last = logged.last().cloned();
        while let Some(key) = last.and_then(|last| self.after(&last, rows, logged, &keys)) {
            last = Some(key.row.clone());
            keys.push(key);
        }
        self.revoke_in(&mut keys, rows);
        keys
    }

    /// The key of a row that is not logged yet and comes after `last`.
    fn after(
        &self,
        last: &KeyRow,
        rows: &[KeyRow],
        logged: &[KeyRow],
        keys: &[KnownKey],
    ) -> Option<KnownKey> {
        let row = rows.iter().find(|row| row.number == last.number + 1)?;
        if row_of(logged, &row.fingerprint).is_some() {
            return None;
        }
        let statement = Statement::read(row.statement.as_deref()?)?;
        let key = KnownKey::pending(row, &self.keys.secrets.public_key)?;
        let goes_together = statement.kind == rotating::KIND
            && statement.number == row.number
            && statement.new_fingerprint == row.fingerprint
            && statement.old_fingerprint == last.fingerprint;
        let signed = |signature: &Option<String>, by: &KnownKey, at_ms: i64| {
            let texts = row.statement.as_deref().zip(signature.as_deref());
            texts.is_some_and(|(text, signature)| self.signed_then(text, signature, by, at_ms))
        };
        let before = keys
            .iter()
            .find(|key| key.row.fingerprint == last.fingerprint);
        // By now: of a key that has expired since, anybody may have dated the statement back.
        let now_ms = self.clock.now_ms();
        let by_before = before.is_some_and(|before| {
            before.revocation() != Some(Revocation::Hard)
                && signed(&row.old_signature, before, now_ms)
        });
        let is_vouched = by_before || self.has_half_of(&key);
        let by_itself = signed(&row.new_signature, &key, statement.made_at_ms);
        (goes_together && by_itself && is_vouched).then_some(key)
    }

    fn has_half_of(&self, key: &KnownKey) -> bool {
        let half = self.private_half(key);
        half.is_ok_and(|half| half.public_key().fingerprint() == key.row.fingerprint)
    }

    /// Revocations that are not logged yet count too, if a later key signed them that signs now or
    /// did until a day ago. Later keys first: they sign those of earlier ones.
    fn revoke_in(&self, keys: &mut [KnownKey], rows: &[KeyRow]) {
        for index in (0..keys.len()).rev() {
            let Some((key, later)) = keys.get_mut(index..).and_then(<[_]>::split_first_mut) else {
                continue;
            };
            let row = row_of(rows, &key.row.fingerprint);
            let written = row.and_then(|row| row.revocation.as_ref());
            let Some(new) = written.and_then(|new| self.declared(new, &key.row, later)) else {
                continue;
            };
            key.row.revocation = Some(new.or_graver(key.row.revocation.take()));
        }
        for key in keys {
            if key.revocation() == Some(Revocation::Hard) {
                key.row.private_key = None;
            }
        }
    }

    /// What a row's revocation says by its statement, if one of these keys signed that.
    fn declared(&self, written: &Revoked, of: &KeyRow, keys: &[KnownKey]) -> Option<Revoked> {
        let Revoked {
            statement,
            signature,
            signer,
            ..
        } = written;
        let said = revoking::Statement::read(statement)?;
        let by = keys.iter().find(|key| key.row.fingerprint == *signer)?;
        // A key whose time is over may be in anybody's hands: what it revoked was logged long ago.
        let is_over = by
            .row
            .valid_until
            .is_some_and(|at| at <= self.clock.now_ms());
        let is_signed = said.fingerprint == of.fingerprint
            && said.signer_fingerprint == *signer
            && by.revocation().is_none()
            && !is_over
            && self.signed_then(statement, signature, by, said.declared_at_ms);
        is_signed.then(|| Revoked::said(statement, signature, signer))?
    }

    /// By a key that may have expired or been revoked since.
    fn signed_then(&self, text: &str, signature: &str, by: &KnownKey, at_ms: i64) -> bool {
        let at_secs = u64::try_from(at_ms / 1_000).unwrap_or_default();
        verify_there(
            text.as_bytes(),
            signature,
            &by.before,
            self.now_secs(),
            at_secs,
        )
        .valid
    }
}

pub(super) fn row_of<'a>(rows: &'a [KeyRow], fingerprint: &str) -> Option<&'a KeyRow> {
    rows.iter().find(|row| row.fingerprint == fingerprint)
}

impl KnownKey {
    /// A key that the log names. None where nobody has its public half any more.
    fn logged(said: &KeyRow, stored: Option<&KeyRow>, own: &PublicKey) -> Option<Self> {
        let public = public_half(&said.fingerprint, stored, own)?;
        let made_ms = i64::try_from(public.created_at_secs() * 1_000).unwrap_or_default();
        let bare = || KeyRow::bare(said.number, &said.fingerprint, made_ms);
        let halves = stored.cloned().unwrap_or_else(bare);
        let mut row = KeyRow {
            is_made: halves.is_made,
            private_key: halves.private_key,
            created_at: halves.created_at,
            ..said.clone()
        };
        if let Some(from) = row.valid_from.as_mut().filter(|_| row.statement.is_none()) {
            from.at = made_ms;
        }
        Self::of(row, public)
    }

    /// A key that the log does not name yet, so there is nothing that its row could say of it.
    fn pending(row: &KeyRow, own: &PublicKey) -> Option<Self> {
        let public = public_half(&row.fingerprint, Some(row), own)?;
        let row = KeyRow {
            valid_from: None,
            rotation_fact: None,
            valid_until: None,
            valid_until_index: None,
            end_fact: None,
            revocation: None,
            ..row.clone()
        };
        Self::of(row, public)
    }

    /// The row gets the public half that counts: the secrets may have a renewed or revoked one, and
    /// may be replaced.
    fn of(row: KeyRow, public: PublicKey) -> Option<Self> {
        let public_key = public.to_armor();
        Some(Self {
            before: public.before_revocation().ok()?,
            public,
            row: KeyRow { public_key, ..row },
        })
    }
}

/// As the table has it, or the worker's secrets: an operator may have revoked the key there with
/// other tools, and the graver word counts.
fn public_half(fingerprint: &str, stored: Option<&KeyRow>, own: &PublicKey) -> Option<PublicKey> {
    let read = |row: &KeyRow| PublicKey::from_armor(&row.public_key).ok();
    let stored = stored.and_then(read);
    let stored = stored.filter(|key| key.fingerprint() == fingerprint);
    let own = (own.fingerprint() == fingerprint).then(|| own.clone());
    match (stored, own) {
        (Some(stored), Some(own)) if own.revocation() < stored.revocation() => Some(stored),
        (stored, own) => own.or(stored),
    }
}
