//! Errors as OpenAI's clients read them: `{"error": {message, type, param, code}}`, and whether
//! they shall try again.

use serde_json::{Value, json};

use super::{COMPLETIONS, MODELS};
use crate::auth::AuthError;
use crate::budget::{Reason, Refused};
use crate::gateway::GatewayError;
use crate::http::{HeaderFields, HttpReply};
use crate::llm::{ModelError, ProviderError};

/// What OpenAI's client for JavaScript waits at most; told more, it comes at once instead.
const MAX_WAIT_MS: i64 = 60_000;
/// Characters of a path that an error repeats.
const MAX_SHOWN: usize = 200;

/// An error answer.
#[derive(Debug)]
pub(super) struct ApiError {
    status: u16,
    kind: &'static str,
    code: Option<Box<str>>,
    param: Option<Box<str>>,
    message: String,
    retry: Retry,
    headers: HeaderFields,
}

/// What the client's own retries shall do. They repeat 408, 409, 429 and 5xx by themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Retry {
    AsUsual,
    /// After so many milliseconds.
    After(i64),
    /// It would cost twice, or be in vain.
    Never,
}

impl ApiError {
    fn new(status: u16, kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            kind,
            code: None,
            param: None,
            message: message.into(),
            retry: Retry::AsUsual,
            headers: Vec::new(),
        }
    }

    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(400, "invalid_request_error", message)
    }

    pub fn server(message: impl Into<String>) -> Self {
        Self::new(500, "server_error", message)
    }

    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(503, "server_error", message).retry(Retry::After(1_000))
    }

    /// What is refused before its path is looked at.
    pub fn refused(status: u16, message: &str) -> Self {
        if status >= 500 {
            return Self::new(status, "server_error", message);
        }
        Self::new(status, "invalid_request_error", message)
    }

    pub fn unknown_path(method: &str, path: &str) -> Self {
        let shown: String = path.chars().take(MAX_SHOWN).collect();
        let message =
            format!("{method} {shown} is not served here: POST {COMPLETIONS} and GET {MODELS} are");
        Self::new(404, "invalid_request_error", message).code("unknown_url")
    }

    pub fn wrong_method(method: &str, right: &str) -> Self {
        let message = format!("{method} is not served at this path: use {right}");
        let mut error =
            Self::new(405, "invalid_request_error", message).code("method_not_supported");
        error.headers.push(("allow", format!("{right}, OPTIONS")));
        error
    }

    pub fn status(&self) -> u16 {
        self.status
    }

    pub fn unknown_model(id: &str) -> Self {
        Self::new(
            404,
            "invalid_request_error",
            format!("the model {id} does not exist here, or has no known price: GET /v1/models lists those that do"),
        )
        .code("model_not_found")
        .param("model")
    }

    /// Of a call whose client left before it was answered in full.
    pub fn cut_off() -> Self {
        let message = "the first request with this Idempotency-Key was cut off after its client \
                       left, and may have been billed: ask again under a new key";
        Self::new(502, "server_error", message).retry(Retry::Never)
    }

    /// Of requests with an idempotency key.
    pub fn conflict(status: u16, message: &str) -> Self {
        let error = Self::new(status, "idempotency_error", message);
        error.code("idempotency_key_in_use").retry(Retry::Never)
    }

    #[must_use]
    pub fn param(self, param: &'static str) -> Self {
        Self {
            param: Some(param.into()),
            ..self
        }
    }

    #[must_use]
    fn code(self, code: &'static str) -> Self {
        Self {
            code: Some(code.into()),
            ..self
        }
    }

    #[must_use]
    fn retry(self, retry: Retry) -> Self {
        Self { retry, ..self }
    }

    #[must_use]
    pub fn headers(mut self, headers: &[(&'static str, String)]) -> Self {
        self.headers.extend_from_slice(headers);
        self
    }

    pub fn body(&self) -> Value {
        json!({ "error": {
            "message": self.message,
            "type": self.kind,
            "param": self.param,
            "code": self.code,
        }})
    }

    pub fn reply(&self) -> HttpReply {
        let body = self.body().to_string().into_bytes();
        let mut reply = HttpReply::json(self.status, body).with_header("cache-control", "no-store");
        match self.retry {
            Retry::AsUsual => {}
            Retry::After(ms) => {
                let ms = ms.max(1);
                let seconds = ms.unsigned_abs().div_ceil(1_000);
                reply = reply
                    .with_header("retry-after-ms", ms.to_string())
                    .with_header("retry-after", seconds.to_string());
                if ms > MAX_WAIT_MS {
                    reply = reply.with_header("x-should-retry", "false");
                }
            }
            Retry::Never => reply = reply.with_header("x-should-retry", "false"),
        }
        reply.with_headers(self.headers.clone())
    }
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        let message = error.to_string();
        if let Some(seconds) = error.retry_after_s() {
            let refused = Self::new(error.status(), "requests", message);
            return refused.retry(Retry::After(seconds.saturating_mul(1_000)));
        }
        match error.status() {
            401 => Self::new(401, "invalid_request_error", message).code("invalid_api_key"),
            403 => Self::new(403, "insufficient_permissions", message),
            status => Self::new(status, "server_error", message),
        }
    }
}

