//! Altered, cut and made-up replies: an error or the same stamp, never a panic.

use proptest::prelude::*;

use super::super::{StampError, verify};
use super::authority::p256;
use super::request;

#[test]
fn an_altered_reply_never_says_anything_else() {
    let authority = p256();
    let (query, anchors) = (request(), authority.anchors());
    let reply = authority.reply(&query.to_der());
    let judge = |reply: &[u8]| verify(reply, &query.hash, Some(query.nonce()), &anchors);
    let stamp = judge(&reply).unwrap();
    let mut accepted = Vec::new();
    for at in 0..reply.len() {
        let mut altered = reply.clone();
        altered[at] ^= 1 << (at % 8);
        match judge(&altered) {
            Ok(found) => {
                assert_eq!(found, stamp, "byte {at}");
                accepted.push(altered);
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    // What no signature covers, such as version numbers: few bytes, of no meaning.
    assert!(accepted.len() < 60, "{}", accepted.len());
}

#[test]
fn a_reply_cut_anywhere_is_malformed() {
    let authority = p256();
    let (query, anchors) = (request(), authority.anchors());
    let mut reply = authority.reply(&query.to_der());
    for end in 0..reply.len() {
        let verdict = verify(&reply[..end], &query.hash, None, &anchors);
        assert_eq!(verdict, Err(StampError::Malformed), "cut to {end}");
    }
    reply.push(0);
    let verdict = verify(&reply, &query.hash, None, &anchors);
    assert_eq!(verdict, Err(StampError::Malformed));
    let huge = vec![0x30; 100_000];
    assert_eq!(
        verify(&huge, &query.hash, None, &anchors),
        Err(StampError::Malformed)
    );
}

#[test]
fn made_up_bytes_are_refused() {
    let (query, anchors) = (request(), p256().anchors());
    proptest!(|(bytes in proptest::collection::vec(any::<u8>(), 0..300))| {
        prop_assert!(verify(&bytes, &query.hash, None, &anchors).is_err());
    });
}

/// Splices of a real reply get further than random bytes.
#[test]
fn spliced_replies_never_say_anything_else() {
    let (query, authority) = (request(), p256());
    let anchors = authority.anchors();
    let reply = authority.reply(&query.to_der());
    let stamp = verify(&reply, &query.hash, None, &anchors).unwrap();
    proptest!(|(cut in 0usize..2_000, length in 0usize..40, byte: u8)| {
        let cut = cut % reply.len();
        let end = (cut + length).min(reply.len());
        let mut spliced = reply.clone();
        spliced.splice(cut..end, std::iter::repeat_n(byte, length));
        if let Ok(found) = verify(&spliced, &query.hash, None, &anchors) {
            prop_assert_eq!(&found, &stamp);
        }
    });
}
