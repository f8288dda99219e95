use std::collections::HashSet;

use futures::{StreamExt, TryStreamExt, stream};
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::ExecutionError;
use super::on_file::{OnFile, Run, job_of};
use super::service::ExecutionService;
use super::workers::Asker;
use crate::chain::hash::Hash;
use crate::chain::keys::VerifierKey;
use crate::chain::receipt::{FactVerdicts, verify_fact};
use crate::digest::sha256_hex;
use crate::fortress::VerifyInput;
use crate::ids;
use crate::ledger::{LedgerError, LoggedFact};
use crate::sql::Statement;

/// Facts checked where none are named.
const RECENT: usize = 20;
/// Facts whose signatures are asked after side by side.
const AT_ONCE: usize = 6;
const METHOD: &str = "inclusion_proof";

/// Which facts to check, and how far.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ChainVerifyInput {
    /// Fact ids, 64 hex digits each. Left out: the newest ones of yours.
    #[garde(length(max = 50), inner(inner(length(bytes, min = 64, max = 64))))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fact_ids: Option<Vec<String>>,
    /// Also check the signatures of the runs that facts record.
    #[garde(skip)]
    #[serde(default = "yes")]
    pub verify_signatures: bool,
    /// Also compare each fact with its row in the database.
    #[garde(skip)]
    #[serde(default = "yes")]
    pub cross_reference: bool,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ChainVerifyOutput {
    pub verification: ChainCheck,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ChainCheck {
    pub verification_id: String,
    /// How many facts every check that was asked for holds of.
    pub facts_verified: usize,
    /// Whether that is all of them, and at least one. The separate verdicts are in `facts`.
    pub all_valid: bool,
    pub verification_completed_at: String,
    pub facts: Vec<FactCheck>,
    /// The signed checkpoint that the proofs lead to. Keep it: a later one must extend it.
    pub checkpoint: String,
    /// The key that signs checkpoints. Compare it with one you got elsewhere.
    pub verifier_key: String,
}

/// Separate verdicts on one fact; there is no sum of them that means more.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct FactCheck {
    pub fact_id: String,
    pub valid: bool,
    pub leaf_index: Option<u64>,
    pub tree_size: Option<u64>,
    /// Verdicts on content, inclusion, signer of the checkpoint, and time.
    pub log: Option<Value>,
    /// The run's signature: valid or not; absent where the fact records no run.
    pub signature_valid: Option<bool>,
    /// The database row agrees with the log.
    pub database_agrees: Option<bool>,
    /// What does not hold, in words.
    pub problems: Vec<String>,
}

impl ExecutionService {
    /// Reads facts from the log again and checks them; no stored flag is trusted.
    pub async fn verify_chain(
        &self,
        asker: &Asker<'_>,
        input: &ChainVerifyInput,
    ) -> Result<ChainVerifyOutput, ExecutionError> {
        let head = self.ledger.head().await?;
        let key: VerifierKey = head.verifier_key.parse().map_err(|_| {
            LedgerError::Unavailable("the log's verifier key cannot be read".to_owned())
        })?;
        let (wanted, logged) = self.gather(asker, input.fact_ids.as_deref()).await?;
        let on_file = OnFile::read(&*self.db, input, &logged).await?;
        let known = Known {
            input,
            logged: &logged,
            on_file: &on_file,
            key: &key,
        };
        let facts: Vec<FactCheck> = stream::iter(&wanted)
            .map(|id| self.check_id(asker, &known, id))
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        let facts_verified = facts.iter().filter(|fact| fact.valid).count();
        // A check that left something out must not cover what a whole one found.
        if input.verify_signatures && input.cross_reference {
            self.mark_verified(&facts).await?;
        }
        // The facts' own checkpoint: the log may have grown since its head was asked for.
        let checkpoint = logged
            .into_iter()
            .next()
            .map_or(head.checkpoint, |fact| fact.receipt.checkpoint);
        Ok(ChainVerifyOutput {
            verification: ChainCheck {
                verification_id: ids::prefixed("VERIFY", &*self.clock, &*self.entropy)?,
                facts_verified,
                all_valid: facts_verified > 0 && facts_verified == facts.len(),
                verification_completed_at: crate::time::to_rfc3339(self.clock.now_ms()),
                facts,
                checkpoint,
                verifier_key: head.verifier_key,
            },
        })
    }

    /// The facts asked for that the caller may see, by id, and what the log has of them.
    async fn gather(
        &self,
        asker: &Asker<'_>,
        wanted: Option<&[String]>,
    ) -> Result<(Vec<String>, Vec<LoggedFact>), ExecutionError> {
        let may_see = |fact: &LoggedFact| {
            owner_of(fact).is_none_or(|owner| owner == asker.owner)
                || asker.principal.scopes.allows("chain:read_all")
        };
        let wanted = match wanted {
            Some(wanted) => {
                let mut named = HashSet::new();
                let wanted = wanted.iter().filter(|id| named.insert(id.as_str()));
                wanted.cloned().collect()
            }
            None => self.recent(asker.owner).await?,
        };
        let hashes: Vec<Hash> = wanted
            .iter()
            .filter_map(|id| Hash::from_hex(id).ok())
            .collect();
        let mut logged = self.ledger.facts(&hashes).await?;
        logged.retain(may_see);
        Ok((wanted, logged))
    }

