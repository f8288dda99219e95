//! Multi round-trip requests: results that ask for input first.

use async_trait::async_trait;
use chitty_core::mcp::{About, Call, InputRequired, Registry, Reply, Tool, ToolError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Nothing, about, text};
use crate::services::Services;

pub fn add(registry: Registry<Services>) -> Registry<Services> {
    registry
        .with::<UserName>()
        .with::<Capital>()
        .with::<Roots>()
        .with::<Confirmed>()
        .with::<Several>()
        .with::<Rounds>()
        .with::<Tampered>()
        .with::<Capabilities>()
        .with::<MissingCapability>()
        .with::<Streaming>()
}

/// Asks for one text or flag in a form.
fn ask_form(
    wanted: InputRequired,
    key: &str,
    message: &str,
    field: &str,
    kind: &str,
) -> InputRequired {
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

fn ask_model(wanted: InputRequired, key: &str, question: &str, max_tokens: u32) -> InputRequired {
    let params = json!({
        "messages": [{ "role": "user", "content": { "type": "text", "text": question } }],
        "maxTokens": max_tokens,
    });
    wanted.ask(key, "sampling/createMessage", &params)
}

fn ask_roots(wanted: InputRequired, key: &str) -> InputRequired {
    wanted.ask(key, "roots/list", &json!({}))
}

/// A field of an accepted form; none where the answer lacks it.
fn form_field<'a>(call: &'a Call, key: &str, field: &str) -> Option<&'a Value> {
    let answer = call.input(key)?;
    let accepted = answer.get("action").and_then(Value::as_str) == Some("accept");
    answer.get("content")?.get(field).filter(|_| accepted)
}

fn model_said<'a>(call: &'a Call, key: &str) -> Option<&'a str> {
    call.input(key)?.pointer("/content/text")?.as_str()
}

fn root_uris(call: &Call, key: &str) -> Option<Vec<String>> {
    let roots = call.input(key)?.get("roots")?.as_array()?;
    let uris = roots.iter().filter_map(|root| root.get("uri")?.as_str());
    Some(uris.map(str::to_owned).collect())
}

struct UserName;

#[async_trait(?Send)]
impl Tool<Services> for UserName {
    type Input = Nothing;
    type Output = ();
    const ABOUT: About = about(
        "test_input_required_result_elicitation",
        "Asks for a name and greets.",
    );
    const STRUCTURED: bool = false;

    async fn call(_: &Services, call: &Call, _: Nothing) -> Result<Reply<()>, ToolError> {
        Ok(
            match form_field(call, "user_name", "name").and_then(Value::as_str) {
                Some(name) => text(format!("Hello, {name}!")),
                None => Reply::Ask(ask_form(
                    InputRequired::default(),
                    "user_name",
                    "What is your name?",
                    "name",
                    "string",
                )),
            },
        )
    }
}

struct Capital;

#[async_trait(?Send)]
impl Tool<Services> for Capital {
    type Input = Nothing;
    type Output = ();
    const ABOUT: About = about(
        "test_input_required_result_sampling",
        "Asks the client's model.",
    );
    const STRUCTURED: bool = false;

    async fn call(_: &Services, call: &Call, _: Nothing) -> Result<Reply<()>, ToolError> {
        Ok(match model_said(call, "capital_question") {
            Some(said) => text(said),
            None => Reply::Ask(ask_model(
                InputRequired::default(),
                "capital_question",
                "What is the capital of France?",
                100,
            )),
        })
    }
}

struct Roots;

#[async_trait(?Send)]
impl Tool<Services> for Roots {
    type Input = Nothing;
    type Output = ();
    const ABOUT: About = about(
        "test_input_required_result_list_roots",
        "Asks for the client's roots.",
    );
    const STRUCTURED: bool = false;

    async fn call(_: &Services, call: &Call, _: Nothing) -> Result<Reply<()>, ToolError> {
        Ok(match root_uris(call, "client_roots") {
            Some(uris) => text(format!("Roots: {}", uris.join(", "))),
            None => Reply::Ask(ask_roots(InputRequired::default(), "client_roots")),
        })
    }
}

/// What a tool below seals between its rounds.
#[derive(Serialize, Deserialize)]
struct Remembered {
    round: u32,
    name: Option<String>,
}

impl Remembered {
    fn seal(wanted: InputRequired, round: u32, name: Option<String>) -> Reply<()> {
        Reply::Ask(wanted.with_state(json!(Self { round, name })))
    }
}

fn confirmation() -> InputRequired {
    ask_form(
        InputRequired::default(),
        "confirm",
        "Please confirm",
        "ok",
        "boolean",
    )
}

fn confirmed(call: &Call) -> Reply<()> {
    let ok = form_field(call, "confirm", "ok").and_then(Value::as_bool);
    match (call.state::<Remembered>(), ok) {
        (Some(state), Some(ok)) if state.round == 1 => text(format!("state-ok, confirmed: {ok}")),
        _ => Remembered::seal(confirmation(), 1, None),
    }
}

struct Confirmed;

#[async_trait(?Send)]
impl Tool<Services> for Confirmed {
    type Input = Nothing;
    type Output = ();
    const ABOUT: About = about(
        "test_input_required_result_request_state",
        "Asks, and wants its state back.",
    );
    const STRUCTURED: bool = false;

    async fn call(_: &Services, call: &Call, _: Nothing) -> Result<Reply<()>, ToolError> {
        Ok(confirmed(call))
    }
}

