use base64::{Engine as _, engine::general_purpose::STANDARD};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::store::{AnchorStore, Having};
use super::{Anchor, Failure, KeptStamp, Vouchers};
use crate::chain::checkpoint::Checkpoint;
use crate::chain::hash::Hash;
use crate::chain::note::Note;
use crate::ledger::{Ledger, LedgerError, extends};
use crate::sql::{DatabaseError, Sql};
use crate::timestamp::{Stamp, TrustAnchors, verify};
use crate::witness::policy::{WitnessPolicy, WitnessedBy};

/// What others vouch for of the log's first leaves. Time and witnesses stay apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Anchoring {
    pub time: TimeVerdict,
    pub witnesses: WitnessVerdict,
}

impl Anchoring {
    /// Of a log that nobody vouches for.
    #[must_use]
    pub const fn not_configured() -> Self {
        Self {
            time: TimeVerdict::NotConfigured,
            witnesses: WitnessVerdict::NotConfigured,
        }
    }
}

const ANOTHER_TREE: &str = "it is of another tree than this log's, which was set back or made anew";

impl Anchoring {
    /// What is vouched for of a tree that the log's head does not share says nothing of it.
    ///
    /// # Errors
    /// The log does not answer.
    pub async fn held_to(
        mut self,
        ledger: &dyn Ledger,
        head: &Checkpoint,
    ) -> Result<Self, LedgerError> {
        if let TimeVerdict::Stamped {
            tree_size,
            checkpoint,
            kept,
            ..
        } = &self.time
            && !is_of(ledger, head, checkpoint).await?
        {
            self.time = TimeVerdict::Fails {
                tree_size: *tree_size,
                reason: ANOTHER_TREE.to_owned(),
                kept: kept.clone(),
            };
        }
        if let WitnessVerdict::Witnessed {
            tree_size,
            checkpoint,
            ..
        } = &self.witnesses
            && !is_of(ledger, head, checkpoint).await?
        {
            self.witnesses = WitnessVerdict::Fails {
                tree_size: *tree_size,
                reason: ANOTHER_TREE.to_owned(),
            };
        }
        Ok(self)
    }
}

async fn is_of(ledger: &dyn Ledger, head: &Checkpoint, vouched: &str) -> Result<bool, LedgerError> {
    match Checkpoint::parse_unverified(vouched) {
        Ok(vouched) if vouched.size < head.size => extends(ledger, &vouched, head).await,
        Ok(vouched) => extends(ledger, head, &vouched).await,
        Err(_) => Ok(false),
    }
}

/// Whether a third party says when. Checked anew from the bytes each time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum TimeVerdict {
    /// The checkpoint of `tree_size` leaves existed at the authority's time.
    Stamped {
        tree_size: u64,
        /// The stamped bytes: the checkpoint as the log alone signed it.
        checkpoint: String,
        stamp: Stamp,
        kept: KeptStamp,
        /// The certificates in PEM that the authority was believed by. Compare them with copies
        /// you got elsewhere.
        trust_anchors: String,
    },
    /// A reply is kept and does not hold (any more).
    Fails {
        tree_size: u64,
        reason: String,
        kept: KeptStamp,
    },
    /// No stamp of a checkpoint of this size or larger, yet.
    NotStamped { failures: Vec<Failure> },
    /// No authority is configured: our own clock alone says when.
    NotConfigured,
}

/// Whether others saw the log only grow. Checked anew from the bytes each time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum WitnessVerdict {
    /// The policy's quorum cosigned the checkpoint of `tree_size` leaves.
    Witnessed {
        tree_size: u64,
        /// The checkpoint with its cosignatures.
        checkpoint: String,
        by: Vec<WitnessedBy>,
        /// Witnesses, groups and quorum (C2SP tlog-policy). Compare the keys with copies you got
        /// elsewhere.
        policy: String,
    },
    /// Cosignatures are kept and do not hold, or are not a quorum by the policy of today.
    Fails { tree_size: u64, reason: String },
    /// No quorum cosigned a checkpoint of this size or larger, yet.
    NotWitnessed {
        by: Vec<WitnessedBy>,
        failures: Vec<Failure>,
    },
    /// No witness is configured: who holds the log's key could show others another log.
    NotConfigured,
}

