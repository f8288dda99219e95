//! Retries, fallbacks, the circuit breaker, and streams whose listener leaves.

use super::*;

struct World {
    clock: JumpClock,
    http: Rc<ScriptedHttp>,
    models: Models,
    limits: Limits,
}

impl World {
    fn new(steps: Vec<Step>) -> Self {
        let clock = JumpClock::at(START_MS);
        let http = ScriptedHttp::new(&clock, steps);
        let models = client(&clock, &http);
        Self {
            clock,
            http,
            models,
            limits: Limits::default(),
        }
    }

    /// `first` by OpenAI, then `second` by Anthropic.
    fn complete(&self) -> Called {
        let route = [
            provider(Dialect::ChatCompletions).serving("first"),
            provider_at("https://second.example/v1").serving("second"),
        ];
        self.clock
            .run(self.models.complete(&request(), &route, self.limits))
    }

    /// `on_delta` is told how many deltas came before.
    fn stream(&self, stop: &Stop, mut on_delta: impl FnMut(usize)) -> (Called, String) {
        let (mut heard, mut count) = (String::new(), 0);
        let mut listen = |delta: &Delta| {
            heard.push_str(delta.said().unwrap_or_default());
            on_delta(count);
            count += 1;
        };
        let (request, route) = (request(), route());
        let work = self
            .models
            .stream(&request, &route, self.limits, stop, &mut listen);
        let called = self.clock.run(work);
        (called, heard)
    }

    fn sent(&self) -> usize {
        self.http.seen.borrow().len()
    }
}

fn provider_at(url: &str) -> Rc<Provider> {
    Rc::new(Provider {
        base_url: BaseUrl::parse(url, false).unwrap(),
        ..(*provider(Dialect::ChatCompletions)).clone()
    })
}

fn hi() -> Step {
    reply(200, &answer_json("Hi"))
}

fn error_body(kind: &str, code: &str) -> String {
    json!({"error": {"message": "why", "type": kind, "code": code, "param": null}}).to_string()
}

fn said(text: &str) -> Piece {
    Piece::Bytes(chunk(&json!({"content": text}), None).into_bytes())
}

#[test]
fn a_provider_too_busy_to_begin_is_asked_again() {
    for (status, kind, code) in [
        (429, "requests", "rate_limit_exceeded"),
        (429, "rate_limit_error", ""),
        (503, "server_error", "slow_down"),
        (529, "overloaded_error", ""),
    ] {
        let busy = || reply(status, &error_body(kind, code));
        let world = World::new(vec![busy(), busy(), hi()]);
        let called = world.complete();
        assert!(called.result.is_ok(), "{status} {kind}");
        assert_eq!((world.sent(), called.attempts.len()), (3, 3));
        let waited = world.clock.now_ms() - START_MS;
        assert!(
            (1_200..=1_500).contains(&waited),
            "400 + 800 and a quarter at most: {waited}"
        );
        for attempt in &called.attempts[..2] {
            assert!(!attempt.may_have_billed && attempt.sent && attempt.ended.is_none());
            assert_eq!(attempt.provider_request_id.as_deref(), Some("req_1"));
        }
    }
}

#[test]
fn whatever_may_have_been_billed_or_cannot_change_is_asked_once() {
    let status = |status, body: &str| with_header(reply(status, body), "retry-after", "1");
    for step in [
        status(400, "{}"),
        status(401, "{}"),
        status(402, "{}"),
        status(403, "{}"),
        status(404, "{}"),
        status(413, "{}"),
        status(422, "{}"),
        status(500, "{}"),
        status(502, "{}"),
        status(504, "{}"),
        status(429, &error_body("insufficient_quota", "")),
        status(429, &error_body("", "project_spend_limit_exceeded")),
        with_header(status(429, "{}"), "x-should-retry", "false"),
        reply(503, "{}"),
        reply(529, "{}"),
        with_header(reply(429, "{}"), "retry-after-ms", "5001"),
        Step::Fail(HttpError::Timeout { ms: 1 }),
        Step::Fail(HttpError::Unreachable("refused".into())),
        Step::Fail(HttpError::Interrupted("reset".into())),
    ] {
        let world = World::new(vec![step]);
        let route = route();
        let called = world
            .clock
            .run(world.models.complete(&request(), &route, world.limits));
        assert!(called.result.is_err());
        assert_eq!((world.sent(), world.clock.now_ms()), (1, START_MS));
    }
}

