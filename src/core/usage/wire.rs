//! Reads the usage object of each provider's answer into [`TokenUsage`].
//!
//! Shapes: OpenAI `CompletionUsage` and `ResponseUsage`, Anthropic `Usage`. An explicit zero is
//! a count. A count that is missing, negative, absurd or at odds with another makes the whole
//! usage unknown: a guess would end up on somebody's bill.

use serde_json::Value;

use super::TokenUsage;

/// Counts above this are taken for nonsense, and the usage for missing.
const MAX_COUNT: u64 = 100_000_000;

/// Usage of OpenAI's Chat Completions, and of what speaks its protocol.
pub fn openai_chat(usage: &Value) -> Option<TokenUsage> {
    inclusive(
        usage,
        &Names {
            prompt: "prompt_tokens",
            prompt_parts: "prompt_tokens_details",
            completion: "completion_tokens",
            completion_parts: "completion_tokens_details",
        },
    )
}

/// Usage of OpenAI's Responses. It does not count web searches: each is an item
/// `web_search_call` of the answer's `output`, for the caller to add to `web_searches`.
pub fn openai_responses(usage: &Value) -> Option<TokenUsage> {
    inclusive(
        usage,
        &Names {
            prompt: "input_tokens",
            prompt_parts: "input_tokens_details",
            completion: "output_tokens",
            completion_parts: "output_tokens_details",
        },
    )
}

/// Usage of Anthropic's Messages, whose counts of cached tokens stand beside `input_tokens`.
///
/// Of a stream, give the `usage` of `message_start` with the fields of the last
/// `message_delta`'s laid over it: those are running totals, not additions.
///
/// Unknown where `iterations` tells of work that the totals leave out (`compaction`) or that
/// another model did (`advisor_message`, `fallback_message`).
pub fn anthropic(usage: &Value) -> Option<TokenUsage> {
    let iterations = usage.get("iterations").and_then(Value::as_array);
    let own = |step: &Value| step.get("type").and_then(Value::as_str) == Some("message");
    if !iterations.is_none_or(|steps| steps.iter().all(own)) {
        return None;
    }
    let writes = usage.get("cache_creation");
    let uncached = count(usage.get("input_tokens"))?;
    let cached = part(usage.get("cache_read_input_tokens"))?;
    let cache_write = part(usage.get("cache_creation_input_tokens"))?;
    let kept = |name| part(writes.and_then(|writes| writes.get(name)));
    let (five_minutes, one_hour) = (
        kept("ephemeral_5m_input_tokens")?,
        kept("ephemeral_1h_input_tokens")?,
    );
    let split = writes.is_some_and(|writes| !writes.is_null());
    if split && five_minutes + one_hour != cache_write {
        return None;
    }
    let tools = usage.get("server_tool_use");
    let thinking = usage
        .get("output_tokens_details")
        .and_then(|details| details.get("thinking_tokens"));
    let prompt = uncached + cached + cache_write;
    let completion = count(usage.get("output_tokens"))?;
    consistent(TokenUsage {
        prompt,
        cached,
        cache_write,
        cache_write_1h: one_hour,
        completion,
        reasoning: part(thinking)?,
        total: prompt + completion,
        web_searches: part(tools.and_then(|tools| tools.get("web_search_requests")))?,
    })
}

/// The tier whose rates an Anthropic answer is billed at, by its `usage`: `service_tier`, or
/// `fast` where it ran so, with the place appended where the place changes the price
/// (`standard-us`).
pub fn anthropic_tier(usage: &Value) -> Option<String> {
    let text = |name| usage.get(name).and_then(Value::as_str);
    let tier = match text("speed") {
        Some("fast") => "fast",
        _ => text("service_tier")?,
    };
    Some(match text("inference_geo") {
        None | Some("" | "global" | "not_available") => tier.to_owned(),
        Some(place) => format!("{tier}-{place}"),
    })
}

/// What OpenAI calls the counts of one of its two APIs.
struct Names {
    prompt: &'static str,
    prompt_parts: &'static str,
    completion: &'static str,
    completion_parts: &'static str,
}

fn inclusive(usage: &Value, names: &Names) -> Option<TokenUsage> {
    let parts = |name: &str| usage.get(name);
    let of = |details: &str, name: &str| part(parts(details).and_then(|parts| parts.get(name)));
    let twelve_hours = parts(names.prompt_parts)
        .and_then(|parts| parts.get("cache_write_tokens_details"))
        .and_then(|writes| writes.get("ttl_12h_tokens"));
    let prompt = count(usage.get(names.prompt))?;
    let completion = count(usage.get(names.completion))?;
    consistent(TokenUsage {
        prompt,
        cached: of(names.prompt_parts, "cached_tokens")?,
        cache_write: of(names.prompt_parts, "cache_write_tokens")?,
        cache_write_1h: part(twelve_hours)?,
        completion,
        reasoning: of(names.completion_parts, "reasoning_tokens")?,
        total: count(usage.get("total_tokens")).unwrap_or(prompt + completion),
        web_searches: 0,
    })
}

