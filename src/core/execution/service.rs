use std::rc::Rc;

use serde_json::json;

use super::store::{Ending, Executions, NewEvidence, NewExecution, Stored};
use super::types::{
    ExecuteInput, ExecuteOutput, ExecutionView, Results, SecurityLevel, StatusOutput, Verification,
};
use super::workers::{Asker, Workers};
use crate::chain::fact::Fact;
use crate::chat::{self, ChatMessage};
use crate::fortress::{self, ChainPosition, Manifest, sha256_hex};
use crate::ids;
use crate::ledger::{AppendRequest, Ledger, LedgerError};
use crate::llm::Role;
use crate::mcp::client::PeerError;
use crate::ports::{Clock, Database, Entropy, EntropyError};
use crate::seal::{SealError, Sealer};
use crate::sql::DatabaseError;
use crate::usage;

/// Longer than everything an execution waits for.
const DEADLINE_MS: i64 = 240_000;
const SOURCE: &str = "chittyos-coordinator";

#[derive(Debug, thiserror::Error)]
pub enum ExecutionError {
    #[error(transparent)]
    Worker(#[from] PeerError),
    /// The signature, or what it covers, does not hold.
    #[error("the fortress's signature does not hold: {0}")]
    Signature(String),
    #[error("the comparison could not be logged: {0}")]
    Ledger(#[from] LedgerError),
    #[error("there is no execution with this id, or it is not yours")]
    NotFound,
    #[error("the execution was ended as interrupted before its results were in: run it again")]
    Interrupted,
    #[error("{0}")]
    NotReady(String),
    #[error("the package format {0} is not offered yet: use json")]
    Format(String),
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl ExecutionError {
    pub fn code(&self) -> String {
        match self {
            Self::Worker(error) => error.code().to_owned(),
            Self::Signature(_) => "SIGNATURE_INVALID".to_owned(),
            Self::Ledger(error) => error.code().to_owned(),
            Self::NotFound => "EXECUTION_NOT_FOUND".to_owned(),
            Self::Interrupted => "EXECUTION_INTERRUPTED".to_owned(),
            Self::NotReady(_) => "EXECUTION_NOT_COMPLETED".to_owned(),
            Self::Format(_) => "FORMAT_NOT_OFFERED".to_owned(),
            Self::Database(_) => "DATABASE_UNAVAILABLE".to_owned(),
            Self::Seal(_) | Self::Entropy(_) => "INTERNAL".to_owned(),
        }
    }

    /// Whether the cause is ours and its words are for the log only.
    pub fn is_internal(&self) -> bool {
        matches!(self, Self::Database(_) | Self::Seal(_) | Self::Entropy(_))
    }
}

/// An execution that failed after it was on file.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct Failed {
    pub execution_id: Option<String>,
    #[source]
    pub error: ExecutionError,
}

impl<E: Into<ExecutionError>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self {
            execution_id: None,
            error: error.into(),
        }
    }
}

pub struct ExecutionService {
    pub db: Rc<dyn Database>,
    pub workers: Workers,
    pub ledger: Rc<dyn Ledger>,
    pub sealer: Rc<Sealer>,
    pub clock: Rc<dyn Clock>,
    pub entropy: Rc<dyn Entropy>,
    /// Whether a `verified` execution also asks the chatgpt worker. Off: the prompt stays in
    /// the fortress and there is no comparison.
    pub compare: bool,
}

/// What was gathered while an execution ran.
#[derive(Default)]
struct Gathered {
    results: Results,
    verification: Verification,
    job_id: Option<String>,
    output_hash: String,
    tokens: Option<(i64, i64)>,
    costs: Vec<Option<i64>>,
}

