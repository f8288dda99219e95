use std::rc::Rc;

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures::future::{join, join_all};
use serde_json::json;

use super::store::AnchorStore;
use super::{Anchor, Failure, KeptStamp, Vouchers};
use crate::chain::checkpoint::Checkpoint;
use crate::chain::hash::Hash;
use crate::chain::note::Note;
use crate::ledger::{Ledger, extends};
use crate::ports::{Bucket, Clock, Entropy, Http, Level, Log, Object};
use crate::sql::Sql;
use crate::timely::Timely;
use crate::timestamp::{NONCE_BYTES, TimestampRequest};
use crate::witness::client::{Prover, RemoteWitness, WitnessError};
use crate::witness::keys::Cosignature;

/// The newest checkpoint with cosignatures, among the published files of the log.
pub const WITNESSED: &str = "checkpoint.witnessed";
/// When those who did not vouch are asked again: this, doubled each time, up to [`MAX_WAIT_MS`].
const FIRST_WAIT_MS: u64 = 5_000;
const MAX_WAIT_MS: u64 = 10 * 60 * 1000;
/// The longest that one of those who are asked is listened to.
const ANSWER_MS: u64 = 15_000;
/// Of what somebody says instead of vouching.
const MAX_REASON_CHARS: usize = 200;

/// What anchoring needs from outside.
pub struct Ports {
    pub ledger: Rc<dyn Ledger>,
    pub http: Rc<dyn Http>,
    /// The published log.
    pub files: Rc<dyn Bucket>,
    pub clock: Rc<dyn Clock>,
    pub entropy: Rc<dyn Entropy>,
    pub log: Rc<dyn Log>,
}

/// Keeps the anchors of one log. One caller at a time.
pub struct Keeper<S> {
    pub store: AnchorStore<S>,
    pub vouchers: Vouchers,
    pub ports: Ports,
}

type Outcome<T> = Result<T, String>;

/// What one round of asking brought.
struct Round {
    stamp: Option<KeptStamp>,
    cosignatures: Vec<Cosignature>,
    failures: Vec<Failure>,
}

impl<S: Sql> Keeper<S> {
    /// Anchors the newest checkpoint if it is due, and asks again whom it is time to ask again.
    /// Returns when to come again, in milliseconds; `None` when there is nothing left to do
    /// until the log grows.
    ///
    /// # Errors
    /// The storage or the log did not answer: come again later.
    pub async fn tend(&self) -> Outcome<Option<u64>> {
        if self.vouchers.is_nobody() {
            return Ok(None);
        }
        let checkpoint = self.ports.ledger.head().await.map_err(text)?.checkpoint;
        let head = Checkpoint::parse_unverified(&checkpoint).map_err(text)?;
        let size = head.size;
        let newest = self.store.newest().map_err(text)?;
        let goes_on = match &newest {
            Some(known) => self.goes_on(known, &head, &checkpoint).await?,
            None => true,
        };
        let now_ms = self.now_ms();
        let (known_size, due_ms) = newest.as_ref().map_or((0, 0), |anchor| {
            (anchor.size, anchor.started_at_ms + self.vouchers.every_ms)
        });
        let has_grown = goes_on && size > known_size;
        let again_ms = newest.as_ref().and_then(|anchor| anchor.again_at_ms);
        let anchor = if has_grown && due_ms <= now_ms {
            self.begin(size, checkpoint, now_ms)?
        } else if let Some(anchor) = newest.filter(|_| again_ms.is_some_and(|at| at <= now_ms)) {
            anchor
        } else {
            let next_ms = [has_grown.then_some(due_ms), again_ms];
            let next_ms = next_ms.into_iter().flatten().min();
            return Ok(next_ms.map(|at| at.saturating_sub(now_ms)));
        };
        let anchor = self.ask(anchor).await?;
        let now_ms = self.now_ms();
        let grown_ms = (goes_on && size > anchor.size).then_some(due_ms);
        let next_ms = [grown_ms, anchor.again_at_ms].into_iter().flatten().min();
        Ok(next_ms.map(|at| at.saturating_sub(now_ms)))
    }

