//! The models against a scripted endpoint.

mod answers;
mod attempts;
mod fixtures;
mod plain;
mod requests;
mod streams;

use std::rc::Rc;

use serde_json::json;

use super::scripted::{
    JumpClock, KEY, Piece, START_MS, ScriptedHttp, Step, answer_json, chunk, client, pieces,
    provider, reply, stream_text, with_header,
};
use super::*;
use crate::ports::{Clock, HttpError};
use crate::secret::Secret;

fn request() -> ModelRequest {
    ModelRequest {
        model: "gpt-4".into(),
        messages: vec![Message::text(Role::User, "Hello")],
        max_tokens: Some(100),
        temperature: Some(0.7),
        ..ModelRequest::default()
    }
}

fn route() -> [Target; 1] {
    [provider(Dialect::ChatCompletions).serving("gpt-4")]
}

/// One plain call against the script.
fn complete(steps: Vec<Step>) -> (Result<ModelAnswer, ModelError>, Rc<ScriptedHttp>, JumpClock) {
    let clock = JumpClock::at(START_MS);
    let http = ScriptedHttp::new(&clock, steps);
    let models = client(&clock, &http);
    let called = clock.run(models.complete(&request(), &route(), Limits::default()));
    assert_eq!(called.attempts.len(), http.seen.borrow().len());
    (called.result, http, clock)
}

fn streamed(steps: Vec<Step>, limits: Limits) -> (Result<ModelAnswer, ModelError>, String) {
    let clock = JumpClock::at(START_MS);
    let http = ScriptedHttp::new(&clock, steps);
    let mut heard = String::new();
    let models = client(&clock, &http);
    let mut on_delta = |delta: &Delta| heard.push_str(delta.said().unwrap_or_default());
    let stop = Stop::default();
    let called = clock.run(models.stream(&request(), &route(), limits, &stop, &mut on_delta));
    (called.result, heard)
}

fn failure(step: Step) -> ModelError {
    let (result, http, _) = complete(vec![step]);
    assert_eq!(http.seen.borrow().len(), 1);
    result.unwrap_err()
}
