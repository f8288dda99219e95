//! What was decided about keys becomes facts.

use std::collections::BTreeMap;

use serde_json::json;

use super::ring::Known;
use super::table::{KeyRow, Revoked};
use super::{PREFIX, SOURCE, revoking, rotating};
use crate::chain::fact::Fact;
use crate::fortress::FortressError;
use crate::fortress::service::FortressService;
use crate::ledger::{AppendRequest, LedgerError};
use crate::ports::Level;

pub(super) const FIRST_KEY: &str = "first_key";
pub(super) const ROTATED_IN: &str = "rotated_in";
pub(super) const NO_LONGER_SIGNS: &str = "no_longer_signs";

impl FortressService {
    /// Logs which key is the first, as long as the log names none. Whoever replaces the secrets
    /// by hand later comes after it.
    pub(in crate::fortress) async fn log_first_key(&self) -> Result<(), FortressError> {
        if self.logged_keys().await?.is_empty() {
            let own = &self.keys.secrets.public_key;
            let made_ms = i64::try_from(own.created_at_secs() * 1_000).unwrap_or_default();
            let own = KeyRow::first(&own.fingerprint());
            let request = own.request(FIRST_KEY, "key", made_ms, &[]);
            self.ledger.append(&request).await?;
        }
        Ok(())
    }

    /// Logs rotations, ends and revocations that are not logged yet, each once however often
    /// this is called, and tells how many. Only of keys that count, for the log forgets
    /// nothing; only who has the private halves can tell. What the log refuses keeps nothing
    /// else out, but for later rotations.
    pub(in crate::fortress) async fn settle_keys(&self) -> Result<usize, FortressError> {
        let known = self.read_keys().await?;
        let (mut settled, mut refusal) = (0, None);
        for request in known.due(self.clock.now_ms()) {
            match self.ledger.append(&request).await {
                Ok(_) => settled += 1,
                Err(error @ LedgerError::Refused { .. }) => {
                    let fields = json!({
                        "fact": request.idempotency_key, "cause": error.to_string(),
                    });
                    let log = &self.gateway.log;
                    log.record(Level::Error, "fortress_key_fact_refused", fields);
                    refusal = Some(error);
                    if request.fact.predicate == ROTATED_IN {
                        break;
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        if settled > 0 {
            self.read_keys().await?;
        }
        refusal.map_or(Ok(settled), |error| Err(error.into()))
    }
}

impl Known {
    pub(super) fn is_due(&self, now_ms: i64) -> bool {
        !self.due(now_ms).is_empty()
    }

    /// Requests that say the same each time they are made; rotations last.
    fn due(&self, now_ms: i64) -> Vec<AppendRequest> {
        let rows = || self.keys.iter().map(|key| &key.row);
        let ends = rows().filter_map(|row| row.end(now_ms));
        let revocations = rows().filter_map(KeyRow::revoked);
        let rotations = rows().filter_map(KeyRow::rotation);
        ends.chain(revocations).chain(rotations).collect()
    }
}

impl KeyRow {
    fn rotation(&self) -> Option<AppendRequest> {
        let statement = self
            .statement
            .as_deref()
            .filter(|_| self.valid_from.is_none())?;
        let made_ms = rotating::Statement::read(statement)?.made_at_ms;
        let said = [
            ("statement", Some(statement)),
            ("old_signature", self.old_signature.as_deref()),
            ("new_signature", self.new_signature.as_deref()),
        ];
        Some(self.request(ROTATED_IN, "key", made_ms, &said))
    }

    /// Once the time is over in which what it signed could be logged.
    fn end(&self, now_ms: i64) -> Option<AppendRequest> {
        let is_over = |until: &i64| *until <= now_ms && self.valid_until_index.is_none();
        let until = self.valid_until.filter(is_over)?;
        let at = crate::time::to_rfc3339(until);
        let said = [("valid_until", Some(at.as_str()))];
        Some(self.request(NO_LONGER_SIGNS, "ended", until, &said))
    }

    fn revoked(&self) -> Option<AppendRequest> {
        let is_due = |new: &&Revoked| new.place.is_none();
        let new = self.revocation.as_ref().filter(is_due)?;
        let declared_ms = revoking::Statement::read(&new.statement)?.declared_at_ms;
        let said = [
            ("statement", Some(new.statement.as_str())),
            ("signature", Some(new.signature.as_str())),
            ("signer_fingerprint", Some(new.signer.as_str())),
        ];
        // A key that is revoked again, for a graver reason, is another fact.
        let which = format!("revoked_{}", new.compromised_at.unwrap_or_default());
        let predicate = format!("revoked_as_{}", new.reason);
        Some(self.request(&predicate, &which, declared_ms, &said))
    }

    fn request(
        &self,
        predicate: &str,
        which: &str,
        at_ms: i64,
        said: &[(&str, Option<&str>)],
    ) -> AppendRequest {
        let print = &self.fingerprint;
        let said = said
            .iter()
            .filter_map(|(name, text)| Some(((*name).to_owned(), (*text)?.to_owned())));
        AppendRequest {
            idempotency_key: format!("{PREFIX}{print}:{predicate}:{which}"),
            fact: Fact {
                subject: format!("{PREFIX}{print}"),
                predicate: predicate.to_owned(),
                object: format!("number:{}", self.number),
                source: SOURCE.to_owned(),
                timestamp_ms: u64::try_from(at_ms).unwrap_or_default(),
                execution_id: None,
                evidence_id: None,
                metadata: said.collect::<BTreeMap<_, _>>(),
            },
        }
    }
}
