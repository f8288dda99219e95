use chitty_core::ports::{HttpError, HttpRequest, HttpResponse};
use futures::future::{Either, select};
use futures::{StreamExt, stream};
use js_sys::Uint8Array;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    AbortController, Headers, Request, RequestInit, RequestRedirect, Response, WorkerGlobalScope,
};

use super::BodyStream;
use crate::clock::Sleep;
use crate::message;

/// One request and its response on whatever has a `fetch`. Dropping the future, or the
/// body, closes the connection.
pub async fn exchange(
    target: &WorkerGlobalScope,
    request: HttpRequest,
) -> Result<HttpResponse, HttpError> {
    let mut abort = Abort::new().map_err(unreachable)?;
    let request_js = to_js(&request, &abort).map_err(unreachable)?;
    let answer = JsFuture::from(target.fetch_with_request(&request_js));
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

fn to_js(request: &HttpRequest, abort: &Abort) -> Result<Request, JsValue> {
    let headers = Headers::new()?;
    for (name, value) in &request.headers {
        headers.append(name, value)?;
    }
    let init = RequestInit::new();
    init.set_method(request.method);
    init.set_headers_headers(&headers);
    init.set_redirect(RequestRedirect::Manual);
    init.set_signal(Some(&abort.controller.signal()));
    if !request.body.is_empty() {
        init.set_body_opt_u8_array(Some(&Uint8Array::from(&*request.body)));
    }
    Request::new_with_str_and_init(&request.url, &init)
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
