//! Signatures by any key of the history.
//!
//! | the key is | a signature holds |
//! | --- | --- |
//! | active | by itself |
//! | replaced | logged before the key's end; unlogged: dated before it |
//! | superseded, retired | only if it is provably logged before the revocation |
//! | compromised | never; logged before the declared time it is told apart |

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::history::KeyStatus;
use super::ring::{Known, KnownKey};
use super::table::Place;
use crate::chain::hash::Hash;
use crate::chain::keys::VerifierKey;
use crate::chain::receipt::verify_fact;
use crate::digest::sha256_hex;
use crate::fortress::FortressError;
use crate::fortress::manifest::Manifest;
use crate::fortress::service::FortressService;
use crate::ledger::LoggedFact;
use crate::openpgp::{CLOCK_SKEW_SECS, PublicKey, Reason, Revocation, Verdict, verify};
use crate::sql::Statement;

/// What became of the key that signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeyStanding {
    pub fingerprint: String,
    pub status: KeyStatus,
    /// Where the signature is logged, if it was looked up and is.
    pub logged: Option<LoggedAt>,
    /// Of a compromised key: whether the signature is provably logged before the declared
    /// time of the compromise. It is not called valid then either: judge it apart.
    pub before_compromise: Option<bool>,
}

/// A proven place in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LoggedAt {
    pub fact_id: String,
    pub log_index: i64,
    /// RFC 3339, by the log's clock.
    pub time: String,
}

/// What is said of a signature.
pub(in crate::fortress) struct Judged {
    pub verdict: Verdict,
    /// None where no key of the history is named.
    pub standing: Option<KeyStanding>,
    /// The key meant, as it is published: the one that signed, else the active one.
    pub public: PublicKey,
}

impl FortressService {
    pub(in crate::fortress) async fn judge(
        &self,
        content: &str,
        signature: &str,
    ) -> Result<Judged, FortressError> {
        let known = self.known_keys().await?;
        let now_secs = self.now_secs();
        let own = &self.keys.secrets.public_key;
        let active = known.active().map_or(own, |key| &key.public);
        let verdict = verify(content.as_bytes(), signature, active, now_secs);
        let key = verdict
            .fingerprint
            .as_deref()
            .and_then(|print| known.named(print));
        let Some(key) = key else {
            return Ok(Judged {
                verdict,
                standing: None,
                public: active.clone(),
            });
        };
        let verdict = verify(content.as_bytes(), signature, &key.before, now_secs);
        let (reason, standing) = if verdict.valid {
            self.stands(&known, key, content, signature, &verdict)
                .await?
        } else {
            (verdict.reason, standing(&known, key))
        };
        Ok(Judged {
            verdict: Verdict {
                valid: reason == Reason::Valid,
                reason,
                sentence: sentence(reason, &standing),
                ..verdict
            },
            standing: Some(standing),
            public: key.public.clone(),
        })
    }

    /// Of a signature that is right in itself: whether its key may be relied on for it.
    async fn stands(
        &self,
        known: &Known,
        key: &KnownKey,
        content: &str,
        signature: &str,
        verdict: &Verdict,
    ) -> Result<(Reason, KeyStanding), FortressError> {
        let mut standing = standing(known, key);
        if standing.status == KeyStatus::Active {
            return Ok((Reason::Valid, standing));
        }
        let found = self.logged(content, signature).await?;
        let place = found.as_ref().map(|(place, _)| *place);
        standing.logged = found.map(|(place, fact_id)| LoggedAt {
            fact_id,
            log_index: place.index,
            time: crate::time::to_rfc3339(place.at),
        });
        let revoked = key.row.revocation.as_ref();
        let before_revocation = place.is_some_and(|place| {
            // A revocation that is not logged yet comes after all that is.
            let at = revoked.map(|revoked| revoked.place);
            at.is_some_and(|at| at.is_none_or(|at| place.index < at.index))
        });
        let reason = match key.public.revocation() {
            Some(Revocation::Hard) => {
                let at = revoked.and_then(|revoked| revoked.compromised_at);
                let earlier = place.zip(at).is_some_and(|(place, at)| place.at < at);
                standing.before_compromise = Some(before_revocation && earlier);
                Reason::KeyRevoked
            }
            Some(_) if before_revocation && in_time(key, place, verdict) => Reason::Valid,
            Some(Revocation::Retired) => Reason::KeyRetired,
            None if in_time(key, place, verdict) => Reason::Valid,
            Some(Revocation::Superseded) | None => Reason::KeySuperseded,
        };
        Ok((reason, standing))
    }

