use super::super::stored::Place;
use super::*;

/// Rows `from..to` of as many users, sealed by `sealer`.
fn put(world: &World, from: usize, to: usize, master: &Sealer) {
    let entropy = FakeEntropy::default();
    for number in from..to {
        let place = Place {
            id: format!("id-{number:04}"),
            owner: format!("user-{number}"),
            provider: "openai".to_owned(),
            name: "default".to_owned(),
            version: 1,
        };
        let sealed = place.seal(&Secret::new(KEY), master, &entropy).unwrap();
        let insert = Statement::new(
            "INSERT INTO api_keys (id, user_id, key_hash, key_name, created_at, updated_at,
                sealing_key_id, last_four, fingerprint) VALUES (?1, ?2, ?3, 'default', 1, 1, ?4, '', '')",
        );
        let insert = insert.bind(&place.id).bind(&place.owner);
        let insert = insert.bind(&sealed.text).bind(&sealed.key_id);
        block_on(world.database.inner.run(insert)).unwrap();
    }
}

fn reseal(world: &World) -> Resealed {
    block_on(world.vault.reseal()).unwrap()
}

#[test]
fn all_keys_come_under_the_current_master_key() {
    let mut world = World::new();
    let old = world.added("ann", "default", KEY);
    world.rotate("ann", &old.id, NEW_KEY).unwrap();
    world.added("bob", "default", KEY);
    assert_eq!(reseal(&world), Resealed::default());
    world.rekey("b2", &["a1"]);
    let done = Resealed {
        resealed: 3,
        ..Resealed::default()
    };
    assert_eq!(reseal(&world), done);
    assert_eq!(reseal(&world), Resealed::default());
    world.rekey("b2", &[]);
    let key = block_on(world.vault.active_key("ann", "openai"))
        .unwrap()
        .unwrap();
    assert_eq!(key.secret.expose(), NEW_KEY);
    assert_eq!(key.previous.unwrap().expose(), KEY);
}

#[test]
fn it_goes_on_where_it_broke_off() {
    let mut world = World::new();
    put(&world, 0, 120, &world.vault.sealer);
    world.rekey("b2", &["a1"]);
    // Two batches, each read and then written, and a third that is not written.
    world.database.sound.set(Some(5));
    assert!(block_on(world.vault.reseal()).is_err());
    world.database.sound.set(None);
    assert_eq!(reseal(&world).resealed, 70);
    world.rekey("b2", &[]);
    assert_eq!(world.used("user-119").as_deref(), Some(KEY));
}

#[test]
fn a_run_is_bounded_and_says_what_is_left() {
    let mut world = World::new();
    put(&world, 0, 501, &world.vault.sealer);
    world.rekey("b2", &["a1"]);
    let first = reseal(&world);
    assert_eq!((first.resealed, first.remaining), (500, 1));
    let second = reseal(&world);
    assert_eq!((second.resealed, second.remaining), (1, 0));
}

#[test]
fn keys_that_do_not_open_keep_nobody_from_their_turn() {
    let mut world = World::new();
    put(&world, 0, 60, &sealer("c3", &[]));
    put(&world, 60, 120, &world.vault.sealer);
    world.rekey("b2", &["a1"]);
    let lost = Resealed {
        resealed: 60,
        remaining: 60,
        undecryptable: 60,
    };
    assert_eq!(reseal(&world), lost);
    // The lost key is back: a day later they are tried again.
    world.rekey("b2", &["a1", "c3"]);
    assert_eq!(reseal(&world).resealed, 0);
    world.clock.advance(DAY_MS + 1);
    let done = Resealed {
        resealed: 60,
        ..Resealed::default()
    };
    assert_eq!(reseal(&world), done);
}

#[test]
fn what_changes_meanwhile_is_left_alone() {
    for meanwhile in [
        "UPDATE api_keys SET key_hash = '', is_active = 0, ends_at = 1, revoked_at = 1",
        "UPDATE api_keys SET key_hash = 'of another run', sealing_key_id = (SELECT '')",
    ] {
        let mut world = World::new();
        let key = world.added("ann", "default", KEY);
        world.rekey("b2", &["a1"]);
        *world.database.meanwhile.borrow_mut() = Some(Statement::new(meanwhile));
        assert_eq!(reseal(&world).resealed, 0);
        let text = world.column(&key.id, "key_hash");
        assert!(["", "of another run"].contains(&text.as_str()), "{text}");
    }
}

#[test]
fn without_entropy_nothing_is_lost() {
    let mut world = World::new();
    world.added("ann", "default", KEY);
    world.rekey("b2", &["a1"]);
    world.vault.audit.entropy = Rc::new(FakeEntropy::broken());
    assert!(block_on(world.vault.reseal()).is_err());
    assert_eq!(world.used("ann").as_deref(), Some(KEY));
}

#[test]
fn replaced_keys_are_erased_in_time_and_rows_after_90_days() {
    let world = World::new();
    let old = world.added("ann", "default", KEY);
    let new = world.rotate("ann", &old.id, NEW_KEY).unwrap().key;
    assert_eq!(block_on(world.vault.erase_ended()).unwrap(), 0);
    assert_ne!(world.column(&old.id, "key_hash"), "");
    world.clock.advance(DAY_MS);
    assert_eq!(block_on(world.vault.erase_ended()).unwrap(), 1);
    assert_eq!(world.column(&old.id, "key_hash"), "");
    assert_eq!(world.states("ann"), [KeyState::Active, KeyState::Ended]);
    world.clock.advance(90 * DAY_MS);
    assert_eq!(block_on(world.vault.erase_ended()).unwrap(), 0);
    assert_eq!(world.states("ann"), [KeyState::Active]);
    assert_eq!(world.used("ann").as_deref(), Some(NEW_KEY));
    world.revoke("ann", &new.id).unwrap();
    world.clock.advance(90 * DAY_MS);
    block_on(world.vault.erase_ended()).unwrap();
    assert_eq!(world.states("ann"), []);
}
