//! Erasure of an execution's content by law: prompt, answers and whatever was made of them go,
//! with the content of its facts. What the log commits to stays, so every proof still holds.

mod facts;
mod finishing;
mod late;
mod told;
mod wipe;

pub use finishing::finish_erasures;
pub(super) use told::{Telling, erasures_of, telling, tellings_of, told_erased};
pub(super) use wipe::NO_HASH;

use std::collections::BTreeSet;
use std::rc::Rc;

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::auth::Principal;
use crate::chain::hash::Hash;
use crate::chain::receipt::Receipt;
use crate::chat::deletion;
use crate::execution::ERASED;
use crate::ledger::{Ledger, LedgerError, emptied};
use crate::ports::{Bucket, BucketError, Clock, Database, MAX_DELETED_OBJECTS};
use crate::sql::{DatabaseError, Row, Statement};
use crate::validation::printable;
use facts::Facts;

/// Of the fact that names what was erased.
pub(super) const PREDICATE: &str = "content_erased";
/// What the subject of a run begins with.
pub(super) const RUN: &str = "fortress:job:";
/// Ids that one fact can name.
const MOST_FACTS: usize = 450;

/// What to erase, and why.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct EraseInput {
    /// The execution whose content goes, with the analysis of a comparison that it is part of. It
    /// must have ended.
    #[garde(length(bytes, min = 1, max = 128))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_id: Option<String>,
    /// Instead: a run of the fortress that is part of no execution, with the evidence made of it.
    #[garde(length(bytes, min = 1, max = 128))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fortress_job_id: Option<String>,
    /// Why, for the log: without names or content, since it stays.
    #[garde(length(chars, min = 1, max = 500), custom(printable))]
    pub reason: String,
    /// On whose authority, such as `GDPR Art. 17, request 12/2026`.
    #[garde(length(chars, min = 1, max = 200), custom(printable))]
    pub authority: String,
    /// Must be true: what is erased cannot be brought back.
    #[garde(skip)]
    pub confirm: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct EraseOutput {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fortress_job_id: Option<String>,
    /// Facts whose content is gone; their places in the log and all proofs hold.
    pub facts_erased: usize,
    pub packages_erased: u64,
    /// The fact that tells of the erasure.
    pub fact_id: String,
    pub leaf_index: u64,
    /// How the content reads from now on.
    pub content: String,
}

#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    #[error("there is no execution of that id of yours: check it")]
    NotFound,
    #[error("there is no run of that id of yours: check it")]
    NoSuchRun,
    #[error("name what to erase: either execution_id or fortress_job_id")]
    NotNamed,
    #[error("the run is part of the execution {0}: erase that")]
    OfExecution(String),
    #[error("it is still {0}: erase it once it has ended")]
    NotEnded(String),
    #[error(
        "the comparison that it is part of is still being analysed: erase it again in a few minutes, so that the analysis, which quotes it, goes too"
    )]
    Analysed,
    #[error(
        "facts that were logged just now have no rows yet: try again in a minute, and tell the operator if it lasts"
    )]
    RowsLate,
    #[error("nothing was erased: say `confirm: true`, since it cannot be brought back")]
    NotConfirmed,
    #[error("there are more than {MOST_FACTS} facts about it: an operator must erase it by hand")]
    TooManyFacts,
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Files(#[from] BucketError),
}

impl EraseError {
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotFound => "EXECUTION_NOT_FOUND",
            Self::NoSuchRun => "JOB_NOT_FOUND",
            Self::NotNamed => "INVALID_INPUT",
            Self::OfExecution(_) => "JOB_OF_EXECUTION",
            Self::NotEnded(_) | Self::Analysed => "EXECUTION_NOT_ENDED",
            Self::RowsLate => "FACTS_UNAVAILABLE",
            Self::NotConfirmed => "NOT_CONFIRMED",
            Self::TooManyFacts => "TOO_MANY_FACTS",
            Self::Database(_) => "DATABASE_UNAVAILABLE",
            Self::Ledger(error) => error.code(),
            Self::Files(_) => "FILES_UNAVAILABLE",
        }
    }
}

/// Where it is done.
pub struct Eraser {
    pub db: Rc<dyn Database>,
    pub ledger: Rc<dyn Ledger>,
    pub clock: Rc<dyn Clock>,
    /// Where package files are kept.
    pub files: Option<Rc<dyn Bucket>>,
}

