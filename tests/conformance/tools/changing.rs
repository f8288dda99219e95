//! Changes of the lists, for listeners.

use async_trait::async_trait;
use chitty_core::mcp::{About, Call, Registry, Reply, Tool, ToolError};

use super::{Nothing, about, text};
use crate::services::Services;

pub fn add(registry: Registry<Services>) -> Registry<Services> {
    registry.with::<ToolChange>().with::<PromptChange>()
}

struct ToolChange;

#[async_trait(?Send)]
impl Tool<Services> for ToolChange {
    type Input = Nothing;
    type Output = ();
    const ABOUT: About = about(
        "test_trigger_tool_change",
        "Marks the list of tools as changed.",
    );
    const STRUCTURED: bool = false;

    async fn call(services: &Services, _: &Call, _: Nothing) -> Result<Reply<()>, ToolError> {
        services.change(|versions| versions.tools += 1);
        Ok(text("The list of tools has changed."))
    }
}

struct PromptChange;

#[async_trait(?Send)]
impl Tool<Services> for PromptChange {
    type Input = Nothing;
    type Output = ();
    const ABOUT: About = about(
        "test_trigger_prompt_change",
        "Marks the list of prompts as changed.",
    );
    const STRUCTURED: bool = false;

    async fn call(services: &Services, _: &Call, _: Nothing) -> Result<Reply<()>, ToolError> {
        services.change(|versions| versions.prompts += 1);
        Ok(text("The list of prompts has changed."))
    }
}
