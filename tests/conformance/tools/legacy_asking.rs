//! Questions to the client that the suite asks over the handshake revisions.

use async_trait::async_trait;
use chitty_core::mcp::{About, Call, InputRequired, Registry, Reply, Tool, ToolError};
use garde::Validate;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Nothing, about, text};
use crate::services::Services;

const KEY: &str = "answer";

pub fn add(registry: Registry<Services>) -> Registry<Services> {
    registry
        .with::<Sampling>()
        .with::<Elicitation>()
        .with::<Defaults>()
        .with::<Enums>()
}

fn elicit(call: &Call, message: &str, schema: &Value) -> Reply<()> {
    let Some(answer) = call.input(KEY) else {
        let params = json!({ "mode": "form", "message": message, "requestedSchema": schema });
        return Reply::Ask(InputRequired::default().ask(KEY, "elicitation/create", &params));
    };
    let part = |name| answer.get(name).cloned().unwrap_or_default();
    let action = part("action");
    let action = action.as_str().unwrap_or("none");
    text(format!(
        "Elicitation completed: action={action}, content={}",
        part("content")
    ))
}

#[derive(Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
struct Prompt {
    /// What to ask the client's model.
    #[garde(length(max = 4096))]
    prompt: String,
}

struct Sampling;

#[async_trait(?Send)]
impl Tool<Services> for Sampling {
    type Input = Prompt;
    type Output = ();
    const ABOUT: About = about("test_sampling", "Asks the client's model.");
    const STRUCTURED: bool = false;

    async fn call(_: &Services, call: &Call, input: Prompt) -> Result<Reply<()>, ToolError> {
        let Some(answer) = call.input(KEY) else {
            let params = json!({
                "messages": [{ "role": "user", "content": { "type": "text", "text": input.prompt } }],
                "maxTokens": 100,
            });
            let wanted = InputRequired::default().ask(KEY, "sampling/createMessage", &params);
            return Ok(Reply::Ask(wanted));
        };
        let said = answer.pointer("/content/text").and_then(Value::as_str);
        Ok(text(format!("LLM response: {}", said.unwrap_or_default())))
    }
}

#[derive(Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
struct Message {
    /// What to ask the person.
    #[garde(length(max = 4096))]
    message: String,
}

struct Elicitation;

#[async_trait(?Send)]
impl Tool<Services> for Elicitation {
    type Input = Message;
    type Output = ();
    const ABOUT: About = about("test_elicitation", "Asks the person.");
    const STRUCTURED: bool = false;

    async fn call(_: &Services, call: &Call, input: Message) -> Result<Reply<()>, ToolError> {
        let schema = json!({
            "type": "object",
            "properties": {
                "username": { "type": "string", "description": "User's response" },
                "email": { "type": "string", "description": "User's email address" },
            },
            "required": ["username", "email"],
        });
        Ok(elicit(call, &input.message, &schema))
    }
}

struct Defaults;

#[async_trait(?Send)]
impl Tool<Services> for Defaults {
    type Input = Nothing;
    type Output = ();
    const ABOUT: About = about(
        "test_elicitation_sep1034_defaults",
        "Asks with a default for each primitive type.",
    );
    const STRUCTURED: bool = false;

    async fn call(_: &Services, call: &Call, _: Nothing) -> Result<Reply<()>, ToolError> {
        let schema = json!({
            "type": "object",
            "properties": {
                "name": { "type": "string", "default": "John Doe" },
                "age": { "type": "integer", "default": 30 },
                "score": { "type": "number", "default": 95.5 },
                "status": {
                    "type": "string",
                    "enum": ["active", "inactive", "pending"],
                    "default": "active",
                },
                "verified": { "type": "boolean", "default": true },
            },
            "required": [],
        });
        Ok(elicit(call, "Check the defaults", &schema))
    }
}

struct Enums;

#[async_trait(?Send)]
impl Tool<Services> for Enums {
    type Input = Nothing;
    type Output = ();
    const ABOUT: About = about(
        "test_elicitation_sep1330_enums",
        "Asks with each form of an enum.",
    );
    const STRUCTURED: bool = false;

    async fn call(_: &Services, call: &Call, _: Nothing) -> Result<Reply<()>, ToolError> {
        let plain = json!(["option1", "option2", "option3"]);
        let titled = json!([
            { "const": "value1", "title": "First Option" },
            { "const": "value2", "title": "Second Option" },
            { "const": "value3", "title": "Third Option" },
        ]);
        let schema = json!({
            "type": "object",
            "properties": {
                "untitledSingle": { "type": "string", "enum": plain },
                "titledSingle": { "type": "string", "oneOf": titled },
                "legacyEnum": {
                    "type": "string",
                    "enum": ["opt1", "opt2", "opt3"],
                    "enumNames": ["Option One", "Option Two", "Option Three"],
                },
                "untitledMulti": { "type": "array", "items": { "type": "string", "enum": plain } },
                "titledMulti": { "type": "array", "items": { "anyOf": titled } },
            },
            "required": [],
        });
        Ok(elicit(call, "Choose", &schema))
    }
}
