use std::rc::Rc;

use super::error::{ExecutionError, Failed};
use super::gathered::Gathered;
use super::store::{Ending, Executions, NewEvidence, NewExecution, Part};
use super::types::{ExecuteInput, ExecuteOutput, SecurityLevel};
use super::workers::{Asker, CHECK_TIMEOUT_MS, MODEL_TIMEOUT_MS, Workers};
use crate::chain::fact::Fact;
use crate::chat::{self, ChatMessage, Role};
use crate::digest::sha256_hex;
use crate::fortress::{self, ChainPosition, Manifest};
use crate::ids;
use crate::ledger::{APPEND_MS, AppendRequest, Ledger};
use crate::mcp::client::PeerError;
use crate::ports::{Clock, Database, Entropy};
use crate::seal::{SealError, Sealer};
use crate::usage;

/// For the database, before and after.
const DATABASE_MS: u64 = 60_000;
/// Longer than everything an execution waits for: the models, which answer side by side, the
/// check of the signature, and the log.
pub(super) const DEADLINE_MS: i64 =
    (MODEL_TIMEOUT_MS + CHECK_TIMEOUT_MS + APPEND_MS + DATABASE_MS).cast_signed();
/// Most tokens of an answer at the level standard.
const STANDARD_TOKENS: u32 = 1_000;
const SOURCE: &str = "chittyos-coordinator";

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

impl ExecutionService {
    /// Answers at the level asked for. What fails is on file as failed before it is told.
    pub async fn execute(
        &self,
        asker: &Asker<'_>,
        input: &ExecuteInput,
    ) -> Result<ExecuteOutput, Failed> {
        self.execute_part(asker, input, None).await
    }

