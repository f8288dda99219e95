//! The client of a Fortress API: `POST /ingest`, `POST /run/{input_id}`,
//! `GET /output/{output_file}`, with the key in `x-api-key`.

use std::rc::Rc;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::error::RemoteError;
use crate::analytics::MOST_EVENTS;
use crate::llm::BaseUrl;
use crate::ports::{Http, HttpRequest};
use crate::secret::Secret;

/// More than any run may take: whoever asks has a clock of its own.
const TIMEOUT_MS: u64 = 120_000;
const ALIVE_TIMEOUT_MS: u64 = 2_000;
/// An answer within the policy, as JSON may write it, and what stands beside it.
const MAX_REPLY_BYTES: usize = 4 << 20;
const MAX_WORDS_CHARS: usize = 500;
/// Names and ids go into the books, whose rows are bounded.
const MAX_NAME_CHARS: usize = 256;

pub struct FortressApi {
    pub http: Rc<dyn Http>,
    pub url: BaseUrl,
    pub key: Secret,
}

/// `GET /output/{output_file}`.
#[derive(Debug, Deserialize)]
pub(super) struct ApiOutput {
    pub output: String,
    pub signature: String,
    pub verified_by: String,
    /// The signed text.
    pub manifest: String,
    pub calls: Vec<ApiCall>,
}

/// One call to the model, by the server's account.
#[derive(Debug, Clone, Deserialize)]
pub struct ApiCall {
    /// HTTP; none if no answer came.
    pub status: Option<u16>,
    #[serde(default, deserialize_with = "name")]
    pub model: Option<String>,
    #[serde(default, deserialize_with = "name")]
    pub request_id: Option<String>,
    #[serde(default, deserialize_with = "name")]
    pub service_tier: Option<String>,
    pub usage: Option<Value>,
    /// Of what was sent; not every server tells.
    pub request_bytes: Option<u64>,
    pub started_ms: i64,
    pub total_ms: i64,
}

#[derive(Deserialize)]
struct Ingested {
    input_id: String,
}

#[derive(Deserialize)]
struct Done {
    output_file: String,
}

#[derive(Deserialize)]
struct Refusal {
    error: RefusalError,
}

#[derive(Deserialize)]
struct RefusalError {
    code: String,
    /// Of a run that failed.
    reason: Option<String>,
    calls: Option<Vec<ApiCall>>,
}

impl FortressApi {
    /// Whether it answers at all.
    pub async fn is_alive(&self) -> bool {
        let request = self.request("GET", "/", Bytes::new(), ALIVE_TIMEOUT_MS);
        let answered = self.http.send(request).await;
        answered.is_ok_and(|reply| reply.status == 200)
    }

    /// Puts content in under an id of ours: the same one again is the same input.
    pub(super) async fn ingest(&self, input: &Value) -> Result<String, RemoteError> {
        let body = Bytes::from(input.to_string());
        let request = self.request("POST", "/ingest", body, TIMEOUT_MS);
        let done: Ingested = self.ask("/ingest", request).await?;
        Ok(done.input_id)
    }

    /// Runs it, and waits for its end; once, however often it is asked. Returns the name of its
    /// output file.
    pub(super) async fn run(&self, id: &str) -> Result<String, RemoteError> {
        let body = Bytes::from(json!({}).to_string());
        let request = self.request("POST", &format!("/run/{id}"), body, TIMEOUT_MS);
        let done: Done = self.ask("/run", request).await?;
        // It becomes a part of a path.
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let file = done.output_file;
        let is_name = file.bytes().all(fits) && !file.is_empty() && !file.starts_with('.');
        is_name
            .then_some(file)
            .ok_or(RemoteError::Malformed("/run"))
    }

    pub(super) async fn output(&self, file: &str) -> Result<ApiOutput, RemoteError> {
        let path = format!("/output/{file}");
        let request = self.request("GET", &path, Bytes::new(), TIMEOUT_MS);
        let output: ApiOutput = self.ask("/output", request).await?;
        if output.calls.len() > MOST_EVENTS {
            return Err(RemoteError::Malformed("/output"));
        }
        Ok(output)
    }

    fn request(
        &self,
        method: &'static str,
        path: &str,
        body: Bytes,
        timeout_ms: u64,
    ) -> HttpRequest {
        HttpRequest {
            method,
            url: format!("{}{path}", self.url),
            headers: vec![
                ("content-type", "application/json".to_owned()),
                ("x-api-key", self.key.expose().to_owned()),
            ],
            body,
            timeout_ms,
            want_headers: &[],
        }
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        what: &'static str,
        request: HttpRequest,
    ) -> Result<T, RemoteError> {
        let reply = self.http.send(request).await?;
        let status = reply.status;
        let body = reply.bytes(MAX_REPLY_BYTES).await?;
        if status == 200 {
            return serde_json::from_slice(&body).map_err(|_| RemoteError::Malformed(what));
        }
        // What stands between may answer too, in its own way.
        let refusal = serde_json::from_slice(&body).ok();
        Err(refused(status, refusal))
    }
}

fn refused(status: u16, refusal: Option<Refusal>) -> RemoteError {
    let Some(Refusal { error }) = refusal else {
        let code = "without a code".to_owned();
        return RemoteError::Refused { status, code };
    };
    if error.code == "RUN_FAILED" {
        return RemoteError::Failed {
            reason: words(&error.reason.unwrap_or_default()),
            calls: error.calls.filter(|calls| calls.len() <= MOST_EVENTS),
        };
    }
    RemoteError::Refused {
        status,
        code: words(&error.code),
    }
}

fn words(text: &str) -> String {
    cut(text, MAX_WORDS_CHARS)
}

fn cut(text: &str, chars: usize) -> String {
    let shown = text.chars().filter(|char| !char.is_control());
    shown.take(chars).collect()
}

/// As far as the books have room for it.
fn name<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    Ok(text.map(|text| cut(&text, MAX_NAME_CHARS)))
}
