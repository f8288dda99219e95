use super::*;

#[test]
fn a_successor_is_published_long_before_it_signs() {
    let world = World::new();
    let keys = SigningKeys::default();
    assert!(world.rotate());
    let first = world.signer(&keys).unwrap();
    world.clock.advance(SIGNS_MS - SKEW_MS - AHEAD_MS - 1);
    assert!(!world.rotate());
    world.clock.advance(1);
    assert!(world.rotate());
    assert!(!world.rotate());
    assert_eq!(world.kids().len(), 2);
    world.clock.advance(AHEAD_MS - 1);
    assert_eq!(world.signer(&keys).unwrap(), first);
    world.clock.advance(1);
    let second = world.signer(&keys).unwrap();
    assert_ne!(second, first);
    assert_eq!(world.kids(), HashSet::from([first.clone(), second.clone()]));
    world.clock.advance(LISTED_MS - 1);
    assert!(world.key(&keys, &first).unwrap().is_some());
    world.clock.advance(1);
    assert!(world.key(&keys, &first).unwrap().is_none());
    assert_eq!(world.kids(), HashSet::from([second]));
    assert_eq!(world.count(), 2);
    assert!(!world.rotate());
    assert_eq!(world.count(), 1);
}

#[test]
fn a_late_sweep_lets_the_old_key_sign_for_longer() {
    let world = World::new();
    let keys = SigningKeys::default();
    let first = world.signer(&keys).unwrap();
    world.clock.advance(SIGNS_MS - SKEW_MS - 1000);
    assert!(world.rotate());
    world.clock.advance(PUBLISHED_MS - 1);
    assert_eq!(world.signer(&SigningKeys::default()).unwrap(), first);
    world.clock.advance(1);
    let second = world.signer(&SigningKeys::default()).unwrap();
    assert_ne!(second, first);
    world.clock.advance(LISTED_MS - 1);
    assert!(world.kids().contains(&first));
}

#[test]
fn after_a_long_sleep_a_key_is_made_at_once() {
    for sweep in [true, false] {
        let world = World::new();
        let keys = SigningKeys::default();
        let first = world.signer(&keys).unwrap();
        world.clock.advance(3 * SIGNS_MS);
        assert!(!sweep || world.rotate());
        let second = world.signer(&keys).unwrap();
        assert_ne!(second, first);
        assert!(world.kids().contains(&second));
        assert_eq!(world.signer(&SigningKeys::default()).unwrap(), second);
    }
}

#[test]
fn sweeps_that_race_make_one_key() {
    let world = Rc::new(World::new());
    world.rotate();
    world.clock.advance(SIGNS_MS - AHEAD_MS);
    let shared = Rc::clone(&world);
    *world.table.before_batch.borrow_mut() = Some(Box::new(move || {
        assert!(shared.rotate());
    }));
    assert!(!world.rotate());
    assert_eq!(world.count(), 2);
}

/// A year in steps of half a day, with sweeps that sometimes fail to come for days.
#[test]
fn no_token_ever_lacks_its_key() {
    let world = World::new();
    let (coordinator, worker) = (SigningKeys::default(), SigningKeys::default());
    let mut published = std::collections::HashMap::new();
    let mut signed: Vec<(i64, String)> = Vec::new();
    let start = world.clock.now_ms();
    for step in 0..2 * 365_i64 {
        let sweeps = step % 2 == 0 && (step / 2) % 40 < 34;
        if sweeps {
            world.rotate();
        }
        let now = world.clock.now_ms();
        for kid in world.kids() {
            published.entry(kid).or_insert(now);
        }
        let kid = world.signer(&coordinator).unwrap();
        if now > start {
            let first_listed = published.get(&kid).copied().unwrap();
            let known_for = now - first_listed;
            assert!(first_listed == start || known_for >= PUBLISHED_MS, "{step}");
        }
        signed.push((now, kid));
        world.clock.advance(ACCESS_TOKEN_MS - 1);
        let live = signed.last().map(|(_, kid)| kid).unwrap();
        assert!(world.key(&worker, live).unwrap().is_some(), "{step}");
        world
            .clock
            .advance(12 * 60 * MINUTE_MS - ACCESS_TOKEN_MS + 1);
        assert!(world.count() <= 3);
    }
    let used: HashSet<_> = signed.iter().map(|(_, kid)| kid).collect();
    assert!((12..=14).contains(&used.len()), "{}", used.len());
}
