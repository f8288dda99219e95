//! Fetching a JSON document that a client named.

use futures::future::{Either, select};
use serde_json::Value;

use super::address;
use crate::oauth::AuthorizationServer;
use crate::ports::{HttpError, HttpRequest, HttpResponse};

/// From the request to the last byte.
const TOTAL_MS: u64 = 5_000;
const HOUR_MS: i64 = 60 * 60 * 1000;
const SHORTEST_MS: i64 = 5 * 60 * 1000;
const LONGEST_MS: i64 = 7 * 24 * HOUR_MS;

pub(super) struct Fetched {
    pub json: Value,
    /// How long it may be kept.
    pub fresh_ms: i64,
}

/// Each completes "the address …".
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    /// It may work later.
    #[error("{0}")]
    Away(&'static str),
    /// The client's own fault.
    #[error("{0}")]
    Refused(&'static str),
}

impl AuthorizationServer {
    /// Redirects are not followed: [`crate::ports::Http`] never does. Anything but a JSON
    /// document of at most `limit` bytes with status 200 is refused.
    pub(super) async fn fetch_json(&self, url: &str, limit: usize) -> Result<Fetched, FetchError> {
        address::fetchable(url, self.settings.development).map_err(FetchError::Refused)?;
        let fetch = Box::pin(self.fetch_whole(url, limit));
        match select(fetch, self.audit.clock.sleep(TOTAL_MS)).await {
            Either::Left((fetched, _)) => fetched,
            Either::Right(_) => Err(FetchError::Away("did not answer within 5 seconds")),
        }
    }

    async fn fetch_whole(&self, url: &str, limit: usize) -> Result<Fetched, FetchError> {
        let request = HttpRequest {
            method: "GET",
            url: url.to_owned(),
            headers: vec![
                ("accept", "application/json".to_owned()),
                ("user-agent", "ChittyMCP".to_owned()),
            ],
            body: bytes::Bytes::new(),
            timeout_ms: TOTAL_MS,
            want_headers: &["content-type", "cache-control"],
        };
        let response = self
            .http
            .send(request)
            .await
            .map_err(|_| FetchError::Away("could not be reached"))?;
        check(&response)?;
        let fresh_ms = fresh_ms(response.header("cache-control"));
        let body = response.bytes(limit).await.map_err(|error| match error {
            HttpError::TooLarge { .. } => FetchError::Refused("answers more than is taken"),
            _ => FetchError::Away("broke off its answer"),
        })?;
        let json = serde_json::from_slice(&body)
            .map_err(|_| FetchError::Refused("does not answer with JSON"))?;
        Ok(Fetched { json, fresh_ms })
    }
}

fn check(response: &HttpResponse) -> Result<(), FetchError> {
    match response.status {
        200 => {}
        300..=399 => return Err(FetchError::Refused("answers with a redirect")),
        429 | 500.. => return Err(FetchError::Away("answers with an error")),
        _ => return Err(FetchError::Refused("does not answer with status 200")),
    }
    if is_json(response.header("content-type").unwrap_or_default()) {
        return Ok(());
    }
    Err(FetchError::Refused(
        "does not answer with the type application/json",
    ))
}

/// `application/json`, or any type with that suffix (RFC 6839 section 3.1).
fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default();
    let essence = essence.trim().to_ascii_lowercase();
    let subtype = essence.strip_prefix("application/").unwrap_or_default();
    subtype == "json" || subtype.ends_with("+json")
}

/// By `max-age` (RFC 9111 section 5.2.2.1), within 5 minutes and 7 days; an hour where
/// nothing is said. A document that must not be stored is kept for the 5 minutes that one
/// sign-in takes.
fn fresh_ms(cache_control: Option<&str>) -> i64 {
    let Some(text) = cache_control else {
        return HOUR_MS;
    };
    let lower = text.to_ascii_lowercase();
    let mut directives = lower.split(',').map(str::trim);
    if directives
        .clone()
        .any(|directive| matches!(directive, "no-store" | "no-cache"))
    {
        return SHORTEST_MS;
    }
    let max_age = directives.find_map(|directive| directive.strip_prefix("max-age="));
    let seconds = max_age.map(|text| text.trim_matches('"').parse::<i64>());
    match seconds {
        Some(Ok(seconds)) => seconds.saturating_mul(1000).clamp(SHORTEST_MS, LONGEST_MS),
        Some(Err(_)) => SHORTEST_MS,
        None => HOUR_MS,
    }
}
