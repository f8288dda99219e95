//! Dropping a reply, or the wait for one, drops the work.

use futures::StreamExt;
use serde_json::json;

use super::world::{Caller, modern_headers, request, with_meta};
use crate::http::Body;
use crate::testing::block_on;

fn endless() -> serde_json::Value {
    let params = json!({ "name": "endless", "arguments": { "word": "hi" } });
    request("tools/call", &with_meta(params, &json!({})))
}

#[test]
fn dropping_the_stream_drops_the_work() {
    let caller = Caller::new();
    let headers = modern_headers("tools/call", Some("endless"));
    let reply = block_on(caller.send(&headers, &endless()));
    let Body::Stream(mut chunks) = reply.body else {
        panic!("no stream")
    };
    // Silence is filled with comments, so that nobody on the way hangs up.
    assert_eq!(block_on(chunks.next()).unwrap(), ":\n\n");
    assert_eq!(caller.world.dropped.get(), 0);
    drop(chunks);
    assert_eq!(caller.world.dropped.get(), 1);
}

#[test]
fn dropping_the_wait_for_an_answer_drops_the_work() {
    let caller = Caller::new();
    caller.world.clock.stuck.set(true);
    let headers = modern_headers("tools/call", Some("endless"));
    let body = endless();
    let mut pending = Box::pin(caller.send(&headers, &body));
    let waker = std::task::Waker::noop();
    let mut context = std::task::Context::from_waker(waker);
    assert!(pending.as_mut().poll(&mut context).is_pending());
    assert_eq!(caller.world.dropped.get(), 0);
    drop(pending);
    assert_eq!(caller.world.dropped.get(), 1);
}
