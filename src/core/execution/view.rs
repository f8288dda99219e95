use std::rc::Rc;

use serde_json::json;

use super::error::ExecutionError;
use super::service::ExecutionService;
use super::store::{Executions, Stored};
use super::types::{ExecutionView, Results, StatusOutput, Verification};
use crate::auth::Principal;
use crate::seal::SealError;
use crate::usage;

/// How content reads that was erased by law.
pub const ERASED: &str = "content erased";

impl ExecutionService {
    /// An execution of the caller's, or of somebody it may act for, as it is on file.
    pub async fn status(
        &self,
        caller: &Principal,
        id: &str,
    ) -> Result<StatusOutput, ExecutionError> {
        let stored = self.stored(caller, id).await?;
        Ok(StatusOutput {
            execution: self.view(stored)?,
        })
    }

    pub(super) async fn stored(
        &self,
        caller: &Principal,
        id: &str,
    ) -> Result<Stored, ExecutionError> {
        let executions = Executions::new(Rc::clone(&self.db));
        // Whoever asks after an interrupted execution hears so at once, not at the next sweep.
        executions
            .fail_if_interrupted(id, self.clock.now_ms())
            .await?;
        let found = executions.find(id).await?;
        found
            .filter(|stored| caller.resolve_user(Some(&stored.user_id)).is_ok())
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
        let content_erased = stored.sealed_prompt.is_empty();
        let prompt = if content_erased {
            ERASED.to_owned()
        } else {
            self.open("prompt", &stored.user_id, &stored.id, &stored.sealed_prompt)?
        };
        let time = |ms: i64| crate::time::to_rfc3339(ms);
        Ok(ExecutionView {
            prompt,
            content_erased,
            results: Results {
                chatgpt_response: open("response", &stored.sealed_response)?,
                fortress_output: open("output", &stored.sealed_output)?,
                fortress_signature: stored.fortress_signature.clone(),
                fortress_manifest: stored.manifest.clone().filter(|text| !text.is_empty()),
                // As the row has it: of a failed execution nothing is verified.
                verification_status: stored.verification_status,
                finish_reasons: stored
                    .metadata
                    .clone()
                    .and_then(|value| serde_json::from_value(value).ok())
                    .unwrap_or_default(),
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

    /// A stored prompt, opened: for looking through many at once.
    pub(crate) fn open_prompt(
        &self,
        owner: &str,
        id: &str,
        sealed: &str,
    ) -> Result<String, SealError> {
        self.open("prompt", owner, id, sealed)
    }

    fn open(&self, purpose: &str, owner: &str, id: &str, text: &str) -> Result<String, SealError> {
        let bytes = self.sealer.open(purpose, &[owner, id], text)?;
        String::from_utf8(bytes).map_err(|_| SealError::Malformed)
    }
}