impl ExecutionService {
    /// Answers at the level asked for. What fails is on file as failed before it is told.
    pub async fn execute(
        &self,
        asker: &Asker<'_>,
        input: &ExecuteInput,
    ) -> Result<ExecuteOutput, Failed> {
        let id = ids::plain(&*self.clock, &*self.entropy)?;
        let prompt_hash = sha256_hex(&input.prompt);
        let sealed_prompt = self.seal("prompt", asker.owner, &id, &input.prompt)?;
        let now_ms = self.clock.now_ms();
        let executions = Executions::new(Rc::clone(&self.db));
        executions
            .open(&NewExecution {
                id: &id,
                owner: asker.owner,
                request_id: asker.request_id,
                input,
                sealed_prompt: &sealed_prompt,
                prompt_hash: &prompt_hash,
                now_ms,
                deadline_ms: now_ms + DEADLINE_MS,
            })
            .await?;
        let mut gathered = Gathered::default();
        let outcome = match self.answer(asker, &id, input, &mut gathered).await {
            Ok(()) => self.complete(asker, &id, input, &prompt_hash, gathered).await,
            Err(error) => {
                let reason = error.to_string();
                let now_ms = self.clock.now_ms();
                // If this write fails too, the sweep fails the execution at its deadline.
                let _ = executions
                    .fail(&id, &reason, &gathered.verification, now_ms)
                    .await;
                Err(error)
            }
        };
        outcome.map_err(|error| Failed {
            execution_id: Some(id),
            error,
        })
    }

    async fn answer(
        &self,
        asker: &Asker<'_>,
        id: &str,
        input: &ExecuteInput,
        gathered: &mut Gathered,
    ) -> Result<(), ExecutionError> {
        match input.security_level {
            SecurityLevel::Standard => {
                let answer = self.ask_chatgpt(asker, id, input).await?;
                gathered.take_standard(answer);
                Ok(())
            }
            SecurityLevel::Fortress => {
                let run = self.ask_fortress(asker, id, input).await?;
                self.check(asker, id, input, run, gathered).await
            }
            SecurityLevel::Verified if self.compare => {
                let (run, answer) = futures::join!(
                    self.ask_fortress(asker, id, input),
                    self.ask_chatgpt(asker, id, input)
                );
                self.check(asker, id, input, run?, gathered).await?;
                gathered.take_standard(answer?);
                self.log_comparison(asker, id, gathered).await
            }
            SecurityLevel::Verified => {
                let run = self.ask_fortress(asker, id, input).await?;
                self.check(asker, id, input, run, gathered).await
            }
        }
    }

    async fn ask_chatgpt(
        &self,
        asker: &Asker<'_>,
        id: &str,
        input: &ExecuteInput,
    ) -> Result<chat::CompletionOutput, PeerError> {
        let question = chat::CompletionInput {
            messages: vec![ChatMessage {
                role: Role::User,
                content: input.prompt.clone(),
            }],
            model: input.model.clone(),
            max_tokens: 1_000,
            temperature: None,
            session_id: Some(id.to_owned()),
        };
        self.workers.complete(asker, &question).await
    }

    async fn ask_fortress(
        &self,
        asker: &Asker<'_>,
        id: &str,
        input: &ExecuteInput,
    ) -> Result<fortress::ExecuteOutput, PeerError> {
        let question = fortress::ExecuteInput {
            prompt: input.prompt.clone(),
            label: input
                .label
                .clone()
                .unwrap_or_else(|| "secure-execution".to_owned()),
            evidence_id: Some(id.to_owned()),
            model: Some(input.model.clone()),
        };
        self.workers.secure_execute(asker, &question).await
    }

    /// Checks the run's signature and what it covers. A signature that is merely there
    /// counts for nothing.
    async fn check(
        &self,
        asker: &Asker<'_>,
        id: &str,
        input: &ExecuteInput,
        run: fortress::ExecuteOutput,
        gathered: &mut Gathered,
    ) -> Result<(), ExecutionError> {
        gathered.take_run(run);
        let results = &gathered.results;
        let manifest = results.fortress_manifest.clone().unwrap_or_default();
        let question = fortress::VerifyInput {
            content: manifest.clone(),
            signature: results.fortress_signature.clone().unwrap_or_default(),
            public_key: None,
        };
        let verdict = self.workers.verify_signature(asker, &question).await?;
        let covered = Manifest::parse(&manifest).and_then(|manifest| {
            manifest.check(
                gathered.job_id.as_deref().unwrap_or_default(),
                Some(id),
                &input.prompt,
                gathered.results.fortress_output.as_deref().unwrap_or_default(),
            )
        });
        let explanation = match &covered {
            Ok(()) => verdict.explanation,
            Err(fault) => fault.to_string(),
        };
        let holds = verdict.signature_valid && covered.is_ok();
        gathered.results.verification_status = Some(holds);
        gathered.verification.signature_valid = Some(holds);
        gathered.verification.signature_explanation = Some(explanation.clone());
        gathered.verification.key_fingerprint = Some(verdict.key_fingerprint);
        if holds {
            Ok(())
        } else {
            Err(ExecutionError::Signature(explanation))
        }
    }

