use serde::{Deserialize, Serialize};

/// Who says a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    System,
    User,
    Assistant,
}

impl Role {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    pub role: Role,
    pub content: String,
}

/// What the model is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelRequest {
    pub model: String,
    pub messages: Vec<Message>,
    /// Most tokens the answer may have, reasoning included.
    pub max_tokens: Option<u32>,
    /// 0 to 2.
    pub temperature: Option<f64>,
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

#[derive(Serialize)]
pub(super) struct WireRequest<'a> {
    model: &'a str,
    messages: &'a [Message],
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

impl<'a> WireRequest<'a> {
    pub fn new(request: &'a ModelRequest, stream: bool) -> Self {
        let older = takes_sampling_parameters(&request.model);
        Self {
            model: &request.model,
            messages: &request.messages,
            max_tokens: request.max_tokens.filter(|_| older),
            max_completion_tokens: request.max_tokens.filter(|_| !older),
            temperature: request.temperature,
            stream: stream.then_some(true),
            stream_options: stream.then_some(StreamOptions {
                include_usage: true,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(model: &str, stream: bool) -> serde_json::Value {
        let request = ModelRequest {
            model: model.into(),
            messages: vec![Message {
                role: Role::User,
                content: "hi".into(),
            }],
            max_tokens: Some(10),
            temperature: Some(0.5),
        };
        serde_json::to_value(WireRequest::new(&request, stream)).unwrap()
    }

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
    fn the_request_names_the_token_limit_as_the_model_takes_it() {
        assert_eq!(
            wire("gpt-4", false),
            serde_json::json!({"model": "gpt-4", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 10, "temperature": 0.5})
        );
        let newer = wire("gpt-5-mini", true);
        assert_eq!(newer["max_completion_tokens"], 10);
        assert_eq!(newer["stream"], true);
        assert_eq!(newer["stream_options"]["include_usage"], true);
        assert!(newer.get("max_tokens").is_none() && newer.get("store").is_none());
    }
}