/// What goes: of one owner.
struct Erased {
    owner: String,
    /// The one named, and the analysis of its comparison. None where a run is named.
    executions: Vec<String>,
    run: Option<String>,
}

/// Erases, and says so in the log first. Repeating it goes on where it stopped.
pub async fn erase(
    eraser: &Eraser,
    caller: &Principal,
    input: &EraseInput,
) -> Result<EraseOutput, EraseError> {
    if !input.confirm {
        return Err(EraseError::NotConfirmed);
    }
    let what = match (&input.execution_id, &input.fortress_job_id) {
        (Some(id), None) => eraser.execution(caller, id).await?,
        (None, Some(id)) => eraser.run(caller, id).await?,
        _ => return Err(EraseError::NotNamed),
    };
    let order = Order {
        reason: &input.reason,
        authority: &input.authority,
        by: &caller.user_id,
    };
    let id = what.id();
    eraser.begin(id).await?;
    let done = eraser.carry_out(&what, &order).await?;
    eraser.end(id).await?;
    if let Some(id) = &input.execution_id {
        // One that began meanwhile; since the wipe none begins.
        let now = eraser.execution(caller, id).await?;
        if now.executions != what.executions {
            return Err(EraseError::Analysed);
        }
    }
    Ok(EraseOutput {
        execution_id: input.execution_id.clone(),
        fortress_job_id: input.fortress_job_id.clone(),
        facts_erased: done.facts.len(),
        packages_erased: done.packages,
        fact_id: done.told.fact_id.to_string(),
        leaf_index: done.told.leaf_index,
        content: ERASED.to_owned(),
    })
}

/// Why, and who asked.
struct Order<'a> {
    reason: &'a str,
    authority: &'a str,
    by: &'a str,
}

/// What was done.
struct Done {
    facts: BTreeSet<Hash>,
    packages: u64,
    told: Receipt,
}

impl Erased {
    /// Of the one that was named.
    fn id(&self) -> &str {
        let named = self.executions.first().or(self.run.as_ref());
        named.map_or("", String::as_str)
    }
}

impl Eraser {
    /// May be done again, from the beginning.
    async fn carry_out(&self, what: &Erased, order: &Order<'_>) -> Result<Done, EraseError> {
        let facts = self.facts_of(what).await?;
        let told = self.tell(what, order, &facts).await?;
        // From now on nothing is packaged of it.
        self.wipe(what).await?;
        self.erase_facts(&facts).await?;
        let packages = self.wipe_packages(what).await?;
        // What was put on record until its row was empty.
        let late = self.facts_of(what).await?;
        if !late.present.is_empty() {
            self.tell(what, order, &late).await?;
        }
        self.erase_facts(&late).await?;
        let facts = facts.ids().chain(late.ids()).copied().collect();
        Ok(Done {
            facts,
            packages,
            told,
        })
    }

    /// One that has ended and is of somebody whom the caller may act for.
    async fn execution(&self, caller: &Principal, id: &str) -> Result<Erased, EraseError> {
        let select = Statement::new("SELECT user_id, status FROM secure_executions WHERE id = ?1");
        let found = self
            .db
            .batch(vec![select.bind(id), analyses_of(id)])
            .await?;
        let rows = |index: usize| found.get(index).map_or(&[][..], |outcome| &outcome.rows);
        let row = rows(0).first().ok_or(EraseError::NotFound)?;
        let owner = row.text("user_id")?;
        if caller.resolve_user(Some(&owner)).is_err() {
            return Err(EraseError::NotFound);
        }
        let mut executions = vec![id.to_owned()];
        for row in rows(1) {
            executions.push(row.text("id")?);
        }
        let ended = |row: &Row| -> Result<bool, DatabaseError> {
            Ok(matches!(
                row.text("status")?.as_str(),
                "completed" | "failed"
            ))
        };
        if !ended(row)? {
            return Err(EraseError::NotEnded(row.text("status")?));
        }
        for analysis in rows(1) {
            if !ended(analysis)? {
                return Err(EraseError::Analysed);
            }
        }
        Ok(Erased {
            owner,
            executions,
            run: None,
        })
    }

