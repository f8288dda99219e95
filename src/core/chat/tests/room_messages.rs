//! What clients say in a room, and which room it is.

use crate::chat::room::{ClientMessage, MAX_MESSAGE, room_of};

#[test]
fn messages_that_cannot_be_done_say_why() {
    for (said, code) in [
        ("no json", "INVALID_MESSAGE"),
        ("[]", "INVALID_MESSAGE"),
        ("{}", "INVALID_MESSAGE"),
        (r#"{"type":"sing"}"#, "INVALID_MESSAGE"),
        (r#"{"type":"ask"}"#, "INVALID_MESSAGE"),
        (
            r#"{"type":"ask","messages":[],"unknown":1}"#,
            "INVALID_MESSAGE",
        ),
        (
            r#"{"type":"ask","ref":"a b","messages":[]}"#,
            "INVALID_INPUT",
        ),
        (r#"{"type":"ask","ref":7,"messages":[]}"#, "INVALID_INPUT"),
        (
            r#"{"type":"ask","session_id":"s-2","messages":[]}"#,
            "INVALID_INPUT",
        ),
    ] {
        let error = ClientMessage::read(said, "s-1").unwrap_err();
        assert_eq!(error.code(), code, "{said}");
    }
    let long = " ".repeat(MAX_MESSAGE + 1);
    assert_eq!(
        ClientMessage::read(&long, "s-1").unwrap_err().code(),
        "MESSAGE_TOO_LARGE"
    );
    assert!(matches!(
        ClientMessage::read(r#"{"type":"stop"}"#, "s-1"),
        Ok(ClientMessage::Stop)
    ));
}

#[test]
fn rooms_of_different_people_are_different() {
    assert_ne!(room_of("alice", "s-1"), room_of("bob", "s-1"));
    assert_ne!(room_of("alice", "s-1"), room_of("alice", "s-2"));
    assert_ne!(room_of("a", "b\",\"c"), room_of("a\",\"b", "c"));
}
