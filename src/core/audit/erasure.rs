//! Erasure of an execution's content by law: prompt, answers and whatever was made of them go,
//! with the content of its facts. What the log commits to stays, so every proof still holds.

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
use crate::ledger::{AppendRequest, Ledger, LedgerError, emptied};
use crate::ports::{Bucket, BucketError, Clock, Database, MAX_DELETED_OBJECTS};
use crate::sql::{DatabaseError, Row, Statement};
use crate::validation::printable;

/// Of the fact that names what was erased.
pub(super) const PREDICATE: &str = "content_erased";
/// Ids that one fact can name.
const MOST_FACTS: usize = 450;

/// What to erase, and why.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct EraseInput {
    /// The execution whose content goes. It must have ended.
    #[garde(length(bytes, min = 1, max = 128))]
    pub execution_id: String,
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
    pub execution_id: String,
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
    #[error("the execution is still {0}: erase it once it has ended")]
    NotEnded(String),
    #[error("nothing was erased: say `confirm: true`, since it cannot be brought back")]
    NotConfirmed,
    #[error("the execution has more than {MOST_FACTS} facts: an operator must erase it by hand")]
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

const NO_HASH: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Everything that says what was asked or answered, or lets it be guessed: hashes without salt too.
const WIPE: [&str; 6] = [
    "UPDATE secure_executions SET prompt = '', prompt_hash = ?2, chatgpt_response = NULL, \
     fortress_output = NULL, fortress_signature = NULL, label = NULL, metadata = '{}', \
     verification = CASE WHEN verification IS NULL THEN NULL ELSE '{}' END, \
     recorded_fact = NULL WHERE id = ?1",
    "UPDATE fortress_jobs SET sealed_prompt = '', prompt_hash = ?2, label = '', \
     sealed_output = CASE WHEN sealed_output IS NULL THEN NULL ELSE '' END, \
     output_hash = CASE WHEN output_hash IS NULL THEN NULL ELSE ?2 END, \
     manifest = CASE WHEN manifest IS NULL THEN NULL ELSE '' END, \
     signature = CASE WHEN signature IS NULL THEN NULL ELSE '' END, \
     recorded_fact = NULL WHERE execution_id = ?1",
    "UPDATE evidence_records SET description = NULL, input_hash = NULL, output_hash = NULL, \
     pgp_signature = NULL, metadata = '{}', recorded_fact = NULL WHERE execution_id = ?1 AND ?2 = ?2",
    "UPDATE evidence_packages SET package_text = NULL, package_data = '{}', package_hash = NULL, \
     package_signature = NULL, legal_metadata = '{}', package_file_path = NULL, status = 'created', \
     recorded_fact = NULL WHERE execution_id = ?1 AND ?2 = ?2",
    "UPDATE ai_response_comparisons SET prompt = '', prompt_hash = ?2, significant_differences = NULL, \
     security_implications = NULL, analysis_results = NULL, recommendations = NULL, metadata = '{}' \
     WHERE standard_execution_id = ?1 OR fortress_execution_id = ?1 OR analysis_execution_id = ?1",
    "SELECT COUNT(*) AS packages FROM evidence_packages WHERE execution_id = ?1 AND ?2 = ?2",
];

/// Erases, and says so in the log first. Repeating it goes on where it stopped.
pub async fn erase(
    eraser: &Eraser,
    caller: &Principal,
    input: &EraseInput,
) -> Result<EraseOutput, EraseError> {
    if !input.confirm {
        return Err(EraseError::NotConfirmed);
    }
    let id = input.execution_id.as_str();
    let owner = eraser.owner_of(caller, id).await?;
    let facts = eraser.facts_of(id).await?;
    let receipt = eraser
        .ledger
        .append(&eraser.told(caller, input, &facts))
        .await?;
    for fact in &facts {
        eraser.ledger.erase(*fact).await?;
    }
    eraser.delete_files(id).await?;
    let packages_erased = eraser.wipe(id, &owner, &facts).await?;
    Ok(EraseOutput {
        execution_id: id.to_owned(),
        facts_erased: facts.len(),
        packages_erased,
        fact_id: receipt.fact_id.to_string(),
        leaf_index: receipt.leaf_index,
        content: "content erased".to_owned(),
    })
}

impl Eraser {
    /// Whose it is, if it has ended and the caller may act for them.
    async fn owner_of(&self, caller: &Principal, id: &str) -> Result<String, EraseError> {
        let select = Statement::new("SELECT user_id, status FROM secure_executions WHERE id = ?1");
        let found = self.db.run(select.bind(id)).await?;
        let row = found.first().ok_or(EraseError::NotFound)?;
        let owner = row.text("user_id")?;
        if caller.resolve_user(Some(&owner)).is_err() {
            return Err(EraseError::NotFound);
        }
        match row.text("status")?.as_str() {
            "completed" | "failed" => Ok(owner),
            other => Err(EraseError::NotEnded(other.to_owned())),
        }
    }