    /// What others have vouched for is the log's to keep: a head that does not extend it is
    /// said aloud, and never anchored over it.
    async fn goes_on(&self, known: &Anchor, head: &Checkpoint, checkpoint: &str) -> Outcome<bool> {
        let goes_on = if head.size <= known.size {
            checkpoint == known.checkpoint
        } else {
            let anchored = Checkpoint::parse_unverified(&known.checkpoint).map_err(text)?;
            extends(&*self.ports.ledger, &anchored, head)
                .await
                .map_err(text)?
        };
        if !goes_on {
            let fields = json!({ "anchored": known.checkpoint, "now": checkpoint });
            self.ports.log.record(Level::Error, "log_set_back", fields);
        }
        Ok(goes_on)
    }

    fn begin(&self, size: u64, checkpoint: String, now_ms: u64) -> Outcome<Anchor> {
        let anchor = Anchor {
            size,
            cosigned: checkpoint.clone(),
            checkpoint,
            quorum_met: false,
            stamp: None,
            started_at_ms: now_ms,
            attempts: 0,
            // Kept before anybody is asked: if this ends here, it goes on from here.
            again_at_ms: Some(now_ms + FIRST_WAIT_MS),
            failures: Vec::new(),
        };
        self.store.put(&anchor).map_err(text)?;
        Ok(anchor)
    }

    /// Asks everybody who has not vouched for `anchor`, all at once, and keeps what comes.
    async fn ask(&self, mut anchor: Anchor) -> Outcome<Anchor> {
        let mut note = Note::parse(&anchor.cosigned).map_err(text)?;
        let signed = Note::parse(&anchor.checkpoint).map_err(text)?;
        let round = self.round(&anchor, &note, &signed).await?;
        for cosignature in round.cosignatures {
            let witness = cosignature.witness.to_string();
            let kept = self.store.set_witnessed(&witness, anchor.size);
            kept.map_err(text)?;
            note.add_signature(cosignature.line).map_err(text)?;
        }
        anchor.stamp = anchor.stamp.or(round.stamp);
        anchor.attempts += 1;
        anchor.failures = round.failures;
        if let Some(policy) = &self.vouchers.witnesses {
            match policy.judge(&note) {
                Ok(witnessed) => anchor.quorum_met = witnessed.quorum_met,
                // Whoever is to blame, all are asked again; the stamp stays.
                Err(error) => {
                    anchor.failures.push(Failure {
                        of: WITNESSED.to_owned(),
                        reason: error.to_string(),
                    });
                    (note, anchor.quorum_met) = (signed, false);
                }
            }
        }
        anchor.cosigned = note.to_string();
        let shown = self.publish(&anchor).await;
        let is_complete = shown.is_ok() && self.is_complete(&anchor, &note);
        anchor.failures.extend(shown.err().map(|reason| Failure {
            of: WITNESSED.to_owned(),
            reason,
        }));
        anchor.again_at_ms = (!is_complete).then(|| self.now_ms() + wait_ms(anchor.attempts));
        self.store.put(&anchor).map_err(text)?;
        self.tell(&anchor);
        Ok(anchor)
    }

    async fn round(&self, anchor: &Anchor, note: &Note, signed: &Note) -> Outcome<Round> {
        let turn = self.store.count().map_err(text)? + u64::from(anchor.attempts);
        let missing = self.missing(note);
        let asked = missing.iter().map(|witness| self.cosign(witness, signed));
        let (stamped, cosigned) = join(self.stamp(anchor, turn), join_all(asked)).await;
        let (stamp, mut failures) = stamped?;
        let mut cosignatures = Vec::new();
        for (witness, outcome) in missing.iter().zip(cosigned) {
            match outcome {
                Ok(cosignature) => cosignatures.push(cosignature),
                Err(error) => failures.push(Failure {
                    of: witness.key.name().to_owned(),
                    reason: short(&error),
                }),
            }
        }
        Ok(Round {
            stamp,
            cosignatures,
            failures,
        })
    }

