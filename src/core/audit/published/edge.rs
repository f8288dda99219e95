//! The right edge of the published log: partial files, the root and the checkpoint.

use super::files::Fault;
use super::{tile, wrong};
use crate::audit::auditor::Auditor;
use crate::audit::error::AuditError;
use crate::audit::finding::{Code, Finding};
use crate::audit::kept::LOG;
use crate::audit::progress::{Phase, Progress};
use crate::chain::checkpoint::Checkpoint;
use crate::chain::hash::Hash;
use crate::chain::keys::VerifierKey;
use crate::chain::note::MAX_NOTE_BYTES;
use crate::chain::tiles::{CHECKPOINT, Kind, TILE_WIDTH};
use crate::ledger::extends;

/// How often a log is asked whether it knows of the checkpoint that is published.
const ASKED_HEADS: usize = 20;

impl Auditor<'_> {
    /// Holds what is left of a level against its partial tile. Of the leaves there is a bundle too.
    pub(super) async fn partial_tile(
        &self,
        progress: &mut Progress,
        head: &Checkpoint,
        level: u8,
    ) -> Result<(), AuditError> {
        let there = head.size >> (u32::from(level) * 8);
        let (index, width) = (there / TILE_WIDTH, there % TILE_WIDTH);
        if width == 0 {
            progress.published.edge += 1;
            return Ok(());
        }
        let position = &progress.published;
        let pending = position.pending.get(&level).cloned();
        let (bundle, theirs) = if level == 0 {
            let [bundle, hashes] = self.pair(index, width).await?.found;
            (Some(bundle), hashes)
        } else {
            let tile = tile(Kind::Hashes(level), index, width);
            (None, self.published.read(&tile).await?)
        };
        let ours = match &bundle {
            Some(bundle) => bundle.hashes.clone(),
            None => Ok(pending.unwrap_or_default()),
        };
        let read = [&ours, &theirs.hashes]
            .into_iter()
            .filter_map(|read| read.as_ref().ok());
        let signed = read
            .clone()
            .find(|hashes| position.root_with(level, hashes) == head.root);
        let first = index * TILE_WIDTH;
        let (right, sure) = if let Some(signed) = signed {
            (signed.clone(), true)
        } else {
            // Something else is wrong, or wrong too.
            let width = usize::try_from(width).unwrap_or_default();
            let some = read.clone().next().cloned();
            let some = some.unwrap_or_else(|| vec![Hash::empty_root(); width]);
            self.proven_each(head, level, first, &some).await
        };
        let position = &mut progress.published;
        position.count(&theirs);
        let mut findings = Vec::new();
        if let Some(bundle) = &bundle {
            position.count(bundle);
            position.figures.leaves += ours.as_ref().map_or(0, |leaves| leaves.len() as u64);
            let tile = tile(Kind::Entries, index, width);
            findings.extend(wrong::file(&tile, &ours, Some(&right), sure));
        } else if let Ok(ours) = &ours {
            findings.extend(wrong::below(level, first, ours, &right));
        }
        let tile = tile(Kind::Hashes(level), index, width);
        findings.extend(wrong::file(&tile, &theirs.hashes, Some(&right), sure));
        position.pending.insert(level, right);
        position.edge += 1;
        progress.add(findings);
        Ok(())
    }

    /// The root, and the checkpoint that is published.
    pub(super) async fn end_published(
        &self,
        progress: &mut Progress,
        head: &Checkpoint,
    ) -> Result<(), AuditError> {
        let newest = self.published.get(CHECKPOINT, MAX_NOTE_BYTES).await?;
        let wrong = self.wrong_checkpoint(newest, head).await?;
        let root = progress.published.root();
        if root != head.root {
            let what = "the published files do not make the root that the log's head signs";
            let finding = Finding::new(Code::PublishedAltered, LOG, what);
            progress.add([finding.evidence(head.root.to_string(), root.to_string())]);
        }
        progress
            .add(wrong.map(|(code, what)| Finding::new(code, format!("log:{CHECKPOINT}"), what)));
        progress.phase = Phase::Facts;
        Ok(())
    }

    /// It is at least as new as the head that the log gave before.
    async fn wrong_checkpoint(
        &self,
        newest: Result<Vec<u8>, Fault>,
        head: &Checkpoint,
    ) -> Result<Option<(Code, String)>, AuditError> {
        let altered = |what: String| Ok(Some((Code::PublishedAltered, what)));
        let newest = match newest {
            Ok(bytes) => bytes,
            Err(Fault::Missing) if head.size == 0 => return Ok(None),
            Err(Fault::Missing) => {
                let what = "the published log has no checkpoint".to_owned();
                return Ok(Some((Code::PublishedMissing, what)));
            }
            Err(Fault::Unreadable(why)) => {
                return altered(format!("the published checkpoint cannot be read: {why}"));
            }
        };
        let key: Option<VerifierKey> = self.ledger.head().await?.verifier_key.parse().ok();
        let note = String::from_utf8(newest).unwrap_or_default();
        let Some(newest) = key.and_then(|key| Checkpoint::open(&note, &key).ok()) else {
            return altered("the published checkpoint is not signed by the log's key".to_owned());
        };
        if newest.size < head.size {
            let (now, before) = (newest.size, head.size);
            return altered(format!(
                "the published checkpoint is of {now} entries, and the log had published {before}"
            ));
        }
        self.noted(newest.size).await?;
        if extends(self.ledger, head, &newest).await? {
            return Ok(None);
        }
        altered("the published checkpoint does not extend the log's head".to_owned())
    }

    /// The log proves what it knows to be published: a moment after anybody can read it.
    async fn noted(&self, size: u64) -> Result<(), AuditError> {
        for _ in 0..ASKED_HEADS {
            let head = self.ledger.head().await?;
            self.published.count_request();
            if Checkpoint::parse_unverified(&head.checkpoint).is_ok_and(|head| head.size >= size) {
                break;
            }
        }
        Ok(())
    }
}