impl Vouchers {
    /// What is vouched for of the first `size` leaves: the smallest anchors that cover them and
    /// hold today, for policy and authorities may have changed since.
    /// Without a size: the newest that hold.
    ///
    /// # Errors
    /// The storage failed.
    pub fn judge<S: Sql>(
        &self,
        store: &AnchorStore<S>,
        size: Option<u64>,
    ) -> Result<Anchoring, DatabaseError> {
        // One that is too small says nothing of these leaves.
        let newest = store.newest()?;
        let newest = newest.filter(|anchor| size.is_none_or(|size| anchor.size >= size));
        let time = match &self.authorities {
            None => TimeVerdict::NotConfigured,
            Some(authorities) => match first_that_holds(
                store.covering(size, Having::Stamp)?,
                |anchor| judge_time(anchor, &authorities.anchors),
                |verdict| matches!(verdict, TimeVerdict::Stamped { .. }),
            ) {
                Some(verdict) => verdict,
                None => TimeVerdict::NotStamped {
                    failures: newest.clone().map_or(Vec::new(), |anchor| anchor.failures),
                },
            },
        };
        let witnesses = match &self.witnesses {
            None => WitnessVerdict::NotConfigured,
            Some(policy) => match first_that_holds(
                store.covering(size, Having::Quorum)?,
                |anchor| judge_witnesses(&anchor, policy),
                |verdict| matches!(verdict, WitnessVerdict::Witnessed { .. }),
            ) {
                Some(verdict) => verdict,
                None => not_witnessed(newest, policy),
            },
        };
        Ok(Anchoring { time, witnesses })
    }
}

/// If none does: what is wrong with the first.
fn first_that_holds<V>(
    anchors: Vec<Anchor>,
    judge: impl Fn(Anchor) -> V,
    holds: impl Fn(&V) -> bool,
) -> Option<V> {
    let mut first = None;
    for verdict in anchors.into_iter().map(judge) {
        if holds(&verdict) {
            return Some(verdict);
        }
        first.get_or_insert(verdict);
    }
    first
}

fn judge_time(anchor: Anchor, anchors: &TrustAnchors) -> TimeVerdict {
    let tree_size = anchor.size;
    let Some(kept) = anchor.stamp else {
        let failures = anchor.failures;
        return TimeVerdict::NotStamped { failures };
    };
    let hash = Hash::of(anchor.checkpoint.as_bytes());
    let reply = STANDARD.decode(&kept.reply).unwrap_or_default();
    match verify(&reply, &hash, None, anchors) {
        Ok(stamp) => TimeVerdict::Stamped {
            tree_size,
            checkpoint: anchor.checkpoint,
            stamp,
            kept,
            trust_anchors: anchors.to_pem().to_owned(),
        },
        Err(error) => TimeVerdict::Fails {
            tree_size,
            reason: error.to_string(),
            kept,
        },
    }
}

fn judge_witnesses(anchor: &Anchor, policy: &WitnessPolicy) -> WitnessVerdict {
    let tree_size = anchor.size;
    let note = Note::parse(&anchor.cosigned);
    let fails = |reason: String| WitnessVerdict::Fails { tree_size, reason };
    match note.and_then(|note| policy.judge(&note)) {
        Ok(witnessed) if witnessed.quorum_met => WitnessVerdict::Witnessed {
            tree_size,
            checkpoint: anchor.cosigned.clone(),
            by: witnessed.by,
            policy: policy.text.clone(),
        },
        Ok(_) => fails("those who cosigned are no quorum of the policy of today".to_owned()),
        Err(error) => fails(error.to_string()),
    }
}

fn not_witnessed(newest: Option<Anchor>, policy: &WitnessPolicy) -> WitnessVerdict {
    let Some(anchor) = newest else {
        return WitnessVerdict::NotWitnessed {
            by: Vec::new(),
            failures: Vec::new(),
        };
    };
    let note = Note::parse(&anchor.cosigned);
    let witnessed = note.and_then(|note| policy.judge(&note));
    WitnessVerdict::NotWitnessed {
        by: witnessed.map_or(Vec::new(), |witnessed| witnessed.by),
        failures: anchor.failures,
    }
}
