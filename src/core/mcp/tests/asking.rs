//! Questions to the caller: rounds of requests in the modern era, requests of ours on the
//! stream in the handshake era.

use std::rc::Rc;

use serde_json::{Value, json};

use super::super::error::{INTERNAL, INVALID_PARAMS};
use super::world::{Answered, Caller, FakeMailbox, World, legacy_headers, principal, request};

fn ask(word: &str) -> Value {
    json!({ "name": "asking", "arguments": { "word": word } })
}

fn answer(caller: &Caller, word: &str, state: &Value) -> Answered {
    let mut params = ask(word);
    params["requestState"] = state.clone();
    params["inputResponses"] =
        json!({ "name": { "action": "accept", "content": { "name": "Ann" } } });
    caller.modern("tools/call", params)
}

#[test]
fn a_question_comes_back_answered() {
    let caller = Caller::new();
    let asked = caller.modern("tools/call", ask("hello"));
    assert_eq!(asked.result()["resultType"], "input_required");
    assert_eq!(
        asked.result()["inputRequests"]["name"]["method"],
        "elicitation/create"
    );
    let state = &asked.result()["requestState"];
    let answered = answer(&caller, "hello", state);
    assert_eq!(answered.result()["structuredContent"]["word"], "hello Ann");
}

#[test]
fn a_state_opens_only_where_it_was_sealed() {
    let mut caller = Caller::new();
    let asked = caller.modern("tools/call", ask("hello"));
    let state = asked.result()["requestState"].clone();
    let refused = |answered: &Answered| (answered.status, answered.code()) == (200, INVALID_PARAMS);
    // Changed.
    let text = state.as_str().unwrap();
    let changed = json!(format!("{}{}", &text[..text.len() - 2], "AA"));
    assert!(refused(&answer(&caller, "hello", &changed)));
    assert!(refused(&answer(&caller, "hello", &json!(7))));
    // Other arguments.
    assert!(refused(&answer(&caller, "bye", &state)));
    // Another principal.
    caller.principal = principal("bob", &["tests:*"]);
    assert!(refused(&answer(&caller, "hello", &state)));
    caller.principal = super::world::ann();
    // Still good at the end of its ten minutes, and not after.
    caller.world.clock.now.advance(600_000);
    assert_eq!(
        answer(&caller, "hello", &state).result()["resultType"],
        "complete"
    );
    caller.world.clock.now.advance(1);
    assert!(refused(&answer(&caller, "hello", &state)));
}

#[test]
fn answers_must_be_objects() {
    let caller = Caller::new();
    for wrong in [json!(null), json!([]), json!({ "name": 12345 })] {
        let mut params = ask("hello");
        params["inputResponses"] = wrong;
        assert_eq!(caller.modern("tools/call", params).code(), INVALID_PARAMS);
    }
    let mut params = ask("hello");
    params["inputResponses"] = json!({ "wrong_key": {} });
    let again = caller.modern("tools/call", params);
    assert_eq!(again.result()["resultType"], "input_required");
}

#[test]
fn without_entropy_nothing_is_asked_and_the_cause_is_logged() {
    let mut world = World::new();
    Rc::get_mut(&mut world).unwrap().entropy = crate::testing::FakeEntropy::broken();
    let caller = Caller::at(world);
    let refused = caller.modern("tools/call", ask("hello"));
    assert_eq!((refused.status, refused.code()), (500, INTERNAL));
    assert!(!refused.last().to_string().contains("broken on purpose"));
    assert!(caller.world.reports.borrow()[0].contains("broken on purpose"));
}

fn mailbox(answers: Vec<Value>) -> Rc<FakeMailbox> {
    let mailbox = FakeMailbox::default();
    mailbox.answers.replace(answers);
    Rc::new(mailbox)
}

#[test]
fn a_handshake_client_is_asked_on_its_stream() {
    let answer = json!({ "result": { "action": "accept", "content": { "name": "Bob" } } });
    let caller = Caller::at(World::with_mailbox(Some(mailbox(vec![answer]))));
    let answered = caller.legacy("tools/call", &ask("hello"));
    assert!(answered.streamed);
    assert_eq!(answered.messages[0]["method"], "elicitation/create");
    assert_eq!(answered.messages[0]["params"]["message"], "Who?");
    assert!(answered.messages[0]["id"].as_str().unwrap().len() <= 256);
    assert_eq!(answered.result()["structuredContent"]["word"], "hello Bob");
}

#[test]
fn a_client_that_refuses_or_is_silent_gets_an_error() {
    let refusal = json!({ "error": { "code": -1, "message": "no user here" } });
    let caller = Caller::at(World::with_mailbox(Some(mailbox(vec![refusal]))));
    let refused = caller.legacy("tools/call", &ask("hello"));
    let message = refused.last()["error"]["message"].as_str().unwrap();
    assert!(message.contains("no user here"), "{message}");
    let caller = Caller::at(World::with_mailbox(Some(mailbox(Vec::new()))));
    let silent = caller.legacy("tools/call", &ask("hello"));
    let message = silent.last()["error"]["message"].as_str().unwrap();
    assert!(
        message.contains("did not answer within 120000 ms"),
        "{message}"
    );
}

#[test]
fn who_cannot_be_asked_is_told_so_at_once() {
    let caller = Caller::new();
    let refused = caller.legacy("tools/call", &ask("hello"));
    assert_eq!(refused.code(), INVALID_PARAMS);
    let caller = Caller::at(World::with_mailbox(Some(mailbox(Vec::new()))));
    let mut headers = legacy_headers();
    headers[1] = ("accept", "application/json");
    let refused = caller.post(&headers, &request("tools/call", &ask("hello")));
    let message = refused.last()["error"]["message"].as_str().unwrap();
    assert!(message.contains("accept text/event-stream"), "{message}");
}

#[test]
fn only_who_was_asked_may_answer() {
    let answers = mailbox(vec![json!({ "result": {} }); 8]);
    let mut caller = Caller::at(World::with_mailbox(Some(Rc::clone(&answers))));
    let asked = caller.legacy("tools/call", &ask("hello"));
    let ticket = asked.messages[0]["id"].clone();
    let response = json!({ "jsonrpc": "2.0", "id": ticket, "result": { "action": "cancel" } });
    caller.principal = principal("bob", &["tests:*"]);
    let refused = caller.post(&legacy_headers(), &response);
    assert_eq!((refused.status, refused.code()), (400, INVALID_PARAMS));
    assert!(answers.put.borrow().is_empty());
    caller.principal = super::world::ann();
    assert_eq!(caller.post(&legacy_headers(), &response).status, 202);
    let stored = &answers.put.borrow()[ticket.as_str().unwrap()];
    assert_eq!(*stored, json!({ "result": { "action": "cancel" } }));
}