#[test]
fn the_next_model_is_asked_where_nothing_was_billed() {
    for (step, code) in [
        (reply(401, "{}"), "MODEL_UNAUTHORIZED"),
        (reply(402, "{}"), "MODEL_QUOTA_EXHAUSTED"),
        (reply(404, "{}"), "MODEL_UNKNOWN"),
        (reply(503, "{}"), "MODEL_UNAVAILABLE"),
        (
            with_header(reply(429, "{}"), "retry-after", "60"),
            "MODEL_RATE_LIMITED",
        ),
    ] {
        let world = World::new(vec![step, hi()]);
        let called = world.complete();
        assert!(called.result.is_ok(), "{code}");
        let [first, second] = &called.attempts[..] else {
            panic!("{called:?}")
        };
        assert_eq!(first.error.as_ref().map(ModelError::code), Some(code));
        assert_eq!(
            (first.model.as_str(), second.model.as_str()),
            ("first", "second")
        );
        assert_eq!(
            (first.may_have_billed, second.may_have_billed),
            (false, true)
        );
        assert_eq!(
            (second.ended, second.usage.unwrap().total),
            (Some(Ended::Whole), 12)
        );
        assert_eq!(second.model_answered.as_deref(), Some("gpt-4-0613"));
        assert_eq!(world.http.body(1)["model"], "second");
    }
    let world = World::new(vec![reply(400, "{}")]);
    assert_eq!(
        world.complete().attempts.len(),
        1,
        "the request itself is at fault"
    );
}

#[test]
fn a_second_bill_is_risked_on_request_only() {
    for step in [
        reply(500, "{}"),
        reply(200, "{"),
        Step::Fail(HttpError::Timeout { ms: 9 }),
    ] {
        let world = World::new(vec![step.clone()]);
        let called = world.complete();
        assert!(called.result.is_err() && called.attempts[0].may_have_billed);
        assert_eq!(world.sent(), 1);

        let mut world = World::new(vec![step, hi()]);
        world.limits.may_bill_twice = true;
        let called = world.complete();
        assert!(called.result.is_ok());
        assert!(
            called
                .attempts
                .iter()
                .all(|attempt| attempt.may_have_billed)
        );
    }
}

#[test]
fn nothing_follows_a_first_token() {
    let mut world = World::new(vec![pieces(
        200,
        vec![
            said("a"),
            Piece::Break(HttpError::Interrupted("cut".into())),
        ],
    )]);
    world.limits.may_bill_twice = true;
    let route = [
        provider(Dialect::ChatCompletions).serving("first"),
        provider_at("https://second.example/v1").serving("second"),
    ];
    let stop = Stop::default();
    let (request, mut nobody) = (request(), |_: &Delta| ());
    let work = world
        .models
        .stream(&request, &route, world.limits, &stop, &mut nobody);
    let called = world.clock.run(work);
    assert_eq!(called.result.unwrap_err().partial(), Some("a"));
    assert_eq!(
        (called.attempts.len(), called.attempts[0].output_bytes),
        (1, 1)
    );
}

#[test]
fn a_provider_that_keeps_failing_is_left_alone_and_tried_again() {
    let mut steps: Vec<Step> = (0..10).map(|_| reply(500, "{}")).collect();
    steps.extend([hi(), hi(), hi()]);
    let world = World::new(steps);
    for _ in 0..10 {
        world.complete().result.unwrap_err();
    }
    assert_eq!(world.sent(), 10);
    let called = world.complete();
    assert!(called.result.is_ok(), "the second provider is well");
    let skipped = &called.attempts[0];
    assert!(!skipped.sent && !skipped.may_have_billed);
    assert!(
        skipped
            .error
            .as_ref()
            .unwrap()
            .to_string()
            .contains("left alone for 30 s")
    );
    world.clock.pass(30_000);
    assert_eq!(
        world.complete().attempts[0].ended,
        Some(Ended::Whole),
        "the probe"
    );
    assert_eq!(world.complete().attempts.len(), 1, "closed again");
}

