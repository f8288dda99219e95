use chitty_core::ports::{HttpError, HttpRequest, HttpResponse};
use futures::future::{Either, select};
use futures::{StreamExt, stream};
use serde::Serialize;
use wasm_bindgen::JsValue;
use web_sys::{AbortController, WorkerGlobalScope};

use super::BodyStream;
use crate::clock::Sleep;
use crate::message;
use crate::response::Fields;
use crate::web::{Ticket, Told};

/// One request and its response on whatever has a `fetch`. Dropping the future, or the
/// body, closes the connection. With a `limit` the whole body is awaited as well, and is
/// refused past so many bytes.
pub async fn exchange(
    target: &WorkerGlobalScope,
    request: HttpRequest,
    limit: Option<usize>,
) -> Result<HttpResponse, HttpError> {
    let head = Head {
        url: &request.url,
        method: request.method,
        headers: Fields(&request.headers),
        redirect: "manual",
        wanted: request.want_headers,
        limit,
    };
    let head = serde_json::to_string(&head);
    let head = head.map_err(|error| HttpError::Unreachable(error.to_string()))?;
    let body = (!request.body.is_empty()).then_some(&*request.body);
    let (answer, controller) = Ticket::send(target, &head, body).map_err(unreachable)?;
    let mut abort = Abort {
        controller,
        armed: true,
    };
    let ms = request.timeout_ms;
    let (answer, timer) = match select(answer, Sleep::new(ms)).await {
        Either::Left((answer, timer)) => (answer, timer),
        Either::Right(_) => return Err(HttpError::Timeout { ms }),
    };
    let response = read(answer, &request, limit, timer)?;
    abort.armed = false;
    Ok(response)
}

/// What `web.js` tells of an answer.
fn read(
    Told {
        bytes,
        fault,
        object: reader,
    }: Told,
    request: &HttpRequest,
    limit: Option<usize>,
    timer: Sleep,
) -> Result<HttpResponse, HttpError> {
    let Some((status, values, body)) = bytes.and_then(parts) else {
        return Err(HttpError::Unreachable(fault.unwrap_or_default()));
    };
    let names = request.want_headers.iter().zip(values);
    let headers = names.filter_map(|(name, value)| Some((*name, value?)));
    let body = match (fault, limit) {
        _ if !reader.is_undefined() => {
            BodyStream::of_reader(reader, request.timeout_ms, timer).boxed_local()
        }
        (None, _) => stream::iter([Ok(body.into())]).boxed_local(),
        (Some(fault), Some(limit)) if fault.is_empty() => {
            stream::iter([Err(HttpError::TooLarge { limit })]).boxed_local()
        }
        (Some(fault), _) => stream::iter([Err(HttpError::Interrupted(fault))]).boxed_local(),
    };
    Ok(HttpResponse {
        status,
        headers: headers.collect(),
        body,
    })
}

/// Status, what the wanted headers say, and the body.
fn parts(mut answer: Vec<u8>) -> Option<(u16, Vec<Option<String>>, Vec<u8>)> {
    let (status, rest) = answer.split_first_chunk::<2>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let status = u16::from_be_bytes(*status);
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let values = serde_json::from_slice(rest.get(..length)?).ok()?;
    let body = answer.split_off(6 + length);
    Some((status, values, body))
}

/// What `web.js` sends, but for the body.
#[derive(Serialize)]
struct Head<'a> {
    url: &'a str,
    method: &'static str,
    headers: Fields<'a>,
    redirect: &'static str,
    wanted: &'static [&'static str],
    limit: Option<usize>,
}

/// Aborts when dropped while armed.
struct Abort {
    controller: AbortController,
    armed: bool,
}

impl Drop for Abort {
    fn drop(&mut self) {
        if self.armed {
            self.controller.abort();
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "shape of map_err")]
fn unreachable(thrown: JsValue) -> HttpError {
    HttpError::Unreachable(message(&thrown))
}
