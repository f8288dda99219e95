//! Requests as they come in.

use bytes::Bytes;
use chitty_core::http::Headers;
use chitty_core::ports::HttpError;
use futures::StreamExt;
use wasm_bindgen_futures::JsFuture;

use crate::http::BodyStream;
use crate::message;

/// Between two chunks of a body whose length was not said.
const IDLE_MS: u64 = 10_000;

/// Headers of a request. Each look-up crosses into JavaScript.
pub struct WebHeaders(web_sys::Headers);

impl WebHeaders {
    pub fn of(request: &web_sys::Request) -> Self {
        Self(request.headers())
    }
}

impl Headers for WebHeaders {
    fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).ok().flatten()
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    #[error("the body is larger than {limit} bytes; send less at once")]
    TooLarge { limit: usize },
    #[error("the body did not arrive whole: {0}")]
    Interrupted(String),
}

/// The whole body, refused past `limit` bytes: by its stated length before anything is
/// read, and by counting where none is stated.
pub async fn read_body(
    request: &web_sys::Request,
    headers: &dyn Headers,
    limit: usize,
) -> Result<Vec<u8>, BodyError> {
    let stated = headers.get("content-length");
    match stated.and_then(|length| length.trim().parse::<u64>().ok()) {
        Some(length) if length > limit as u64 => Err(BodyError::TooLarge { limit }),
        Some(_) => read_at_once(request, limit).await,
        None => read_counting(request, limit).await,
    }
}

async fn read_at_once(request: &web_sys::Request, limit: usize) -> Result<Vec<u8>, BodyError> {
    let promise = request.array_buffer().map_err(interrupted)?;
    let buffer = JsFuture::from(promise).await.map_err(interrupted)?;
    let array = js_sys::Uint8Array::new(&buffer);
    if array.length() as usize > limit {
        return Err(BodyError::TooLarge { limit });
    }
    Ok(array.to_vec())
}

async fn read_counting(request: &web_sys::Request, limit: usize) -> Result<Vec<u8>, BodyError> {
    let Some(stream) = request.body() else {
        return Ok(Vec::new());
    };
    let mut chunks = BodyStream::new(&stream, IDLE_MS).map_err(interrupted)?;
    let mut whole = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk: Bytes =
            chunk.map_err(|error: HttpError| BodyError::Interrupted(error.to_string()))?;
        if whole.len() + chunk.len() > limit {
            return Err(BodyError::TooLarge { limit });
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole)
}

#[expect(clippy::needless_pass_by_value, reason = "shape of map_err")]
fn interrupted(thrown: wasm_bindgen::JsValue) -> BodyError {
    BodyError::Interrupted(message(&thrown))
}
