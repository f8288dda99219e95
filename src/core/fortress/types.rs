use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::keys::{HistoryEntry, KeyStanding};
use crate::chain::receipt::Receipt;
use crate::evidence::parse_manifest;
use crate::validation::{printable, printable_if_some};

/// A question to be answered inside a sealed, signed and logged run.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct ExecuteInput {
    /// The question. Sent to the model as it stands, under the fortress's own policy.
    #[garde(length(bytes, min = 1, max = 65_536))]
    pub prompt: String,
    /// A name for the run, for people.
    #[garde(length(chars, min = 1, max = 500), custom(printable))]
    pub label: String,
    /// What the run belongs to, such as an execution id. The same one twice gives the same
    /// run, not a second one.
    #[garde(length(bytes, min = 1, max = 128), custom(printable_if_some))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence_id: Option<String>,
    /// The model to ask. Default: gpt-4.
    #[garde(length(bytes, min = 1, max = 128))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// A completed run with everything needed to check it.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct ExecuteOutput {
    pub job_id: String,
    /// What the model answered.
    pub output: String,
    /// Armored OpenPGP signature over `manifest`.
    pub signature: String,
    /// Fingerprint of the key that signed.
    pub verified_by: String,
    pub evidence_id: Option<String>,
    /// The fact in the log that records the run.
    pub assertion_id: String,
    pub status: String,
    /// The exact signed text: hashes of prompt and answer, model, policy, times, ids.
    pub manifest: String,
    pub output_file: String,
    pub model: String,
    pub chain: ChainPosition,
    pub prompt_tokens: Option<i64>,
    pub completion_tokens: Option<i64>,
    /// Nano-dollars; absent if no price is known.
    pub cost_nanos: Option<i64>,
    pub cost_status: String,
}

/// Where a fact stands in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChainPosition {
    pub fact_id: String,
    pub leaf_index: u64,
    pub tree_size: u64,
    /// The signed checkpoint (C2SP tlog-checkpoint) of that tree.
    pub checkpoint: String,
}

/// A signature to check.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct VerifyInput {
    /// The exact text that was signed, such as a run's manifest.
    #[garde(length(bytes, max = 1_048_576))]
    pub content: String,
    /// The armored OpenPGP signature.
    #[garde(length(bytes, min = 1, max = 8_192))]
    pub signature: String,
    /// Another armored public key to check against. It is reported on, never trusted: the
    /// verdict `signature_valid` is about the fortress's own key.
    #[garde(length(bytes, min = 1, max = 65_536))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<String>,
    /// Give the history of the fortress's keys along, as `/keys/history.json` has it.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub include_keys: bool,
}

/// Nothing to say: all that is due.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct LogDueInput {}

/// How much was logged that was due.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct LoggedDue {
    /// Rotations, ends and revocations of keys.
    pub keys: usize,
    /// Signed runs.
    pub runs: usize,
    /// Runs that are not what was signed, or that the log refuses.
    pub refused: usize,
}

/// Most texts of one [`VerifyAllInput`].
pub const MAX_SIGNED_TEXTS: usize = 100;

/// Signatures to check at once.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct VerifyAllInput {
    #[garde(length(min = 1, max = MAX_SIGNED_TEXTS), dive)]
    pub texts: Vec<SignedText>,
}

/// A text and what is said to be its signature.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct SignedText {
    /// The exact text that was signed: a run's manifest.
    #[garde(length(bytes, max = 65_536))]
    pub content: String,
    /// The armored OpenPGP signature.
    #[garde(length(bytes, min = 1, max = 8_192))]
    pub signature: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct VerifyAllOutput {
    /// For each text, in the order asked: null where the signature holds, or why it does not.
    pub faults: Vec<Option<String>>,
}

/// A package to sign, by its tag manifest (RFC 8493).
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct SealInput {
    #[garde(length(bytes, min = 1, max = 128), custom(printable))]
    pub package_id: String,
    /// The exact text of `tagmanifest-sha256.txt`.
    #[garde(length(bytes, min = 1, max = 65_536), custom(manifest))]
    pub tag_manifest: String,
}

/// Nothing but a manifest is signed in this way, least of all an execution's.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "garde's form")]
fn manifest(text: &str, _: &()) -> garde::Result {
    match parse_manifest(text) {
        Some(listed) if listed.contains_key("manifest-sha256.txt") => Ok(()),
        _ => Err(garde::Error::new("is not the tag manifest of a package")),
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct SealOutput {
    /// Armored OpenPGP signature over the tag manifest.
    pub signature: String,
    pub key_fingerprint: String,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct VerifyOutput {
    /// SHA-256 of the content, lower hex.
    pub content_hash: String,
    /// Whether a key of the fortress's own signed exactly this content, and may be relied on.
    pub signature_valid: bool,
    /// RFC 3339.
    pub verified_at: String,
    /// Machine-readable reason of the verdict.
    pub reason: String,
    /// The verdict in words.
    pub explanation: String,
    /// Fingerprint of the fortress's key that signed, or else of the one that signs now.
    pub key_fingerprint: String,
    /// That key, armored. Compare its fingerprint with one you got elsewhere.
    pub public_key: String,
    /// RFC 3339.
    pub key_created_at: String,
    /// RFC 3339; null for never.
    pub key_expires_at: Option<String>,
    /// What became of that key; null where no key of the fortress's is named.
    #[serde(default)]
    pub key: Option<KeyStanding>,
    /// What the key given by the caller says, if one was given.
    pub caller_key: Option<CallerKey>,
    /// All keys of the fortress's that are vouched for, the first one first; absent unless asked
    /// for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<Vec<HistoryEntry>>,
}

/// A verdict under a key that nobody here vouches for.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CallerKey {
    /// Whether it has the fingerprint of a key of the fortress's own.
    pub is_fortress_key: bool,
    pub signature_valid: bool,
    pub fingerprint: Option<String>,
    pub explanation: String,
}

impl ExecuteInput {
    pub(super) fn model(&self) -> &str {
        self.model.as_deref().unwrap_or("gpt-4")
    }
}

impl From<&Receipt> for ChainPosition {
    fn from(receipt: &Receipt) -> Self {
        Self {
            fact_id: receipt.fact_id.to_string(),
            leaf_index: receipt.leaf_index,
            tree_size: receipt.tree_size,
            checkpoint: receipt.checkpoint.clone(),
        }
    }
}
