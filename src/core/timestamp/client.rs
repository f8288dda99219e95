//! Asking authorities over HTTP (RFC 3161 section 3.4), one after the other.

use bytes::Bytes;

use super::request::TimestampRequest;
use super::verify::{MAX_REPLY_BYTES, Stamp, StampError, TrustAnchors, verify};
use crate::ports::{Http, HttpError, HttpRequest};

/// How long an authority may take to answer.
const TIMEOUT_MS: u64 = 10_000;
/// How far an authority's clock may be off ours when a stamp comes in.
pub(super) const MAX_OFF_MS: i64 = 5 * 60 * 1000;

/// Authorities that take turns, and what they are believed by.
#[derive(Debug, Clone)]
pub struct Authorities {
    pub urls: Vec<String>,
    pub anchors: TrustAnchors,
}

/// A stamp, and the reply as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamped {
    pub url: String,
    pub stamp: Stamp,
    pub reply: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    #[error("the authority did not answer: {0}")]
    Unavailable(String),
    #[error("the authority answered with status {0}")]
    Status(u16),
    #[error(transparent)]
    Stamp(#[from] StampError),
}

/// An authority that gave no stamp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    pub url: String,
    pub error: AskError,
}

impl Authorities {
    /// Asks from number `turn` on, until one stamps. `now_ms` is the time since 1970.
    ///
    /// # Errors
    /// Why each of them did not; those before one that did are returned beside the stamp.
    pub async fn stamp(
        &self,
        http: &dyn Http,
        request: &TimestampRequest,
        turn: u64,
        now_ms: i64,
    ) -> (Option<Stamped>, Vec<Failed>) {
        let mut failed = Vec::new();
        let count = self.urls.len().max(1);
        let first = usize::try_from(turn % count as u64).unwrap_or(0);
        for url in self.urls.iter().cycle().skip(first).take(self.urls.len()) {
            match self.ask(http, url, request, now_ms).await {
                Ok(stamped) => return (Some(stamped), failed),
                Err(error) => failed.push(Failed {
                    url: url.clone(),
                    error,
                }),
            }
        }
        (None, failed)
    }

    async fn ask(
        &self,
        http: &dyn Http,
        url: &str,
        request: &TimestampRequest,
        now_ms: i64,
    ) -> Result<Stamped, AskError> {
        let reply = post(http, url, request).await?;
        let stamp = verify(&reply, &request.hash, Some(request.nonce()), &self.anchors)?;
        let off_ms = stamp.time_ms.saturating_sub(now_ms);
        if off_ms.abs() > MAX_OFF_MS {
            return Err(StampError::NotNow { off_ms }.into());
        }
        Ok(Stamped {
            url: url.to_owned(),
            stamp,
            reply,
        })
    }
}

async fn post(http: &dyn Http, url: &str, request: &TimestampRequest) -> Result<Vec<u8>, AskError> {
    let unavailable = |error: HttpError| AskError::Unavailable(error.to_string());
    let response = http
        .send(HttpRequest {
            method: "POST",
            url: url.to_owned(),
            headers: vec![
                ("content-type", "application/timestamp-query".to_owned()),
                ("accept", "application/timestamp-reply".to_owned()),
            ],
            body: Bytes::from(request.to_der()),
            timeout_ms: TIMEOUT_MS,
            want_headers: &[],
        })
        .await
        .map_err(unavailable)?;
    if response.status != 200 {
        return Err(AskError::Status(response.status));
    }
    response.bytes(MAX_REPLY_BYTES).await.map_err(unavailable)
}
