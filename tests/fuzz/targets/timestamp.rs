//! Time stamps (RFC 3161). An input is a reply, or trust anchors in PEM.
//!
//! - A reply that is accepted says what the authority signed.

#![no_main]

use std::sync::LazyLock;

use chitty_core::chain::hash::Hash;
use chitty_core::timestamp::{Stamp, TimestampRequest, TrustAnchors, verify};
use libfuzzer_sys::fuzz_target;

/// Made with `openssl ts` and a key that is gone: the authority's root, and what it answered.
const ROOT: &str = include_str!("../timestamp/root.crt");
const REPLY: &[u8] = include_bytes!("../timestamp/reply.tsr");

struct World {
    anchors: TrustAnchors,
    request: TimestampRequest,
    stamp: Stamp,
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let anchors = TrustAnchors::from_pem(ROOT).unwrap();
    let request = TimestampRequest::new(Hash::of(b"fuzz"), [0xFF, 2, 3, 4, 5, 6, 7, 8]);
    let stamp = verify(REPLY, &request.hash, Some(request.nonce()), &anchors).unwrap();
    World {
        anchors,
        request,
        stamp,
    }
});

fuzz_target!(init: LazyLock::force(&WORLD), |input: &[u8]| {
    let World { anchors, request, stamp } = &*WORLD;
    for nonce in [Some(request.nonce()), None] {
        if let Ok(found) = verify(input, &request.hash, nonce, anchors) {
            assert_eq!(found, *stamp);
        }
    }
    if let Ok(text) = str::from_utf8(input)
        && let Ok(anchors) = TrustAnchors::from_pem(text)
    {
        let _ = verify(REPLY, &request.hash, None, &anchors);
    }
});
