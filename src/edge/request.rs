//! Requests as they come in.

use std::ops::Range;

use bytes::Bytes;
use chitty_core::front::BodyFault;
use chitty_core::http::Headers;
use chitty_core::ports::HttpError;
use futures::StreamExt;

use crate::clock::within;
use crate::http::BodyStream;
use crate::message;
use crate::web::{self, Ticket, Told};

/// For a body to arrive.
const READ_MS: u64 = 30_000;
/// Between two chunks of a body whose length was not said.
const IDLE_MS: u64 = 10_000;

/// What a request says before its body, as text of lines: method, URL, then the name, in
/// lower case, and the value of each header.
pub struct Head {
    text: String,
    lines: Vec<Range<usize>>,
}

impl Head {
    pub fn of(request: &web_sys::Request) -> Self {
        let text = web::head(request);
        let mut lines = Vec::with_capacity(32);
        let mut start = 0;
        for (end, _) in text.match_indices('\n') {
            lines.push(start..end);
            start = end + 1;
        }
        lines.push(start..text.len());
        Self { text, lines }
    }

    pub fn method(&self) -> &str {
        self.line(0)
    }

    pub fn url(&self) -> &str {
        self.line(1)
    }

    fn line(&self, at: usize) -> &str {
        let line = self
            .lines
            .get(at)
            .and_then(|line| self.text.get(line.clone()));
        line.unwrap_or_default()
    }
}

impl Headers for Head {
    fn get(&self, name: &str) -> Option<String> {
        let mut names = (2..self.lines.len()).step_by(2);
        let found = names.find(|at| self.line(*at).eq_ignore_ascii_case(name))?;
        Some(self.line(found + 1).to_owned())
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
    match Ticket::body(request).await {
        Told {
            bytes: Some(bytes), ..
        } if bytes.len() <= limit => Ok(bytes),
        Told { bytes: Some(_), .. } => Err(BodyFault::TooLarge),
        Told { fault, .. } => Err(BodyFault::Interrupted(fault.unwrap_or_default())),
    }
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