    /// All facts about the execution, but those that tell of erasures.
    async fn facts_of(&self, id: &str) -> Result<Vec<Hash>, EraseError> {
        let statements = [
            "SELECT uuid AS fact FROM chitty_chain_facts WHERE execution_id = ?1 AND NOT (source = ?2 AND predicate IN ('content_erased', 'custody_event'))",
            "SELECT recorded_fact AS fact FROM secure_executions WHERE id = ?1 AND ?2 = ?2",
            "SELECT recorded_fact AS fact FROM fortress_jobs WHERE execution_id = ?1 AND ?2 = ?2",
            "SELECT assertion_id AS fact FROM fortress_jobs WHERE execution_id = ?1 AND ?2 = ?2",
            "SELECT recorded_fact AS fact FROM evidence_records WHERE execution_id = ?1 AND ?2 = ?2",
            "SELECT recorded_fact AS fact FROM evidence_packages WHERE execution_id = ?1 AND ?2 = ?2",
            "SELECT chain_facts AS facts FROM secure_executions WHERE id = ?1 AND ?2 = ?2",
        ];
        let statements = statements
            .map(|sql| Statement::new(sql).bind(id).bind(SOURCE))
            .to_vec();
        let mut facts = BTreeSet::new();
        for row in self
            .db
            .batch(statements)
            .await?
            .iter()
            .flat_map(|outcome| &outcome.rows)
        {
            facts.extend(ids_in(row)?);
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

    fn told(&self, caller: &Principal, input: &EraseInput, facts: &[Hash]) -> AppendRequest {
        let ids: Vec<String> = facts.iter().map(Hash::to_string).collect();
        let named = if ids.is_empty() {
            "none".to_owned()
        } else {
            ids.join(" ")
        };
        let metadata = [
            ("reason", input.reason.clone()),
            ("authority", input.authority.clone()),
            ("ordered_by", caller.user_id.clone()),
        ];
        let now_ms = u64::try_from(self.clock.now_ms()).unwrap_or_default();
        AppendRequest {
            // Erasing again is told of again.
            idempotency_key: format!(
                "erase:{}:{now_ms}:{}",
                input.execution_id,
                sha256_hex(&named)
            ),
            fact: Fact {
                subject: format!("execution:{}", input.execution_id),
                predicate: PREDICATE.to_owned(),
                object: named,
                source: SOURCE.to_owned(),
                timestamp_ms: now_ms,
                execution_id: Some(input.execution_id.clone()),
                evidence_id: None,
                metadata: metadata.map(|(key, value)| (key.to_owned(), value)).into(),
            },
        }
    }

    /// While their rows still name them.
    async fn delete_files(&self, id: &str) -> Result<(), EraseError> {
        let Some(files) = &self.files else {
            return Ok(());
        };
        let select = Statement::new(
            "SELECT package_file_path FROM evidence_packages WHERE execution_id = ?1 \
             AND package_file_path IS NOT NULL",
        );
        let found = self.db.run(select.bind(id)).await?;
        let paths = found.rows.iter().map(|row| row.text("package_file_path"));
        let paths: Vec<String> = paths.collect::<Result<_, _>>()?;
        for some in paths.chunks(MAX_DELETED_OBJECTS) {
            files.delete(some).await?;
        }
        Ok(())
    }

    async fn wipe(&self, id: &str, owner: &str, facts: &[Hash]) -> Result<u64, EraseError> {
        let wipe = WIPE.map(|sql| Statement::new(sql).bind(id).bind(NO_HASH));
        let now_ms = self.clock.now_ms();
        let emptied = facts.iter().map(|fact| emptied(fact, now_ms));
        // The chat session of an execution has its id.
        let session = deletion(id, owner, now_ms);
        let statements = wipe.into_iter().chain(session).chain(emptied).collect();
        let outcomes = self.db.batch(statements).await?;
        let counted = outcomes
            .get(WIPE.len() - 1)
            .and_then(|outcome| outcome.first());
        let packages = counted.map_or(Ok(0), |row| row.int("packages"))?;
        Ok(u64::try_from(packages).unwrap_or_default())
    }
}

fn ids_in(row: &Row) -> Result<Vec<Hash>, DatabaseError> {
    let texts = if row.value("facts").is_some() {
        let list = row.json("facts")?;
        serde_json::from_value(list).unwrap_or_default()
    } else {
        row.opt_text("fact")?.into_iter().collect::<Vec<String>>()
    };
    Ok(texts
        .iter()
        .filter_map(|id| Hash::from_hex(id).ok())
        .collect())
}
