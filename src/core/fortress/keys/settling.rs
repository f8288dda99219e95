//! What was decided about keys becomes facts.

use std::collections::BTreeMap;

use super::ring::{Known, KnownKey};
use super::table::{self, KeyRow, Place, Revoked};
use super::vouching::declared_at;
use super::{OVERLAP_MS, SOURCE};
use crate::chain::fact::Fact;
use crate::chain::receipt::Receipt;
use crate::fortress::FortressError;
use crate::fortress::service::FortressService;
use crate::ledger::AppendRequest;

impl FortressService {
    /// Logs rotations, ends and revocations that are not logged yet, each once however often
    /// this is called, and tells how many. Only of keys that are believed, for the log forgets
    /// nothing; only who has the private halves can tell.
    pub(in crate::fortress) async fn settle_keys(&self) -> Result<usize, FortressError> {
        let now_ms = self.clock.now_ms();
        let known = self.read_keys().await?;
        let mut settled = 0;
        for (row, request, done) in known.due(now_ms) {
            let receipt = self.ledger.append(&request).await?;
            let place = place_of(&receipt);
            let fact = receipt.fact_id.to_string();
            let statements = match done {
                Due::Rotation => table::rotated(row, place, &fact, place.at + OVERLAP_MS),
                Due::End => vec![table::ended(row, place, &fact)],
                Due::Revocation(new) => vec![table::revoked(row, new, place, &fact)],
            };
            self.db.batch(statements).await?;
            settled += 1;
        }
        if settled > 0 {
            self.read_keys().await?;
        }
        Ok(settled)
    }
}

enum Due<'a> {
    Rotation,
    End,
    Revocation(&'a Revoked),
}

fn place_of(receipt: &Receipt) -> Place {
    let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    Place {
        index: signed(receipt.leaf_index),
        at: signed(receipt.logged_at_ms),
    }
}

impl Known {
    pub(super) fn is_due(&self, now_ms: i64) -> bool {
        !self.due(now_ms).is_empty()
    }

    fn due(&self, now_ms: i64) -> Vec<(&KeyRow, AppendRequest, Due<'_>)> {
        let due = self.keys.iter().map(|key| key.row.due(&self.keys, now_ms));
        due.flatten().collect()
    }
}

impl KeyRow {
    /// Requests that say the same each time they are made.
    fn due(&self, keys: &[KnownKey], now_ms: i64) -> Vec<(&Self, AppendRequest, Due<'_>)> {
        let mut due = Vec::new();
        if self.valid_from.is_none() {
            due.push((self, self.rotation(), Due::Rotation));
        }
        if let Some(until) = self.valid_until.filter(|until| *until <= now_ms)
            && self.valid_until_index.is_none()
        {
            due.push((self, self.end(until), Due::End));
        }
        let now_secs = u64::try_from(now_ms / 1_000).unwrap_or_default();
        if let Some(new) = self.revocation.as_ref().filter(|new| new.place.is_none())
            && let Some(at_ms) = declared_at(new, self, keys, now_secs)
        {
            due.push((self, self.revoked(new, at_ms), Due::Revocation(new)));
        }
        due
    }

    fn rotation(&self) -> AppendRequest {
        let said = [
            ("statement", &self.statement),
            ("old_signature", &self.old_signature),
            ("new_signature", &self.new_signature),
        ];
        let said = said.map(|(name, text)| (name, text.as_deref()));
        self.request("rotated_in", "key", self.created_at, &said)
    }

    fn end(&self, until: i64) -> AppendRequest {
        let at = crate::time::to_rfc3339(until);
        self.request(
            "no_longer_signs",
            "ended",
            until,
            &[("valid_until", Some(&at))],
        )
    }

    fn revoked(&self, new: &Revoked, at_ms: i64) -> AppendRequest {
        let said = [
            ("statement", Some(new.statement.as_str())),
            ("signature", Some(new.signature.as_str())),
            ("signer_fingerprint", Some(new.signer.as_str())),
        ];
        // A key that is revoked again, for a graver reason, is another fact.
        let which = format!("revoked_{}", new.compromised_at.unwrap_or_default());
        self.request(&format!("revoked_as_{}", new.reason), &which, at_ms, &said)
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
            idempotency_key: format!("fortress:key:{print}:{predicate}:{which}"),
            fact: Fact {
                subject: format!("fortress:key:{print}"),
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
