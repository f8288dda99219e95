//! Whole answers, refusals and retries.

use super::*;

#[test]
fn a_plain_answer_is_read_whole() {
    let body = answer_json("Hi");
    let half = body.len() / 2;
    let step = pieces(
        200,
        vec![
            Piece::Bytes(body.as_bytes()[..half].to_vec()),
            Piece::Wait(250),
            Piece::Bytes(body.as_bytes()[half..].to_vec()),
        ],
    );
    let (result, http, _) = complete(vec![step]);
    let expected = ModelAnswer {
        choice: Choice {
            text: "Hi".into(),
            finish_reason: "stop".into(),
            ..Choice::default()
        },
        others: vec![],
        model: "gpt-4-0613".into(),
        usage: Some(TokenUsage {
            prompt: 9,
            completion: 3,
            total: 12,
            ..TokenUsage::default()
        }),
        provider_request_id: Some("req_1".into()),
        response_id: Some("chatcmpl-1".into()),
        service_tier: Some("default".into()),
        system_fingerprint: Some("fp_1".into()),
        ended: Ended::Whole,
        dropped: vec![],
        default_max_tokens: None,
        first_token_ms: None,
        total_ms: 250,
    };
    assert_eq!(result, Ok(expected));
    let seen = http.seen.borrow();
    assert_eq!(seen[0].url, "https://model.example/v1/chat/completions");
    assert_eq!(seen[0].timeout_ms, Limits::default().total_ms);
    assert!(
        seen[0]
            .headers
            .contains(&("authorization", format!("Bearer {KEY}")))
    );
}

#[test]
fn missing_usage_stays_missing_and_a_refusal_is_the_text() {
    let body = r#"{"model":"m","choices":[{"message":{"content":null,"refusal":"No."},"finish_reason":"stop"}]}"#;
    let answer = complete(vec![reply(200, body)]).0.unwrap();
    assert_eq!(answer.usage, None);
    assert_eq!(answer.choice.refusal.as_deref(), Some("No."));
    assert_eq!(answer.choice.said(), "No.");
}

#[test]
fn each_refusal_has_its_class() {
    let error = |kind: &str, code: &str| {
        json!({"error": {"message": "why", "type": kind, "code": code, "param": null}}).to_string()
    };
    for (status, body, code) in [
        (
            400,
            error("invalid_request_error", ""),
            "MODEL_INVALID_REQUEST",
        ),
        (
            400,
            error("invalid_request_error", "model_not_found"),
            "MODEL_UNKNOWN",
        ),
        (
            404,
            error("invalid_request_error", "model_not_found"),
            "MODEL_UNKNOWN",
        ),
        (
            401,
            error("invalid_request_error", "invalid_api_key"),
            "MODEL_UNAUTHORIZED",
        ),
        (403, error("", ""), "MODEL_UNAUTHORIZED"),
        (402, error("", ""), "MODEL_QUOTA_EXHAUSTED"),
        (
            429,
            error("insufficient_quota", "insufficient_quota"),
            "MODEL_QUOTA_EXHAUSTED",
        ),
        (
            429,
            error("insufficient_quota", "credit_balance_exhausted"),
            "MODEL_QUOTA_EXHAUSTED",
        ),
        (413, "too long".into(), "MODEL_INVALID_REQUEST"),
        (500, error("server_error", ""), "MODEL_UNAVAILABLE"),
        (503, "busy".into(), "MODEL_UNAVAILABLE"),
        (302, String::new(), "MODEL_MALFORMED_ANSWER"),
    ] {
        let error = failure(reply(status, &body));
        assert_eq!(error.code(), code, "{status} {body}");
        assert!(
            error
                .to_string()
                .contains(&format!("OpenAI API error: {status} - {body}")),
            "{error}"
        );
    }
    assert!(failure(reply(500, "")).may_have_billed());
    assert!(!failure(reply(400, "")).may_have_billed());
    assert!(!failure(reply(503, "")).may_have_billed());
}

#[test]
fn a_wrong_key_is_never_shown() {
    let error = failure(reply(
        401,
        &format!("Incorrect API key provided: {KEY}, {}", "x".repeat(900)),
    ));
    let text = format!("{error} {error:?}");
    assert!(
        text.contains("OPENAI_API_KEY") && !text.contains("0123456789"),
        "{text}"
    );
    assert!(text.len() < 1_500);
}

