//! One audit, in slices: rows first, then the log's facts, then the log as a whole.

use std::collections::BTreeSet;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::erasure::told_erased;
use super::error::AuditError;
use super::finding::{Code, Finding};
use super::frontier::Frontier;
use super::history::{Named, histories};
use super::kept::LOG;
use super::tables::{TABLES, Table};
use super::types::Level;
use crate::chain::checkpoint::Checkpoint;
use crate::chain::hash::Hash;
use crate::chain::keys::VerifierKey;
use crate::ledger::Ledger;
use crate::ports::{Bucket, Database};
use crate::seal::Sealer;
use crate::sql::{Narrowed, Row, Value};

/// Findings that a report has; what is more is counted.
const MOST_FINDINGS: usize = 500;
/// Facts that an audit of depth `comprehensive` reads, the newest.
const RECENT_FACTS: u64 = 1_000;
/// Erased facts that an audit keeps in mind until it meets what tells of them.
const MOST_ERASED: usize = 5_000;

/// Whoever knows the keys of the fortress.
#[async_trait(?Send)]
pub trait Signatures {
    /// Whether the signature of a run's manifest holds, and why not.
    async fn check(&self, manifest: &str, signature: &str) -> Result<Result<(), String>, String>;
}

/// What an audit is about and what it works with.
pub struct Auditor<'a> {
    pub db: &'a dyn Database,
    pub ledger: &'a dyn Ledger,
    pub sealer: &'a Sealer,
    pub signatures: &'a dyn Signatures,
    /// Where package files are kept, if anywhere.
    pub files: Option<&'a dyn Bucket>,
    pub scope: &'a Scope,
    pub now_ms: i64,
}

/// Which rows, and how deep.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    pub level: Level,
    /// Rows of these executions only. None: all rows.
    pub executions: Option<Vec<String>>,
    /// Rows since then, by their own word. None: whatever they say.
    pub since_ms: Option<i64>,
    pub signatures: bool,
    /// The log's facts too.
    pub chain: bool,
    /// The files of packages too.
    #[serde(default)]
    pub files: bool,
    /// Checkpoints kept outside of the log, which it must extend.
    pub known: Vec<String>,
}

/// Where an audit is; it can be put aside after each slice.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Progress {
    table: usize,
    after: String,
    rows_done: bool,
    /// The head when the audit came to the log.
    head: Option<String>,
    next: u64,
    frontier: Frontier,
    before_ms: u64,
    /// Facts whose content is gone, and whose erasure has not been met; and how many more.
    erased: BTreeSet<Hash>,
    #[serde(default)]
    more_erased: u64,
    pub executions: u64,
    pub rows: u64,
    pub facts: u64,
    pub signatures: u64,
    pub findings: Vec<Finding>,
    pub more_findings: u64,
    pub done: bool,
}

impl Progress {
    /// The log's signed head that everything was held against.
    pub fn checkpoint(&self) -> Option<&str> {
        self.head.as_deref()
    }

    fn add(&mut self, findings: impl IntoIterator<Item = Finding>) {
        for finding in findings {
            if self.findings.contains(&finding) {
                continue;
            }
            if self.findings.len() < MOST_FINDINGS {
                self.findings.push(finding);
            } else {
                self.more_findings += 1;
            }
        }
    }
}

