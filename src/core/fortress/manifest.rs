use serde::{Deserialize, Serialize};

use super::policy::Policy;
use crate::digest::sha256_hex;
use crate::usage::TokenUsage;

const KIND: &str = "chittymcp/execution/v1";

/// `execution.json`: what a signature covers. The signed bytes are its RFC 8785 form, and
/// they are kept as signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub kind: String,
    pub job_id: String,
    /// What the caller linked the run to, such as an execution of the coordinator.
    pub evidence_id: Option<String>,
    pub label: String,
    /// SHA-256 of the prompt's UTF-8 bytes, lower hex.
    pub prompt_sha256: String,
    /// SHA-256 of the answer's UTF-8 bytes, lower hex.
    pub output_sha256: String,
    pub model_requested: String,
    pub model_answered: String,
    pub provider: Provider,
    pub parameters: Parameters,
    pub policy: Policy,
    pub policy_sha256: String,
    pub usage: Option<Usage>,
    pub started_at_ms: i64,
    pub completed_at_ms: i64,
    /// Fingerprint of the OpenPGP key that signs this.
    pub signer_fingerprint: String,
}

/// Who answered, by the provider's own account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Provider {
    pub host: String,
    pub request_id: Option<String>,
    pub response_id: Option<String>,
    pub service_tier: Option<String>,
    pub system_fingerprint: Option<String>,
    pub finish_reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    pub max_tokens: u32,
    /// As text: RFC 8785 numbers are doubles, and this one is quoted.
    pub temperature: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usage {
    pub prompt_tokens: u64,
    pub completion_tokens: u64,
    pub total_tokens: u64,
}

impl From<TokenUsage> for Usage {
    fn from(usage: TokenUsage) -> Self {
        Self {
            prompt_tokens: usage.prompt,
            completion_tokens: usage.completion,
            total_tokens: usage.total,
        }
    }
}

/// How a manifest fails to be of the run it is held against.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestFault {
    #[error("the manifest is not the canonical form of an execution")]
    NotCanonical,
    #[error("the manifest is of another job")]
    Job,
    #[error("the manifest is of another prompt")]
    Prompt,
    #[error("the manifest is of another answer")]
    Output,
    #[error("the manifest names a policy hash that is not of its policy")]
    Policy,
    #[error("the manifest names the evidence id of another execution")]
    Evidence,
}

impl Manifest {
    pub fn kind() -> String {
        KIND.to_owned()
    }

    /// The bytes to sign.
    pub fn canonical(&self) -> Option<String> {
        serde_json_canonicalizer::to_string(self).ok()
    }

    /// Reads signed bytes back; nothing but the canonical form is taken.
    pub fn parse(text: &str) -> Result<Self, ManifestFault> {
        let manifest: Self = serde_json::from_str(text).map_err(|_| ManifestFault::NotCanonical)?;
        let same = manifest.kind == KIND && manifest.canonical().as_deref() == Some(text);
        same.then_some(manifest).ok_or(ManifestFault::NotCanonical)
    }

    /// Whether this manifest is of that run.
    pub fn check(
        &self,
        job_id: &str,
        evidence_id: Option<&str>,
        prompt: &str,
        output: &str,
    ) -> Result<(), ManifestFault> {
        self.check_hashes(
            job_id,
            evidence_id,
            &sha256_hex(prompt),
            &sha256_hex(output),
        )
    }

    /// The same where only the hashes of prompt and answer are at hand.
    pub(super) fn check_hashes(
        &self,
        job_id: &str,
        evidence_id: Option<&str>,
        prompt_sha256: &str,
        output_sha256: &str,
    ) -> Result<(), ManifestFault> {
        let checks = [
            (self.job_id == job_id, ManifestFault::Job),
            (
                self.evidence_id.as_deref() == evidence_id,
                ManifestFault::Evidence,
            ),
            (self.prompt_sha256 == prompt_sha256, ManifestFault::Prompt),
            (self.output_sha256 == output_sha256, ManifestFault::Output),
            (
                self.policy.sha256().as_ref() == Some(&self.policy_sha256),
                ManifestFault::Policy,
            ),
        ];
        match checks.into_iter().find(|(holds, _)| !holds) {
            Some((_, fault)) => Err(fault),
            None => Ok(()),
        }
    }
}