    /// The owner's newest facts: those among the log's newest, whose rows may be late or gone,
    /// and those with a row.
    async fn recent(&self, owner: &str) -> Result<Vec<String>, ExecutionError> {
        let newest = self.ledger.recent(RECENT).await?;
        let mut ids: Vec<String> = newest
            .iter()
            .rev()
            .filter(|fact| owner_of(fact) == Some(owner))
            .map(|fact| fact.stored.fact_id.to_string())
            .collect();
        let select = Statement::new(
            "SELECT uuid FROM chitty_chain_facts WHERE user_id = ?1 AND leaf_index IS NOT NULL \
             ORDER BY leaf_index DESC LIMIT ?2",
        )
        .bind(owner)
        .bind(i64::try_from(RECENT).unwrap_or(i64::MAX));
        for row in &self.db.run(select).await?.rows {
            let id = row.text("uuid")?;
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        ids.truncate(RECENT);
        Ok(ids)
    }

    async fn check_id(
        &self,
        asker: &Asker<'_>,
        known: &Known<'_>,
        id: &str,
    ) -> Result<FactCheck, ExecutionError> {
        let mut logged = known.logged.iter();
        let Some(fact) = logged.find(|fact| fact.stored.fact_id.to_string() == id) else {
            return Ok(FactCheck::missing(id));
        };
        let content = fact.stored.content.canonical();
        let verdicts = verify_fact(content, &fact.receipt, known.key);
        let mut check = FactCheck::of_log(fact, &verdicts);
        if known.input.verify_signatures {
            self.check_signature(asker, fact, known.on_file, &mut check)
                .await?;
        }
        if known.input.cross_reference {
            check.compare_row(known.on_file.agrees(&fact.stored));
        }
        check.valid = check.problems.is_empty();
        Ok(check)
    }

    /// The run that a fact records: its manifest and signature must be those in the fact,
    /// and the signature must hold.
    async fn check_signature(
        &self,
        asker: &Asker<'_>,
        fact: &LoggedFact,
        on_file: &OnFile,
        check: &mut FactCheck,
    ) -> Result<(), ExecutionError> {
        let Some(content) = fact.stored.content.fact() else {
            return Ok(());
        };
        let (Some(job_id), Some(manifest_sha256)) =
            (job_of(fact), content.metadata.get("manifest_sha256"))
        else {
            return Ok(());
        };
        let Run {
            manifest,
            signature,
        } = on_file.run(job_id);
        if sha256_hex(&manifest) != *manifest_sha256 {
            check
                .problems
                .push("the stored manifest is not the one logged".to_owned());
        }
        if content.metadata.get("signature_sha256") != Some(&sha256_hex(&signature)) {
            check
                .problems
                .push("the stored signature is not the one logged".to_owned());
        }
        let question = VerifyInput {
            content: manifest,
            signature,
            public_key: None,
            include_keys: false,
        };
        let (valid, explanation) = if question.signature.is_empty() {
            (
                false,
                "the run's signature is gone from the database".to_owned(),
            )
        } else {
            let verdict = self.workers.verify_signature(asker, &question).await?;
            (verdict.signature_valid, verdict.explanation)
        };
        check.signature_valid = Some(valid);
        if !valid {
            check.problems.push(explanation);
        }
        Ok(())
    }

    /// `verified` in the database means: checked, at this time, by this method.
    async fn mark_verified(&self, facts: &[FactCheck]) -> Result<(), ExecutionError> {
        let now_ms = self.clock.now_ms();
        let updates: Vec<Statement> = facts
            .iter()
            // What the log does not have, or is not the caller's to see, is not its to mark.
            .filter(|fact| fact.leaf_index.is_some())
            .map(|fact| {
                Statement::new(
                    "UPDATE chitty_chain_facts SET verified = ?2, verified_at = ?3, \
                     verification_method = ?4, signature_verified = ?5 \
                     WHERE uuid = ?1 AND erased_at IS NULL",
                )
                .bind(fact.fact_id.as_str())
                .bind(fact.valid)
                .timestamp(now_ms)
                .bind(METHOD)
                .bind(fact.signature_valid)
            })
            .collect();
        if !updates.is_empty() {
            self.db.batch(updates).await?;
        }
        Ok(())
    }
}

fn owner_of(fact: &LoggedFact) -> Option<&str> {
    let fact = fact.stored.content.fact()?;
    fact.metadata.get("user_id").map(String::as_str)
}

/// What facts are checked against.
struct Known<'a> {
    input: &'a ChainVerifyInput,
    logged: &'a [LoggedFact],
    on_file: &'a OnFile,
    key: &'a VerifierKey,
}

impl FactCheck {
    fn compare_row(&mut self, agrees: bool) {
        self.database_agrees = Some(agrees);
        if !agrees {
            let problem = "the row in the database is missing or differs from the log";
            self.problems.push(problem.to_owned());
        }
    }

    fn missing(id: &str) -> Self {
        Self {
            fact_id: id.to_owned(),
            valid: false,
            leaf_index: None,
            tree_size: None,
            log: None,
            signature_valid: None,
            database_agrees: None,
            problems: vec!["the log has no such fact, or it is not yours to see".to_owned()],
        }
    }

    fn of_log(fact: &LoggedFact, verdicts: &FactVerdicts) -> Self {
        let mut problems = Vec::new();
        for (what, verdict) in [
            ("content", &verdicts.integrity),
            ("inclusion", &verdicts.completeness),
            ("signer", &verdicts.signer),
        ] {
            if let crate::chain::receipt::Verdict::Fails { reason } = verdict {
                problems.push(format!("{what}: {reason}"));
            }
        }
        Self {
            fact_id: fact.stored.fact_id.to_string(),
            valid: problems.is_empty(),
            leaf_index: Some(fact.stored.leaf_index),
            tree_size: Some(fact.receipt.tree_size),
            log: serde_json::to_value(verdicts).ok(),
            signature_valid: None,
            database_agrees: None,
            problems,
        }
    }
}
