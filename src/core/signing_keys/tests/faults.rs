use super::*;

#[test]
fn without_a_database_what_is_known_goes_on() {
    let world = World::new();
    let keys = SigningKeys::default();
    let kid = world.signer(&keys).unwrap();
    let set = world.jwks(&keys);
    world.table.down.set(true);
    world.clock.advance(10 * FRESH_MS);
    assert_eq!(world.signer(&keys).unwrap(), kid);
    assert!(world.key(&keys, &kid).unwrap().is_some());
    assert_eq!(world.jwks(&keys), set);
    let lines = world.log.0.borrow();
    let warned = lines
        .iter()
        .filter(|line| line.1 == "signing_keys_not_read");
    assert_eq!(warned.count(), 2);
}

#[test]
fn an_unknown_key_is_not_judged_without_a_database() {
    let world = World::new();
    let keys = SigningKeys::default();
    world.signer(&keys).unwrap();
    world.jwks(&keys);
    world.table.down.set(true);
    world.clock.advance(MISSED_MS);
    let answer = world.key(&keys, "made meanwhile");
    assert!(matches!(answer, Err(DatabaseError::Unavailable(_))));
}

#[test]
fn a_known_key_signs_no_token_that_would_outlive_it() {
    let world = World::new();
    let keys = SigningKeys::default();
    let kid = world.signer(&keys).unwrap();
    world.table.down.set(true);
    let last = SIGNS_MS - SKEW_MS + LISTED_MS - ACCESS_TOKEN_MS - 1;
    world.clock.advance(last);
    assert_eq!(world.signer(&keys).unwrap(), kid);
    world.clock.advance(1);
    assert!(matches!(world.signer(&keys), Err(KeyError::Database(_))));
}

#[test]
fn a_new_isolate_without_a_database_says_so() {
    let world = World::new();
    world.table.down.set(true);
    let keys = SigningKeys::default();
    assert!(matches!(world.signer(&keys), Err(KeyError::Database(_))));
    assert!(world.key(&keys, "any").is_err());
    assert!(block_on(keys.jwks(&world.ports())).is_err());
    assert!(block_on(keys.rotate(&world.ports())).is_err());
    world.table.down.set(false);
    assert!(world.signer(&keys).is_ok());
}

#[test]
fn another_master_key_opens_none_and_is_named() {
    let mut world = World::new();
    world.signer(&SigningKeys::default()).unwrap();
    let old = Secret::new("ab".repeat(32));
    let new = Secret::new("cd".repeat(32));
    world.sealer = Sealer::new(&new, &[]).unwrap();
    let error = world.signer(&SigningKeys::default()).unwrap_err();
    assert!(error.to_string().contains("add it to the old keys"));
    world.sealer = Sealer::new(&new, &[old]).unwrap();
    assert!(world.signer(&SigningKeys::default()).is_ok());
    assert_eq!(world.count(), 1);
}

#[test]
fn a_private_key_moved_to_another_row_is_refused() {
    let world = World::new();
    world.signer(&SigningKeys::default()).unwrap();
    world.run("UPDATE signing_keys SET id = 'another'");
    let error = world.signer(&SigningKeys::default()).unwrap_err();
    assert!(matches!(error, KeyError::Seal(SealError::Refused)));
}

#[test]
fn without_entropy_no_key_is_made() {
    let mut world = World::new();
    world.entropy = FakeEntropy::broken();
    let error = world.signer(&SigningKeys::default()).unwrap_err();
    assert!(matches!(error, KeyError::Entropy(_)));
    assert_eq!(world.count(), 0);
}

#[test]
fn a_row_that_is_no_key_hides_no_other() {
    let world = World::new();
    let kid = world.signer(&SigningKeys::default()).unwrap();
    world.run(
        "INSERT INTO signing_keys (id, number, public_jwk, private_key, created_at, signs_from,
         signs_until, listed_until) SELECT 'broken', 2, '{}', 'x', created_at, signs_until,
         signs_until, listed_until FROM signing_keys",
    );
    assert!(
        world
            .key(&SigningKeys::default(), "broken")
            .unwrap()
            .is_none()
    );
    assert_eq!(world.kids(), HashSet::from([kid]));
}

#[test]
fn a_clock_set_back_reads_again() {
    let world = World::new();
    let keys = SigningKeys::default();
    let kid = world.signer(&keys).unwrap();
    world.key(&keys, &kid).unwrap();
    let reads = world.table.reads.get();
    world.clock.advance(-1000);
    assert!(world.key(&keys, &kid).unwrap().is_some());
    assert_eq!(world.signer(&keys).unwrap(), kid);
    assert_eq!(world.table.reads.get(), reads + 2);
}
