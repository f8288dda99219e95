//! The HTTP API: `POST /ingest`, `POST /run/{input_id}`, `GET /output/{output_file}`,
//! `POST /assert`, and `GET /` for whether it lives. All but the last ask for `x-api-key`.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use chitty_core::digest::sha256_hex;
use chitty_core::secret::{Secret, same};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::task;

use super::connections::{self, BodyError};
use super::error::ApiError;
use super::facts::{self, Assertion};
use super::jobs::{Input, Jobs, broken};
use super::store::Job;

/// 64 KiB of content, of which JSON may write each byte in six.
const MAX_BODY_BYTES: usize = 512 << 10;
const MAX_LABEL_CHARS: usize = 500;
const MAX_ID_BYTES: usize = 64;
const MAX_NAME_BYTES: usize = 128;

pub struct Api {
    pub jobs: Jobs,
    pub api_key: Secret,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ingest {
    content: String,
    label: String,
    /// The caller's own id for it: the same one again is the same input.
    input_id: Option<String>,
    /// What the run belongs to; it is signed with the run.
    evidence_id: Option<String>,
    model: Option<String>,
    /// Unix time from which on the caller has given up: the input is not begun any more then, and
    /// a run of it is ended.
    not_after_ms: Option<i64>,
}

pub fn router(api: Arc<Api>) -> Router {
    let guarded = Router::new()
        .route("/ingest", post(ingest))
        .route("/run/{input_id}", post(run))
        .route("/output/{output_file}", get(output))
        .route("/assert", post(assert))
        .fallback(|| async { ApiError::Unknown("path") })
        .route_layer(middleware::from_fn_with_state(Arc::clone(&api), admit));
    Router::new()
        .route("/", get(live))
        .merge(guarded)
        .with_state(api)
}

async fn live() -> Json<Value> {
    Json(json!({ "service": "chitty-fortress", "status": "ok" }))
}

/// Hashes are compared, so that time tells nothing about the key, nor about its length.
async fn admit(
    State(api): State<Arc<Api>>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let given = request
        .headers()
        .get("x-api-key")
        .map(axum::http::HeaderValue::as_bytes);
    let given = sha256_hex(given.unwrap_or_default());
    if same(
        given.as_bytes(),
        sha256_hex(api.api_key.expose()).as_bytes(),
    ) {
        return Ok(next.run(request).await);
    }
    Err(ApiError::Unauthorized)
}

async fn read<T: DeserializeOwned>(request: Request) -> Result<T, ApiError> {
    let body = connections::body(request, MAX_BODY_BYTES).await;
    let body = body.map_err(|error| match error {
        BodyError::Slow => ApiError::Slow,
        BodyError::TooLarge => ApiError::TooLarge(MAX_BODY_BYTES),
    })?;
    let refused = |error: serde_json::Error| ApiError::Invalid(format!("the body: {error}"));
    serde_json::from_slice(&body).map_err(refused)
}

async fn ingest(State(api): State<Arc<Api>>, request: Request) -> Result<Json<Value>, ApiError> {
    let input = checked(&api, read(request).await?)?;
    let job = api.jobs.ingest(&input)?;
    Ok(Json(json!({
        "input_id": job.id,
        "status": job.status,
        "content_hash": job.content_sha256,
    })))
}

fn checked(api: &Api, input: Ingest) -> Result<Input, ApiError> {
    let max_bytes = api.jobs.sandbox.policy.max_prompt_bytes;
    let is_label = |text: &str| !text.is_empty() && !text.contains(char::is_control);
    let is_name = |name: &Option<String>| {
        name.as_deref()
            .is_none_or(|name| is_label(name) && name.len() <= MAX_NAME_BYTES)
    };
    let checks = [
        (
            (1..=max_bytes).contains(&input.content.len()),
            format!("content must have 1 to {max_bytes} bytes"),
        ),
        (
            is_label(&input.label) && input.label.chars().count() <= MAX_LABEL_CHARS,
            format!(
                "label must have 1 to {MAX_LABEL_CHARS} characters, none of them a control character"
            ),
        ),
        (
            input.input_id.as_deref().is_none_or(is_id),
            format!(
                "input_id must have 1 to {MAX_ID_BYTES} letters, digits, hyphens or underscores"
            ),
        ),
        (
            is_name(&input.evidence_id) && is_name(&input.model),
            format!(
                "evidence_id and model must have 1 to {MAX_NAME_BYTES} bytes, none of them a control character"
            ),
        ),
    ];
    if let Some((_, advice)) = checks.into_iter().find(|(holds, _)| !holds) {
        return Err(ApiError::Invalid(advice));
    }
    Ok(Input {
        id: input.input_id,
        content: input.content,
        label: input.label,
        evidence_id: input.evidence_id,
        model: input.model,
        not_after_ms: input.not_after_ms,
    })
}

/// A file name as well, and never a path.
fn is_id(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=MAX_ID_BYTES).contains(&text.len()) && text.bytes().all(fits)
}

async fn run(State(api): State<Arc<Api>>, Path(id): Path<String>) -> Result<Json<Value>, ApiError> {
    // In a task of its own: a run goes on though its caller leaves.
    let running = task::spawn(async move { api.jobs.run(&id).await });
    let job = running.await.map_err(|error| broken("run", &error))??;
    Ok(Json(
        json!({ "output_file": file_of(&job), "status": job.status }),
    ))
}

fn file_of(job: &Job) -> String {
    format!("{}.txt", job.id)
}

async fn output(
    State(api): State<Arc<Api>>,
    Path(file): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let unknown = || ApiError::Unknown("output file");
    let id = file
        .strip_suffix(".txt")
        .filter(|id| is_id(id))
        .ok_or_else(unknown)?;
    let job = api
        .jobs
        .find(id)?
        .filter(|job| job.status == "completed")
        .ok_or_else(unknown)?;
    Ok(Json(json!({
        "output": api.jobs.output(&job)?,
        "signature": job.signature,
        "verified_by": job.fingerprint,
        "manifest": job.manifest,
        "calls": job.calls_made(),
    })))
}

async fn assert(State(api): State<Arc<Api>>, request: Request) -> Result<Json<Value>, ApiError> {
    let assertion: Assertion = read(request).await?;
    facts::assert(&api.jobs.store, assertion).map(Json)
}