    async fn stamp(
        &self,
        anchor: &Anchor,
        turn: u64,
    ) -> Outcome<(Option<KeptStamp>, Vec<Failure>)> {
        let Some(authorities) = &self.vouchers.authorities else {
            return Ok((None, Vec::new()));
        };
        if anchor.stamp.is_some() {
            return Ok((None, Vec::new()));
        }
        let mut nonce = [0; NONCE_BYTES];
        self.ports.entropy.fill(&mut nonce).map_err(text)?;
        let request = TimestampRequest::new(Hash::of(anchor.checkpoint.as_bytes()), nonce);
        let now_ms = self.ports.clock.now_ms();
        let (stamped, failed) = authorities
            .stamp(&self.timely(), &request, turn, now_ms)
            .await;
        let stamp = stamped.map(|stamped| KeptStamp {
            url: stamped.url,
            reply: STANDARD.encode(stamped.reply),
            received_at_ms: self.now_ms(),
        });
        let failures = failed.into_iter().map(|failed| Failure {
            of: failed.url,
            reason: short(&failed.error),
        });
        Ok((stamp, failures.collect()))
    }

    async fn cosign(
        &self,
        witness: &RemoteWitness,
        signed: &Note,
    ) -> Result<Cosignature, WitnessError> {
        let known = self.store.witnessed(&witness.key.to_string());
        // A size that cannot be read is one that is not known: the witness says its own.
        let known = known.unwrap_or(0);
        let prover = LedgerProver(&*self.ports.ledger);
        witness.cosign(&self.timely(), &prover, signed, known).await
    }

    /// No one of those who are asked holds up the others.
    fn timely(&self) -> Timely {
        Timely {
            http: Rc::clone(&self.ports.http),
            clock: Rc::clone(&self.ports.clock),
            total_ms: ANSWER_MS,
        }
    }

    /// Witnesses who have not cosigned.
    fn missing(&self, note: &Note) -> Vec<&RemoteWitness> {
        let policy = self.vouchers.witnesses.as_ref();
        let all = policy.map_or(&[][..], |policy| &policy.reachable);
        let has = |witness: &RemoteWitness| {
            let found = witness.key.cosignatures(note);
            found.is_ok_and(|found| !found.is_empty())
        };
        all.iter().filter(|witness| !has(witness)).collect()
    }

    fn tell(&self, anchor: &Anchor) {
        for Failure { of, reason } in &anchor.failures {
            let fields = json!({ "size": anchor.size, "of": of, "cause": reason });
            self.ports.log.record(Level::Warn, "not_vouched", fields);
        }
    }

    fn is_complete(&self, anchor: &Anchor, note: &Note) -> bool {
        let stamped = self.vouchers.authorities.is_none() || anchor.stamp.is_some();
        stamped && self.missing(note).is_empty()
    }

    /// Shows the cosignatures to everybody. The log's own checkpoint is another file, so that
    /// this one, which comes later, never puts an older head in place of a newer.
    async fn publish(&self, anchor: &Anchor) -> Outcome<()> {
        if anchor.cosigned == anchor.checkpoint {
            return Ok(());
        }
        let object = Object {
            bytes: anchor.cosigned.clone().into_bytes().into(),
            content_type: "text/plain; charset=utf-8".to_owned(),
            cache_control: "no-cache".to_owned(),
            version: String::new(),
        };
        let put = self.ports.files.put(WITNESSED, object).await;
        put.map_err(text)
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.ports.clock.now_ms()).unwrap_or(0)
    }
}

fn short(error: &impl ToString) -> String {
    error.to_string().chars().take(MAX_REASON_CHARS).collect()
}

fn wait_ms(attempts: u32) -> u64 {
    let doubled = 1u64.checked_shl(attempts.saturating_sub(1).min(20));
    (FIRST_WAIT_MS * doubled.unwrap_or(1)).min(MAX_WAIT_MS)
}

struct LedgerProver<'a>(&'a dyn Ledger);

#[async_trait(?Send)]
impl Prover for LedgerProver<'_> {
    async fn prove(&self, first: u64, second: u64) -> Result<Vec<Hash>, String> {
        let proof = self.0.consistency(first, second).await.map_err(text)?;
        Ok(proof.proof)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the form map_err wants")]
fn text(error: impl ToString) -> String {
    error.to_string()
}
