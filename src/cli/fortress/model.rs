//! The way of a run to the model: HTTP on a Unix socket that only its sandbox can reach.
//!
//! It takes `POST /v1/chat/completions` and nothing else, sends it on to the one configured
//! address with the server's key, which no agent sees, and holds each request to the policy, see
//! [`super::asked`]. So what the manifest says of model and parameters is true whatever the agent
//! asks for. A call that began goes on to its end whether the agent waits for it or not, and the
//! run waits for it too: so the manifest tells of every one.

use std::mem;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode, header};
use axum::routing::post;
use axum::{Json, Router, response::IntoResponse};
use chitty_core::llm::BaseUrl;
use chitty_core::secret::Secret;
use serde_json::{Map, Value, json};
use tokio::net::UnixListener;
use tokio::sync::oneshot;
use tokio::task::{self, JoinHandle, JoinSet};
use tokio::time::{self, Instant};

use super::account::{Account, Allowance, Answer};
use super::asked;
use super::calls::Call;
use super::connections::{self, BodyError};

const MAX_ANSWER_BYTES: u64 = 8 << 20;
/// As many as the relay passes on at once.
const MAX_CONNECTIONS: usize = 16;
/// A call ends with its run's time, give or take this.
const SLACK: Duration = Duration::from_secs(1);

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
    account: Account,
    asking: Mutex<JoinSet<()>>,
}

impl Upstream {
    pub fn new(url: BaseUrl, key: Option<Secret>) -> Self {
        let config = ureq::Agent::config_builder()
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
        (model, max_output_tokens): (&str, u32),
        allowance: Allowance,
    ) -> std::io::Result<Self> {
        let run = Arc::new(Run {
            upstream: Arc::clone(upstream),
            model: model.to_owned(),
            max_output_tokens,
            account: Account::new(allowance),
            asking: Mutex::default(),
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
        let life = allowance.until.saturating_duration_since(Instant::now());
        let serving = connections::serve(listener, router, MAX_CONNECTIONS, life);
        let serving = task::spawn(serving);
        Ok(Self { run, serving })
    }

    /// Lets no call begin, waits for the end of those that did, and tells of all.
    pub async fn end(self) -> Vec<Call> {
        let account = &self.run.account;
        account.close();
        let mut asking = mem::take(&mut *self.run.asking());
        let all = async { while asking.join_next().await.is_some() {} };
        // One that has no end yet is known by that.
        let _late = time::timeout_at(account.allowance.until + SLACK, all).await;
        account.calls()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Run {
    fn asking(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.asking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// In a task of its own, since an agent that hangs up ends the one that answers it.
    ///
    /// # Errors
    /// Why it may not be asked, in words.
    fn ask(self: &Arc<Self>, body: String) -> Result<oneshot::Receiver<Answer>, &'static str> {
        let number = self.account.begin(body.len())?;
        let run = Arc::clone(self);
        let (tell, answered) = oneshot::channel();
        self.asking().spawn(async move {
            let (upstream, until) = (Arc::clone(&run.upstream), run.account.allowance.until);
            let sent = task::spawn_blocking(move || send(&upstream, &body, until)).await;
            let answer = sent.ok().and_then(Result::ok);
            run.account.end(number, answer.as_ref());
            // The agent may have left.
            let _told = answer.map(|answer| tell.send(answer));
        });
        Ok(answered)
    }
}

async fn complete(State(run): State<Arc<Run>>, request: Request) -> Response<Body> {
    let body = connections::body(request, run.account.allowance.request_bytes).await;
    let body = match body {
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
    match run.ask(body) {
        Err(advice) => refusal(StatusCode::TOO_MANY_REQUESTS, advice),
        Ok(answered) => match answered.await {
            Ok((status, request_id, answer)) => reply(status, request_id, answer),
            Err(_) => refusal(StatusCode::BAD_GATEWAY, "the model could not be reached"),
        },
    }
}

fn send(upstream: &Upstream, body: &str, until: Instant) -> Result<Answer, ureq::Error> {
    let url = format!("{}/chat/completions", upstream.url);
    let left = until.saturating_duration_since(Instant::now());
    let mut request = upstream
        .agent
        .post(url)
        .config()
        .timeout_global(Some(left))
        .build()
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
