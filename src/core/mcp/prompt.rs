//! Prompts: named templates that a person picks and a client fills in.

use std::collections::BTreeMap;

use async_trait::async_trait;
use tower_mcp_types::protocol::{GetPromptResult, PromptDefinition};

use super::call::{Call, InputRequired};
use super::error::RpcError;

pub enum PromptReply {
    Done(GetPromptResult),
    Ask(InputRequired),
}

#[async_trait(?Send)]
pub trait Prompt<S> {
    fn definition(&self) -> PromptDefinition;

    async fn get(
        &self,
        services: &S,
        call: &Call,
        arguments: BTreeMap<String, String>,
    ) -> Result<PromptReply, RpcError>;

    /// Values that `argument` may be completed to, best first.
    fn complete(&self, _argument: &str, _typed: &str) -> Vec<String> {
        Vec::new()
    }
}
