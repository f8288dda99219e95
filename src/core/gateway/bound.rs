//! How many tokens a call can have, before it is made.

use serde_json::Value;

use crate::llm::{Content, ModelRequest};

/// Most tokens of an answer where the caller sets no limit and a budget applies: it would have
/// to hold back the price of the longest answer that the model can give. Every model can give
/// one of this length.
pub const DEFAULT_OUTPUT_TOKENS: u32 = 4_096;
/// What a provider wraps around each message, and around all.
const TOKENS_AROUND: u64 = 16;
/// More than any image is billed for, whatever its size: the dearest count is that of
/// gpt-4o-mini, 2,833 and 5,667 for each of eight tiles.
const IMAGE_TOKENS: u64 = 50_000;
/// An image of everyday size, as so many bytes of text.
const TYPICAL_IMAGE_BYTES: u64 = 4_000;
/// A token of prose, in bytes of text: for limits of tokens a minute, which a later count
/// corrects. Money never relies on it.
const TYPICAL_BYTES: u64 = 4;

/// A token has one byte or more: so many tokens a prompt has at most.
pub fn input_bytes(request: &ModelRequest) -> u64 {
    counted(request, IMAGE_TOKENS)
}

/// About how many tokens a prompt has, for limits of tokens a minute.
pub(super) fn typical_input_tokens(request: &ModelRequest) -> u64 {
    counted(request, TYPICAL_IMAGE_BYTES).div_ceil(TYPICAL_BYTES)
}

/// Whether what it costs is bounded by its bytes: not where the provider searches, or makes
/// of a file or a sound as many tokens as it likes.
pub(super) fn is_bounded(request: &ModelRequest) -> bool {
    let kind = |value: &Value| value.get("type").and_then(Value::as_str) != Some("function");
    let tools = request.tools.iter().flatten().any(kind);
    let searches = request.extra.contains_key("web_search_options");
    let parts = request
        .messages
        .iter()
        .flat_map(|message| match &message.content {
            Some(Content::Parts(parts)) => parts.as_slice(),
            _ => &[],
        });
    let mut parts = parts;
    let known = ["text", "refusal", "image_url", "input_image"];
    let unknown = parts.any(|part| {
        let kind = part.get("type").and_then(Value::as_str);
        !kind.is_some_and(|kind| known.contains(&kind))
    });
    !tools && !searches && !unknown
}

fn counted(request: &ModelRequest, image: u64) -> u64 {
    let messages = request.messages.iter().map(|message| {
        let content = match &message.content {
            None => 0,
            Some(Content::Text(text)) => length(text.len()),
            Some(Content::Parts(parts)) => parts.iter().map(|each| part(each, image)).sum(),
        };
        let calls = message.tool_calls.iter().flatten();
        let calls = calls.map(|call| length(call.name.len() + call.arguments.len()));
        let extra = if message.extra.is_empty() {
            0
        } else {
            json_bytes(&message.extra)
        };
        content + calls.sum::<u64>() + extra + TOKENS_AROUND
    });
    let told = [
        request.tools.as_ref().map(json_bytes),
        request.response_format.as_ref().map(json_bytes),
        request.extra.get("prediction").map(json_bytes),
    ];
    messages.sum::<u64>() + told.into_iter().flatten().sum::<u64>() + TOKENS_AROUND
}

/// Most tokens of all answers together.
pub fn output_tokens(request: &ModelRequest) -> u64 {
    let one = request.max_tokens.unwrap_or(DEFAULT_OUTPUT_TOKENS);
    u64::from(one) * u64::from(request.choices())
}

fn part(part: &Value, image: u64) -> u64 {
    match part.get("type").and_then(Value::as_str) {
        Some("image_url" | "input_image") => image,
        _ => json_bytes(part),
    }
}

fn json_bytes<T: serde::Serialize + ?Sized>(value: &T) -> u64 {
    serde_json::to_vec(value).map_or(0, |json| length(json.len()))
}

fn length(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json};

    fn read(request: Value) -> ModelRequest {
        from_value(request).unwrap()
    }

    #[test]
    fn every_byte_that_is_sent_counts_and_an_image_counts_as_one() {
        let plain = read(json!({"model": "m", "messages": [{"role": "user", "content": "abcé"}]}));
        assert_eq!(input_bytes(&plain), 5 + 32);
        let long = "x".repeat(1_000_000);
        let image = read(
            json!({"model": "m", "messages": [{"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": long}}]}]}),
        );
        assert_eq!(input_bytes(&image), IMAGE_TOKENS + 32);
        assert_eq!(typical_input_tokens(&image), (4_000_u64 + 32).div_ceil(4));
        let tool = read(json!({"model": "m", "messages": [], "tools": [{"type": "function"}]}));
        assert_eq!(input_bytes(&tool), 21 + 16);
    }

    #[test]
    fn what_the_provider_adds_has_no_bound() {
        assert!(is_bounded(&read(
            json!({"model": "m", "messages": [], "tools": [{"type": "function"}]})
        )));
        for more in [
            json!({"tools": [{"type": "web_search"}]}),
            json!({"web_search_options": {}}),
            json!({"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]}),
        ] {
            let mut request = json!({"model": "m", "messages": []});
            for (key, value) in more.as_object().unwrap() {
                request[key] = value.clone();
            }
            assert!(!is_bounded(&read(request)), "{more}");
        }
    }

    #[test]
    fn answers_side_by_side_add_up() {
        let asked = read(json!({"model": "m", "messages": [], "max_tokens": 10, "n": 3}));
        assert_eq!(output_tokens(&asked), 30);
        let open = read(json!({"model": "m", "messages": []}));
        assert_eq!(output_tokens(&open), u64::from(DEFAULT_OUTPUT_TOKENS));
    }
}
