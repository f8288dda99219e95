use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::sha256_hex;

pub(crate) const MAX_OUTPUT_TOKENS: u32 = 4_096;

/// The bounds a run is held to. Data, not code: it is hashed and signed with each run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    pub version: u32,
    /// The only instruction beside the caller's prompt.
    pub system_prompt: String,
    /// The only host the run may reach.
    pub allowed_host: String,
    pub tools_allowed: bool,
    pub history_allowed: bool,
    /// The answer is text; nothing in it is run.
    pub output_executed: bool,
    pub max_prompt_bytes: usize,
    pub max_output_bytes: usize,
    pub max_output_tokens: u32,
    pub timeout_ms: u64,
    /// Nano-dollars. The bound is checked on what the run did cost, where a price is known.
    pub max_cost_nanos: i64,
    /// What an agent was run in, where the run was an agent's and not one call to a model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sandbox: Option<SandboxPolicy>,
}

/// The bounds of the sandbox of an agent, each for the whole run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SandboxPolicy {
    /// The agent's command line.
    pub agent: Vec<String>,
    /// Files that the command line names, each with its SHA-256 in lower hex.
    pub agent_files: BTreeMap<String, String>,
    pub max_cpu_secs: u64,
    /// Anonymous and shared memory of all processes.
    pub max_memory_bytes: u64,
    /// Threads counted singly.
    pub max_processes: u64,
    /// Of the output directory, and of the private one for scratch.
    pub max_disk_bytes: u64,
    pub max_files: u64,
    /// What the agent writes to its standard output and error.
    pub max_diagnostic_bytes: usize,
    pub max_model_calls: u32,
    /// Of all calls to the model together, as they are sent.
    pub max_request_bytes: usize,
}

impl Policy {
    /// The policy of this version of the service.
    pub fn current(allowed_host: &str) -> Self {
        Self {
            version: 1,
            system_prompt: "You answer one question inside a sealed run. You have no tools, no \
                            memory of other conversations and no access to files or networks. \
                            Answer from the prompt alone, and say so where it does not suffice."
                .to_owned(),
            allowed_host: allowed_host.to_owned(),
            tools_allowed: false,
            history_allowed: false,
            output_executed: false,
            max_prompt_bytes: 65_536,
            max_output_bytes: 262_144,
            max_output_tokens: MAX_OUTPUT_TOKENS,
            timeout_ms: 60_000,
            max_cost_nanos: 2_000_000_000,
            sandbox: None,
        }
    }

    /// SHA-256 of the policy's RFC 8785 form. None only if it could not be encoded.
    pub fn sha256(&self) -> Option<String> {
        serde_json_canonicalizer::to_vec(self).ok().map(sha256_hex)
    }
}
