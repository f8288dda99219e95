//! A tool that counts how its calls ended, so that a test can see a cancellation, and one
//! that panics.

use async_trait::async_trait;
use chitty_core::mcp::{About, Call, Host, Registry, Reply, Tool, ToolError};
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::about;
use crate::services::Services;

pub fn add(registry: Registry<Services>) -> Registry<Services> {
    registry.with::<SlowCancellable>().with::<Panicking>()
}

#[derive(Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
struct Work {
    /// How long to work, in milliseconds.
    #[garde(range(max = 60_000))]
    ms: u64,
}

#[derive(Serialize, JsonSchema)]
struct Worked {
    ms: u64,
}

struct SlowCancellable;

#[async_trait(?Send)]
impl Tool<Services> for SlowCancellable {
    type Input = Work;
    type Output = Worked;
    const ABOUT: About = about(
        "test_slow_cancellable",
        "Works for a while and counts how it ended.",
    );

    async fn call(
        services: &Services,
        call: &Call,
        input: Work,
    ) -> Result<Reply<Worked>, ToolError> {
        let run = services.runs.start();
        call.progress(0.0, Some(1.0), Some("started"));
        services.clock().sleep(input.ms).await;
        run.finish();
        Ok(Worked { ms: input.ms }.into())
    }
}

#[derive(Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
struct When {
    /// As a task, instead of at once.
    #[serde(default)]
    #[garde(skip)]
    later: bool,
}

struct Panicking;

#[async_trait(?Send)]
impl Tool<Services> for Panicking {
    type Input = When;
    type Output = ();
    const ABOUT: About = about("test_panic", "Panics.");
    const STRUCTURED: bool = false;

    #[expect(clippy::panic, reason = "what the test is about")]
    async fn call(_: &Services, call: &Call, input: When) -> Result<Reply<()>, ToolError> {
        if input.later && !call.is_task() {
            return Ok(Reply::Later);
        }
        call.progress(1.0, None, None);
        panic!("asked to, in a tool")
    }
}
