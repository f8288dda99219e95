//! The same answer in each dialect, whole and in pieces, however it is cut.

use serde_json::Value;

use super::fixtures::{
    COMPLETION, MESSAGE, RESPONSE, completion_events, message_events, response_events, sse, usage,
};
use super::*;

fn run(dialect: Dialect, steps: Vec<Step>, streamed: bool) -> (Called, Vec<Delta>) {
    let clock = JumpClock::at(START_MS);
    let http = ScriptedHttp::new(&clock, steps);
    let models = client(&clock, &http);
    let route = [provider(dialect).serving("asked")];
    let (stop, limits, mut heard) = (Stop::default(), Limits::default(), Vec::new());
    let called = if streamed {
        let mut on_delta = |delta: &Delta| heard.push(delta.clone());
        clock.run(models.stream(&request(), &route, limits, &stop, &mut on_delta))
    } else {
        clock.run(models.complete(&request(), &route, limits))
    };
    (called, heard)
}

/// What each dialect's answer comes to, whole or streamed.
fn check(dialect: Dialect, answer: &ModelAnswer) {
    let call = |id: &str, name: &str, arguments: &str| ToolCall {
        id: id.into(),
        name: name.into(),
        arguments: arguments.into(),
    };
    assert_eq!(answer.choice.text, "Grüße 😀!");
    let calls = [call("c1", "look", "{\"at\":1}"), call("c2", "wait", "{}")];
    assert_eq!(answer.choice.tool_calls, calls);
    assert_eq!(answer.choice.finish_reason, "tool_calls");
    assert_eq!(
        (answer.ended, &answer.choice.refusal),
        (Ended::Whole, &None)
    );
    assert_eq!(answer.response_id.as_deref(), Some("r-1"));
    let (model, tier, usage) = match dialect {
        Dialect::ChatCompletions => ("gpt-4o-2024", "default", usage()),
        Dialect::Responses => (
            "gpt-5-mini-2025",
            "flex",
            TokenUsage {
                web_searches: 1,
                ..usage()
            },
        ),
        Dialect::AnthropicMessages => (
            "sonnet-2026",
            "default",
            TokenUsage {
                cache_write_1h: 5,
                ..usage()
            },
        ),
    };
    assert_eq!(
        (answer.model.as_str(), answer.service_tier.as_deref()),
        (model, Some(tier))
    );
    assert_eq!(answer.usage, Some(usage));
}

fn cases() -> [(Dialect, &'static str, Vec<Value>); 3] {
    [
        (Dialect::ChatCompletions, COMPLETION, completion_events()),
        (Dialect::Responses, RESPONSE, response_events()),
        (Dialect::AnthropicMessages, MESSAGE, message_events()),
    ]
}

#[test]
fn whole_answers_read_the_same_in_every_dialect() {
    for (dialect, body, _) in cases() {
        let (called, _) = run(dialect, vec![reply(200, body)], false);
        let answer = called.result.unwrap();
        check(dialect, &answer);
        assert_eq!(answer.first_token_ms, None);
        assert_eq!(called.attempts[0].usage, answer.usage);
    }
}

#[test]
fn streams_read_as_the_whole_answer_however_they_are_cut() {
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % 1_000_003).unwrap() % below
    };
    for (dialect, _, events) in cases() {
        for _ in 0..200 {
            let ending = ["\n", "\r\n", "\r"][random(3)];
            let text = sse(&events, ending, dialect == Dialect::ChatCompletions);
            let mut rest = text.as_bytes();
            let mut body = Vec::new();
            while !rest.is_empty() {
                let (piece, more) = rest.split_at((random(90) + 1).min(rest.len()));
                body.push(Piece::Bytes(piece.to_vec()));
                rest = more;
            }
            let (called, heard) = run(dialect, vec![pieces(200, body)], true);
            check(dialect, &called.result.unwrap());
            let said: String = heard.iter().filter_map(Delta::said).collect();
            assert_eq!(said, "Grüße 😀!");
            let starts = heard
                .iter()
                .filter(|delta| matches!(delta.part, Part::ToolCall { .. }));
            assert_eq!(starts.count(), 2);
        }
    }
}

#[test]
fn a_stream_cut_before_its_end_is_no_answer_and_its_early_counts_no_bill() {
    for (dialect, _, events) in cases() {
        for end in 1..events.len() {
            let text = sse(&events[..end], "\n", false);
            let (called, _) = run(dialect, vec![reply(200, &text)], true);
            let error = called.result.unwrap_err();
            assert_eq!(error.code(), "MODEL_INTERRUPTED", "{dialect:?} {end}");
            let attempt = &called.attempts[0];
            assert_eq!(
                (attempt.ended, attempt.may_have_billed),
                (Some(Ended::Interrupted), true)
            );
        }
        let early = sse(&events[..1], "\n", false);
        let (called, _) = run(dialect, vec![reply(200, &early)], true);
        let counted = called.attempts[0]
            .usage
            .map(|usage| (usage.prompt, usage.completion));
        let known = (dialect != Dialect::Responses).then_some((100, 1));
        assert_eq!(counted, known, "a lower bound, for an estimate");
    }
}

