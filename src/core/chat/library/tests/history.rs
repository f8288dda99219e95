//! What is read of a session for its next completion.

use super::*;

fn contents(loaded: &Loaded) -> Vec<&str> {
    let messages = loaded.messages.iter();
    messages.map(|message| message.content.as_str()).collect()
}

fn load(world: &World, owner: &str, id: &str, tokens: u64) -> Loaded {
    block_on(world.library.history(owner, id, tokens)).unwrap()
}

#[test]
fn the_newest_are_read_and_system_messages_always() {
    let world = World::new();
    let id = world
        .make("ann", &json!({"initial_system_prompt": "Rules."}))
        .id;
    for at in 0..10 {
        world.say("ann", &id, &format!("{at}{}", "x".repeat(99)));
    }
    let all = load(&world, "ann", &id, 1_000_000);
    assert_eq!((all.messages.len(), all.left_out), (11, 0));
    assert_eq!(contents(&all)[0], "Rules.");
    let some = load(&world, "ann", &id, 250);
    assert_eq!(contents(&some)[0], "Rules.");
    let firsts: Vec<_> = contents(&some)[1..].iter().map(|text| &text[..1]).collect();
    assert_eq!((firsts, some.left_out), (vec!["7", "8", "9"], 7));
    assert_eq!(load(&world, "bob", &id, 1_000), Loaded::default());
    assert_eq!(load(&world, "ann", "no such", 1_000), Loaded::default());
}

#[test]
fn what_was_not_answered_is_not_repeated() {
    let world = World::new();
    let id = world.make("ann", &json!({})).id;
    for content in ["good", "answer", "failed", "half", "waiting"] {
        world.say("ann", &id, content);
    }
    for (content, notes) in [
        ("good", json!({"state": "answered"})),
        ("failed", json!({"state": "failed"})),
        ("half", json!({"partial": true})),
        ("waiting", json!({"state": "asked"})),
    ] {
        let mark = Statement::new("UPDATE chat_messages SET metadata = ?1 WHERE content = ?2");
        block_on(world.db.inner.run(mark.bind(notes).bind(content))).unwrap();
    }
    let loaded = load(&world, "ann", &id, 1_000);
    assert_eq!(contents(&loaded), ["good", "answer"]);
    assert_eq!(loaded.left_out, 3);
}