    async fn run(&self, caller: &Principal, id: &str) -> Result<Erased, EraseError> {
        let select =
            Statement::new("SELECT user_id, status, execution_id FROM fortress_jobs WHERE id = ?1");
        let found = self.db.run(select.bind(id)).await?;
        let row = found.first().ok_or(EraseError::NoSuchRun)?;
        let owner = row.text("user_id")?;
        if caller.resolve_user(Some(&owner)).is_err() {
            return Err(EraseError::NoSuchRun);
        }
        if let Some(execution) = row.opt_text("execution_id")? {
            return Err(EraseError::OfExecution(execution));
        }
        match row.text("status")?.as_str() {
            "executing" => Err(EraseError::NotEnded("executing".to_owned())),
            _ => Ok(Erased {
                owner,
                executions: Vec::new(),
                run: Some(id.to_owned()),
            }),
        }
    }

    /// Says in the log what is erased: of each execution, or of the run. Returns the receipt of the
    /// first.
    async fn tell(
        &self,
        erased: &Erased,
        order: &Order<'_>,
        facts: &Facts,
    ) -> Result<Receipt, EraseError> {
        let of_each = erased.executions.iter().map(Some);
        let of_run = erased.run.iter().map(|_| None);
        let mut requests = Vec::new();
        for of in of_each.chain(of_run) {
            let facts = facts.of(of.map(String::as_str));
            if facts.len() > MOST_FACTS {
                return Err(EraseError::TooManyFacts);
            }
            let telling = Telling {
                of: of.map(String::as_str),
                run: erased.run.as_deref(),
                owner: &erased.owner,
                facts: &facts,
                reason: order.reason,
                authority: order.authority,
                ordered_by: order.by,
                now_ms: self.clock.now_ms(),
            };
            requests.push(telling.request());
        }
        let mut told = Vec::new();
        for outcome in self.ledger.append_all(&requests).await? {
            told.push(outcome?);
        }
        let first = told.into_iter().next();
        first.ok_or_else(|| LedgerError::Unavailable("it answered nothing".to_owned()).into())
    }

    /// In the log, and then in their rows.
    async fn erase_facts(&self, facts: &Facts) -> Result<(), EraseError> {
        for fact in facts.present.keys() {
            self.ledger.erase(*fact).await?;
        }
        let now_ms = self.clock.now_ms();
        let rows: Vec<Statement> = facts.ids().map(|fact| emptied(fact, now_ms)).collect();
        if !rows.is_empty() {
            self.db.batch(rows).await?;
        }
        Ok(())
    }

    async fn wipe(&self, erased: &Erased) -> Result<(), EraseError> {
        let now_ms = self.clock.now_ms();
        let mut statements = Vec::new();
        for id in &erased.executions {
            statements.extend(wipe::execution(id, now_ms));
            // The chat session of an execution has its id.
            statements.extend(deletion(id, &erased.owner, now_ms));
        }
        if let Some(id) = &erased.run {
            statements.extend(wipe::run(id, now_ms));
        }
        self.db.batch(statements).await?;
        Ok(())
    }

    /// The files while their rows still name them; then these.
    async fn wipe_packages(&self, erased: &Erased) -> Result<u64, EraseError> {
        let now_ms = self.clock.now_ms();
        let (mut wipes, mut count) = (Vec::new(), 0);
        for id in &erased.executions {
            let select = Statement::new(
                "SELECT package_file_path FROM evidence_packages WHERE execution_id = ?1",
            );
            let found = self.db.run(select.bind(id.as_str())).await?.rows;
            count += found.len() as u64;
            let mut paths = Vec::new();
            for row in &found {
                paths.extend(row.opt_text("package_file_path")?);
            }
            if let Some(files) = &self.files {
                for some in paths.chunks(MAX_DELETED_OBJECTS) {
                    files.delete(some).await?;
                }
            }
            wipes.push(wipe::packages(id, now_ms));
        }
        if !wipes.is_empty() {
            self.db.batch(wipes).await?;
        }
        Ok(count)
    }
}

/// They quote both answers.
fn analyses_of(id: &str) -> Statement {
    let select = Statement::new(
        "SELECT e.id, e.status FROM ai_response_comparisons c \
         JOIN secure_executions e ON e.id = c.analysis_execution_id \
         WHERE c.standard_execution_id = ?1 OR c.fortress_execution_id = ?1",
    );
    select.bind(id)
}
