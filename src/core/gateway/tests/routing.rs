//! Who is asked, with which key and what.

use super::*;

#[test]
fn a_fallback_answers_where_the_first_model_is_overloaded_and_each_attempt_is_booked() {
    let overloaded = r#"{"error":{"message":"slow down","type":"rate_limit_exceeded"}}"#;
    let busy = || reply(429, overloaded);
    let steps = vec![
        busy(),
        busy(),
        busy(),
        reply(200, &answer_json("from the other")),
    ];
    let world = World::with_fallbacks(steps, &["gpt-4o-mini"]);
    world.ledger.cap(1_000_000_000);
    let outcome = world.call(&order("c-1"));
    assert_eq!(outcome.result.unwrap().answer.choice.text, "from the other");
    assert_eq!(world.http.body(3)["model"], "gpt-4o-mini");
    let statuses: Vec<_> = world.booked().into_iter().map(|row| row.2).collect();
    assert_eq!(statuses, ["none", "none", "none", "priced"]);
    let last = outcome.events.last().unwrap();
    // The clock stands still but for waits between attempts, which are not the gateway's own.
    assert_eq!((last.attempt, last.overhead_ms), (4, Some(0)));
    assert!(last.started_at_ms > outcome.events[0].started_at_ms);
}

#[test]
fn models_go_to_whoever_serves_them() {
    let world = World::new(vec![]);
    let routes = &world.gateway.routes;
    let served = |model: &str| -> Vec<String> {
        let route = routes.find(model);
        let name = |target: &Target| format!("{}:{}", target.provider.name, target.model);
        route.iter().map(name).collect()
    };
    assert_eq!(served("gpt-4o"), ["openai:gpt-4o"]);
    assert_eq!(served("claude-haiku-4-5"), ["anthropic:claude-haiku-4-5"]);
    assert_eq!(served("anthropic/claude-x"), ["anthropic:claude-x"]);
    assert_eq!(served("meta/llama"), ["openai:meta/llama"]);
    let nobody = Routes::default();
    assert!(nobody.find("gpt-4o").is_empty());
}

#[test]
fn who_has_a_key_of_their_own_pays_with_it() {
    let mut world = World::new(vec![reply(200, &answer_json("x"))]);
    world.gateway.own_keys = Rc::new(OwnKey(Some(Ok("sk-of-the-user"))));
    world.call(&order("c-1")).result.unwrap();
    let sent = world.http.seen.borrow();
    let authorization = sent[0]
        .headers
        .iter()
        .find(|(name, _)| *name == "authorization");
    assert_eq!(authorization.unwrap().1, "Bearer sk-of-the-user");
}

#[test]
fn a_key_that_cannot_be_opened_is_not_replaced_by_another_ones() {
    let mut world = World::new(vec![]);
    world.gateway.own_keys = Rc::new(OwnKey(Some(Err("sealed under a lost key"))));
    let error = world.call(&order("c-1")).result.unwrap_err();
    assert_eq!(error.code(), "OWN_KEY_UNUSABLE");
    assert!(world.http.seen.borrow().is_empty());
}

#[test]
fn a_limit_that_the_caller_did_not_set_is_sent_only_where_a_budget_needs_it() {
    let world = World::new(vec![reply(200, &answer_json("x")); 2]);
    let mut open = order("c-1");
    open.request.max_tokens = None;
    world.call(&open).result.unwrap();
    assert!(world.http.body(0).get("max_tokens").is_none());
    world.ledger.cap(1_000_000_000_000);
    open.id = "c-2".to_owned();
    world.call(&open).result.unwrap();
    assert_eq!(world.http.body(1)["max_tokens"], 4_096);
}
