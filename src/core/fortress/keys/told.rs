//! What the log says of keys: which came in, ended and were revoked, in its order.

use super::settling::{FIRST_KEY, NO_LONGER_SIGNS, ROTATED_IN};
use super::table::{KeyRow, Place, Revoked};
use super::{OVERLAP_MS, PREFIX, SOURCE, rotating};
use crate::chain::fact::Fact;
use crate::chain::receipt::StoredFact;
use crate::fortress::FortressError;
use crate::fortress::service::FortressService;
use crate::ledger::LedgerError;

#[derive(Default)]
struct Told {
    /// In the order they came in.
    keys: Vec<KeyRow>,
}

impl FortressService {
    /// The keys that the log names, the first one first, without what only the table has: their
    /// public and private halves.
    pub(super) async fn logged_keys(&self) -> Result<Vec<KeyRow>, FortressError> {
        // By the first digit of the fingerprint: each may have as many facts as the log tells.
        let digits = (0..16).map(|digit| format!("{PREFIX}{digit:X}"));
        let found = self.ledger.keyed(&digits.collect::<Vec<_>>()).await?;
        if found.iter().any(|some| some.more) {
            return Err(unreadable("it has more facts about keys than it tells").into());
        }
        let facts = found.into_iter().flat_map(|some| some.facts);
        let mut facts: Vec<StoredFact> = facts.map(|fact| fact.stored).collect();
        facts.sort_by_key(|fact| fact.leaf_index);
        let mut told = Told::default();
        for fact in &facts {
            told.take(fact)?;
        }
        Ok(told.keys)
    }
}

/// What is missing might revoke a key: without it nothing is said of any.
fn unreadable(words: &str) -> LedgerError {
    LedgerError::Unavailable(words.to_owned())
}

impl Told {
    fn take(&mut self, stored: &StoredFact) -> Result<(), LedgerError> {
        let index = stored.leaf_index;
        let fact = stored.content.fact().ok_or_else(|| {
            unreadable(&format!(
                "its entry {index} tells of a key and cannot be read"
            ))
        })?;
        let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let place = Place {
            index: signed(index),
            at: signed(stored.logged_at_ms),
        };
        if fact.source == SOURCE
            && let Some(fingerprint) = fact.subject.strip_prefix(PREFIX)
        {
            self.apply(fact, fingerprint, place, stored.fact_id.to_string());
        }
        Ok(())
    }

    fn apply(&mut self, fact: &Fact, fingerprint: &str, place: Place, id: String) {
        match fact.predicate.as_str() {
            ROTATED_IN => drop(self.came_in(fact, fingerprint, place, id)),
            FIRST_KEY if self.keys.is_empty() => self.keys.push(KeyRow::first(fingerprint)),
            _ => self.went_out(fact, fingerprint, place, id),
        }
    }

    fn went_out(&mut self, fact: &Fact, fingerprint: &str, place: Place, id: String) {
        let key = self
            .keys
            .iter_mut()
            .find(|key| key.fingerprint == fingerprint);
        let Some(key) = key else {
            return;
        };
        if fact.predicate == NO_LONGER_SIGNS {
            key.valid_until_index.get_or_insert(place.index);
            key.end_fact.get_or_insert(id);
        } else if let Some(new) = revoked(fact, place, id) {
            key.revocation = Some(new.or_graver(key.revocation.take()));
        }
    }

    fn came_in(&mut self, fact: &Fact, fingerprint: &str, place: Place, id: String) -> Option<()> {
        let text = fact.metadata.get("statement")?;
        let statement = rotating::Statement::read(text)?;
        // A deployment may have rotated before it logged its first key.
        if self.keys.is_empty() {
            let first = KeyRow::first(&statement.old_fingerprint);
            self.keys.push(first);
        }
        if self.keys.iter().any(|key| key.fingerprint == fingerprint) {
            return None;
        }
        for key in &mut self.keys {
            key.valid_until.get_or_insert(place.at + OVERLAP_MS);
        }
        self.keys.push(KeyRow {
            statement: Some(text.clone()),
            old_signature: fact.metadata.get("old_signature").cloned(),
            new_signature: fact.metadata.get("new_signature").cloned(),
            valid_from: Some(place),
            rotation_fact: Some(id),
            ..KeyRow::bare(statement.number, fingerprint, statement.made_at_ms)
        });
        Some(())
    }
}

fn revoked(fact: &Fact, place: Place, id: String) -> Option<Revoked> {
    let said = |name: &str| fact.metadata.get(name);
    let new = Revoked::said(
        said("statement")?,
        said("signature")?,
        said("signer_fingerprint")?,
    )?;
    Some(Revoked {
        place: Some(place),
        fact: Some(id),
        ..new
    })
}
