//! Requests as they come in.

use bytes::Bytes;
use chitty_core::front::BodyFault;
use chitty_core::http::Headers;
use chitty_core::ports::HttpError;
use futures::StreamExt;
use wasm_bindgen_futures::JsFuture;

use crate::clock::within;
use crate::http::BodyStream;
use crate::message;

/// For a body to arrive.
const READ_MS: u64 = 30_000;
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

/// The whole body, refused past `limit` bytes: by its stated length before anything is
/// read, and by counting where none is stated. Cut off after [`READ_MS`].
pub async fn read_body(
    request: &web_sys::Request,
    headers: &dyn Headers,
    limit: usize,
) -> Result<Vec<u8>, BodyFault> {
    let stated = headers.get("content-length");
    let read = async {
        match stated.and_then(|length| length.trim().parse::<u64>().ok()) {
            Some(length) if length > limit as u64 => Err(BodyFault::TooLarge),
            Some(_) => read_at_once(request, limit).await,
            None => read_counting(request, limit).await,
        }
    };
    let late = || BodyFault::Interrupted(format!("it took longer than {READ_MS} ms"));
    within(READ_MS, read).await.unwrap_or_else(|| Err(late()))
}

async fn read_at_once(request: &web_sys::Request, limit: usize) -> Result<Vec<u8>, BodyFault> {
    let promise = request.array_buffer().map_err(interrupted)?;
    let buffer = JsFuture::from(promise).await.map_err(interrupted)?;
    let array = js_sys::Uint8Array::new(&buffer);
    if array.length() as usize > limit {
        return Err(BodyFault::TooLarge);
    }
    Ok(array.to_vec())
}

async fn read_counting(request: &web_sys::Request, limit: usize) -> Result<Vec<u8>, BodyFault> {
    let Some(stream) = request.body() else {
        return Ok(Vec::new());
    };
    let mut chunks = BodyStream::new(&stream, IDLE_MS).map_err(interrupted)?;
    let mut whole = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk: Bytes =
            chunk.map_err(|error: HttpError| BodyFault::Interrupted(error.to_string()))?;
        if whole.len() + chunk.len() > limit {
            return Err(BodyFault::TooLarge);
        }
        whole.extend_from_slice(&chunk);
    }
    Ok(whole)
}

#[expect(clippy::needless_pass_by_value, reason = "shape of map_err")]
fn interrupted(thrown: wasm_bindgen::JsValue) -> BodyFault {
    BodyFault::Interrupted(message(&thrown))
}