#[test]
fn refusals_of_requests_do_not_open_the_breaker() {
    let mut steps: Vec<Step> = (0..9).map(|_| reply(400, "{}")).collect();
    steps.push(hi());
    let world = World::new(steps);
    for _ in 0..9 {
        world.complete().result.unwrap_err();
    }
    assert!(world.complete().attempts[0].sent);
}

#[test]
fn a_stream_whose_client_left_is_read_on_for_its_usage() {
    let world = World::new(vec![reply(200, &stream_text())]);
    let stop = Stop::default();
    let (called, heard) = world.stream(&stop, |_| stop.client_left());
    let answer = called.result.unwrap();
    assert_eq!(
        (answer.ended, answer.usage.unwrap().total),
        (Ended::Drained, 13)
    );
    assert_eq!(
        (answer.choice.text.as_str(), heard.as_str()),
        ("Grüße 😀!", "Grüße ")
    );
    assert_eq!(called.attempts[0].ended, Some(Ended::Drained));
}

#[test]
fn draining_has_an_end_in_time_and_in_tokens() {
    let hanging = pieces(200, vec![said("a"), Piece::Hang]);
    let world = World::new(vec![hanging]);
    let stop = Stop::default();
    let (called, _) = world.stream(&stop, |_| stop.client_left());
    let answer = called.result.unwrap();
    assert_eq!((answer.ended, answer.usage), (Ended::Stopped, None));
    assert_eq!(answer.choice.finish_reason, STOPPED);
    assert_eq!(world.clock.now_ms() - START_MS, 120_000);

    let mut long = vec![said("a")];
    long.extend((0..20).map(|_| said("12345678")));
    long.push(Piece::Hang);
    let mut world = World::new(vec![pieces(200, long)]);
    world.limits.drain_tokens = 10;
    let stop = Stop::default();
    let (called, _) = world.stream(&stop, |_| stop.client_left());
    assert_eq!(called.result.unwrap().ended, Ended::Stopped);
    assert_eq!(world.clock.now_ms(), START_MS);
    let bytes = called.attempts[0].output_bytes;
    assert!((40..=64).contains(&bytes), "{bytes}");
}

#[test]
fn a_stream_that_is_stopped_breaks_off_with_what_there_was() {
    let world = World::new(vec![pieces(
        200,
        vec![said("a"), said("b"), said("c"), Piece::Hang],
    )]);
    let stop = Stop::default();
    let (called, heard) = world.stream(&stop, |count| {
        if count == 1 {
            stop.abort();
        }
    });
    let answer = called.result.unwrap();
    assert_eq!(
        (answer.ended, answer.choice.text.as_str(), heard.as_str()),
        (Ended::Stopped, "ab", "ab")
    );
    assert_eq!((answer.usage, answer.model.as_str()), (None, "gpt-4-0613"));
    let attempt = &called.attempts[0];
    assert!(attempt.may_have_billed && attempt.usage.is_none() && attempt.output_bytes == 2);

    // From elsewhere, while the stream waits.
    let world = World::new(vec![Step::Hang]);
    let stop = Stop::default();
    let other = stop.clone();
    let clock = world.clock.clone();
    let both = async {
        let mut nobody = |_: &Delta| ();
        let route = route();
        let request = request();
        let work = world
            .models
            .stream(&request, &route, world.limits, &stop, &mut nobody);
        let later = async {
            clock.sleep(50).await;
            other.abort();
        };
        futures::join!(work, later).0
    };
    let called = world.clock.run(both);
    assert_eq!(called.result.unwrap().ended, Ended::Stopped);
    assert_eq!(world.clock.now_ms() - START_MS, 50);
}

#[test]
fn whoever_left_during_a_pause_is_not_billed_for_another_try() {
    let world = World::new(vec![with_header(reply(429, "{}"), "retry-after", "2")]);
    let stop = Stop::default();
    stop.client_left();
    let (called, _) = world.stream(&stop, |_| ());
    assert_eq!(called.result.unwrap_err().code(), "MODEL_RATE_LIMITED");
    assert_eq!(world.sent(), 1);
}
