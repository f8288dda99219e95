use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fortress::ChainPosition;
use crate::validation::printable_if_some;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecurityLevel {
    #[default]
    Standard,
    Fortress,
    Verified,
}

impl SecurityLevel {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Fortress => "fortress",
            Self::Verified => "verified",
        }
    }

    /// `execution_method` of the schema.
    pub fn method(self) -> &'static str {
        match self {
            Self::Standard => "direct",
            Self::Fortress => "sandboxed",
            Self::Verified => "verified",
        }
    }

    pub fn asks_fortress(self) -> bool {
        self != Self::Standard
    }
}

/// A question, and how far its answer must stand up.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ExecuteInput {
    /// The question for the model.
    #[garde(length(bytes, min = 1, max = 65_536))]
    pub prompt: String,
    /// Whose execution it is. Default: the caller. Naming somebody else needs the scope
    /// delegation:act.
    #[garde(length(bytes, min = 1, max = 128))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// standard: a plain model call. fortress: a signed and logged run. verified: both,
    /// compared; this sends the prompt to both.
    #[garde(skip)]
    #[serde(default)]
    pub security_level: SecurityLevel,
    /// The case it belongs to.
    #[garde(length(bytes, min = 1, max = 128), custom(printable_if_some))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case_id: Option<String>,
    /// The model to ask.
    #[garde(length(bytes, min = 1, max = 128))]
    #[serde(default = "default_model")]
    pub model: String,
    /// A name for it, for people.
    #[garde(length(chars, min = 1, max = 500), custom(printable_if_some))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Make an evidence record of it.
    #[garde(skip)]
    #[serde(default)]
    pub create_evidence: bool,
}

fn default_model() -> String {
    "gpt-4".to_owned()
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ExecuteOutput {
    pub execution_id: String,
    /// completed; a failed execution is an error that names the execution.
    pub status: String,
    pub security_level: SecurityLevel,
    pub results: Results,
    pub evidence_id: Option<String>,
    pub verification: Verification,
    /// Dollars, exact; null if a price is unknown.
    pub cost_usd: Option<String>,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct Results {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chatgpt_response: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fortress_output: Option<String>,
    /// Armored OpenPGP signature over `fortress_manifest`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fortress_signature: Option<String>,
    /// The exact signed text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fortress_manifest: Option<String>,
    /// The signature was checked and holds, and the manifest is of this prompt and answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification_status: Option<bool>,
    /// Why each model ended its answer; `length` means that the answer is cut off.
    #[serde(default, skip_serializing_if = "FinishReasons::is_empty")]
    pub finish_reasons: FinishReasons,
    /// Ids of the facts logged for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chain_facts: Vec<String>,
    /// Where those facts stand in the log.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chain_positions: Vec<ChainPosition>,
}

/// In the provider's words, such as `stop` or `length`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FinishReasons {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chatgpt_finish_reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fortress_finish_reason: Option<String>,
}

impl FinishReasons {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
pub struct Verification {
    pub fortress_signed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature_valid: Option<bool>,
    pub chain_facts_logged: usize,
    /// The verdict on the signature, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature_explanation: Option<String>,
    /// Fingerprint of the key that signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_fingerprint: Option<String>,
    /// Whether both models gave the same text, byte for byte. Two honest answers may differ.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answers_identical: Option<bool>,
}

/// Which execution to look at.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct StatusInput {
    #[garde(length(bytes, min = 1, max = 128))]
    pub execution_id: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct StatusOutput {
    pub execution: ExecutionView,
}

/// An execution as it is on file. Times are RFC 3339.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ExecutionView {
    pub id: String,
    pub user_id: String,
    pub prompt: String,
    /// Prompt and answers were erased by law; the prompt reads `content erased`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub content_erased: bool,
    pub security_level: String,
    pub execution_method: String,
    pub chat_session_id: Option<String>,
    pub fortress_job_id: Option<String>,
    pub evidence_id: Option<String>,
    pub case_id: Option<String>,
    pub created_at: String,
    pub completed_at: Option<String>,
    /// pending, executing, completed or failed.
    pub status: String,
    pub results: Results,
    pub verification: Option<Verification>,
    pub cost_usd: Option<String>,
    /// Why it failed.
    pub error_message: Option<String>,
    pub metadata: serde_json::Map<String, serde_json::Value>,
}