    /// The same for an execution that may be part of a comparison.
    pub(super) async fn execute_part(
        &self,
        asker: &Asker<'_>,
        input: &ExecuteInput,
        part: Option<Part<'_>>,
    ) -> Result<ExecuteOutput, Failed> {
        let id = ids::plain(&*self.clock, &*self.entropy)?;
        let prompt_hash = sha256_hex(&input.prompt);
        let sealed_prompt = self.seal("prompt", asker.owner, &id, &input.prompt)?;
        let now_ms = self.clock.now_ms();
        let executions = Executions::new(Rc::clone(&self.db));
        let opened = executions
            .open(&NewExecution {
                id: &id,
                owner: asker.owner,
                request_id: asker.request_id,
                input,
                sealed_prompt: &sealed_prompt,
                prompt_hash: &prompt_hash,
                now_ms,
                deadline_ms: now_ms + DEADLINE_MS,
                part,
            })
            .await?;
        if !opened {
            return Err(ExecutionError::Erased.into());
        }
        let mut gathered = Gathered::default();
        let outcome = match self.answer(asker, &id, input, &mut gathered).await {
            Ok(()) => {
                self.complete(asker, &id, input, &prompt_hash, &gathered)
                    .await
            }
            Err(error) => Err(error),
        };
        match outcome {
            Ok(evidence_id) => Ok(output(id, evidence_id, input, gathered)),
            Err(error) => {
                // If this cannot be written, the sweep fails the execution at its deadline.
                let _ = self.fail(asker, &id, &error.reason(), &gathered).await;
                Err(Failed {
                    execution_id: Some(id),
                    error,
                })
            }
        }
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
                let answer = self.ask_chatgpt(asker, id, input).await;
                Ok(gathered.take_standard(answer)?)
            }
            SecurityLevel::Verified if self.compare => {
                let (run, answer) = futures::join!(
                    self.ask_fortress(asker, id, input),
                    self.ask_chatgpt(asker, id, input)
                );
                // Both are taken before either is judged: what came in stays on file.
                let (run, answer) = (gathered.take_run(run), gathered.take_standard(answer));
                run?;
                self.check(asker, id, input, gathered).await?;
                answer?;
                self.log_comparison(asker, id, gathered).await
            }
            SecurityLevel::Fortress | SecurityLevel::Verified => {
                let run = self.ask_fortress(asker, id, input).await;
                gathered.take_run(run)?;
                self.check(asker, id, input, gathered).await
            }
        }
    }

    async fn ask_chatgpt(
        &self,
        asker: &Asker<'_>,
        id: &str,
        input: &ExecuteInput,
    ) -> Result<chat::CompletionOutput, PeerError> {
        // Beside a sealed run it is asked in the same way, or the comparison says nothing.
        let sealed = input.security_level.asks_fortress();
        let question = chat::CompletionInput {
            messages: vec![ChatMessage {
                role: Role::User,
                content: input.prompt.clone(),
            }],
            model: Some(input.model.clone()),
            max_tokens: Some(if sealed {
                fortress::MAX_OUTPUT_TOKENS
            } else {
                STANDARD_TOKENS
            }),
            temperature: sealed.then_some(fortress::TEMPERATURE),
            session_id: Some(id.to_owned()),
            ..chat::CompletionInput::default()
        };
        let answer = self.workers.complete(asker, &question).await;
        answer.map_err(|error| if sealed { reserved(error) } else { error })
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
        gathered: &mut Gathered,
    ) -> Result<(), ExecutionError> {
        let results = &gathered.results;
        let manifest = results.fortress_manifest.clone().unwrap_or_default();
        let question = fortress::VerifyInput {
            content: manifest.clone(),
            signature: results.fortress_signature.clone().unwrap_or_default(),
            public_key: None,
            include_keys: false,
        };
        let verdict = self.workers.verify_signature(asker, &question).await?;
        let covered = Manifest::parse(&manifest).and_then(|manifest| {
            manifest.check(
                gathered.job_id.as_deref().unwrap_or_default(),
                Some(id),
                &input.prompt,
                gathered
                    .results
                    .fortress_output
                    .as_deref()
                    .unwrap_or_default(),
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

    /// Writes the completion. Returns the id of the evidence made with it.
    async fn complete(
        &self,
        asker: &Asker<'_>,
        id: &str,
        input: &ExecuteInput,
        prompt_hash: &str,
        gathered: &Gathered,
    ) -> Result<Option<String>, ExecutionError> {
        let evidence_id = if input.create_evidence {
            Some(ids::plain(&*self.clock, &*self.entropy)?)
        } else {
            None
        };
        let evidence = evidence_id.as_deref().map(|id| NewEvidence {
            id,
            description: input.label.as_deref().unwrap_or("AI execution"),
            input_hash: prompt_hash,
            output_hash: &gathered.output_hash,
        });
        let ending = Ending {
            evidence,
            ..self.ending(asker, id, gathered)?
        };
        if Executions::new(Rc::clone(&self.db))
            .end(id, &ending)
            .await?
        {
            Ok(evidence_id)
        } else {
            Err(ExecutionError::Interrupted)
        }
    }

    /// Writes the failure, and with it what came in: it was paid for, and facts may name it.
    async fn fail(
        &self,
        asker: &Asker<'_>,
        id: &str,
        reason: &str,
        gathered: &Gathered,
    ) -> Result<bool, ExecutionError> {
        let ending = Ending {
            failure: Some(reason),
            ..self.ending(asker, id, gathered)?
        };
        let executions = Executions::new(Rc::clone(&self.db));
        Ok(executions.end(id, &ending).await?)
    }

    fn ending<'a>(
        &self,
        asker: &Asker<'_>,
        id: &str,
        gathered: &'a Gathered,
    ) -> Result<Ending<'a>, SealError> {
        let seal = |purpose, text: &Option<String>| {
            text.as_deref()
                .map(|text| self.seal(purpose, asker.owner, id, text))
                .transpose()
        };
        Ok(Ending {
            failure: None,
            sealed_response: seal("response", &gathered.results.chatgpt_response)?,
            sealed_output: seal("output", &gathered.results.fortress_output)?,
            results: &gathered.results,
            verification: &gathered.verification,
            fortress_job_id: gathered.job_id.as_deref(),
            totals: gathered.totals(),
            now_ms: self.clock.now_ms(),
            evidence: None,
        })
    }

    fn seal(&self, purpose: &str, owner: &str, id: &str, text: &str) -> Result<String, SealError> {
        self.sealer
            .seal(purpose, &[owner, id], text.as_bytes(), &*self.entropy)
    }
}

/// Without the provider's words, which may repeat the prompt: the reason is stored in clear.
fn reserved(error: PeerError) -> PeerError {
    match error {
        PeerError::Tool { code, .. } if code.starts_with("MODEL_") => PeerError::Tool {
            message: format!(
                "the chatgpt worker has no answer of its model ({code}; the provider's words are left out of sealed executions): run it again, or at the level standard to read them"
            ),
            code,
        },
        other => other,
    }
}

fn output(
    id: String,
    evidence_id: Option<String>,
    input: &ExecuteInput,
    gathered: Gathered,
) -> ExecuteOutput {
    ExecuteOutput {
        execution_id: id,
        status: "completed".to_owned(),
        security_level: input.security_level,
        evidence_id,
        cost_usd: gathered.totals().cost_nanos.map(usage::dollars),
        results: gathered.results,
        verification: gathered.verification,
    }
}