    /// The second fact of a `verified` execution: that both answers were compared, and how.
    async fn log_comparison(
        &self,
        asker: &Asker<'_>,
        id: &str,
        gathered: &mut Gathered,
    ) -> Result<(), ExecutionError> {
        let hash = |text: &Option<String>| sha256_hex(text.as_deref().unwrap_or_default());
        let standard = hash(&gathered.results.chatgpt_response);
        let fortress = hash(&gathered.results.fortress_output);
        let identical = standard == fortress;
        gathered.verification.answers_identical = Some(identical);
        let metadata = [
            ("user_id", asker.owner.to_owned()),
            ("standard_sha256", standard),
            ("fortress_sha256", fortress),
            ("answers_identical", identical.to_string()),
        ];
        let receipt = self
            .ledger
            .append(&AppendRequest {
                idempotency_key: format!("execution:{id}:compared"),
                fact: Fact {
                    subject: format!("execution:{id}"),
                    predicate: "compared_with_standard".to_owned(),
                    object: format!("chatgpt:{id}"),
                    source: SOURCE.to_owned(),
                    timestamp_ms: u64::try_from(self.clock.now_ms()).unwrap_or_default(),
                    execution_id: Some(id.to_owned()),
                    evidence_id: None,
                    metadata: metadata.map(|(key, value)| (key.to_owned(), value)).into(),
                },
            })
            .await?;
        gathered.add_fact(ChainPosition::from(&receipt));
        Ok(())
    }

    async fn complete(
        &self,
        asker: &Asker<'_>,
        id: &str,
        input: &ExecuteInput,
        prompt_hash: &str,
        gathered: Gathered,
    ) -> Result<ExecuteOutput, ExecutionError> {
        let Gathered {
            results,
            verification,
            ..
        } = &gathered;
        let evidence_id = if input.create_evidence {
            Some(ids::plain(&*self.clock, &*self.entropy)?)
        } else {
            None
        };
        let description = input.label.as_deref().unwrap_or("AI execution");
        let cost_nanos = gathered.cost_nanos();
        let seal = |purpose, text: &Option<String>| {
            text.as_deref()
                .map(|text| self.seal(purpose, asker.owner, id, text))
                .transpose()
        };
        let ending = Ending {
            sealed_response: seal("response", &results.chatgpt_response)?,
            sealed_output: seal("output", &results.fortress_output)?,
            results,
            verification,
            fortress_job_id: gathered.job_id.as_deref(),
            tokens: gathered.tokens,
            cost_nanos,
            now_ms: self.clock.now_ms(),
            evidence: evidence_id.as_deref().map(|id| NewEvidence {
                id,
                description,
                input_hash: prompt_hash,
                output_hash: &gathered.output_hash,
            }),
        };
        if !Executions::new(Rc::clone(&self.db)).complete(id, &ending).await? {
            return Err(ExecutionError::Interrupted);
        }
        Ok(ExecuteOutput {
            execution_id: id.to_owned(),
            status: "completed".to_owned(),
            security_level: input.security_level,
            evidence_id,
            cost_usd: cost_nanos.map(usage::dollars),
            results: gathered.results,
            verification: gathered.verification,
        })
    }

    /// An execution of the owner's, as it is on file.
    pub async fn status(&self, owner: &str, id: &str) -> Result<StatusOutput, ExecutionError> {
        let stored = self.stored(owner, id).await?;
        Ok(StatusOutput {
            execution: self.view(stored)?,
        })
    }

    pub(super) async fn stored(&self, owner: &str, id: &str) -> Result<Stored, ExecutionError> {
        let executions = Executions::new(Rc::clone(&self.db));
        // Whoever asks after an interrupted execution hears so at once, not at the next sweep.
        executions.fail_interrupted(self.clock.now_ms()).await?;
        let found = executions.find(id).await?;
        found
            .filter(|stored| stored.user_id == owner)
            .ok_or(ExecutionError::NotFound)
    }

