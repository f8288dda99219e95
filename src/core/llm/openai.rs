use std::rc::Rc;

use futures::StreamExt;
use futures::future::{Either, select};

use super::answer::read_answer;
use super::request::WireRequest;
use super::stream::Arriving;
use super::{ModelAnswer, ModelError, ModelRequest};
use crate::ports::{Clock, Entropy, Http, HttpError, HttpRequest, HttpResponse};
use crate::secret::Secret;

const WANTED_HEADERS: &[&str] = &["retry-after", "retry-after-ms", "x-request-id"];
/// The rest of an error body is not read.
const MAX_ERROR_BYTES: usize = 64 * 1024;
const MAX_RETRIES: u32 = 2;
/// A caller who is told to wait longer than this waits outside.
const MAX_RETRY_AFTER_MS: u64 = 5_000;
/// First pause where the provider names none; doubled for the next.
const BACKOFF_MS: u64 = 400;

/// Bounds of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From the first request to the end of the answer, pauses included.
    pub total_ms: u64,
    /// Until a stream begins, and between two pieces of it.
    pub idle_ms: u64,
    /// Body of a plain answer, or text of a streamed one.
    pub max_answer_bytes: usize,
    /// Body of a streamed answer: each token comes in some 200 bytes of wrapping.
    pub max_stream_bytes: usize,
    pub max_line_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            total_ms: 300_000,
            idle_ms: 60_000,
            max_answer_bytes: 1024 * 1024,
            max_stream_bytes: 64 * 1024 * 1024,
            max_line_bytes: 1024 * 1024,
        }
    }
}

/// Client of an endpoint that speaks OpenAI's Chat Completions.
pub struct OpenAi {
    pub http: Rc<dyn Http>,
    pub clock: Rc<dyn Clock>,
    pub entropy: Rc<dyn Entropy>,
    /// Such as `https://api.openai.com/v1`.
    pub base_url: String,
    /// Without one, every call is [`ModelError::NotConfigured`].
    pub api_key: Option<Secret>,
}

impl OpenAi {
    /// Asks, and waits for the whole answer.
    pub async fn complete(
        &self,
        request: &ModelRequest,
        limits: Limits,
    ) -> Result<ModelAnswer, ModelError> {
        let started_ms = self.clock.now_ms();
        let work = Box::pin(self.ask_plain(request, limits, started_ms));
        match select(work, self.clock.sleep(limits.total_ms)).await {
            Either::Left((answer, _)) => answer,
            Either::Right(_) => Err(timeout(limits.total_ms, String::new())),
        }
    }

    /// Asks, and hands each piece of text to `on_delta` as it arrives.
    pub async fn stream(
        &self,
        request: &ModelRequest,
        limits: Limits,
        on_delta: &mut dyn FnMut(&str),
    ) -> Result<ModelAnswer, ModelError> {
        let started_ms = self.clock.now_ms();
        let mut arriving = Arriving::new(limits);
        let work =
            Box::pin(self.ask_streamed(request, limits, started_ms, &mut arriving, on_delta));
        let ended = match select(work, self.clock.sleep(limits.total_ms)).await {
            Either::Left((ended, _)) => ended,
            Either::Right(_) => Err(timeout(limits.total_ms, String::new())),
        };
        match ended {
            Ok(()) => arriving.finish(started_ms, self.clock.now_ms()),
            Err(ModelError::Timeout { ms, .. }) => Err(timeout(ms, arriving.text)),
            Err(error) => Err(error),
        }
    }

    async fn ask_plain(
        &self,
        request: &ModelRequest,
        limits: Limits,
        started_ms: i64,
    ) -> Result<ModelAnswer, ModelError> {
        let wire = WireRequest::new(request, false);
        let response = self
            .send(&request.model, &wire, limits.total_ms, limits, started_ms)
            .await?;
        let request_id = response.header("x-request-id").map(str::to_owned);
        let body = response
            .bytes(limits.max_answer_bytes)
            .await
            .map_err(|error| body_error(error, String::new()))?;
        Ok(ModelAnswer {
            provider_request_id: request_id,
            total_ms: self.clock.now_ms() - started_ms,
            ..read_answer(&body)?
        })
    }