#[test]
fn without_a_key_nothing_is_sent() {
    let clock = JumpClock::at(START_MS);
    let http = ScriptedHttp::new(&clock, vec![]);
    for key in [None, Some(Secret::new(""))] {
        let keyless = Provider {
            key,
            ..(*provider(Dialect::ChatCompletions)).clone()
        };
        let route = [Rc::new(keyless).serving("gpt-4")];
        let models = client(&clock, &http);
        let called = clock.run(models.complete(&request(), &route, Limits::default()));
        let error = called.result.unwrap_err();
        assert_eq!(error.code(), "MODEL_NOT_CONFIGURED");
        assert!(error.to_string().contains("OPENAI_API_KEY"));
        assert!(!called.attempts[0].sent && !called.attempts[0].may_have_billed);
    }
    assert!(http.seen.borrow().is_empty());
}

#[test]
fn unreadable_answers_are_malformed_and_do_not_quote_themselves() {
    for body in [
        "",
        "{",
        "<html>secret text",
        r#"{"choices":[]}"#,
        r#"{"model":"m","choices":[]}"#,
        r#"{"model":"m","choices":[{"message":{"content":"secret text"}}]}"#,
        r#"{"model":"m","choices":"secret text"}"#,
    ] {
        let error = failure(reply(200, body));
        assert_eq!(error.code(), "MODEL_MALFORMED_ANSWER", "{body}");
        assert!(!error.to_string().contains("secret"), "{error}");
        assert!(error.may_have_billed());
    }
}

#[test]
fn work_not_done_is_asked_for_again_twice_at_most() {
    let busy = || with_header(reply(429, "{}"), "retry-after", "2");
    let (result, http, clock) = complete(vec![busy(), busy(), reply(200, &answer_json("Hi"))]);
    assert_eq!(result.unwrap().choice.text, "Hi");
    assert_eq!(http.seen.borrow().len(), 3);
    let waited = clock.now_ms() - START_MS;
    assert!((4_000..=5_000).contains(&waited), "{waited}");

    let (result, http, _) = complete(vec![busy(), busy(), busy()]);
    let error = result.unwrap_err();
    assert!(
        matches!(
            error,
            ModelError::RateLimited {
                retry_after_ms: Some(2_000),
                ..
            }
        ),
        "{error}"
    );
    assert!(error.to_string().ends_with("try again in 2 s"), "{error}");
    assert_eq!(http.seen.borrow().len(), 3);

    let brief = with_header(reply(503, "{}"), "retry-after-ms", "20");
    let (result, _, clock) = complete(vec![brief, reply(200, &answer_json("Hi"))]);
    assert_eq!(result.unwrap().choice.text, "Hi");
    assert!(clock.now_ms() - START_MS <= 25);
}

#[test]
fn long_waits_and_work_perhaps_done_are_not_repeated() {
    let error = failure(with_header(reply(429, "{}"), "retry-after", "60"));
    assert!(
        matches!(
            error,
            ModelError::RateLimited {
                retry_after_ms: Some(60_000),
                ..
            }
        ),
        "{error}"
    );
    failure(with_header(reply(500, "{}"), "retry-after", "1"));
    failure(reply(503, "{}"));
    failure(Step::Fail(HttpError::Interrupted("reset".into())));
    let dropped = failure(Step::Fail(HttpError::Unreachable("gone".into())));
    assert_eq!(dropped.code(), "MODEL_UNAVAILABLE");
    assert!(dropped.may_have_billed());
    failure(with_header(
        reply(429, r#"{"error":{"type":"insufficient_quota"}}"#),
        "retry-after",
        "1",
    ));
}

#[test]
fn no_pause_outlasts_the_call() {
    let clock = JumpClock::at(START_MS);
    let http = ScriptedHttp::new(
        &clock,
        vec![with_header(reply(429, "{}"), "retry-after", "2")],
    );
    let limits = Limits {
        total_ms: 1_500,
        ..Limits::default()
    };
    let models = client(&clock, &http);
    let called = clock.run(models.complete(&request(), &route(), limits));
    let error = called.result.unwrap_err();
    assert_eq!(error.code(), "MODEL_RATE_LIMITED");
    assert_eq!(clock.now_ms(), START_MS);
}