    pub(super) fn view(&self, stored: Stored) -> Result<ExecutionView, ExecutionError> {
        let open = |purpose: &str, sealed: &Option<String>| {
            sealed
                .as_deref()
                .map(|text| self.open(purpose, &stored.user_id, &stored.id, text))
                .transpose()
        };
        let verification: Option<Verification> = stored
            .verification
            .clone()
            .and_then(|value| serde_json::from_value(value).ok());
        let time = |ms: i64| crate::time::to_rfc3339(ms);
        Ok(ExecutionView {
            prompt: self.open("prompt", &stored.user_id, &stored.id, &stored.sealed_prompt)?,
            results: Results {
                chatgpt_response: open("response", &stored.sealed_response)?,
                fortress_output: open("output", &stored.sealed_output)?,
                fortress_signature: stored.fortress_signature.clone(),
                fortress_manifest: stored.manifest.clone(),
                verification_status: verification.as_ref().and_then(|v| v.signature_valid),
                chain_facts: stored.chain_facts.clone(),
                chain_positions: Vec::new(),
            },
            verification,
            security_level: stored.security_level,
            execution_method: stored.execution_method,
            chat_session_id: stored.chat_session_id,
            fortress_job_id: stored.fortress_job_id,
            evidence_id: stored.evidence_id,
            case_id: stored.case_id,
            created_at: time(stored.created_at_ms),
            completed_at: stored.completed_at_ms.map(time),
            status: stored.status,
            cost_usd: stored.cost_nanos.map(usage::dollars),
            error_message: stored.error_message,
            metadata: [("label", stored.label), ("model", stored.model)]
                .into_iter()
                .filter_map(|(key, value)| Some((key.to_owned(), json!(value?))))
                .collect(),
            id: stored.id,
            user_id: stored.user_id,
        })
    }

    fn seal(&self, purpose: &str, owner: &str, id: &str, text: &str) -> Result<String, SealError> {
        self.sealer
            .seal(purpose, &[owner, id], text.as_bytes(), &*self.entropy)
    }

    fn open(&self, purpose: &str, owner: &str, id: &str, text: &str) -> Result<String, SealError> {
        let bytes = self.sealer.open(purpose, &[owner, id], text)?;
        String::from_utf8(bytes).map_err(|_| SealError::Malformed)
    }
}

impl Gathered {
    fn take_standard(&mut self, answer: chat::CompletionOutput) {
        if self.output_hash.is_empty() {
            self.output_hash = sha256_hex(&answer.response);
        }
        if let Some(usage) = answer.usage {
            self.add_tokens(
                i64::try_from(usage.prompt_tokens).ok(),
                i64::try_from(usage.completion_tokens).ok(),
            );
        }
        self.costs.push(answer.cost_nanos);
        self.results.chatgpt_response = Some(answer.response);
    }

    fn take_run(&mut self, run: fortress::ExecuteOutput) {
        self.output_hash = sha256_hex(&run.output);
        self.add_tokens(run.prompt_tokens, run.completion_tokens);
        self.costs.push(run.cost_nanos);
        self.job_id = Some(run.job_id);
        self.verification.fortress_signed = !run.signature.is_empty();
        self.results.fortress_output = Some(run.output);
        self.results.fortress_signature = Some(run.signature);
        self.results.fortress_manifest = Some(run.manifest);
        self.add_fact(run.chain);
    }

    fn add_fact(&mut self, position: ChainPosition) {
        self.results.chain_facts.push(position.fact_id.clone());
        self.results.chain_positions.push(position);
        self.verification.chain_facts_logged = self.results.chain_facts.len();
    }

    fn add_tokens(&mut self, prompt: Option<i64>, completion: Option<i64>) {
        if let (Some(prompt), Some(completion)) = (prompt, completion) {
            let (prompts, completions) = self.tokens.unwrap_or_default();
            self.tokens = Some((prompts + prompt, completions + completion));
        }
    }

    /// The sum, known only if every part is.
    fn cost_nanos(&self) -> Option<i64> {
        self.costs.iter().copied().sum()
    }
}
