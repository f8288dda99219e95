//! Progress and log messages while the work goes on.

use async_trait::async_trait;
use chitty_core::mcp::types::LogLevel;
use chitty_core::mcp::{About, Call, Host, Registry, Reply, Tool, ToolError};
use serde_json::json;

use super::{Nothing, about, text};
use crate::services::Services;

const STEP_MS: u64 = 50;

pub fn add(registry: Registry<Services>) -> Registry<Services> {
    registry
        .with::<Progress>()
        .with::<Logging>()
        .with::<LoggingOnRequest>()
        .with::<Reconnection>()
}

struct Progress;

#[async_trait(?Send)]
impl Tool<Services> for Progress {
    type Input = Nothing;
    type Output = ();
    const ABOUT: About = about(
        "test_tool_with_progress",
        "Tells of its progress in three steps.",
    );
    const STRUCTURED: bool = false;

    async fn call(services: &Services, call: &Call, _: Nothing) -> Result<Reply<()>, ToolError> {
        for done in [0.0, 50.0, 100.0] {
            if done > 0.0 {
                services.clock().sleep(STEP_MS).await;
            }
            call.progress(done, Some(100.0), None);
        }
        Ok(text("Done in three steps."))
    }
}

async fn log_three(services: &Services, call: &Call) {
    call.log(LogLevel::Info, &json!("Tool execution started"));
    services.clock().sleep(STEP_MS).await;
    call.log(LogLevel::Info, &json!("Tool processing data"));
    services.clock().sleep(STEP_MS).await;
    call.log(LogLevel::Info, &json!("Tool execution completed"));
}

struct Logging;

#[async_trait(?Send)]
impl Tool<Services> for Logging {
    type Input = Nothing;
    type Output = ();
    const ABOUT: About = about(
        "test_tool_with_logging",
        "Logs three messages to the caller.",
    );
    const STRUCTURED: bool = false;

    async fn call(services: &Services, call: &Call, _: Nothing) -> Result<Reply<()>, ToolError> {
        log_three(services, call).await;
        Ok(text("Logged three messages."))
    }
}

struct LoggingOnRequest;

#[async_trait(?Send)]
impl Tool<Services> for LoggingOnRequest {
    type Input = Nothing;
    type Output = ();
    const ABOUT: About = about("test_logging_tool", "Logs to callers that ask for it.");
    const STRUCTURED: bool = false;

    async fn call(services: &Services, call: &Call, _: Nothing) -> Result<Reply<()>, ToolError> {
        log_three(services, call).await;
        Ok(text("Logged what was asked for."))
    }
}

struct Reconnection;

#[async_trait(?Send)]
impl Tool<Services> for Reconnection {
    type Input = Nothing;
    type Output = ();
    const ABOUT: About = about(
        "test_reconnection",
        "Answers on the stream of the call; there is nothing to resume.",
    );
    const STRUCTURED: bool = false;

    async fn call(services: &Services, call: &Call, _: Nothing) -> Result<Reply<()>, ToolError> {
        call.log(LogLevel::Info, &json!("Working"));
        services.clock().sleep(2 * STEP_MS).await;
        Ok(text("Answered without a reconnection."))
    }
}
