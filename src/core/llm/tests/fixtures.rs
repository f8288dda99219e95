//! One answer in each dialect: two pieces of text, two tool calls, and counts of every kind.

use serde_json::Value;

use super::*;

pub const RESPONSE: &str = r#"{"id":"r-1","object":"response","status":"completed","model":"gpt-5-mini-2025","service_tier":"flex","error":null,"incomplete_details":null,
"output":[{"type":"reasoning","id":"rs","summary":[]},{"type":"web_search_call","id":"ws","status":"completed"},
{"type":"message","id":"m","role":"assistant","status":"completed","content":[{"type":"output_text","text":"Grüße ","annotations":[]},{"type":"output_text","text":"😀!","annotations":[]}]},
{"type":"function_call","id":"fc_1","call_id":"c1","name":"look","arguments":"{\"at\":1}","status":"completed"},
{"type":"function_call","id":"fc_2","call_id":"c2","name":"wait","arguments":"{}","status":"completed"}],
"usage":{"input_tokens":100,"input_tokens_details":{"cached_tokens":40,"cache_write_tokens":20},"output_tokens":9,"output_tokens_details":{"reasoning_tokens":5},"total_tokens":109}}"#;

pub const MESSAGE: &str = r#"{"id":"r-1","type":"message","role":"assistant","model":"sonnet-2026","stop_reason":"tool_use","stop_sequence":null,
"content":[{"type":"thinking","thinking":"hm","signature":"x"},{"type":"text","text":"Grüße "},{"type":"text","text":"😀!"},
{"type":"tool_use","id":"c1","name":"look","input":{"at":1}},{"type":"tool_use","id":"c2","name":"wait","input":{}}],
"usage":{"input_tokens":40,"cache_read_input_tokens":40,"cache_creation_input_tokens":20,"cache_creation":{"ephemeral_5m_input_tokens":15,"ephemeral_1h_input_tokens":5},
"output_tokens":9,"output_tokens_details":{"thinking_tokens":5},"service_tier":"standard"}}"#;

pub const COMPLETION: &str = r#"{"id":"r-1","object":"chat.completion","created":1,"model":"gpt-4o-2024","service_tier":"default",
"choices":[{"index":0,"finish_reason":"tool_calls","logprobs":null,"message":{"role":"assistant","content":"Grüße 😀!","refusal":null,"annotations":[],
"tool_calls":[{"id":"c1","type":"function","function":{"name":"look","arguments":"{\"at\":1}"}},{"id":"c2","type":"function","function":{"name":"wait","arguments":"{}"}}]}}],
"usage":{"prompt_tokens":100,"completion_tokens":9,"total_tokens":109,"prompt_tokens_details":{"cached_tokens":40,"cache_write_tokens":20},"completion_tokens_details":{"reasoning_tokens":5}}}"#;

pub fn usage() -> TokenUsage {
    TokenUsage {
        prompt: 100,
        cached: 40,
        cache_write: 20,
        completion: 9,
        reasoning: 5,
        total: 109,
        ..TokenUsage::default()
    }
}

/// Events of a stream, with lines that end like this.
pub fn sse(events: &[Value], ending: &str, done: bool) -> String {
    let text = |event: &Value| {
        let name = event["type"].as_str();
        let name = name.map_or_else(String::new, |name| format!("event: {name}{ending}"));
        format!("{name}data: {event}{ending}{ending}")
    };
    let events: String = events.iter().map(text).collect();
    let done = if done { "data: [DONE]\n\n" } else { "" };
    format!(": keep-alive{ending}{ending}{events}{done}")
}

