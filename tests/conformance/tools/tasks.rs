//! Tools that answer later, as tasks.

use async_trait::async_trait;
use chitty_core::mcp::{
    About, Call, Host, InputRequired, Registry, Reply, RpcError, Tool, ToolError,
};
use garde::Validate;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Nothing, about, text};
use crate::services::Services;

/// The pause of a job that ends by itself, so that its task can be seen working.
const JOB_MS: u64 = 50;

pub fn add(registry: Registry<Services>) -> Registry<Services> {
    registry
        .with::<Greet>()
        .with::<SlowCompute>()
        .with::<FailingJob>()
        .with::<ProtocolErrorJob>()
        .with::<ConfirmDelete>()
        .with::<MultiInput>()
        .with::<AskThenTask>()
}

fn ask(wanted: InputRequired, key: &str, message: &str, field: &str, kind: &str) -> InputRequired {
    let params = json!({
        "mode": "form",
        "message": message,
        "requestedSchema": {
            "type": "object",
            "properties": { field: { "type": kind } },
            "required": [field],
        },
    });
    wanted.ask(key, "elicitation/create", &params)
}

fn answered<'a>(call: &'a Call, key: &str) -> Option<&'a Value> {
    call.input(key)?.get("content")
}

#[derive(Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
struct Name {
    #[garde(length(max = 256))]
    name: String,
}

struct Greet;

#[async_trait(?Send)]
impl Tool<Services> for Greet {
    type Input = Name;
    type Output = ();
    const ABOUT: About = about("greet", "Greets at once.");
    const STRUCTURED: bool = false;

    async fn call(_: &Services, _: &Call, input: Name) -> Result<Reply<()>, ToolError> {
        Ok(text(format!("Hello, {}!", input.name)))
    }
}

#[derive(Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
struct Computation {
    /// How long to compute, in seconds.
    #[garde(range(max = 60))]
    seconds: u64,
    #[serde(default)]
    #[garde(length(max = 256))]
    label: String,
}

struct SlowCompute;

#[async_trait(?Send)]
impl Tool<Services> for SlowCompute {
    type Input = Computation;
    type Output = ();
    const ABOUT: About = about(
        "slow_compute",
        "Computes for some seconds, as a task where the client can follow one.",
    );
    const STRUCTURED: bool = false;

    async fn call(
        services: &Services,
        call: &Call,
        input: Computation,
    ) -> Result<Reply<()>, ToolError> {
        if call.may_defer() && input.seconds > 0 {
            return Ok(Reply::Later);
        }
        services.clock().sleep(input.seconds * 1000).await;
        Ok(text(format!(
            "Computed {} for {} s.",
            input.label, input.seconds
        )))
    }
}

struct FailingJob;

#[async_trait(?Send)]
impl Tool<Services> for FailingJob {
    type Input = Nothing;
    type Output = ();
    const ABOUT: About = about("failing_job", "Fails, always as a task.");
    const STRUCTURED: bool = false;

    async fn call(services: &Services, call: &Call, _: Nothing) -> Result<Reply<()>, ToolError> {
        if !call.is_task() {
            return Ok(Reply::Later);
        }
        services.clock().sleep(JOB_MS).await;
        Err(ToolError::new(
            "JOB_FAILED",
            "the job failed, as it always does",
        ))
    }
}

struct ProtocolErrorJob;

#[async_trait(?Send)]
impl Tool<Services> for ProtocolErrorJob {
    type Input = Nothing;
    type Output = ();
    const ABOUT: About = about(
        "protocol_error_job",
        "Ends in an error of the protocol, always as a task.",
    );
    const STRUCTURED: bool = false;

    async fn call(services: &Services, call: &Call, _: Nothing) -> Result<Reply<()>, ToolError> {
        if !call.is_task() {
            return Ok(Reply::Later);
        }
        services.clock().sleep(JOB_MS).await;
        Err(RpcError::internal().into())
    }
}

#[derive(Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
struct File {
    #[garde(length(max = 256))]
    filename: String,
}

struct ConfirmDelete;

#[async_trait(?Send)]
impl Tool<Services> for ConfirmDelete {
    type Input = File;
    type Output = ();
    const ABOUT: About = about(
        "confirm_delete",
        "Asks before it pretends to delete, as a task.",
    );
    const STRUCTURED: bool = false;

    async fn call(_: &Services, call: &Call, input: File) -> Result<Reply<()>, ToolError> {
        if !call.is_task() {
            return Ok(Reply::Later);
        }
        let Some(content) = answered(call, "confirm") else {
            let message = format!("Delete {}?", input.filename);
            let wanted = ask(
                InputRequired::default(),
                "confirm",
                &message,
                "confirm",
                "boolean",
            );
            return Ok(Reply::Ask(wanted));
        };
        let confirmed = content.get("confirm") == Some(&Value::Bool(true));
        let done = if confirmed { "Deleted" } else { "Kept" };
        Ok(text(format!("{done} {}.", input.filename)))
    }
}

struct MultiInput;

#[async_trait(?Send)]
impl Tool<Services> for MultiInput {
    type Input = Nothing;
    type Output = ();
    const ABOUT: About = about("multi_input", "Asks two things at once, as a task.");
    const STRUCTURED: bool = false;

    async fn call(_: &Services, call: &Call, _: Nothing) -> Result<Reply<()>, ToolError> {
        if !call.is_task() {
            return Ok(Reply::Later);
        }
        if let (Some(name), Some(confirm)) = (answered(call, "name"), answered(call, "confirm")) {
            return Ok(text(format!("Got {name} and {confirm}.")));
        }
        let wanted = ask(
            InputRequired::default(),
            "name",
            "Which name?",
            "name",
            "string",
        );
        Ok(Reply::Ask(ask(
            wanted, "confirm", "Sure?", "confirm", "boolean",
        )))
    }
}

struct AskThenTask;

#[async_trait(?Send)]
impl Tool<Services> for AskThenTask {
    type Input = Nothing;
    type Output = ();
    const ABOUT: About = about(
        "test_tool_with_task",
        "Asks for a name, then goes on as a task.",
    );
    const STRUCTURED: bool = false;

    async fn call(_: &Services, call: &Call, _: Nothing) -> Result<Reply<()>, ToolError> {
        let name = answered(call, "user_name").and_then(|content| content.get("name")?.as_str());
        let Some(name) = name else {
            let wanted = InputRequired::default();
            return Ok(Reply::Ask(ask(
                wanted,
                "user_name",
                "What is your name?",
                "name",
                "string",
            )));
        };
        if !call.is_task() {
            return Ok(Reply::Later);
        }
        Ok(text(format!("Hello, {name}!")))
    }
}
