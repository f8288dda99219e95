use chitty_core::ports::{HttpError, HttpRequest, HttpResponse};
use futures::future::{Either, select};
use futures::{StreamExt, stream};
use js_sys::Promise;
use serde::Serialize;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortController, AbortSignal, Response, WorkerGlobalScope};

use super::BodyStream;
use crate::clock::Sleep;
use crate::message;
use crate::response::Fields;
use crate::web;

/// One request and its response on whatever has a `fetch`. Dropping the future, or the
/// body, closes the connection.
pub async fn exchange(
    target: &WorkerGlobalScope,
    request: HttpRequest,
) -> Result<HttpResponse, HttpError> {
    let mut abort = Abort::new().map_err(unreachable)?;
    let answer = begin(target, &request, &abort.controller.signal()).map_err(unreachable)?;
    let answer = JsFuture::from(answer);
    let (answer, timer) = match select(answer, Sleep::new(request.timeout_ms)).await {
        Either::Left((answer, timer)) => (answer, timer),
        Either::Right(_) => {
            let ms = request.timeout_ms;
            return Err(HttpError::Timeout { ms });
        }
    };
    abort.disarm();
    let response: Response = answer.map_err(unreachable)?.unchecked_into();
    read(&response, &request, timer).map_err(unreachable)
}

fn read(response: &Response, request: &HttpRequest, timer: Sleep) -> Result<HttpResponse, JsValue> {
    let body = match response.body() {
        Some(body) => BodyStream::with_timer(&body, request.timeout_ms, timer)?.boxed_local(),
        None => stream::empty().boxed_local(),
    };
    let mut headers = Vec::new();
    if !request.want_headers.is_empty() {
        let found = response.headers();
        for name in request.want_headers {
            headers.extend(found.get(name)?.map(|value| (*name, value)));
        }
    }
    Ok(HttpResponse {
        status: response.status(),
        headers,
        body,
    })
}

/// What `fetch` is given, but for body and signal.
#[derive(Serialize)]
struct Head<'a> {
    url: &'a str,
    method: &'static str,
    headers: Fields<'a>,
    redirect: &'static str,
}

fn begin(
    target: &JsValue,
    request: &HttpRequest,
    signal: &AbortSignal,
) -> Result<Promise, JsValue> {
    let head = Head {
        url: &request.url,
        method: request.method,
        headers: Fields(&request.headers),
        redirect: "manual",
    };
    let head = serde_json::to_string(&head).map_err(worker::Error::from)?;
    let body = (!request.body.is_empty()).then_some(&*request.body);
    web::send(target, &head, body, signal)
}

/// Aborts when dropped, unless disarmed.
struct Abort {
    controller: AbortController,
    armed: bool,
}

impl Abort {
    fn new() -> Result<Self, JsValue> {
        Ok(Self {
            controller: AbortController::new()?,
            armed: true,
        })
    }

    fn disarm(&mut self) {
        self.armed = false;
    }
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