pub fn completion_events() -> Vec<Value> {
    let chunk = |delta: Value, finish: Option<&str>, usage: Value| {
        json!({"id": "r-1", "model": "gpt-4o-2024", "service_tier": "default", "usage": usage,
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
    };
    let call = |call: Value| chunk(json!({"tool_calls": [call]}), None, json!(null));
    let placeholder = json!({"prompt_tokens": 100, "completion_tokens": 1, "total_tokens": 101});
    let whole: Value = serde_json::from_str(COMPLETION).unwrap();
    vec![
        chunk(
            json!({"role": "assistant", "content": ""}),
            None,
            placeholder,
        ),
        chunk(json!({"content": "Grüße "}), None, json!(null)),
        chunk(json!({"content": "😀!"}), None, json!(null)),
        call(
            json!({"index": 0, "id": "c1", "type": "function", "function": {"name": "look", "arguments": ""}}),
        ),
        call(json!({"index": 0, "function": {"arguments": "{\"at\""}})),
        call(json!({"index": 1, "id": "c2", "function": {"name": "wait", "arguments": "{}"}})),
        call(json!({"index": 0, "id": "c1", "function": {"name": "look", "arguments": ":1}"}})),
        chunk(json!({}), Some("tool_calls"), json!(null)),
        json!({"id": "r-1", "model": "gpt-4o-2024", "choices": [], "usage": whole["usage"]}),
    ]
}

pub fn response_events() -> Vec<Value> {
    let mut whole: Value = serde_json::from_str(RESPONSE).unwrap();
    let output = whole["output"].clone();
    let added = |at: usize| {
        let mut item = output[at].clone();
        item["arguments"] = json!("");
        json!({"type": "response.output_item.added", "output_index": at, "item": item})
    };
    let more = |kind: &str, at: usize, delta: &str| json!({"type": format!("response.{kind}.delta"), "output_index": at, "delta": delta});
    let mut begun = whole.clone();
    (begun["status"], begun["output"], begun["usage"]) =
        (json!("in_progress"), json!([]), json!(null));
    whole["output"] = output.clone();
    vec![
        json!({"type": "response.created", "response": begun}),
        json!({"type": "response.in_progress", "response": begun}),
        more("reasoning_summary_text", 0, "thinking aloud"),
        more("output_text", 2, "Grüße "),
        more("output_text", 2, "😀!"),
        json!({"type": "response.output_text.done", "output_index": 2, "text": "Grüße 😀!"}),
        added(3),
        more("function_call_arguments", 3, "{\"at\""),
        added(4),
        more("function_call_arguments", 4, "{}"),
        more("function_call_arguments", 3, ":1}"),
        json!({"type": "response.completed", "response": whole}),
    ]
}

pub fn message_events() -> Vec<Value> {
    let block = |at: u64, block: Value| json!({"type": "content_block_start", "index": at, "content_block": block});
    let more =
        |at: u64, delta: Value| json!({"type": "content_block_delta", "index": at, "delta": delta});
    let stop = |at: u64| json!({"type": "content_block_stop", "index": at});
    let text = |at, text: &str| more(at, json!({"type": "text_delta", "text": text}));
    vec![
        json!({"type": "message_start", "message": {"id": "r-1", "model": "sonnet-2026", "content": [], "stop_reason": null,
            "usage": {"input_tokens": 40, "cache_read_input_tokens": 40, "cache_creation_input_tokens": 20,
                "cache_creation": {"ephemeral_5m_input_tokens": 15, "ephemeral_1h_input_tokens": 5},
                "output_tokens": 1, "service_tier": "standard"}}}),
        json!({"type": "ping"}),
        block(0, json!({"type": "thinking", "thinking": ""})),
        more(0, json!({"type": "thinking_delta", "thinking": "hm"})),
        more(0, json!({"type": "signature_delta", "signature": "x"})),
        stop(0),
        block(1, json!({"type": "text", "text": ""})),
        text(1, "Grüße "),
        text(1, "😀!"),
        stop(1),
        block(
            2,
            json!({"type": "tool_use", "id": "c1", "name": "look", "input": {}}),
        ),
        more(2, json!({"type": "input_json_delta", "partial_json": ""})),
        more(
            2,
            json!({"type": "input_json_delta", "partial_json": "{\"at\""}),
        ),
        more(
            2,
            json!({"type": "input_json_delta", "partial_json": ":1}"}),
        ),
        stop(2),
        block(
            3,
            json!({"type": "tool_use", "id": "c2", "name": "wait", "input": {}}),
        ),
        stop(3),
        json!({"type": "message_delta", "delta": {"stop_reason": null}, "usage": {"output_tokens": 7}}),
        json!({"type": "message_delta", "delta": {"stop_reason": "tool_use"},
            "usage": {"input_tokens": null, "output_tokens": 9, "output_tokens_details": {"thinking_tokens": 5}}}),
        json!({"type": "message_stop"}),
    ]
}
