use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

/// What a caller is told: a status, a stable code, and a sentence to act on.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ApiError {
    #[error("the header x-api-key is missing or wrong: send the key that the server was given")]
    Unauthorized,
    #[error("{0}")]
    Invalid(String),
    #[error("the body has more than {0} bytes: send less")]
    TooLarge(usize),
    #[error("the body did not arrive in time: send it again")]
    Slow,
    #[error("there is no {0} of this name: check it, or ingest the content first")]
    Unknown(&'static str),
    #[error("this input_id stands for other content: use a new one")]
    Conflict,
    #[error(
        "the input's not_after_ms is over, so it is not run: ingest it anew with a later one; the \
         caller's clock may differ from the server's"
    )]
    TooLate,
    #[error("the run is under way: ask again in a while")]
    InProgress,
    #[error("the run failed ({code}): {reason}. To run again, ingest the content again")]
    RunFailed {
        code: String,
        reason: String,
        /// What it asked of the model; null where the server ended before the run did.
        calls: Value,
    },
    #[error("the server is busy: try again in a while")]
    Busy,
    #[error("too many inputs wait to be run: run them, or wait until they are removed")]
    Full,
    #[error("the server could not do it, and its log says why: tell its operator")]
    Internal,
}

impl ApiError {
    fn parts(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "UNAUTHORIZED"),
            Self::Invalid(_) => (StatusCode::BAD_REQUEST, "INVALID_REQUEST"),
            Self::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE"),
            Self::Slow => (StatusCode::REQUEST_TIMEOUT, "BODY_TOO_SLOW"),
            Self::Unknown(_) => (StatusCode::NOT_FOUND, "NOT_FOUND"),
            Self::Conflict => (StatusCode::CONFLICT, "INPUT_ID_CONFLICT"),
            Self::TooLate => (StatusCode::GONE, "TOO_LATE"),
            Self::InProgress => (StatusCode::CONFLICT, "RUN_IN_PROGRESS"),
            Self::RunFailed { .. } => (StatusCode::UNPROCESSABLE_ENTITY, "RUN_FAILED"),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "BUSY"),
            Self::Full => (StatusCode::INSUFFICIENT_STORAGE, "TOO_MANY_INPUTS"),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL"),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, code) = self.parts();
        let mut body = json!({ "error": { "code": code, "message": self.to_string() } });
        let error = body.get_mut("error").and_then(Value::as_object_mut);
        if let (
            Self::RunFailed {
                code,
                reason,
                calls,
            },
            Some(error),
        ) = (&self, error)
        {
            error.insert("reason".to_owned(), json!(format!("{code}: {reason}")));
            error.insert("calls".to_owned(), calls.clone());
        }
        let mut response = (status, Json(body)).into_response();
        if matches!(self, Self::Busy | Self::InProgress) {
            let soon = HeaderValue::from_static("5");
            response.headers_mut().insert(header::RETRY_AFTER, soon);
        }
        response
    }
}
