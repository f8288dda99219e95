//! Re-reading a log in slices: every row is computed again from its data and
//! compared; nothing stored is taken on trust.

use serde::{Deserialize, Serialize};

use super::checkpoint::Checkpoint;
use super::fact::{SaltedFact, fact_id};
use super::keys::VerifierKey;
use super::store::{EntryRow, LogStore};
use super::tree::{self, TreeError};

/// Most entries of one slice.
pub const MAX_AUDIT_SLICE: u64 = 1000;

/// What one slice found. A whole audit starts at 0, follows `next`, and ends
/// when that is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditSlice {
    pub from: u64,
    /// Where to go on; `None` at the end of the log.
    pub next: Option<u64>,
    pub size: u64,
    pub erased: u64,
    pub findings: Vec<Finding>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub index: u64,
    pub problem: Problem,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Problem {
    EntryMissing,
    /// The content is not what the fact id commits to.
    ContentAltered,
    /// Logged earlier than the entry before it.
    TimeWentBack,
    /// A stored tree node is missing or not the hash of what is below it.
    TreeAltered,
    /// The round's checkpoint is missing, unsigned, of another key, size or root.
    CheckpointWrong,
    /// Looking the entry up by fact id or key leads elsewhere.
    LookupWrong,
}

/// Audits up to `limit` entries (at most [`MAX_AUDIT_SLICE`]) from `from` on.
///
/// What no audit of one copy can see: the newest entries cut off cleanly, or
/// everything rebuilt with the stolen key. Compare with a checkpoint kept
/// elsewhere (consistency proof) for that.
///
/// # Errors
/// The store's own.
pub fn audit<S: LogStore>(
    store: &S,
    log_key: &VerifierKey,
    from: u64,
    limit: u64,
) -> Result<AuditSlice, S::Error> {
    let size = store.size()?;
    let end = size.min(from.saturating_add(limit.clamp(1, MAX_AUDIT_SLICE)));
    let mut slice = AuditSlice {
        from,
        next: (end < size).then_some(end),
        size,
        erased: 0,
        findings: Vec::new(),
    };
    let mut previous = match from.checked_sub(1) {
        Some(index) => store.entry(index)?,
        None => None,
    };
    for index in from..end {
        let row = store.entry(index)?.filter(|row| row.index == index);
        let problems = match &row {
            Some(row) => check_row(store, log_key, row, previous.as_ref())?,
            None => vec![Problem::EntryMissing],
        };
        let found = problems
            .into_iter()
            .map(|problem| Finding { index, problem });
        slice.findings.extend(found);
        slice.erased += u64::from(row.as_ref().is_some_and(|row| row.content.is_none()));
        previous = row;
    }
    Ok(slice)
}

fn check_row<S: LogStore>(
    store: &S,
    log_key: &VerifierKey,
    row: &EntryRow,
    previous: Option<&EntryRow>,
) -> Result<Vec<Problem>, S::Error> {
    let checks = [
        (content_holds(row), Problem::ContentAltered),
        (
            previous.is_none_or(|before| before.logged_at_ms <= row.logged_at_ms),
            Problem::TimeWentBack,
        ),
        (nodes_hold(store, row)?, Problem::TreeAltered),
        (
            checkpoint_holds(store, log_key, row)?,
            Problem::CheckpointWrong,
        ),
        (lookups_hold(store, row)?, Problem::LookupWrong),
    ];
    let failed = checks.into_iter().filter(|(holds, _)| !holds);
    Ok(failed.map(|(_, problem)| problem).collect())
}

fn content_holds(row: &EntryRow) -> bool {
    row.content
        .as_ref()
        .is_none_or(|content| fact_id(content) == row.fact_id && SaltedFact::parse(content).is_ok())
}

/// Computes the nodes this entry completed and compares them with the stored.
fn nodes_hold<S: LogStore>(store: &S, row: &EntryRow) -> Result<bool, S::Error> {
    let computed = tree::append(store, row.index, row.entry().leaf_hash());
    let Some(nodes) = readable(computed)? else {
        return Ok(false);
    };
    for node in nodes {
        if store.get(node.level, node.index)? != Some(node.hash) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// An entry is under the head of its round, which is checked at the round's last entry.
fn checkpoint_holds<S: LogStore>(
    store: &S,
    log_key: &VerifierKey,
    row: &EntryRow,
) -> Result<bool, S::Error> {
    let size = row.index + 1;
    let Some(round) = store.round_from(size)? else {
        return Ok(false);
    };
    if round.size != size {
        return Ok(true);
    }
    let root = readable(tree::root(store, size))?;
    let checkpoint = Checkpoint::open(&round.checkpoint, log_key).ok();
    Ok(checkpoint.is_some_and(|head| head.size == size && Some(head.root) == root))
}

fn lookups_hold<S: LogStore>(store: &S, row: &EntryRow) -> Result<bool, S::Error> {
    let here = Some(row.index);
    Ok(store.index_by_fact(&row.fact_id)? == here
        && store.index_by_key(&row.idempotency_key)? == here)
}

/// Separates a store that failed from a tree that is damaged.
fn readable<T, E>(result: Result<T, TreeError<E>>) -> Result<Option<T>, E> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(TreeError::Store(error)) => Err(error),
        Err(_) => Ok(None),
    }
}
