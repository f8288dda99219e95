//! What was decided about keys becomes facts.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::table::{self, KeyRow, Place, Revoked};
use super::{OVERLAP_MS, SOURCE};
use crate::chain::fact::Fact;
use crate::chain::receipt::Receipt;
use crate::fortress::FortressError;
use crate::ledger::{AppendRequest, Ledger};
use crate::ports::Database;

/// Logs rotations, ends and revocations that are not logged yet, each once however often this
/// is called, and tells how many. To be called from time to time: a key's end falls due by
/// itself.
pub async fn settle_keys(
    db: &dyn Database,
    ledger: &dyn Ledger,
    now_ms: i64,
) -> Result<usize, FortressError> {
    let found = db.run(table::all()).await?;
    let mut settled = 0;
    for row in &found.rows {
        let row = KeyRow::read(row)?;
        for (request, done) in row.due(now_ms) {
            let receipt = ledger.append(&request).await?;
            let place = place_of(&receipt);
            let fact = receipt.fact_id.to_string();
            let statements = match done {
                Due::Rotation => table::rotated(&row, place, &fact, place.at + OVERLAP_MS),
                Due::End => vec![table::ended(&row, place, &fact)],
                Due::Revocation(new) => vec![table::revoked(&row, &new, place, &fact)],
            };
            db.batch(statements).await?;
            settled += 1;
        }
    }
    Ok(settled)
}

enum Due {
    Rotation,
    End,
    Revocation(Revoked),
}

fn place_of(receipt: &Receipt) -> Place {
    let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    Place {
        index: signed(receipt.leaf_index),
        at: signed(receipt.logged_at_ms),
    }
}

/// Of a revocation's statement: when it was declared.
#[derive(Deserialize)]
struct Declared {
    declared_at_ms: i64,
}

impl KeyRow {
    pub(super) fn is_due(&self, now_ms: i64) -> bool {
        !self.due(now_ms).is_empty()
    }

    /// Requests that say the same each time they are made.
    fn due(&self, now_ms: i64) -> Vec<(AppendRequest, Due)> {
        let mut due = Vec::new();
        if self.valid_from.is_none() {
            due.push((self.rotation(), Due::Rotation));
        }
        if let Some(until) = self.valid_until.filter(|until| *until <= now_ms)
            && self.valid_until_index.is_none()
        {
            due.push((self.end(until), Due::End));
        }
        if let Some(new) = self.revocation.as_ref().filter(|new| new.place.is_none()) {
            due.push((self.revoked(new), Due::Revocation(new.clone())));
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

    fn revoked(&self, new: &Revoked) -> AppendRequest {
        let declared: Option<Declared> = serde_json::from_str(&new.statement).ok();
        let at = declared.map_or(self.created_at, |said| said.declared_at_ms);
        let said = [
            ("statement", Some(new.statement.as_str())),
            ("signature", Some(new.signature.as_str())),
            ("signer_fingerprint", Some(new.signer.as_str())),
        ];
        // A key that is revoked again, for a graver reason, is another fact.
        let which = format!("revoked_{}", new.compromised_at.unwrap_or_default());
        self.request(&format!("revoked_as_{}", new.reason), &which, at, &said)
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