struct Several;

#[async_trait(?Send)]
impl Tool<Services> for Several {
    type Input = Nothing;
    type Output = ();
    const ABOUT: About = about(
        "test_input_required_result_multiple_inputs",
        "Asks three things at once.",
    );
    const STRUCTURED: bool = false;

    async fn call(_: &Services, call: &Call, _: Nothing) -> Result<Reply<()>, ToolError> {
        let name = form_field(call, "user_name", "name").and_then(Value::as_str);
        let roots = root_uris(call, "client_roots");
        if let (Some(name), Some(said), Some(roots), Some(_)) = (
            name,
            model_said(call, "greeting"),
            roots,
            call.state::<Remembered>(),
        ) {
            return Ok(text(format!("{name}: {said} ({} roots)", roots.len())));
        }
        let wanted = InputRequired::default();
        let wanted = ask_form(wanted, "user_name", "What is your name?", "name", "string");
        let wanted = ask_model(wanted, "greeting", "Generate a greeting", 50);
        Ok(Remembered::seal(ask_roots(wanted, "client_roots"), 1, None))
    }
}

struct Rounds;

#[async_trait(?Send)]
impl Tool<Services> for Rounds {
    type Input = Nothing;
    type Output = ();
    const ABOUT: About = about(
        "test_input_required_result_multi_round",
        "Asks twice, one after the other.",
    );
    const STRUCTURED: bool = false;

    async fn call(_: &Services, call: &Call, _: Nothing) -> Result<Reply<()>, ToolError> {
        let state = call.state::<Remembered>();
        let field = |key, field| {
            let value = form_field(call, key, field).and_then(Value::as_str);
            value.map(str::to_owned)
        };
        if let (Some(Remembered { round: 2, name }), Some(color)) =
            (&state, field("step2", "color"))
        {
            let name = name.as_deref().unwrap_or("Somebody");
            return Ok(text(format!("{name} likes {color}.")));
        }
        let empty = InputRequired::default();
        if let Some(name) = field("step1", "name").or(state.and_then(|state| state.name)) {
            let question = "Step 2: What is your favorite color?";
            let wanted = ask_form(empty, "step2", question, "color", "string");
            return Ok(Remembered::seal(wanted, 2, Some(name)));
        }
        let wanted = ask_form(
            empty,
            "step1",
            "Step 1: What is your name?",
            "name",
            "string",
        );
        Ok(Remembered::seal(wanted, 1, None))
    }
}

struct Tampered;

#[async_trait(?Send)]
impl Tool<Services> for Tampered {
    type Input = Nothing;
    type Output = ();
    const ABOUT: About = about(
        "test_input_required_result_tampered_state",
        "Asks with a state that must not be changed.",
    );
    const STRUCTURED: bool = false;

    async fn call(_: &Services, call: &Call, _: Nothing) -> Result<Reply<()>, ToolError> {
        Ok(confirmed(call))
    }
}

struct Capabilities;

#[async_trait(?Send)]
impl Tool<Services> for Capabilities {
    type Input = Nothing;
    type Output = ();
    const ABOUT: About = about(
        "test_input_required_result_capabilities",
        "Asks only what the client can answer.",
    );
    const STRUCTURED: bool = false;

    async fn call(_: &Services, call: &Call, _: Nothing) -> Result<Reply<()>, ToolError> {
        let name = form_field(call, "user_name", "name").and_then(Value::as_str);
        if let Some(answer) = name.or(model_said(call, "greeting")) {
            return Ok(text(answer));
        }
        let mut wanted = InputRequired::default();
        if call.supports("elicitation") {
            wanted = ask_form(wanted, "user_name", "What is your name?", "name", "string");
        }
        if call.supports("sampling") {
            wanted = ask_model(wanted, "greeting", "Generate a greeting", 50);
        }
        Ok(if wanted.requests.is_empty() {
            text("There is nothing this client could answer.")
        } else {
            Reply::Ask(wanted)
        })
    }
}

struct MissingCapability;

#[async_trait(?Send)]
impl Tool<Services> for MissingCapability {
    type Input = Nothing;
    type Output = ();
    const ABOUT: About = about("test_missing_capability", "Needs a client that samples.");
    const STRUCTURED: bool = false;

    async fn call(_: &Services, call: &Call, _: Nothing) -> Result<Reply<()>, ToolError> {
        Ok(match model_said(call, "greeting") {
            Some(said) => text(said),
            None => Reply::Ask(ask_model(
                InputRequired::default(),
                "greeting",
                "Generate a greeting",
                50,
            )),
        })
    }
}

struct Streaming;

#[async_trait(?Send)]
impl Tool<Services> for Streaming {
    type Input = Nothing;
    type Output = ();
    const ABOUT: About = about(
        "test_streaming_elicitation",
        "Tells of its progress, then asks.",
    );
    const STRUCTURED: bool = false;

    async fn call(_: &Services, call: &Call, _: Nothing) -> Result<Reply<()>, ToolError> {
        call.progress(1.0, Some(2.0), Some("asking"));
        Ok(
            match form_field(call, "user_name", "name").and_then(Value::as_str) {
                Some(name) => text(format!("Hello, {name}!")),
                None => Reply::Ask(ask_form(
                    InputRequired::default(),
                    "user_name",
                    "What is your name?",
                    "name",
                    "string",
                )),
            },
        )
    }
}