fn count(value: Option<&Value>) -> Option<u64> {
    value?.as_u64().filter(|count| *count <= MAX_COUNT)
}

/// A count that may be left out where it is zero.
fn part(value: Option<&Value>) -> Option<u64> {
    match value {
        None | Some(Value::Null) => Some(0),
        given => count(given),
    }
}

fn consistent(usage: TokenUsage) -> Option<TokenUsage> {
    usage.is_consistent().then_some(usage)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn chat_usage_is_read_whole_or_not_at_all() {
        let usage = openai_chat(&json!({
            "prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15,
            "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 3}
        }));
        let expected = TokenUsage {
            prompt: 10,
            cached: 4,
            cache_write: 2,
            completion: 5,
            reasoning: 3,
            total: 15,
            ..TokenUsage::default()
        };
        assert_eq!(usage, Some(expected));
        let bare = openai_chat(
            &json!({"prompt_tokens": 0, "completion_tokens": 0, "prompt_tokens_details": null}),
        );
        assert_eq!(bare, Some(TokenUsage::default()));
        for bad in [
            json!(null),
            json!({}),
            json!({"prompt_tokens": 1}),
            json!({"prompt_tokens": -1, "completion_tokens": 1}),
            json!({"prompt_tokens": 1.5, "completion_tokens": 1}),
            json!({"prompt_tokens": "1", "completion_tokens": 1}),
            json!({"prompt_tokens": 1_000_000_000, "completion_tokens": 1}),
            json!({"prompt_tokens": 1, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": -3}}),
            json!({"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2}}),
            json!({"prompt_tokens": 5, "completion_tokens": 1, "completion_tokens_details": {"reasoning_tokens": 2}}),
        ] {
            assert_eq!(openai_chat(&bad), None, "{bad}");
        }
    }

    #[test]
    fn responses_usage_has_the_same_arithmetic_under_other_names() {
        let usage = openai_responses(&json!({
            "input_tokens": 36, "input_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 6,
                "cache_write_tokens_details": {"ttl_30m_tokens": 2, "ttl_12h_tokens": 4}},
            "output_tokens": 87, "output_tokens_details": {"reasoning_tokens": 64}, "total_tokens": 123
        }));
        let expected = TokenUsage {
            prompt: 36,
            cached: 20,
            cache_write: 6,
            cache_write_1h: 4,
            completion: 87,
            reasoning: 64,
            total: 123,
            ..TokenUsage::default()
        };
        assert_eq!(usage, Some(expected));
        assert_eq!(
            openai_responses(&json!({"prompt_tokens": 1, "completion_tokens": 1})),
            None
        );
    }

    #[test]
    fn anthropic_usage_is_added_up() {
        let usage = anthropic(&json!({
            "input_tokens": 10, "cache_read_input_tokens": 2000, "cache_creation_input_tokens": 300,
            "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
            "output_tokens": 50, "output_tokens_details": {"thinking_tokens": 30},
            "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 1},
            "service_tier": "standard", "iterations": [{"type": "message", "output_tokens": 50}]
        }));
        let expected = TokenUsage {
            prompt: 2_310,
            cached: 2_000,
            cache_write: 300,
            cache_write_1h: 200,
            completion: 50,
            reasoning: 30,
            total: 2_360,
            web_searches: 2,
        };
        assert_eq!(usage, Some(expected));
    }

    #[test]
    fn anthropic_writes_without_a_split_are_kept_five_minutes() {
        let usage = anthropic(&json!({
            "input_tokens": 1, "cache_creation_input_tokens": 7, "cache_read_input_tokens": null,
            "cache_creation": null, "output_tokens": 0, "server_tool_use": null
        }));
        let usage = usage.unwrap();
        assert_eq!(
            (usage.prompt, usage.cache_write, usage.cache_write_1h),
            (8, 7, 0)
        );
        for bad in [
            json!({"input_tokens": 1}),
            json!({"input_tokens": 1, "output_tokens": -1}),
            json!({"input_tokens": 1, "output_tokens": 1,
                "iterations": [{"type": "message"}, {"type": "compaction", "input_tokens": 9}]}),
            json!({"input_tokens": 1, "output_tokens": 1, "cache_creation_input_tokens": 9,
                "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 8}}),
            json!({"input_tokens": 1, "output_tokens": 1, "server_tool_use": {"web_search_requests": -1}}),
        ] {
            assert_eq!(anthropic(&bad), None, "{bad}");
        }
    }

    #[test]
    fn anthropic_tiers_name_what_changes_the_price() {
        let tier = |usage| anthropic_tier(&usage);
        assert_eq!(tier(json!({})), None);
        assert_eq!(
            tier(json!({"service_tier": "batch", "speed": "standard"})).as_deref(),
            Some("batch")
        );
        assert_eq!(
            tier(json!({"service_tier": "standard", "speed": "fast", "inference_geo": "global"}))
                .as_deref(),
            Some("fast")
        );
        assert_eq!(
            tier(json!({"service_tier": "standard", "inference_geo": "us"})).as_deref(),
            Some("standard-us")
        );
    }
}