#[test]
fn explicit_zeros_are_counts_and_nonsense_is_none() {
    let zero = r#"{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}"#;
    let negative = r#"{"prompt_tokens":5,"completion_tokens":-1}"#;
    let early = r#"{"model":"m","choices":[{"index":0,"delta":{"content":"a"}}],"usage":{"prompt_tokens":7,"completion_tokens":1}}"#;
    for (last, usage) in [(zero, Some(TokenUsage::default())), (negative, None)] {
        let text = format!(
            "data: {early}\n\ndata: {{\"choices\":[{{\"index\":0,\"delta\":{{}},\"finish_reason\":\"stop\"}}],\"usage\":{last}}}\n\ndata: [DONE]\n\n"
        );
        let (called, _) = run(Dialect::ChatCompletions, vec![reply(200, &text)], true);
        assert_eq!(called.result.unwrap().usage, usage);
    }
}

#[test]
fn endings_are_told_in_openais_words() {
    for (theirs, ours) in [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "content_filter"),
        ("tool_use", "tool_calls"),
    ] {
        let body = MESSAGE.replace(
            "\"stop_reason\":\"tool_use\"",
            &format!("\"stop_reason\":\"{theirs}\""),
        );
        let (called, _) = run(Dialect::AnthropicMessages, vec![reply(200, &body)], false);
        assert_eq!(called.result.unwrap().choice.finish_reason, ours);
    }
    for (reason, ours) in [
        ("max_output_tokens", "length"),
        ("content_filter", "content_filter"),
    ] {
        let body = RESPONSE
            .replace(
                "\"status\":\"completed\",\"model\"",
                "\"status\":\"incomplete\",\"model\"",
            )
            .replace(
                "\"incomplete_details\":null",
                &format!("\"incomplete_details\":{{\"reason\":\"{reason}\"}}"),
            );
        let (called, _) = run(Dialect::Responses, vec![reply(200, &body)], false);
        assert_eq!(called.result.unwrap().choice.finish_reason, ours);
    }
}

#[test]
fn errors_within_a_good_status_are_errors_and_keep_the_usage() {
    let error = format!(r#"{{"code":"server_error","message":"broke, {KEY}"}}"#);
    let failed = RESPONSE
        .replace(
            "\"status\":\"completed\",\"model\"",
            "\"status\":\"failed\",\"model\"",
        )
        .replace("\"error\":null", &format!("\"error\":{error}"));
    let (called, _) = run(Dialect::Responses, vec![reply(200, &failed)], false);
    let said = called.result.unwrap_err();
    assert!(said.to_string().contains("broke") && said.may_have_billed());
    assert!(!said.to_string().contains(KEY));
    assert_eq!(called.attempts[0].usage.unwrap().total, 109);

    let mut events = message_events();
    events.truncate(8);
    let words = format!("Overloaded {KEY}");
    events.push(json!({"type": "error", "error": {"type": "overloaded_error", "message": words}}));
    let (called, _) = run(
        Dialect::AnthropicMessages,
        vec![reply(200, &sse(&events, "\n", false))],
        true,
    );
    let said = called.result.unwrap_err();
    assert_eq!(said.partial(), Some("Grüße "));
    assert!(said.to_string().contains("Overloaded") && !said.to_string().contains(KEY));
    let text = sse(
        &[json!({"type": "error", "code": null, "message": "broke", "param": null})],
        "\n",
        false,
    );
    let (called, _) = run(Dialect::Responses, vec![reply(200, &text)], true);
    assert_eq!(called.result.unwrap_err().code(), "MODEL_INTERRUPTED");
}

#[test]
fn several_choices_refusals_and_logprobs_come_through() {
    let choice = |index: u64, message: Value, finish: &str| {
        json!({"index": index, "message": message, "finish_reason": finish,
        "logprobs": {"content": [{"token": "a", "logprob": -0.1}]}})
    };
    let body = json!({"model": "m", "choices": [
        choice(0, json!({"role": "assistant", "content": "a", "annotations": [{"type": "url_citation"}]}), "stop"),
        choice(1, json!({"role": "assistant", "content": null, "refusal": "No."}), "stop")]});
    let (called, _) = run(
        Dialect::ChatCompletions,
        vec![reply(200, &body.to_string())],
        false,
    );
    let answer = called.result.unwrap();
    assert_eq!(
        (answer.choice.said(), answer.others[0].said()),
        ("a", "No.")
    );
    assert_eq!(
        answer.choice.extra["annotations"][0]["type"],
        "url_citation"
    );
    assert_eq!(answer.choice.logprobs.unwrap()["content"][0]["token"], "a");

    let piece = |index: u64, text: &str| {
        json!({"model": "m", "choices": [{"index": index, "delta": {"content": text},
        "logprobs": {"content": [{"token": text}]}, "finish_reason": "stop"}]})
    };
    let text = sse(&[piece(1, "b"), piece(0, "a"), piece(0, "c")], "\n", true);
    let (called, heard) = run(Dialect::ChatCompletions, vec![reply(200, &text)], true);
    let answer = called.result.unwrap();
    assert_eq!((answer.choice.said(), answer.others[0].said()), ("ac", "b"));
    assert_eq!(
        answer.choice.logprobs.unwrap()["content"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(heard.len(), 6);
    let many = json!({"model": "m", "choices": [{"index": 1_000_000, "delta": {"content": "x"}}]});
    let (called, _) = run(
        Dialect::ChatCompletions,
        vec![reply(200, &sse(&[many], "\n", true))],
        true,
    );
    assert_eq!(called.result.unwrap_err().code(), "MODEL_INTERRUPTED");
}