impl Auditor<'_> {
    /// Does the next slice. After an error it is done again.
    pub async fn step(&self, progress: &mut Progress) -> Result<(), AuditError> {
        if !progress.rows_done {
            return self.rows(progress).await;
        }
        if !self.scope.chain {
            progress.done = true;
            return Ok(());
        }
        if progress.head.is_none() {
            return self.begin_log(progress).await;
        }
        self.entries(progress).await
    }

    async fn rows(&self, progress: &mut Progress) -> Result<(), AuditError> {
        let Some(table) = TABLES.get(progress.table) else {
            progress.rows_done = true;
            return Ok(());
        };
        let rows = self.page(table, &progress.after).await?;
        let mut found = Vec::new();
        if progress.table == 0 && progress.after.is_empty() {
            found = self.gone().await?;
        }
        let names = rows.iter().map(|row| Named::of(table, row));
        let names: Vec<Named> = names.collect::<Result<_, _>>()?;
        let known = histories(self.ledger, &names).await?;
        for (row, history) in rows.iter().zip(&known) {
            found.extend(self.check_row(table, row, history)?);
            progress.signatures += u64::from(self.check_run(table, row, &mut found).await?);
            if self.reads_files(table) {
                found.extend(self.check_file(row).await?);
            }
        }
        progress.rows += rows.len() as u64;
        if progress.table == 0 {
            progress.executions += rows.len() as u64;
        }
        progress.add(found);
        match rows.last() {
            Some(last) if rows.len() >= table.page() => progress.after = last.text("id")?,
            _ => {
                progress.table += 1;
                progress.after.clear();
            }
        }
        Ok(())
    }

    async fn page(&self, table: &Table, after: &str) -> Result<Vec<Row>, AuditError> {
        // One that is on record and says it is not final is looked at too.
        let select = format!(
            "{} WHERE ({} OR recorded_fact IS NOT NULL) AND id > ?",
            table.select(),
            table.lasting
        );
        let mut query = Narrowed::new(&select, [after.into()]);
        if let Some(executions) = &self.scope.executions {
            query.and(&among(table.execution, executions), values(executions));
        }
        let since = format!("COALESCE({}, created_at) >= ?", table.since);
        query.and_if(&since, self.scope.since_ms.map(Value::Timestamp));
        let limit = i64::try_from(table.page()).unwrap_or(i64::MAX);
        let asked = query.finish(" ORDER BY id LIMIT ?", [limit.into()]);
        Ok(self.db.run(asked).await?.rows)
    }

    /// Executions that were named and have no row: it was removed.
    async fn gone(&self) -> Result<Vec<Finding>, AuditError> {
        let executions = self.scope.executions.as_deref().unwrap_or_default();
        let select = format!(
            "SELECT id FROM secure_executions WHERE {}",
            among("id", executions)
        );
        let asked = Narrowed::new(&select, values(executions)).finish("", []);
        let there = self.db.run(asked).await?.rows;
        let there: Vec<String> = there
            .iter()
            .map(|row| row.text("id"))
            .collect::<Result<_, _>>()?;
        let gone = executions.iter().filter(|id| !there.contains(id));
        let what =
            "the execution that was asked for is on record, and the database does not have it";
        let finding = |id| Finding::new(Code::RowMissing, format!("secure_executions:{id}"), what);
        Ok(gone.map(finding).collect())
    }

    /// The head first: what comes after is not of this audit.
    async fn begin_log(&self, progress: &mut Progress) -> Result<(), AuditError> {
        // Before the head, so that an honest one is never behind what others vouched for.
        let anchoring = self.ledger.anchoring(None).await?;
        let head = self.ledger.head().await?;
        let key = head.verifier_key.parse::<VerifierKey>().ok();
        let opened =
            key.and_then(|key| Some((Checkpoint::open(&head.checkpoint, &key).ok()?, key)));
        if let Some((checkpoint, key)) = opened {
            progress.add(self.held_against(&anchoring, &checkpoint, &key).await?);
            if self.scope.level != Level::Forensic {
                progress.next = checkpoint.size.saturating_sub(RECENT_FACTS);
            }
            progress.add(self.extra_rows(checkpoint.size).await?);
        } else {
            let what = "the newest checkpoint is not signed by the log's key";
            progress.add([Finding::new(Code::CheckpointUnsigned, LOG, what)]);
        }
        progress.head = Some(head.checkpoint);
        Ok(())
    }

    async fn entries(&self, progress: &mut Progress) -> Result<(), AuditError> {
        let head = progress.head.as_deref().unwrap_or_default();
        let Ok(head) = Checkpoint::parse_unverified(head) else {
            progress.done = true;
            return Ok(());
        };
        let mut entries = Vec::new();
        if progress.next < head.size {
            entries = self.ledger.entries(progress.next).await?;
            entries.retain(|entry| entry.leaf_index < head.size);
        }
        if entries.is_empty() {
            self.end_log(progress, &head);
            return Ok(());
        }
        let found = self.check_entries(&entries, progress.before_ms).await?;
        progress.add(found);
        let mut untold = Vec::new();
        if self.scope.level == Level::Forensic {
            untold = self.untold(&entries).await?;
        }
        for fact in untold {
            if progress.erased.len() < MOST_ERASED {
                progress.erased.insert(fact);
            } else {
                progress.more_erased += 1;
            }
        }
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

    fn end_log(&self, progress: &mut Progress, head: &Checkpoint) {
        progress.add(gap(progress.next, head.size));
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
        progress.done = true;
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

/// `column` is one of as many values.
fn among(column: &str, values: &[String]) -> String {
    match values.len() {
        0 => "1 = 0".to_owned(),
        n => format!("{column} IN ({})", vec!["?"; n].join(", ")),
    }
}

fn values(texts: &[String]) -> impl Iterator<Item = Value> {
    texts.iter().map(Value::from)
}

fn content_gone(fact: &Hash) -> Finding {
    let what = "the fact's content is gone, and no erasure of it is in the log";
    Finding::new(
        Code::ContentGone,
        format!("chitty_chain_facts:{fact}"),
        what,
    )
}
