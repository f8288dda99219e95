//! Replies on their way out.

use chitty_core::http::{Body, HttpReply};
use futures::StreamExt;
use js_sys::Uint8Array;
use wasm_bindgen::JsValue;
use worker::{ResponseBody, ResponseBuilder};

/// A reply as the `fetch` handler's response. Bytes cross in one piece; a stream becomes
/// a `ReadableStream`, dropped when the platform sees that the client has gone: at once
/// where the connection is reset, at the next chunk where it is only closed.
pub fn into_web(reply: HttpReply) -> Result<web_sys::Response, JsValue> {
    let headers = web_sys::Headers::new()?;
    for (name, value) in &reply.headers {
        headers.append(name, value)?;
    }
    let init = web_sys::ResponseInit::new();
    init.set_status(reply.status);
    init.set_headers(&headers);
    match body_of(reply.body)? {
        ResponseBody::Empty => web_sys::Response::new_with_opt_str_and_init(None, &init),
        ResponseBody::Body(bytes) => {
            let array = Uint8Array::from(bytes.as_slice());
            web_sys::Response::new_with_opt_buffer_source_and_init(Some(&array), &init)
        }
        ResponseBody::Stream(stream) => {
            web_sys::Response::new_with_opt_readable_stream_and_init(Some(&stream), &init)
        }
    }
}

fn body_of(body: Body) -> worker::Result<ResponseBody> {
    Ok(match body {
        Body::Empty => ResponseBody::Empty,
        Body::Bytes(bytes) => ResponseBody::Body(bytes),
        Body::Stream(chunks) => {
            let chunks = chunks.map(|chunk| Ok::<_, worker::Error>(Vec::from(chunk)));
            ResponseBuilder::new().from_stream(chunks)?.into_parts().1
        }
    })
}
