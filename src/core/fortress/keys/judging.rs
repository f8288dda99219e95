//! Signatures by any key of the history.
//!
//! | the key is | a signature holds |
//! | --- | --- |
//! | next | never: its rotation is not logged |
//! | active | by itself; once the key has expired: provably logged before that |
//! | replaced | provably logged while the key signed; in the day after also by itself |
//! | superseded, retired | only if it is provably logged before the revocation |
//! | compromised | never; logged, and stamped if it is, before the declared time it is told apart |

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::history::KeyStatus;
use super::ring::{Known, KnownKey};
use super::table::Place;
use crate::anchoring::TimeVerdict;
use crate::chain::checkpoint::Checkpoint;
use crate::fortress::FortressError;
use crate::fortress::service::FortressService;
use crate::ledger::LedgerError;
use crate::openpgp::{
    CLOCK_SKEW_SECS, PublicKey, Reason, Revocation, Verdict, issuer, verify, verify_there,
};

/// What became of the key that signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeyStanding {
    pub fingerprint: String,
    pub status: KeyStatus,
    /// Where the signature is logged, if it was looked up and is.
    pub logged: Option<LoggedAt>,
    /// Of a compromised key: by when a time stamping authority vouches for the signature (RFC
    /// 3339); null where none does, and the log's own clock is all there is.
    #[serde(default)]
    pub stamped_by: Option<String>,
    /// Of a compromised key: whether the signature is provably logged, and stamped where there is
    /// a stamp, before the declared time of the compromise. It is not called valid then either:
    /// judge it apart.
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

/// A text and what is said to be its signature.
pub(super) type Signed<'a> = (&'a str, &'a str);

/// What a signature says of itself, and of which key of the history it is.
pub(super) struct Seen<'a> {
    verdict: Verdict,
    key: Option<&'a KnownKey>,
    /// Whether it takes the log to tell.
    pub asks_log: bool,
}

impl FortressService {
    pub(in crate::fortress) async fn judge(
        &self,
        content: &str,
        signature: &str,
    ) -> Result<Judged, FortressError> {
        let known = self.known_keys().await?;
        let signed = (content, signature);
        let seen = self.see(&known, signed);
        let found = self.logged(&[(signed, &seen)]).await?.pop().flatten();
        self.judged(&known, signed, seen, found).await
    }

