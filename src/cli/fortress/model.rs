//! The way of a run to the model: HTTP on a Unix socket that only its sandbox can reach.
//!
//! It takes `POST /v1/chat/completions` and nothing else, sends it on to the one configured
//! address with the server's key, which no agent sees, and holds each request to the policy, see
//! [`super::asked`]. So what the manifest says of model and parameters is true whatever the agent
//! asks for.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode, header};
use axum::routing::post;
use axum::{Json, Router, response::IntoResponse};
use chitty_core::llm::BaseUrl;
use chitty_core::ports::Clock;
use chitty_core::secret::Secret;
use serde_json::{Map, Value, json};
use tokio::net::UnixListener;
use tokio::task::{self, JoinHandle};

use super::asked;
use super::calls::Call;
use super::connections::{self, BodyError};
use super::system::System;

const MAX_REQUEST_BYTES: usize = 1 << 20;
const MAX_ANSWER_BYTES: u64 = 8 << 20;
/// As many as the relay passes on at once.
const MAX_CONNECTIONS: usize = 16;

/// The model's API, one for all runs.
pub struct Upstream {
    pub url: BaseUrl,
    pub key: Option<Secret>,
    agent: ureq::Agent,
}

/// One run's way to it, open until dropped.
pub struct Proxy {
    run: Arc<Run>,
    serving: JoinHandle<()>,
}

struct Run {
    upstream: Arc<Upstream>,
    model: String,
    max_output_tokens: u32,
    max_calls: u32,
    calls: Mutex<Vec<Call>>,
}

impl Upstream {
    pub fn new(url: BaseUrl, key: Option<Secret>, timeout_ms: u64) -> Self {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(Duration::from_millis(timeout_ms)))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .build();
        let agent = config.into();
        Self { url, key, agent }
    }
}

impl Proxy {
    /// Listens at `socket` from now on.
    pub fn open(
        upstream: &Arc<Upstream>,
        socket: &Path,
        model: &str,
        (max_output_tokens, max_calls): (u32, u32),
    ) -> std::io::Result<Self> {
        let run = Arc::new(Run {
            upstream: Arc::clone(upstream),
            model: model.to_owned(),
            max_output_tokens,
            max_calls,
            calls: Mutex::default(),
        });
        let router = Router::new()
            .route("/v1/chat/completions", post(complete))
            .fallback(|| async {
                refusal(
                    StatusCode::FORBIDDEN,
                    "only POST /v1/chat/completions is open to a run",
                )
            })
            .with_state(Arc::clone(&run));
        let listener = UnixListener::bind(socket)?;
        // An agent can reach the socket past the relay, so it is bounded here.
        let serving = task::spawn(connections::serve(listener, router, MAX_CONNECTIONS));
        Ok(Self { run, serving })
    }

    pub fn calls(&self) -> Vec<Call> {
        self.run.calls().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Run {
    fn calls(&self) -> MutexGuard<'_, Vec<Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its number, if there may be one more.
    fn begin(&self) -> Option<usize> {
        let mut calls = self.calls();
        let number = calls.len();
        let may = u32::try_from(number).is_ok_and(|number| number < self.max_calls);
        may.then(|| calls.push(Call::begun(System.now_ms())))?;
        Some(number)
    }

    fn end(&self, number: usize, answer: Option<(u16, Option<String>, &[u8])>) {
        if let Some(call) = self.calls().get_mut(number) {
            call.total_ms = System.now_ms() - call.started_ms;
            if let Some((status, request_id, body)) = answer {
                call.answered(status, request_id, body);
            }
        }
    }
}

async fn complete(State(run): State<Arc<Run>>, request: Request) -> Response<Body> {
    let body = match connections::body(request, MAX_REQUEST_BYTES).await {
        Ok(body) => body,
        Err(BodyError::TooLarge) => {
            return refusal(StatusCode::PAYLOAD_TOO_LARGE, "the request is too large");
        }
        Err(BodyError::Slow) => {
            return refusal(StatusCode::REQUEST_TIMEOUT, "the request is too slow");
        }
    };
    let Ok(body) = serde_json::from_slice::<Map<String, Value>>(&body) else {
        return refusal(StatusCode::BAD_REQUEST, "the request is not a JSON object");
    };
    let body = match asked::held(&body, &run.model, run.max_output_tokens) {
        Ok(body) => body.to_string(),
        Err(advice) => return refusal(StatusCode::BAD_REQUEST, &advice),
    };
    let Some(number) = run.begin() else {
        return refusal(
            StatusCode::TOO_MANY_REQUESTS,
            "the run has made all the calls it may",
        );
    };
    let upstream = Arc::clone(&run.upstream);
    let sent = task::spawn_blocking(move || send(&upstream, &body)).await;
    let Ok(Ok((status, request_id, answer))) = sent else {
        run.end(number, None);
        return refusal(StatusCode::BAD_GATEWAY, "the model could not be reached");
    };
    run.end(number, Some((status, request_id.clone(), &answer)));
    reply(status, request_id, answer)
}

type Answer = (u16, Option<String>, Vec<u8>);

fn send(upstream: &Upstream, body: &str) -> Result<Answer, ureq::Error> {
    let url = format!("{}/chat/completions", upstream.url);
    let mut request = upstream
        .agent
        .post(url)
        .header("content-type", "application/json");
    if let Some(key) = &upstream.key {
        request = request.header("authorization", format!("Bearer {}", key.expose()));
    }
    let mut response = request.send(body)?;
    let request_id = response.headers().get("x-request-id");
    let request_id = request_id.and_then(|id| Some(id.to_str().ok()?.chars().take(256).collect()));
    let status = response.status().as_u16();
    let answer = response
        .body_mut()
        .with_config()
        .limit(MAX_ANSWER_BYTES)
        .read_to_vec()?;
    Ok((status, request_id, answer))
}

fn reply(status: u16, request_id: Option<String>, answer: Vec<u8>) -> Response<Body> {
    let mut response = Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/json");
    if let Some(id) = request_id {
        response = response.header("x-request-id", id);
    }
    let broken = |_| {
        refusal(
            StatusCode::BAD_GATEWAY,
            "the model's answer could not be passed on",
        )
    };
    response.body(Body::from(answer)).unwrap_or_else(broken)
}

/// In the form of the model's own errors.
fn refusal(status: StatusCode, message: &str) -> Response<Body> {
    let body = json!({ "error": { "message": message, "type": "fortress_policy" } });
    (status, Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(model: &str) -> Run {
        Run {
            upstream: Arc::new(Upstream::new(BaseUrl::default(), None, 1)),
            model: model.to_owned(),
            max_output_tokens: 100,
            max_calls: 1,
            calls: Mutex::default(),
        }
    }

    #[test]
    fn calls_end_at_their_bound() {
        let run = run("gpt-4");
        assert_eq!(run.begin(), Some(0));
        assert_eq!(run.begin(), None);
        run.end(0, Some((200, None, b"{\"model\":\"m\"}")));
        assert_eq!(run.calls()[0].model.as_deref(), Some("m"));
    }
}
