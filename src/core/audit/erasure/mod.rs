//! Erasure of an execution's content by law: prompt, answers and whatever was made of them go,
//! with the content of its facts. What the log commits to stays, so every proof still holds.

mod facts;
mod wipe;

use std::collections::BTreeSet;
use std::rc::Rc;

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::recorder::SOURCE;
use crate::auth::Principal;
use crate::chain::fact::Fact;
use crate::chain::hash::Hash;
use crate::chat::deletion;
use crate::digest::sha256_hex;
use crate::execution::ERASED;
use crate::ledger::{AppendRequest, Ledger, LedgerError, emptied};
use crate::ports::{Bucket, BucketError, Clock, Database, MAX_DELETED_OBJECTS};
use crate::sql::{DatabaseError, Statement};
use crate::validation::printable;

/// Of the fact that names what was erased.
pub(super) const PREDICATE: &str = "content_erased";
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
            Self::NotEnded(_) => "EXECUTION_NOT_ENDED",
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
    let facts = eraser.facts_of(&what).await?;
    let telling = Telling {
        of: input.execution_id.as_deref(),
        run: input.fortress_job_id.as_deref(),
        owner: &what.owner,
        facts: &facts,
        reason: &input.reason,
        authority: &input.authority,
        ordered_by: &caller.user_id,
        now_ms: eraser.clock.now_ms(),
    };
    let receipt = eraser.ledger.append(&telling.request()).await?;
    // From now on nothing is packaged of it.
    eraser.wipe(&what).await?;
    for fact in &facts {
        eraser.ledger.erase(*fact).await?;
    }
    let packages_erased = eraser.wipe_packages(&what, &facts).await?;
    Ok(EraseOutput {
        execution_id: input.execution_id.clone(),
        fortress_job_id: input.fortress_job_id.clone(),
        facts_erased: facts.len(),
        packages_erased,
        fact_id: receipt.fact_id.to_string(),
        leaf_index: receipt.leaf_index,
        content: ERASED.to_owned(),
    })
}

impl Eraser {
    /// One that has ended and is of somebody whom the caller may act for.
    async fn execution(&self, caller: &Principal, id: &str) -> Result<Erased, EraseError> {
        let select = Statement::new("SELECT user_id, status FROM secure_executions WHERE id = ?1");
        // It quotes both answers.
        let analysis = Statement::new(
            "SELECT e.id, e.status FROM ai_response_comparisons c \
             JOIN secure_executions e ON e.id = c.analysis_execution_id \
             WHERE c.standard_execution_id = ?1 OR c.fortress_execution_id = ?1",
        );
        let found = self
            .db
            .batch(vec![select.bind(id), analysis.bind(id)])
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
        for row in found.iter().flat_map(|outcome| &outcome.rows) {
            match row.text("status")?.as_str() {
                "completed" | "failed" => {}
                other => return Err(EraseError::NotEnded(other.to_owned())),
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

    /// All facts about it, but those that tell of erasures and of custody.
    async fn facts_of(&self, erased: &Erased) -> Result<Vec<Hash>, EraseError> {
        let of_executions = erased
            .executions
            .iter()
            .flat_map(|id| facts::of_execution(id));
        let of_run = erased.run.iter().flat_map(|id| facts::of_run(id));
        let mut facts = BTreeSet::new();
        for outcome in self.db.batch(of_executions.chain(of_run).collect()).await? {
            for row in &outcome.rows {
                facts.extend(facts::ids_in(row)?);
            }
        }
        if facts.len() > MOST_FACTS {
            return Err(EraseError::TooManyFacts);
        }
        // What the log does not have cannot be erased there.
        let asked: Vec<Hash> = facts.into_iter().collect();
        let mut known = Vec::new();
        for some in asked.chunks(crate::ledger::MAX_FACTS) {
            let found = self.ledger.facts(some).await?;
            known.extend(found.iter().map(|fact| fact.stored.fact_id));
        }
        known.sort_unstable();
        Ok(known)
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

    /// The files while their rows still name them; then these and those of facts.
    async fn wipe_packages(&self, erased: &Erased, facts: &[Hash]) -> Result<u64, EraseError> {
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
        wipes.extend(facts.iter().map(|fact| emptied(fact, now_ms)));
        if !wipes.is_empty() {
            self.db.batch(wipes).await?;
        }
        Ok(count)
    }
}

/// The fact that names what was erased.
pub(super) struct Telling<'a> {
    pub of: Option<&'a str>,
    pub run: Option<&'a str>,
    pub owner: &'a str,
    pub facts: &'a [Hash],
    pub reason: &'a str,
    pub authority: &'a str,
    pub ordered_by: &'a str,
    pub now_ms: i64,
}

impl Telling<'_> {
    pub fn request(&self) -> AppendRequest {
        let ids: Vec<String> = self.facts.iter().map(Hash::to_string).collect();
        let named = if ids.is_empty() {
            "none".to_owned()
        } else {
            ids.join(" ")
        };
        let metadata = [
            ("user_id", self.owner),
            ("reason", self.reason),
            ("authority", self.authority),
            ("ordered_by", self.ordered_by),
        ];
        let metadata = metadata.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let what = self.of.or(self.run).unwrap_or_default();
        let kind = if self.of.is_some() {
            "execution"
        } else {
            "fortress:job"
        };
        let now_ms = u64::try_from(self.now_ms).unwrap_or_default();
        AppendRequest {
            // Erasing again is told of again.
            idempotency_key: format!("erase:{what}:{now_ms}:{}", sha256_hex(&named)),
            fact: Fact {
                subject: format!("{kind}:{what}"),
                predicate: PREDICATE.to_owned(),
                object: named,
                source: SOURCE.to_owned(),
                timestamp_ms: now_ms,
                execution_id: self.of.map(str::to_owned),
                evidence_id: None,
                metadata: metadata.into(),
            },
        }
    }
}
