use super::*;

#[test]
fn the_default_key_comes_first_and_then_the_first_by_name() {
    let world = World::new();
    assert_eq!(world.used("ann"), None);
    world.added("ann", "work", "sk-work-0123456789");
    world.added("ann", "home", "sk-home-0123456789");
    assert_eq!(world.used("ann").as_deref(), Some("sk-home-0123456789"));
    let default = world.added("ann", "default", KEY);
    assert_eq!(world.used("ann").as_deref(), Some(KEY));
    // The other name's key is no predecessor.
    let key = block_on(world.vault.active_key("ann", "openai")).unwrap();
    assert!(key.unwrap().previous.is_none());
    world.rotate("ann", &default.id, NEW_KEY).unwrap();
    assert_eq!(world.used("ann").as_deref(), Some(NEW_KEY));
    assert_eq!(world.used("bob"), None);
    let elsewhere = block_on(world.vault.active_key("ann", "anthropic"));
    assert!(elsewhere.unwrap().is_none());
}

#[test]
fn uses_are_counted_in_the_background() {
    let world = World::new();
    world.added("ann", "default", KEY);
    world.clock.advance(5_000);
    for _ in 0..3 {
        world.used("ann");
    }
    assert_eq!(world.list("ann", false).unwrap()[0].usage_count, 0);
    world.background.run_all();
    let key = &world.list("ann", false).unwrap()[0];
    assert_eq!(key.usage_count, 3);
    let last_used = crate::time::to_rfc3339(NOW + 5_000);
    assert_eq!(key.last_used_at.as_deref(), Some(last_used.as_str()));
}

#[test]
fn that_a_user_has_no_key_is_looked_up_once_in_ten_seconds() {
    let world = World::new();
    assert_eq!(world.used("ann"), None);
    world.database.sound.set(Some(0));
    assert_eq!(world.used("ann"), None);
    world.clock.advance(10_000);
    block_on(world.vault.active_key("ann", "openai")).unwrap_err();
}

#[test]
fn a_database_that_is_down_is_no_missing_key() {
    let world = World::new();
    world.added("ann", "default", KEY);
    world.database.sound.set(Some(0));
    let error = block_on(world.vault.active_key("ann", "openai")).unwrap_err();
    assert_eq!(error.code(), "DATABASE_UNAVAILABLE");
}

#[test]
fn a_key_for_a_call_does_not_print() {
    let world = World::new();
    let old = world.added("ann", "default", KEY);
    world.rotate("ann", &old.id, NEW_KEY).unwrap();
    let key = block_on(world.vault.active_key("ann", "openai")).unwrap();
    let printed = format!("{key:?}");
    assert!(!printed.contains("sk-proj"), "{printed}");
}
