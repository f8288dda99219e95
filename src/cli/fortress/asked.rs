//! What a run may ask of the model: messages of text, and nothing of how they are answered.
//!
//! A list of what passes, since providers' APIs grow: an image's address is fetched by the
//! provider, and carries content out; a search or a tool does more; a seed or a penalty would
//! make the manifest's parameters untrue.

use chitty_core::llm::takes_sampling_parameters;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What clients send of themselves. The policy's own is sent on instead.
const REPLACED: [&str; 5] = [
    "model",
    "temperature",
    "top_p",
    "max_tokens",
    "max_completion_tokens",
];
const TEMPERATURE: u8 = 0;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Message {
    role: Role,
    content: Content,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Role {
    System,
    Developer,
    User,
    Assistant,
}

#[derive(Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "content is a string, or parts of the type text alone"
)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
enum Part {
    Text { text: String },
}

/// The temperature that calls to a model bear, as a manifest tells it.
pub fn temperature(model: &str) -> String {
    if takes_sampling_parameters(model) {
        TEMPERATURE.to_string()
    } else {
        "the model's own".to_owned()
    }
}

/// The request as the policy has it.
///
/// # Errors
/// A sentence on what to leave out.
pub fn held(asked: &Map<String, Value>, model: &str, max_tokens: u32) -> Result<Value, String> {
    let strange = asked.iter().find(|(name, value)| !passes(name, value));
    if let Some((name, _)) = strange {
        return Err(format!(
            "a sealed run sends messages alone and is answered once and whole: leave {name} out"
        ));
    }
    let messages = asked.get("messages").cloned().unwrap_or_default();
    let messages: Vec<Message> =
        serde_json::from_value(messages).map_err(|error| format!("messages: {error}"))?;
    Ok(if takes_sampling_parameters(model) {
        json!({
            "model": model, "messages": messages,
            "temperature": TEMPERATURE, "max_tokens": max_tokens,
        })
    } else {
        json!({ "model": model, "messages": messages, "max_completion_tokens": max_tokens })
    })
}

fn passes(name: &str, value: &Value) -> bool {
    match name {
        // As if it were not there.
        _ if value.is_null() => true,
        "messages" => true,
        "stream" => value == &json!(false),
        "n" => value == &json!(1),
        _ => REPLACED.contains(&name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held(model: &str, asked: &Value) -> Result<Value, String> {
        super::held(asked.as_object().unwrap(), model, 100)
    }

    #[test]
    fn a_request_is_held_to_the_policy() {
        let messages = json!([
            { "role": "system", "content": "be brief" },
            { "role": "user", "content": [{ "type": "text", "text": "hi" }] },
        ]);
        let sent =
            json!({ "model": "gpt-4", "temperature": 0, "max_tokens": 100, "messages": messages });
        let dear = json!({ "model": "dear", "temperature": 2, "top_p": 0.1, "max_tokens": 9000, "messages": messages });
        let bare = json!({ "messages": messages, "max_tokens": 7, "seed": null, "stream": null });
        for asked in [dear, bare] {
            assert_eq!(held("gpt-4", &asked).as_ref(), Ok(&sent));
        }
        let asked = json!({ "max_completion_tokens": 7, "temperature": 1, "stream": false, "n": 1, "messages": [] });
        let sent = json!({ "model": "o3", "max_completion_tokens": 100, "messages": [] });
        assert_eq!(held("o3", &asked), Ok(sent));
        assert_eq!(
            (&*temperature("gpt-4"), &*temperature("o3")),
            ("0", "the model's own")
        );
    }

    #[test]
    fn what_is_not_listed_is_refused_by_its_name() {
        for (field, value) in [
            ("stream", json!(true)),
            ("stream", json!("no")),
            ("n", json!(2)),
            ("seed", json!(1)),
            ("logit_bias", json!({})),
            ("presence_penalty", json!(0.5)),
            ("web_search_options", json!({})),
            ("tools", json!([])),
            ("response_format", json!({})),
            ("store", json!(true)),
        ] {
            let advice = held("gpt-4", &json!({ "messages": [], field: value })).unwrap_err();
            assert!(advice.ends_with(&format!("leave {field} out")), "{advice}");
        }
    }

    #[test]
    fn messages_are_text_alone() {
        let part = |part: Value| json!({ "role": "user", "content": [part] });
        for message in [
            part(json!({ "type": "image_url", "image_url": { "url": "https://a.test/secret" } })),
            part(json!({ "type": "input_audio", "input_audio": {} })),
            part(json!({ "type": "text", "text": "a", "image_url": "https://a.test" })),
            json!({ "role": "user", "content": "a", "name": "b" }),
            json!({ "role": "tool", "content": "a" }),
            json!({ "role": "assistant", "content": "a", "tool_calls": [] }),
            json!({ "role": "user", "content": null }),
            json!("a"),
        ] {
            let advice = held("gpt-4", &json!({ "messages": [message] })).unwrap_err();
            assert!(advice.starts_with("messages: "), "{advice}");
        }
        assert!(held("gpt-4", &json!({})).is_err());
    }
}
