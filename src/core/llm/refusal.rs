//! Error responses: what they mean, and whether the request may be sent again.

use futures::StreamExt;
use serde_json::Value;

use super::scrub::scrub;
use super::{ModelError, Provider, ProviderError};
use crate::ports::HttpResponse;

/// The rest of an error body is not read.
const MAX_BYTES: usize = 64 * 1024;
/// A caller who is told to wait longer than this waits outside.
const MAX_RETRY_AFTER_MS: u64 = 5_000;
/// First pause where the provider names none; doubled for the next.
const BACKOFF_MS: u64 = 400;

pub(super) const WANTED_HEADERS: &[&str] = &[
    "retry-after",
    "retry-after-ms",
    "x-should-retry",
    "x-request-id",
    "request-id",
];

/// An error response, as far as it is read.
pub(super) struct Refusal {
    status: u16,
    body: String,
    kind: String,
    code: String,
    retry_after_ms: Option<u64>,
    forbids_retry: bool,
}

/// Kinds and codes that no waiting cures.
const QUOTA: [&str; 7] = [
    "insufficient_quota",
    "credit_balance_exhausted",
    "organization_spend_limit_exceeded",
    "project_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "billing_error",
    "billing_hard_limit_reached",
];

/// Kinds and codes of a provider too busy to have begun.
const BUSY: [&str; 5] = [
    "overloaded_error",
    "overloaded",
    "server_is_overloaded",
    "slow_down",
    "rate_limit_exceeded",
];

impl Refusal {
    pub async fn read(response: HttpResponse) -> Self {
        let status = response.status;
        let retry_after_ms = retry_after_ms(&response);
        let forbids_retry = response.header("x-should-retry") == Some("false");
        let body = start_of(response).await;
        let body = String::from_utf8_lossy(&body).into_owned();
        let json: Value = serde_json::from_str(&body).unwrap_or_default();
        let field = |name: &str| {
            let value = json.get("error").and_then(|error| error.get(name));
            value.and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        Self {
            status,
            kind: field("type"),
            code: field("code"),
            body,
            retry_after_ms,
            forbids_retry,
        }
    }

    /// Sorts it. The provider's key is hidden wherever the body repeats it.
    pub fn error(&self, provider: &Provider, model: &str) -> ModelError {
        let error = ProviderError {
            provider: provider.title().to_owned(),
            status: self.status,
            body: scrub(&self.body, provider.key().unwrap_or_default()),
        };
        match self.status {
            401 | 403 => ModelError::Unauthorized {
                error,
                key_name: provider.key_name.clone(),
            },
            402 => ModelError::QuotaExhausted(error),
            400..=499 if self.is_one_of(&QUOTA) => ModelError::QuotaExhausted(error),
            429 => ModelError::RateLimited {
                error,
                retry_after_ms: self.retry_after_ms,
            },
            404 => ModelError::UnknownModel {
                model: model.to_owned(),
                error,
            },
            400..=499 if self.code == "model_not_found" => ModelError::UnknownModel {
                model: model.to_owned(),
                error,
            },
            400..=499 => ModelError::InvalidRequest(error),
            500..=599 => ModelError::Unavailable {
                cause: error.to_string(),
                // A full queue turns requests away; other 5xx may follow work done.
                may_have_billed: !matches!(self.status, 503 | 529),
            },
            _ => ModelError::Malformed(error.to_string()),
        }
    }

    /// The pause after which asking again makes sense and cannot be billed twice: only where
    /// the provider says that it was too busy to begin. Without jitter.
    pub fn pause_ms(&self, error: &ModelError, retries: u32) -> Option<u64> {
        let busy = match (error, self.status) {
            (ModelError::RateLimited { .. }, _) => true,
            (_, 503 | 529) => self.is_one_of(&BUSY) || self.retry_after_ms.is_some(),
            _ => false,
        };
        let pause_ms = self.retry_after_ms.unwrap_or(BACKOFF_MS << retries.min(8));
        let worth_it = busy && !self.forbids_retry && pause_ms <= MAX_RETRY_AFTER_MS;
        worth_it.then_some(pause_ms)
    }

    fn is_one_of(&self, words: &[&str]) -> bool {
        words.contains(&self.kind.as_str()) || words.contains(&self.code.as_str())
    }
}

/// Milliseconds, from `retry-after-ms` or from `Retry-After` in seconds. No provider uses the
/// form with a date.
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
        if start.len() > MAX_BYTES {
            break;
        }
    }
    start.truncate(MAX_BYTES);
    start
}
