//! The rooms of sessions, each a Durable Object.

use async_trait::async_trait;
use chitty_core::chat::room::{Entry, Rooms, RoomsError};
use chitty_core::http::{Body, HttpReply};
use chitty_core::ports::{Http, HttpRequest};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Headers, Request, RequestInit, Response, WorkerGlobalScope};
use worker::ObjectNamespace;

use crate::clock::within;
use crate::http::ObjectHttp;
use crate::message;

const TIMEOUT_MS: u64 = 5_000;
/// A room's answer where no more can come in.
pub const FULL: u16 = 429;
const URL: &str = "https://chat-room.internal/";
/// Who comes in, as JSON. The object is reached by its binding alone.
pub const ENTRY_PARAMETER: &str = "entry";

/// [`Rooms`] behind a namespace of objects.
pub struct ObjectRooms(pub ObjectNamespace);

#[async_trait(?Send)]
impl Rooms for ObjectRooms {
    async fn enter(&self, room: &str, entry: &Entry) -> Result<HttpReply, RoomsError> {
        let entry = serde_json::to_string(entry).map_err(unavailable)?;
        let stub = self.0.get_by_name(room).map_err(unavailable)?;
        let request = upgrade(&entry).map_err(|thrown| unavailable(message(&thrown)))?;
        // Of the global scope only `fetch` is called, which a stub has too.
        let object: WorkerGlobalScope = stub.into_rpc();
        let answer = JsFuture::from(object.fetch_with_request(&request));
        let response: Response = match within(TIMEOUT_MS, answer).await {
            Some(Ok(response)) => response.unchecked_into(),
            Some(Err(thrown)) => return Err(unavailable(message(&thrown))),
            None => return Err(unavailable(format!("nothing in {TIMEOUT_MS} ms"))),
        };
        match response.status() {
            101 => Ok(HttpReply {
                status: 101,
                headers: Vec::new(),
                body: Body::Upgraded(Box::new(response)),
            }),
            FULL => Err(RoomsError::Full),
            status => Err(unavailable(format!("status {status}"))),
        }
    }

    async fn close(&self, room: &str) -> Result<(), RoomsError> {
        let stub = self.0.get_by_name(room).map_err(unavailable)?;
        let request = HttpRequest {
            method: "DELETE",
            url: URL.to_owned(),
            headers: Vec::new(),
            body: bytes::Bytes::new(),
            timeout_ms: TIMEOUT_MS,
            want_headers: &[],
        };
        let closed = ObjectHttp::new(stub).send(request).await;
        match closed.map(|response| response.status) {
            Ok(204) => Ok(()),
            Ok(status) => Err(unavailable(format!("status {status}"))),
            Err(error) => Err(unavailable(error)),
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the form map_err wants")]
fn unavailable(cause: impl ToString) -> RoomsError {
    RoomsError::Unavailable(cause.to_string())
}

fn upgrade(entry: &str) -> Result<Request, JsValue> {
    let mut url = worker::Url::parse(URL).map_err(worker::Error::from)?;
    url.query_pairs_mut().append_pair(ENTRY_PARAMETER, entry);
    let headers = Headers::new()?;
    headers.set("upgrade", "websocket")?;
    let init = RequestInit::new();
    init.set_headers_headers(&headers);
    Request::new_with_str_and_init(url.as_str(), &init)
}
