//! The log held against checkpoints that were kept outside of it: by whoever asks for an audit, by
//! earlier audits, and by witnesses and time stamping authorities.

use super::auditor::Auditor;
use super::error::AuditError;
use super::finding::{Code, Finding};
use crate::anchoring::{Anchoring, TimeVerdict, WitnessVerdict};
use crate::chain::checkpoint::Checkpoint;
use crate::chain::keys::VerifierKey;
use crate::ledger::extends;
use crate::time::to_rfc3339;

/// Subject of findings about no row and no fact.
pub(super) const LOG: &str = "log";

/// A checkpoint, and who has it from when: `that … `.
struct Kept<'a> {
    note: &'a str,
    by: String,
}

impl Auditor<'_> {
    /// What is wrong with a head, given what was kept and what others vouched for before it.
    pub(super) async fn held_against(
        &self,
        anchoring: &Anchoring,
        head: &Checkpoint,
        key: &VerifierKey,
    ) -> Result<Vec<Finding>, AuditError> {
        let mut found = broken(anchoring);
        let known = self.scope.known.iter().map(|note| Kept {
            note,
            by: "that was kept outside of it".to_owned(),
        });
        for kept in known.chain(vouched(anchoring)) {
            found.extend(self.outside(&kept, head, key).await?);
        }
        Ok(found)
    }

    /// The log must extend whatever checkpoint of it was kept elsewhere.
    async fn outside(
        &self,
        kept: &Kept<'_>,
        head: &Checkpoint,
        key: &VerifierKey,
    ) -> Result<Option<Finding>, AuditError> {
        let by = &kept.by;
        let Ok(known) = Checkpoint::open(kept.note, key) else {
            let what = format!("a checkpoint {by} is signed by another key than the log's");
            return Ok(Some(Finding::new(Code::CheckpointUnsigned, LOG, what)));
        };
        if known.size > head.size {
            let what = format!("the log has fewer entries than a checkpoint {by}");
            let (expected, now) = (known.size.to_string(), head.size.to_string());
            let finding = Finding::new(Code::LogRolledBack, LOG, what);
            return Ok(Some(finding.evidence(expected, now)));
        }
        if extends(self.ledger, &known, head).await? {
            return Ok(None);
        }
        let what = format!("the log does not extend a checkpoint {by}");
        let (expected, now) = (known.root.to_string(), head.root.to_string());
        let finding = Finding::new(Code::LogForked, LOG, what);
        Ok(Some(finding.evidence(expected, now)))
    }
}

/// The checkpoints that others vouch for.
fn vouched(anchoring: &Anchoring) -> Vec<Kept<'_>> {
    let mut kept = Vec::new();
    if let TimeVerdict::Stamped {
        checkpoint, stamp, ..
    } = &anchoring.time
    {
        let at = to_rfc3339(stamp.time_ms);
        kept.push(Kept {
            note: checkpoint,
            by: format!("that {} stamped at {at}", stamp.authority),
        });
    }
    if let WitnessVerdict::Witnessed { checkpoint, by, .. } = &anchoring.witnesses {
        let one = |by: &crate::witness::policy::WitnessedBy| {
            let at = i64::try_from(by.time_s.saturating_mul(1_000)).map(to_rfc3339);
            let name = by.witness.split('+').next().unwrap_or_default();
            format!("{name} at {}", at.unwrap_or_default())
        };
        let all: Vec<String> = by.iter().map(one).collect();
        kept.push(Kept {
            note: checkpoint,
            by: format!("that witnesses cosigned ({})", all.join(", ")),
        });
    }
    kept
}

/// What is kept of others and does not hold.
fn broken(anchoring: &Anchoring) -> Vec<Finding> {
    let finding = |what: String| Finding::new(Code::AnchorInvalid, LOG, what);
    let mut found = Vec::new();
    if let TimeVerdict::Fails {
        tree_size, reason, ..
    } = &anchoring.time
    {
        let what =
            format!("the time stamp of the tree of {tree_size} facts does not hold: {reason}");
        found.push(finding(what));
    }
    if let WitnessVerdict::Fails { tree_size, reason } = &anchoring.witnesses {
        let what = format!("cosignatures of the tree of {tree_size} facts do not hold: {reason}");
        found.push(finding(what));
    }
    found
}
