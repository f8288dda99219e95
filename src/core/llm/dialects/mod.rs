//! The protocols that providers speak. Each is one file: a request into its JSON, its
//! answers and its event streams into [`Event`]s.

mod anthropic;
mod chat_completions;
mod responses;

use serde_json::{Map, Value};

use super::ModelRequest;
use super::draft::{Event, Fault};

/// The protocol of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// `POST /chat/completions`: OpenAI, and all who are compatible with it.
    ChatCompletions,
    /// `POST /responses` of OpenAI.
    Responses,
    /// `POST /messages` of Anthropic.
    AnthropicMessages,
}

impl Dialect {
    /// How a request shows its key.
    pub(crate) fn headers(self, key: &str) -> Vec<(&'static str, String)> {
        self.protocol().headers(key)
    }

    pub(super) fn protocol(self) -> &'static dyn Protocol {
        match self {
            Self::ChatCompletions => &chat_completions::ChatCompletions,
            Self::Responses => &responses::Responses,
            Self::AnthropicMessages => &anthropic::Messages,
        }
    }
}

pub(super) trait Protocol {
    /// Below the base URL.
    fn path(&self) -> &'static str;

    /// How the key is shown, and what else the protocol wants in headers.
    fn headers(&self, key: &str) -> Vec<(&'static str, String)>;

    fn encode(
        &self,
        request: &ModelRequest,
        model: &str,
        streamed: bool,
    ) -> Result<Encoded, Unsupported>;

    /// Reads a plain answer. What was read before a fault stays in `events`.
    fn read_whole(&self, body: &[u8], events: &mut Vec<Event>) -> Result<(), Fault>;

    fn reader(&self) -> Box<dyn Reader>;
}

/// Reads a stream, one event's data after the other.
pub(super) trait Reader {
    fn read(&mut self, data: &str, events: &mut Vec<Event>) -> Result<(), Fault>;
}

#[derive(Debug, Default)]
pub(super) struct Encoded {
    pub body: Map<String, Value>,
    /// Parameters without a word in this protocol, left out.
    pub dropped: Vec<String>,
    pub default_max_tokens: Option<u32>,
}

/// A parameter that the protocol cannot carry, though the answer would be another one
/// without it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unsupported {
    pub parameter: String,
    /// Completes "leave it out, or …".
    pub advice: &'static str,
}

const OTHER_PROVIDER: &str = "name a model of a provider that speaks Chat Completions";

impl Unsupported {
    fn new(parameter: impl Into<String>) -> Self {
        Self::advised(parameter, OTHER_PROVIDER)
    }

    fn advised(parameter: impl Into<String>, advice: &'static str) -> Self {
        Self {
            parameter: parameter.into(),
            advice,
        }
    }
}

/// Parameters of Chat Completions without which the answer would be another one.
const MEANINGFUL: [&str; 8] = [
    "functions",
    "function_call",
    "logit_bias",
    "logprobs",
    "top_logprobs",
    "modalities",
    "audio",
    "web_search_options",
];

impl Encoded {
    fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.body.insert(name.to_owned(), value.into());
    }

    fn set_if_some<T: Into<Value> + Clone>(&mut self, name: &str, value: Option<&T>) {
        if let Some(value) = value {
            self.set(name, value.clone());
        }
    }

    fn drop_if(&mut self, name: &str, given: bool) {
        if given {
            self.dropped.push(name.to_owned());
        }
    }

    /// Passes on the fields that the protocol knows under the same name, refuses those that
    /// matter, and notes the rest as dropped.
    fn add_extra(
        &mut self,
        extra: &Map<String, Value>,
        passes: &[&str],
    ) -> Result<(), Unsupported> {
        for (name, value) in extra.iter().filter(|(_, value)| !value.is_null()) {
            if passes.contains(&name.as_str()) {
                self.set(name, value.clone());
            } else if MEANINGFUL.contains(&name.as_str()) {
                if says_something(name, value) {
                    return Err(Unsupported::new(name));
                }
            } else {
                self.drop_if(name, true);
            }
        }
        Ok(())
    }
}

/// False for values that say what goes without saying.
fn says_something(name: &str, value: &Value) -> bool {
    match value {
        Value::Bool(false) => false,
        Value::Object(fields) => !fields.is_empty() || name == "web_search_options",
        Value::Array(list) => list.iter().any(|one| one != "text"),
        Value::Number(number) => number.as_u64() != Some(0),
        _ => true,
    }
}

/// The one kind of tool that comes back in the neutral form.
fn function(tool: &Value) -> Result<&Map<String, Value>, Unsupported> {
    let only_functions = || Unsupported::advised("tools", "name tools of the type function");
    if tool.get("type").and_then(Value::as_str) != Some("function") {
        return Err(only_functions());
    }
    tool.get("function")
        .and_then(Value::as_object)
        .ok_or_else(only_functions)
}

/// The name of the function that `tool_choice` demands.
fn chosen_function(choice: &Value) -> Option<&str> {
    choice.get("function")?.get("name")?.as_str()
}

fn field<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}