    /// Where the log has this very signature, proven.
    async fn logged(
        &self,
        content: &str,
        signature: &str,
    ) -> Result<Option<(Place, String)>, FortressError> {
        let Ok(manifest) = Manifest::parse(content) else {
            return Ok(None);
        };
        let select = Statement::new("SELECT assertion_id FROM fortress_jobs WHERE id = ?1")
            .bind(manifest.job_id.as_str());
        let found = self.db.run(select).await?;
        let id = found
            .first()
            .map(|row| row.opt_text("assertion_id"))
            .transpose()?;
        let Some(Ok(id)) = id.flatten().map(|id| Hash::from_hex(&id)) else {
            return Ok(None);
        };
        let facts = self.ledger.facts(&[id]).await?;
        let key: Option<VerifierKey> = self.ledger.head().await?.verifier_key.parse().ok();
        let proven = facts.first().zip(key).and_then(|(fact, key)| {
            let of_it = records(fact, &manifest.job_id, content, signature);
            let place = proven(fact, &key)?;
            of_it.then_some((place, fact.stored.fact_id.to_string()))
        });
        Ok(proven)
    }
}

/// Whether the fact is of this run, this manifest and this signature.
fn records(fact: &LoggedFact, job_id: &str, content: &str, signature: &str) -> bool {
    let Some(fact) = fact.stored.content.fact() else {
        return false;
    };
    let says = |name: &str, text: &str| fact.metadata.get(name) == Some(&sha256_hex(text));
    fact.subject == format!("fortress:job:{job_id}")
        && fact.source == "fortress-mcp"
        && says("manifest_sha256", content)
        && says("signature_sha256", signature)
}

fn proven(fact: &LoggedFact, key: &VerifierKey) -> Option<Place> {
    let canonical = fact.stored.content.canonical()?;
    let verdicts = verify_fact(Some(canonical), &fact.receipt, key);
    let all = [verdicts.integrity, verdicts.completeness, verdicts.signer];
    all.iter()
        .all(crate::chain::receipt::Verdict::holds)
        .then_some(())?;
    Some(Place {
        index: i64::try_from(fact.receipt.leaf_index).ok()?,
        at: i64::try_from(fact.receipt.logged_at_ms).ok()?,
    })
}

/// Whether it was made while the key signed: by its place in the log, else by its own date.
fn in_time(key: &KnownKey, place: Option<Place>, verdict: &Verdict) -> bool {
    let (row, secs) = (&key.row, verdict.signed_at.unwrap_or(u64::MAX));
    match (place, row.valid_until_index, row.valid_until) {
        (Some(place), Some(index), _) => place.index < index,
        (Some(place), None, Some(until)) => place.at < until,
        (None, _, Some(until)) => {
            let until = u64::try_from(until / 1_000).unwrap_or_default();
            secs < until.saturating_add(CLOCK_SKEW_SECS)
        }
        (_, None, None) | (None, Some(_), None) => true,
    }
}

fn standing(known: &Known, key: &KnownKey) -> KeyStanding {
    let active = known.active().map(|key| key.row.number);
    // One that was revoked by hand has no row that says so.
    let status = match (key.row.status(active), key.public.revocation()) {
        (KeyStatus::Compromised, _) | (_, Some(Revocation::Hard)) => KeyStatus::Compromised,
        (KeyStatus::Retired, _) | (_, Some(Revocation::Retired)) => KeyStatus::Retired,
        (KeyStatus::Superseded, _) | (_, Some(Revocation::Superseded)) => KeyStatus::Superseded,
        (status, None) => status,
    };
    KeyStanding {
        fingerprint: key.row.fingerprint.clone(),
        status,
        logged: None,
        before_compromise: None,
    }
}

fn sentence(reason: Reason, standing: &KeyStanding) -> String {
    let said = reason.sentence();
    match (reason, standing.status, standing.before_compromise) {
        (Reason::KeyRevoked, _, Some(true)) => format!(
            "{said} This signature is provably logged before the declared time of the \
             compromise: judge it apart."
        ),
        (Reason::Valid, KeyStatus::Superseded | KeyStatus::Retired, _) => format!(
            "{said} The key was revoked since ({}); this is provably logged before.",
            json!(standing.status).as_str().unwrap_or_default()
        ),
        _ => said.to_owned(),
    }
}
