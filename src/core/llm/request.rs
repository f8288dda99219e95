//! What a model is asked, whoever provides it. The outer language is OpenAI's Chat
//! Completions (`CreateChatCompletionRequest`): its JSON reads into [`ModelRequest`] as it is.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What the model is asked. Fields that no one here looks at stay in `extra`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelRequest {
    /// The model the caller names. A [`super::Target`] says which one is asked.
    pub model: String,
    pub messages: Vec<Message>,
    /// Most tokens the answer may have, reasoning included. Read under either of its names,
    /// and sent under the one the model takes.
    #[serde(
        default,
        alias = "max_completion_tokens",
        skip_serializing_if = "Option::is_none"
    )]
    pub max_tokens: Option<u32>,
    /// 0 to 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<StopSequences>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<i64>,
    /// Answers to the same question, side by side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<u32>,
    /// `{"type": "function", "function": {name, description, parameters, strict}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tools: Option<Vec<Value>>,
    /// `auto`, `none`, `required` or `{"type": "function", "function": {name}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_choice: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parallel_tool_calls: Option<bool>,
    /// `{"type": "text" | "json_object" | "json_schema", …}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_format: Option<Value>,
    /// `none`, `minimal`, `low`, `medium`, `high`, `xhigh` or `max`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reasoning_effort: Option<String>,
    /// `auto`, `default`, `flex`, `priority`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_tier: Option<String>,
    /// The end user, as a name that says nothing to the provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Map<String, Value>>,
    /// Whether the caller wants a stream. What is sent follows the method called, not this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<bool>,
    /// As the caller gave them. A provider is always asked for the usage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_options: Option<Map<String, Value>>,
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl ModelRequest {
    /// Answers that are asked for: `n`, and one where it is not set.
    pub fn choices(&self) -> u32 {
        self.n.unwrap_or(1).max(1)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum StopSequences {
    One(String),
    Many(Vec<String>),
}

impl StopSequences {
    pub fn as_slice(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// Who says a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    System,
    Developer,
    User,
    Assistant,
    Tool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    pub role: Role,
    /// `None` where an assistant only calls tools.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Content>,
    /// Of an assistant's message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<Vec<ToolCall>>,
    /// Of a tool's message: the call it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<String>,
    /// `name`, `refusal` and what else the protocol knows.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

impl Message {
    pub fn text(role: Role, text: impl Into<String>) -> Self {
        Self {
            role,
            content: Some(Content::Text(text.into())),
            tool_calls: None,
            tool_call_id: None,
            extra: Map::new(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Content {
    Text(String),
    /// `{"type": "text" | "image_url" | "input_audio" | "file" | …}`, in OpenAI's form.
    Parts(Vec<Value>),
}

/// A call of a function by the model. Its JSON is OpenAI's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "WireCall", from = "WireCall")]
pub struct ToolCall {
    pub id: String,
    pub name: String,
    /// JSON by the model's own account: check it before use.
    pub arguments: String,
}

#[derive(Serialize, Deserialize)]
struct WireCall {
    id: String,
    r#type: Function,
    function: WireFunction,
}

#[derive(Serialize, Deserialize)]
enum Function {
    #[serde(rename = "function")]
    Function,
}

#[derive(Serialize, Deserialize)]
struct WireFunction {
    name: String,
    arguments: String,
}

impl From<ToolCall> for WireCall {
    fn from(call: ToolCall) -> Self {
        Self {
            id: call.id,
            r#type: Function::Function,
            function: WireFunction {
                name: call.name,
                arguments: call.arguments,
            },
        }
    }
}

impl From<WireCall> for ToolCall {
    fn from(wire: WireCall) -> Self {
        Self {
            id: wire.id,
            name: wire.function.name,
            arguments: wire.function.arguments,
        }
    }
}

/// Whether the model takes `max_tokens` and a free `temperature`. Reasoning models (o1 and
/// later, GPT-5 and later) refuse the first and know only their own temperature.
pub fn takes_sampling_parameters(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    let name = name.strip_prefix("ft:").unwrap_or(name);
    if let Some(version) = name.strip_prefix("gpt-") {
        let major = version.split(|c: char| !c.is_ascii_digit()).next();
        return major
            .and_then(|digits| digits.parse::<u32>().ok())
            .is_none_or(|major| major < 5);
    }
    let mut letters = name.chars();
    letters.next() != Some('o') || !letters.next().is_some_and(|c| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json, to_value};

    #[test]
    fn reasoning_models_are_told_apart_by_family() {
        for model in [
            "gpt-4",
            "gpt-4o",
            "gpt-4.1-mini",
            "gpt-3.5-turbo",
            "llama3.2",
            "openhermes",
            "ft:gpt-4o:a::b",
            "gpt-oss:20b",
            "o",
        ] {
            assert!(takes_sampling_parameters(model), "{model}");
        }
        for model in [
            "gpt-5",
            "gpt-5.4-mini",
            "gpt-5-2025-08-07",
            "gpt-6.1-sol",
            "gpt-10",
            "o1",
            "o3-mini",
            "o4-mini-2025-04-16",
            "openai/gpt-5",
            "ft:o4-mini:a::b",
        ] {
            assert!(!takes_sampling_parameters(model), "{model}");
        }
    }

    #[test]
    fn a_request_in_openais_form_reads_and_writes_the_same() {
        let json = json!({
            "model": "gpt-4o", "max_tokens": 5, "temperature": 0.5, "stop": ["a", "b"], "seed": -1, "n": 2,
            "messages": [
                {"role": "developer", "content": "Be brief.", "name": "house"},
                {"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": "u"}}]},
                {"role": "assistant", "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
                {"role": "tool", "tool_call_id": "c", "content": "1"}
            ],
            "tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "auto",
            "metadata": {"case": "1"}, "logit_bias": {"5": -100}, "verbosity": "low"
        });
        let request: ModelRequest = from_value(json.clone()).unwrap();
        assert_eq!(request.extra.len(), 2);
        assert_eq!(to_value(&request).unwrap(), json);
    }

    #[test]
    fn the_token_limit_has_two_names_and_one_value() {
        let read = |json: Value| from_value::<ModelRequest>(json);
        let one = read(json!({"model": "m", "messages": [], "max_completion_tokens": 7})).unwrap();
        assert_eq!(one.max_tokens, Some(7));
        let both =
            json!({"model": "m", "messages": [], "max_tokens": 7, "max_completion_tokens": 7});
        assert!(read(both).unwrap_err().to_string().contains("duplicate"));
        let stop = read(json!({"model": "m", "messages": [], "stop": "x"})).unwrap();
        assert_eq!(stop.stop.unwrap().as_slice(), ["x"]);
    }
}
