//! Answers in pieces, whole or cut, and the bounds of time and size.

use super::*;

#[test]
fn a_stream_reads_the_same_however_it_is_cut() {
    let text = stream_text();
    let bytes = text.as_bytes();
    for at in 0..=bytes.len() {
        let (one, two) = bytes.split_at(at);
        let body = vec![
            Piece::Wait(40),
            Piece::Bytes(one.to_vec()),
            Piece::Wait(2),
            Piece::Bytes(two.to_vec()),
        ];
        let (result, heard) = streamed(vec![pieces(200, body)], Limits::default());
        let answer = result.unwrap();
        assert_eq!(
            (answer.choice.text.as_str(), heard.as_str()),
            ("Grüße 😀!", "Grüße 😀!"),
            "cut at {at}"
        );
        assert_eq!(answer.usage.unwrap().total, 13);
        assert_eq!(answer.choice.finish_reason, "stop");
        assert_eq!(answer.provider_request_id.as_deref(), Some("req_1"));
        assert!(matches!(answer.first_token_ms, Some(40 | 42)));
        assert!(matches!(answer.total_ms, 40 | 42), "ends with [DONE]");
    }
}

#[test]
fn bytes_one_by_one_read_the_same() {
    let body = stream_text()
        .into_bytes()
        .into_iter()
        .map(|byte| Piece::Bytes(vec![byte]))
        .collect();
    assert_eq!(
        streamed(vec![pieces(200, body)], Limits::default())
            .0
            .unwrap()
            .choice
            .text,
        "Grüße 😀!"
    );
}

#[test]
fn further_fields_are_joined_as_texts_and_lists_are() {
    let text = [
        chunk(
            &json!({"reasoning_content": "Let me ", "annotations": [1]}),
            None,
        ),
        chunk(
            &json!({"reasoning_content": "see.", "annotations": [2], "score": 1}),
            None,
        ),
        chunk(&json!({"content": "Hi", "score": 2, "audio": null}), None),
        chunk(&json!({}), Some("stop")),
        "data: [DONE]\n\n".to_owned(),
    ];
    let (result, heard) = streamed(vec![reply(200, &text.concat())], Limits::default());
    let extra = serde_json::Value::Object(result.unwrap().choice.extra);
    let joined = json!({"reasoning_content": "Let me see.", "annotations": [1, 2], "score": 2});
    assert_eq!((heard.as_str(), extra), ("Hi", joined));

    let limits = Limits {
        max_answer_bytes: 10,
        ..Limits::default()
    };
    let error = streamed(vec![reply(200, &text.concat())], limits)
        .0
        .unwrap_err();
    assert!(error.to_string().contains("10 bytes"), "{error}");
}

#[test]
fn a_cut_stream_is_an_error_that_carries_the_partial_text() {
    let text = stream_text();
    let upto = |mark: &str| text[..text.find(mark).unwrap()].to_owned();
    for body in [
        upto("data: [DONE]"),
        upto("\"stop\""),
        upto("prompt_tokens"),
    ] {
        let error = streamed(vec![reply(200, &body)], Limits::default())
            .0
            .unwrap_err();
        assert!(matches!(error, ModelError::Interrupted { .. }), "{error}");
        assert_eq!(error.partial(), Some("Grüße 😀!"));
        assert!(error.may_have_billed());
    }
    let no_finish = format!("{}data: [DONE]\n\n", chunk(&json!({"content": "a"}), None));
    let error = streamed(vec![reply(200, &no_finish)], Limits::default())
        .0
        .unwrap_err();
    assert_eq!(error.partial(), Some("a"));
    let broken = pieces(
        200,
        vec![
            Piece::Bytes(chunk(&json!({"content": "a"}), None).into_bytes()),
            Piece::Break(HttpError::Interrupted("reset".into())),
        ],
    );
    let error = streamed(vec![broken], Limits::default()).0.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the answer broke off after 1 characters (reset): what arrived is not a whole answer; try again"
    );
}

#[test]
fn an_error_in_the_middle_of_a_stream_is_told_without_keys() {
    let body = format!(
        "{}data: {{\"error\":{{\"message\":\"overloaded, key {KEY}\"}}}}\n\n",
        chunk(&json!({"content": "a"}), None)
    );
    let error = streamed(vec![reply(200, &body)], Limits::default())
        .0
        .unwrap_err();
    assert_eq!(error.code(), "MODEL_INTERRUPTED");
    assert!(
        error.to_string().contains("overloaded") && !error.to_string().contains(KEY),
        "{error}"
    );
}

#[test]
fn limits_of_size_hold() {
    let limits = Limits {
        max_answer_bytes: 8,
        ..Limits::default()
    };
    let (result, heard) = streamed(vec![reply(200, &stream_text())], limits);
    assert_eq!(
        result,
        Err(ModelError::TooLarge {
            limit: 8,
            partial: "Grüße ".into()
        })
    );
    assert_eq!(heard, "Grüße ");
    let limits = Limits {
        max_line_bytes: 64,
        ..Limits::default()
    };
    assert_eq!(
        streamed(vec![reply(200, &stream_text())], limits)
            .0
            .unwrap_err()
            .code(),
        "MODEL_ANSWER_TOO_LARGE"
    );
    let limits = Limits {
        max_stream_bytes: 100,
        ..Limits::default()
    };
    assert_eq!(
        streamed(vec![reply(200, &stream_text())], limits)
            .0
            .unwrap_err()
            .code(),
        "MODEL_ANSWER_TOO_LARGE"
    );
    let huge = answer_json(&"x".repeat(2 * 1024 * 1024));
    assert_eq!(failure(reply(200, &huge)).code(), "MODEL_ANSWER_TOO_LARGE");
}

#[test]
fn timeouts_end_the_call_and_keep_what_arrived() {
    let (result, http, clock) = complete(vec![Step::Hang]);
    assert_eq!(
        result,
        Err(ModelError::Timeout {
            ms: 300_000,
            partial: String::new()
        })
    );
    assert_eq!(clock.now_ms(), START_MS + 300_000);
    assert_eq!(
        http.seen.borrow().len(),
        1,
        "a request that may have been billed is not repeated"
    );

    let start = Piece::Bytes(chunk(&json!({"content": "a"}), None).into_bytes());
    let hanging = pieces(200, vec![start.clone(), Piece::Hang]);
    let error = streamed(vec![hanging], Limits::default()).0.unwrap_err();
    assert_eq!(
        error,
        ModelError::Timeout {
            ms: 300_000,
            partial: "a".into()
        }
    );

    let idle = pieces(
        200,
        vec![start, Piece::Break(HttpError::Timeout { ms: 60_000 })],
    );
    let error = streamed(vec![idle], Limits::default()).0.unwrap_err();
    assert_eq!(
        error,
        ModelError::Timeout {
            ms: 60_000,
            partial: "a".into()
        }
    );
    assert!(error.may_have_billed());
    assert_eq!(
        failure(Step::Fail(HttpError::Timeout { ms: 9 })).code(),
        "MODEL_TIMEOUT"
    );
}
