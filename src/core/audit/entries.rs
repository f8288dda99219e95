//! The log's entries, read again from its own storage and held against its signed head.

use super::auditor::Auditor;
use super::erasure::told_erased;
use super::error::AuditError;
use super::finding::{Code, Finding};
use super::kept::LOG;
use super::progress::{Phase, Progress};
use super::types::Level;
use crate::chain::checkpoint::Checkpoint;
use crate::chain::hash::Hash;
use crate::chain::keys::VerifierKey;
use crate::chain::receipt::StoredFact;

/// Facts that an audit of depth `comprehensive` reads, the newest.
const RECENT_FACTS: u64 = 1_000;

impl Auditor<'_> {
    /// The head first: what comes after is not of this audit.
    pub(super) async fn begin_log(&self, progress: &mut Progress) -> Result<(), AuditError> {
        if !self.scope.chain {
            progress.phase = Phase::Done;
            return Ok(());
        }
        // Before the head, so that an honest one is never behind what others vouched for.
        let anchoring = self.ledger.anchoring(None).await?;
        let head = self.ledger.head().await?;
        let key = head.verifier_key.parse::<VerifierKey>().ok();
        let opened =
            key.and_then(|key| Some((Checkpoint::open(&head.checkpoint, &key).ok()?, key)));
        let forensic = self.scope.level == Level::Forensic;
        let mut next = Phase::Facts;
        if let Some((checkpoint, key)) = opened {
            let found = self.held_against(&anchoring, &checkpoint, &key).await?;
            progress.add(
                found
                    .into_iter()
                    .chain(self.extra_rows(checkpoint.size).await?),
            );
            if forensic {
                next = Phase::Published;
            } else {
                progress.next = checkpoint.size.saturating_sub(RECENT_FACTS);
            }
        } else {
            // Nothing that is published can be held against it.
            let what = "the newest checkpoint is not signed by the log's key";
            progress.add([Finding::new(Code::CheckpointUnsigned, LOG, what)]);
        }
        progress.head = Some(head.checkpoint);
        progress.phase = next;
        Ok(())
    }

    pub(super) async fn entries(&self, progress: &mut Progress) -> Result<(), AuditError> {
        let Some(head) = progress.head() else {
            progress.phase = Phase::Done;
            return Ok(());
        };
        let mut entries = Vec::new();
        if progress.next < head.size || !progress.erased.is_empty() {
            entries = self.ledger.entries(progress.next).await?;
        }
        let since = entries.split_off(entries.partition_point(|one| one.leaf_index < head.size));
        if entries.is_empty() {
            self.after_head(progress, &head, &since);
            return Ok(());
        }
        let found = self.check_entries(&entries, progress.before_ms).await?;
        let mut untold = Vec::new();
        if self.scope.level == Level::Forensic {
            untold = self.untold(&entries).await?;
        }
        progress.add(found);
        progress.add_erased(untold);
        for entry in &entries {
            progress.add(gap(progress.next, entry.leaf_index));
            for fact in told_erased(entry) {
                progress.erased.remove(&fact);
            }
            progress.frontier.push(entry.entry().leaf_hash());
            progress.before_ms = entry.logged_at_ms;
            progress.next = entry.leaf_index + 1;
        }
        progress.facts += entries.len() as u64;
        Ok(())
    }

    /// What was erased while the audit went on is told of after the head.
    fn after_head(&self, progress: &mut Progress, head: &Checkpoint, since: &[StoredFact]) {
        progress.add(gap(progress.next, head.size));
        progress.next = progress.next.max(head.size);
        for entry in since {
            for fact in told_erased(entry) {
                progress.erased.remove(&fact);
            }
            progress.next = entry.leaf_index + 1;
        }
        if since.is_empty() || progress.erased.is_empty() {
            self.end_log(progress, head);
        }
    }

    fn end_log(&self, progress: &mut Progress, head: &Checkpoint) {
        let forensic = self.scope.level == Level::Forensic;
        let read = (progress.frontier.size, progress.frontier.root());
        if forensic && read != (head.size, head.root) {
            let what = "the facts read do not have the size and root that the checkpoint signs";
            let of = |size: u64, root: Hash| format!("{size} {root}");
            let finding = Finding::new(Code::TreeAltered, LOG, what);
            let (expected, found) = (of(head.size, head.root), of(read.0, read.1));
            progress.add([finding.evidence(expected, found)]);
        }
        if forensic {
            let gone: Vec<Finding> = progress.erased.iter().map(content_gone).collect();
            progress.add(gone);
            if progress.more_erased > 0 {
                let what = format!(
                    "content is gone of {} facts more than an audit can look for erasures of",
                    progress.more_erased
                );
                progress.add([Finding::new(Code::ContentGone, LOG, what)]);
            }
        }
        progress.phase = Phase::Done;
    }
}

/// The entries from `next` to `found` are missing.
fn gap(next: u64, found: u64) -> Option<Finding> {
    let last = found.checked_sub(1).filter(|last| *last >= next)?;
    let what = format!("the log's storage does not have the entries {next} to {last}");
    Some(Finding::new(
        Code::FactMissing,
        format!("fact:{next}"),
        what,
    ))
}

fn content_gone(fact: &Hash) -> Finding {
    let what = "the fact's content is gone, and no erasure of it is in the log";
    Finding::new(
        Code::ContentGone,
        format!("chitty_chain_facts:{fact}"),
        what,
    )
}
