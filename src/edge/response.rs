//! Replies on their way out.

use std::collections::BTreeSet;

use bytes::Bytes;
use chitty_core::http::{Body, HttpReply};
use futures::StreamExt;
use futures::future::select;
use futures::stream::LocalBoxStream;
use serde::{Serialize, Serializer};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;

use crate::web::{self, Ticket};

/// A reply as the `fetch` handler's response. Bytes cross in one piece; a stream becomes
/// a `ReadableStream`, dropped when the platform sees that the client has gone: at once
/// where the connection is reset, at the next chunk where it is only closed. Both the stream and
/// the signal of `request` tell of it, since a version of workerd may forget one.
pub fn into_web(
    reply: HttpReply,
    request: &web_sys::Request,
) -> Result<web_sys::Response, JsValue> {
    let head = Head {
        status: reply.status,
        headers: Fields(&reply.headers),
    };
    let head = serde_json::to_string(&head).map_err(worker::Error::from)?;
    match reply.body {
        Body::Empty => web::respond(&head, None),
        // Its head stands already.
        Body::Upgraded(response) => response
            .downcast::<web_sys::Response>()
            .map(|response| *response)
            .map_err(|_| JsValue::from_str("an upgraded connection that is no Response")),
        Body::Bytes(bytes) => web::respond(&head, Some(&bytes)),
        Body::Stream(chunks) => {
            let (cancelled, response, out) = Ticket::stream(&head)?;
            let gone = select(cancelled, Ticket::gone(request));
            spawn_local(async move {
                select(gone, Box::pin(write(chunks, Written(out)))).await;
            });
            Ok(response)
        }
    }
}

/// What a response's body is written to. Whoever reads it hears that it broke off if it is dropped
/// before its end, as by a panic.
struct Written(JsValue);

impl Drop for Written {
    fn drop(&mut self) {
        web::fail(&self.0);
    }
}

/// Until the last chunk, or until one cannot be written.
async fn write(mut chunks: LocalBoxStream<'static, Bytes>, out: Written) {
    while let Some(chunk) = chunks.next().await {
        let Ok(room) = Ticket::write(&out.0, &chunk) else {
            return;
        };
        room.await;
    }
    // Refused only if nobody reads on.
    let _gone = web::end(&out.0);
}

/// Status and headers, for `new Response`.
#[derive(Serialize)]
struct Head<'a> {
    status: u16,
    headers: Fields<'a>,
}

/// Headers as an object, which the platform takes over twice as fast as pairs. A name that
/// comes twice needs pairs.
pub(crate) struct Fields<'a>(pub &'a [(&'static str, String)]);

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut names = BTreeSet::new();
        if self.0.iter().all(|(name, _)| names.insert(name)) {
            return serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)));
        }
        serializer.collect_seq(self.0)
    }
}