    async fn ask_streamed(
        &self,
        request: &ModelRequest,
        limits: Limits,
        started_ms: i64,
        arriving: &mut Arriving,
        on_delta: &mut dyn FnMut(&str),
    ) -> Result<(), ModelError> {
        let wire = WireRequest::new(request, true);
        let response = self
            .send(&request.model, &wire, limits.idle_ms, limits, started_ms)
            .await?;
        arriving.provider_request_id = response.header("x-request-id").map(str::to_owned);
        let mut body = response.body;
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(|error| body_error(error, arriving.text.clone()))?;
            if arriving.take(&piece, self.clock.now_ms(), self.key()?, on_delta)? {
                break;
            }
        }
        Ok(())
    }

    /// A successful response, after retries where the provider said that it did no work.
    async fn send(
        &self,
        model: &str,
        wire: &WireRequest<'_>,
        timeout_ms: u64,
        limits: Limits,
        started_ms: i64,
    ) -> Result<HttpResponse, ModelError> {
        let request = self.http_request(wire, timeout_ms)?;
        let mut attempt = 0;
        loop {
            let (error, pause_ms) = match self.http.send(request.clone()).await {
                Ok(response) if response.status / 100 == 2 => return Ok(response),
                Ok(response) => self.refused(response, model, attempt).await?,
                // workerd says the same of a host that took the request and hung up, so the
                // work may be done and billed.
                Err(HttpError::Unreachable(cause)) => {
                    return Err(ModelError::Unavailable {
                        cause: format!("the connection failed: {cause}"),
                        may_have_billed: true,
                    });
                }
                Err(error) => return Err(body_error(error, String::new())),
            };
            let Some(pause_ms) = pause_ms.filter(|_| attempt < MAX_RETRIES) else {
                return Err(error);
            };
            let pause_ms = self.jittered(pause_ms);
            if self.elapsed_ms(started_ms).saturating_add(pause_ms) >= limits.total_ms {
                return Err(error);
            }
            self.clock.sleep(pause_ms).await;
            attempt += 1;
        }
    }

    fn http_request(
        &self,
        wire: &WireRequest<'_>,
        timeout_ms: u64,
    ) -> Result<HttpRequest, ModelError> {
        let body = serde_json::to_vec(wire).map_err(|error| {
            ModelError::Malformed(format!("the request has no JSON form: {error}"))
        })?;
        Ok(HttpRequest {
            method: "POST",
            url: format!("{}/chat/completions", self.base_url.trim_end_matches('/')),
            headers: vec![
                ("authorization", format!("Bearer {}", self.key()?)),
                ("content-type", "application/json".to_owned()),
            ],
            body: body.into(),
            timeout_ms,
            want_headers: WANTED_HEADERS,
        })
    }

    fn key(&self) -> Result<&str, ModelError> {
        let key = self.api_key.as_ref().filter(|key| !key.is_empty());
        key.map(Secret::expose).ok_or(ModelError::NotConfigured)
    }

    /// The error a response stands for, and the pause after which asking again makes sense.
    async fn refused(
        &self,
        response: HttpResponse,
        model: &str,
        attempt: u32,
    ) -> Result<(ModelError, Option<u64>), ModelError> {
        let status = response.status;
        let retry_after = retry_after_ms(&response);
        let body = start_of(response).await;
        let error = ModelError::from_response(status, retry_after, &body, self.key()?, model);
        let pause_ms = match (&error, status) {
            (ModelError::RateLimited { .. }, _) => Some(retry_after.unwrap_or(backoff_ms(attempt))),
            (_, 503) => retry_after,
            _ => None,
        };
        Ok((error, pause_ms.filter(|ms| *ms <= MAX_RETRY_AFTER_MS)))
    }

    fn elapsed_ms(&self, started_ms: i64) -> u64 {
        u64::try_from(self.clock.now_ms() - started_ms).unwrap_or(0)
    }

    /// Up to a quarter more, so that callers turned away together do not return together.
    fn jittered(&self, ms: u64) -> u64 {
        let mut random = [0];
        let [random] = match self.entropy.fill(&mut random) {
            Ok(()) => random,
            Err(_) => [0],
        };
        ms + ms * u64::from(random) / 1_024
    }
}

fn backoff_ms(attempt: u32) -> u64 {
    BACKOFF_MS << attempt
}

fn timeout(ms: u64, partial: String) -> ModelError {
    ModelError::Timeout { ms, partial }
}

/// An error after the request went out.
fn body_error(error: HttpError, partial: String) -> ModelError {
    match error {
        HttpError::Timeout { ms } => timeout(ms, partial),
        HttpError::TooLarge { limit } => ModelError::TooLarge { limit, partial },
        HttpError::Unreachable(cause) | HttpError::Interrupted(cause) => {
            ModelError::Interrupted { cause, partial }
        }
    }
}

/// Milliseconds, from `retry-after-ms` or from `Retry-After` in seconds. The date form is
/// not used by this API.
fn retry_after_ms(response: &HttpResponse) -> Option<u64> {
    let read = |name| response.header(name)?.trim().parse::<u64>().ok();
    read("retry-after-ms").or_else(|| read("retry-after")?.checked_mul(1_000))
}

/// As much of an error body as is shown; a body that breaks off is still of use.
async fn start_of(response: HttpResponse) -> Vec<u8> {
    let mut start = Vec::new();
    let mut body = response.body;
    while let Some(Ok(piece)) = body.next().await {
        start.extend_from_slice(&piece);
        if start.len() > MAX_ERROR_BYTES {
            break;
        }
    }
    start.truncate(MAX_ERROR_BYTES);
    start
}