impl From<GatewayError> for ApiError {
    fn from(error: GatewayError) -> Self {
        let message = error.to_string();
        match error {
            GatewayError::UnknownModel(model) => Self::unknown_model(&model),
            GatewayError::OwnKey(_) => {
                Self::new(424, "invalid_request_error", message).code("own_key_unusable")
            }
            GatewayError::Flood => Self::new(429, "requests", message)
                .code("rate_limit_exceeded")
                .retry(Retry::After(60_000)),
            GatewayError::Refused(refused) => of_refusal(&refused),
            GatewayError::Ledger(_) => Self::unavailable(message),
            GatewayError::Model(error) => of_model(&error, message),
        }
    }
}

fn of_refusal(refused: &Refused) -> ApiError {
    let status = match refused.reason {
        Reason::Unpriced => 400,
        Reason::Finished => 409,
        _ => 429,
    };
    let error = ApiError::new(status, refused.error_type(), refused.to_string());
    ApiError {
        headers: refused.headers(),
        ..error.code(refused.code())
    }
}

/// What the provider, or the way to it, made of the request.
fn of_model(error: &ModelError, message: String) -> ApiError {
    let answer = match error {
        ModelError::InvalidRequest(error) => of_provider(error, message),
        ModelError::Unsupported { .. } => ApiError::invalid(message),
        ModelError::UnknownModel { model, .. } => ApiError::unknown_model(model),
        ModelError::RateLimited { retry_after_ms, .. } => {
            // It was tried again here; the client shall not multiply that.
            let wait = retry_after_ms.and_then(|ms| i64::try_from(ms).ok());
            let wait = wait.filter(|ms| *ms > 0);
            ApiError::new(429, "requests", message)
                .code("rate_limit_exceeded")
                .retry(wait.map_or(Retry::Never, Retry::After))
        }
        ModelError::QuotaExhausted(_) => ApiError::new(429, "insufficient_quota", message)
            .code("insufficient_quota")
            .retry(Retry::Never),
        ModelError::NotConfigured { .. } => ApiError::new(503, "server_error", message)
            .code("not_configured")
            .retry(Retry::Never),
        // The key that failed is the server's, not the caller's.
        ModelError::Unauthorized { .. } => ApiError::new(502, "server_error", message)
            .code("provider_refused_key")
            .retry(Retry::Never),
        ModelError::Timeout { .. } => ApiError::new(504, "server_error", message),
        ModelError::Unavailable { .. } => ApiError::new(503, "server_error", message),
        ModelError::Malformed(_) | ModelError::Interrupted { .. } | ModelError::TooLarge { .. } => {
            ApiError::new(502, "server_error", message)
        }
    };
    if error.may_have_billed() {
        return answer.retry(Retry::Never);
    }
    answer
}

/// The provider's own words, where it answered as OpenAI does.
fn of_provider(error: &ProviderError, message: String) -> ApiError {
    let body: Value = serde_json::from_str(&error.body).unwrap_or_default();
    let said = body.get("error").unwrap_or(&Value::Null);
    let text = |name: &str| said.get(name).and_then(Value::as_str).map(str::to_owned);
    ApiError {
        code: text("code").map(String::into_boxed_str),
        param: text("param").map(String::into_boxed_str),
        ..ApiError::invalid(text("message").unwrap_or(message))
    }
}
