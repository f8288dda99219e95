use super::*;
use crate::ports::Level;

/// The row of `id` is seen not to open, where it is listed, and where it is used.
fn assert_undecryptable(world: &World, who: &str, id: &str) {
    let listed = world.list(who, false).unwrap();
    let key = listed.iter().find(|key| key.id == id).unwrap();
    assert_eq!(key.state, KeyState::Undecryptable);
    let error = block_on(world.vault.active_key(who, "openai")).unwrap_err();
    assert_eq!(error.code(), "PROVIDER_KEY_UNDECRYPTABLE");
    assert!(error.to_string().contains(id), "{error}");
    assert!(matches!(
        error.blame(),
        crate::services::Blame::Upstream(Some(_))
    ));
    let lines = world.log.0.borrow();
    let (level, event, fields) = lines.last().unwrap();
    assert_eq!(
        (*level, event.as_str()),
        (Level::Warn, "provider_key_undecryptable")
    );
    assert_eq!(fields["id"], id);
}

#[test]
fn a_sealed_text_opens_in_its_own_row_alone() {
    let world = World::new();
    let anns = world.added("ann", "default", KEY);
    let bobs = world.added("bob", "default", NEW_KEY);
    let (of_ann, of_bob) = (
        world.column(&anns.id, "key_hash"),
        world.column(&bobs.id, "key_hash"),
    );
    world.set_text(&anns.id, &of_bob);
    world.set_text(&bobs.id, &of_ann);
    assert_undecryptable(&world, "ann", &anns.id);
    assert_undecryptable(&world, "bob", &bobs.id);
    world.set_text(&anns.id, &of_ann);
    assert_eq!(world.used("ann").as_deref(), Some(KEY));
}

#[test]
fn a_replaced_key_cannot_be_put_back_in_its_successors_row() {
    let world = World::new();
    let old = world.added("ann", "default", KEY);
    let text = world.column(&old.id, "key_hash");
    let new = world.rotate("ann", &old.id, NEW_KEY).unwrap().key;
    world.set_text(&new.id, &text);
    assert_undecryptable(&world, "ann", &new.id);
}

#[test]
fn each_part_of_a_keys_place_is_bound() {
    for changed in [
        "UPDATE api_keys SET user_id = 'bob'",
        "UPDATE api_keys SET provider = 'anthropic'",
        "UPDATE api_keys SET version = 2",
        "UPDATE api_keys SET id = 'x'",
    ] {
        let world = World::new();
        world.added("ann", "default", KEY);
        world.sql(changed);
        let who = if changed.contains("bob") {
            "bob"
        } else {
            "ann"
        };
        assert_eq!(world.states(who), [KeyState::Undecryptable], "{changed}");
    }
}

#[test]
fn truncated_and_garbled_texts_are_undecryptable() {
    let world = World::new();
    let key = world.added("ann", "default", KEY);
    let text = world.column(&key.id, "key_hash");
    let (half, _) = text.split_at(text.len() / 2);
    let last_cut = &text[..text.len() - 2];
    let flipped = if text.ends_with('A') { "B" } else { "A" };
    let flipped = format!("{}{flipped}", &text[..text.len() - 1]);
    let garbled = text.replace("v1.", "v9.");
    for wrong in [half, last_cut, &flipped, &garbled, "x", "v1..", "🦀"] {
        world.set_text(&key.id, wrong);
        assert_undecryptable(&world, "ann", &key.id);
    }
    world.background.run_all();
    // A new key mends it, and so does the old text.
    world.set_text(&key.id, &text);
    assert_eq!(world.used("ann").as_deref(), Some(KEY));
    world.set_text(&key.id, half);
    world.rotate("ann", &key.id, NEW_KEY).unwrap();
    assert_eq!(world.used("ann").as_deref(), Some(NEW_KEY));
}

#[test]
fn an_old_master_key_opens_and_the_use_seals_again() {
    let mut world = World::new();
    let key = world.added("ann", "default", KEY);
    world.rekey("b2", &["a1"]);
    assert_eq!(world.used("ann").as_deref(), Some(KEY));
    world.background.run_all();
    let key_id = world.vault.sealer.key_id().to_owned();
    assert_eq!(world.column(&key.id, "sealing_key_id"), key_id);
    world.rekey("b2", &[]);
    assert_eq!(world.used("ann").as_deref(), Some(KEY));
    // The fingerprint is of the new master key too.
    let same = world.rotate("ann", &key.id, KEY).unwrap_err();
    assert_eq!(same.code(), "PROVIDER_KEY_UNCHANGED");
}

#[test]
fn a_lost_master_key_is_told_and_mends_when_it_is_back() {
    let mut world = World::new();
    let key = world.added("ann", "default", KEY);
    world.rekey("b2", &[]);
    assert_undecryptable(&world, "ann", &key.id);
    let error = block_on(world.vault.active_key("ann", "openai")).unwrap_err();
    assert!(error.to_string().contains("CHITTY_ENCRYPTION_KEYS_OLD"));
    world.background.run_all();
    world.rekey("b2", &["a1"]);
    assert_eq!(world.used("ann").as_deref(), Some(KEY));
    world.background.run_all();
    assert_eq!(world.states("ann"), [KeyState::Active]);
    let noted = world.sql("SELECT undecryptable_at FROM api_keys");
    let noted = noted.first().unwrap().opt_timestamp("undecryptable_at");
    assert_eq!(noted.unwrap(), None);
}
