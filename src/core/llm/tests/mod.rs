//! The client against a scripted endpoint.

mod plain;
mod streams;

use std::rc::Rc;

use serde_json::json;

use super::scripted::{
    JumpClock, KEY, Piece, START_MS, ScriptedHttp, Step, answer_json, chunk, client, pieces, reply,
    stream_text, with_header,
};
use super::*;
use crate::ports::{Clock, HttpError};
use crate::secret::Secret;

fn request() -> ModelRequest {
    ModelRequest {
        model: "gpt-4".into(),
        messages: vec![Message {
            role: Role::User,
            content: "Hello".into(),
        }],
        max_tokens: Some(100),
        temperature: Some(0.7),
    }
}

/// One plain call against the script.
fn complete(steps: Vec<Step>) -> (Result<ModelAnswer, ModelError>, Rc<ScriptedHttp>, JumpClock) {
    let clock = JumpClock::at(START_MS);
    let http = ScriptedHttp::new(&clock, steps);
    let result = clock.run(client(&clock, &http).complete(&request(), Limits::default()));
    (result, http, clock)
}

fn streamed(steps: Vec<Step>, limits: Limits) -> (Result<ModelAnswer, ModelError>, String) {
    let clock = JumpClock::at(START_MS);
    let http = ScriptedHttp::new(&clock, steps);
    let mut heard = String::new();
    let model = client(&clock, &http);
    let result = clock.run(model.stream(&request(), limits, &mut |text| heard.push_str(text)));
    (result, heard)
}

fn failure(step: Step) -> ModelError {
    let (result, http, _) = complete(vec![step]);
    assert_eq!(http.seen.borrow().len(), 1);
    result.unwrap_err()
}