    /// Of each as [`FortressService::judge`]; what the log says of them is read together.
    pub(in crate::fortress) async fn judge_all(
        &self,
        signed: &[Signed<'_>],
    ) -> Result<Vec<Judged>, FortressError> {
        let known = self.known_keys().await?;
        let seen = signed.iter().map(|signed| self.see(&known, *signed));
        let seen: Vec<Seen<'_>> = seen.collect();
        let asked: Vec<_> = signed.iter().copied().zip(&seen).collect();
        let found = self.logged(&asked).await?;
        let mut judged = Vec::new();
        for ((signed, seen), found) in signed.iter().zip(seen).zip(found) {
            judged.push(self.judged(&known, *signed, seen, found).await?);
        }
        Ok(judged)
    }

    fn see<'a>(&self, known: &'a Known, (content, signature): Signed<'_>) -> Seen<'a> {
        let named = issuer(signature);
        let key = named.as_deref().and_then(|print| known.named(print));
        let by = key.map_or_else(|| self.current(known), |key| &key.before);
        let verdict = verify(content.as_bytes(), signature, by, self.now_secs());
        let asks_log = key.is_some_and(|key| match verdict.reason {
            Reason::Valid => standing(known, key).status != KeyStatus::Active,
            reason => reason == Reason::KeyExpired,
        });
        Seen {
            verdict,
            key,
            asks_log,
        }
    }

    /// The key that signs now, as it is published.
    fn current<'a>(&'a self, known: &'a Known) -> &'a PublicKey {
        let own = &self.keys.secrets.public_key;
        known.active().map_or(own, |key| &key.public)
    }

    async fn judged(
        &self,
        known: &Known,
        (content, signature): Signed<'_>,
        seen: Seen<'_>,
        found: Option<(Place, String)>,
    ) -> Result<Judged, FortressError> {
        let Seen { verdict, key, .. } = seen;
        let Some(key) = key else {
            return Ok(Judged {
                verdict,
                standing: None,
                public: self.current(known).clone(),
            });
        };
        let mut standing = standing(known, key);
        let place = found.as_ref().map(|(place, _)| *place);
        // What the log proves to be older than the key's expiry outlives it.
        let verdict = match place {
            Some(place) => {
                let there_secs = u64::try_from(place.at / 1_000).unwrap_or_default();
                let (content, now_secs) = (content.as_bytes(), self.now_secs());
                verify_there(content, signature, &key.before, now_secs, there_secs)
            }
            None => verdict,
        };
        standing.logged = found.map(|(place, fact_id)| LoggedAt {
            fact_id,
            log_index: place.index,
            time: crate::time::to_rfc3339(place.at),
        });
        let reason = if verdict.valid {
            reason(key, place, &verdict, self.clock.now_ms())
        } else {
            verdict.reason
        };
        let is_hard = key.revocation() == Some(Revocation::Hard);
        let stamped_ms = match place.filter(|_| is_hard) {
            Some(place) => self.stamped_ms(place).await?,
            None => None,
        };
        standing.stamped_by = stamped_ms.map(crate::time::to_rfc3339);
        standing.before_compromise = before_compromise(key, place, stamped_ms, reason);
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

    /// The latest moment at which, by the authority's word, the log had what is at that place.
    async fn stamped_ms(&self, place: Place) -> Result<Option<i64>, FortressError> {
        let size = u64::try_from(place.index).unwrap_or_default() + 1;
        let head = self.ledger.head().await?;
        let head = Checkpoint::parse_unverified(&head.checkpoint)
            .map_err(|error| LedgerError::Unavailable(error.to_string()))?;
        let anchoring = self.ledger.anchoring(Some(size)).await?;
        let anchoring = anchoring.held_to(&*self.ledger, &head).await?;
        let TimeVerdict::Stamped { stamp, .. } = anchoring.time else {
            return Ok(None);
        };
        Ok(stamp.latest_ms().and_then(|ms| i64::try_from(ms).ok()))
    }
}

/// Of a signature that is right in itself: whether its key may be relied on for it.
fn reason(key: &KnownKey, place: Option<Place>, verdict: &Verdict, now_ms: i64) -> Reason {
    let (in_time, earlier) = (
        in_time(key, place, verdict, now_ms),
        before_revocation(key, place),
    );
    match key.revocation() {
        Some(Revocation::Hard) => Reason::KeyRevoked,
        None | Some(_) if earlier && in_time == Reason::Valid => Reason::Valid,
        Some(Revocation::Retired) => Reason::KeyRetired,
        Some(Revocation::Superseded) => Reason::KeySuperseded,
        None => in_time,
    }
}

/// True of a key that is not revoked.
fn before_revocation(key: &KnownKey, place: Option<Place>) -> bool {
    if key.revocation().is_none() {
        return true;
    }
    // A revocation that is not logged yet comes after all that is; one that no row tells of
    // comes before.
    let at = key.row.revocation.as_ref().map(|revoked| revoked.place);
    place
        .zip(at)
        .is_some_and(|(place, at)| at.is_none_or(|at| place.index < at.index))
}

/// By the stamp where there is one: the log's own clock is its key holder's.
fn before_compromise(
    key: &KnownKey,
    place: Option<Place>,
    stamped_ms: Option<i64>,
    reason: Reason,
) -> Option<bool> {
    let revoked = key.row.revocation.as_ref();
    let at = revoked.and_then(|revoked| revoked.compromised_at);
    let earlier = place
        .zip(at)
        .is_some_and(|(place, at)| place.at.max(stamped_ms.unwrap_or(place.at)) < at);
    (reason == Reason::KeyRevoked).then(|| earlier && before_revocation(key, place))
}

/// Whether it was made while the key signed: by its place in the log. Without one its own date
/// tells, until the time is over in which it could still be logged.
fn in_time(key: &KnownKey, place: Option<Place>, verdict: &Verdict, now_ms: i64) -> Reason {
    let row = &key.row;
    let Some(from) = row.valid_from else {
        return Reason::KeyNotYetValid;
    };
    let ends_before = |place: Place| match (row.valid_until_index, row.valid_until) {
        (Some(index), _) => index <= place.index,
        (None, until) => until.is_some_and(|until| until <= place.at),
    };
    let is_over =
        row.valid_until_index.is_some() || row.valid_until.is_some_and(|until| until <= now_ms);
    let from_secs = u64::try_from(from.at / 1_000).unwrap_or_default();
    let signed_secs = verdict.signed_at.unwrap_or_default();
    match place {
        Some(place) if place.index < from.index => Reason::KeyNotYetValid,
        Some(place) if ends_before(place) => Reason::KeySuperseded,
        None if is_over => Reason::NotLogged,
        None if signed_secs.saturating_add(CLOCK_SKEW_SECS) < from_secs => Reason::KeyNotYetValid,
        _ => Reason::Valid,
    }
}

fn standing(known: &Known, key: &KnownKey) -> KeyStanding {
    KeyStanding {
        fingerprint: key.row.fingerprint.clone(),
        status: known.status(key),
        logged: None,
        stamped_by: None,
        before_compromise: None,
    }
}

fn sentence(reason: Reason, standing: &KeyStanding) -> String {
    let said = reason.sentence();
    match (reason, standing.status, standing.before_compromise) {
        (Reason::KeyRevoked, _, Some(true)) => {
            let shown = match &standing.stamped_by {
                Some(at) => format!("logged, and stamped by {at},"),
                None => "logged, by the log's own clock,".to_owned(),
            };
            format!(
                "{said} This signature is provably {shown} before the declared time of the \
                 compromise: judge it apart."
            )
        }
        (Reason::KeyNotYetValid, KeyStatus::Next, _) => {
            "The key's rotation is not in the log yet: ask again in a minute.".to_owned()
        }
        (Reason::KeyNotYetValid, _, _) if standing.logged.is_some() => {
            "This is logged before the key came in: do not rely on it.".to_owned()
        }
        (Reason::Valid, KeyStatus::Superseded | KeyStatus::Retired, _) => format!(
            "{said} The key was revoked since ({}); this is provably logged before.",
            json!(standing.status).as_str().unwrap_or_default()
        ),
        _ => said.to_owned(),
    }
}
