//! One worker calling a tool of another.

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use futures::stream;
use serde_json::{Value, json};

use super::super::client::{Peer, PeerError};
use super::tools::Said;
use super::world::Caller;
use crate::auth::assertion;
use crate::http::Body;
use crate::ports::{Http, HttpError, HttpRequest, HttpResponse};
use crate::testing::block_on;

/// A binding to the server of `Caller`, or to nothing, or to something else.
enum Binding {
    Server(Caller),
    Broken,
    Stranger(&'static str),
}

#[async_trait(?Send)]
impl Http for Binding {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (status, body) = match self {
            Self::Broken => {
                return Err(HttpError::Timeout {
                    ms: request.timeout_ms,
                });
            }
            Self::Stranger(body) => (200, Bytes::from_static(body.as_bytes())),
            Self::Server(caller) => {
                assert!(
                    request
                        .headers
                        .contains(&(assertion::HEADER, "statement".to_owned()))
                );
                let pairs = request.headers.iter();
                let headers: Vec<(&str, &str)> =
                    pairs.map(|(name, value)| (*name, value.as_str())).collect();
                let body: Value = serde_json::from_slice(&request.body).unwrap();
                let reply = caller.send(&headers, &body).await;
                let Body::Bytes(bytes) = reply.body else {
                    panic!("a peer reads no stream")
                };
                (reply.status, Bytes::from(bytes))
            }
        };
        Ok(HttpResponse {
            status,
            headers: Vec::new(),
            body: stream::iter([Ok(body)]).boxed_local(),
        })
    }
}

fn call(binding: &Binding, tool: &str, word: &str) -> Result<Said, PeerError> {
    let peer = Peer {
        http: binding,
        name: "world",
        assertion: "statement".to_owned(),
        request_id: "req-0001",
        timeout_ms: 1_000,
    };
    block_on(peer.call(tool, &json!({ "word": word })))
}

#[test]
fn a_result_comes_back_typed() {
    let server = Binding::Server(Caller::new());
    assert_eq!(call(&server, "echo", "hi").unwrap().word, "hi");
    // Progress and log messages are left out for a caller that reads no stream.
    assert_eq!(call(&server, "chatty", "hi").unwrap().word, "hi");
}

#[test]
fn each_failure_says_whose_it_is() {
    let server = Binding::Server(Caller::new());
    let refused = call(&server, "echo", "far too long").unwrap_err();
    assert_eq!(refused.code(), "INVALID_ARGUMENTS");
    assert!(refused.to_string().contains("word: length"), "{refused}");
    let unknown = call(&server, "nonsense", "hi").unwrap_err();
    assert_eq!(unknown.code(), "PEER_PROTOCOL");
    assert!(
        unknown.to_string().contains("no tool \"nonsense\""),
        "{unknown}"
    );
    let lost = call(&Binding::Broken, "echo", "hi").unwrap_err();
    assert_eq!(lost.code(), "PEER_UNREACHABLE");
    for body in [
        "<html>",
        "{}",
        r#"{"result":{"structuredContent":{"other":1}}}"#,
    ] {
        let strange = call(&Binding::Stranger(body), "echo", "hi").unwrap_err();
        assert_eq!(strange.code(), "PEER_PROTOCOL");
    }
}
