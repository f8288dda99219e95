use garde::Validate;

use super::*;
use crate::auth::DELEGATION_SCOPE;

#[test]
fn a_key_that_its_provider_knows_is_kept_sealed() {
    let world = World::new();
    let key = world.added("ann", "default", KEY);
    assert_eq!(key.state, KeyState::Active);
    assert_eq!((key.last_four.as_str(), key.version), ("Ys8e", 1));
    assert_eq!(key.fingerprint.len(), 16);
    assert!(key.checked_at.is_some());
    assert!(world.column(&key.id, "key_hash").starts_with("v1."));
    let seen = world.provider.seen.borrow();
    assert_eq!(seen[0].url, "https://api.openai.com/v1/models");
    assert_eq!(seen[0].method, "GET");
    assert_eq!(seen[0].timeout_ms, 5_000);
    assert_eq!(
        seen[0].headers,
        [("authorization", format!("Bearer {KEY}"))]
    );
}

#[test]
fn each_provider_is_shown_the_key_in_its_own_header() {
    let world = World::new();
    let input = json!({ "provider": "anthropic", "api_key": KEY });
    world.add("ann", input).unwrap();
    let seen = world.provider.seen.borrow();
    assert_eq!(seen[0].url, "https://api.anthropic.com/v1/models");
    assert_eq!(seen[0].headers[0], ("x-api-key", KEY.to_owned()));
    assert_eq!(seen[0].headers[1].0, "anthropic-version");
}

#[test]
fn a_wrong_key_is_refused_even_if_unchecked_ones_may_stay() {
    let world = World::new();
    world.provider.does.set(Does::Answer(401));
    for keep_unchecked in [false, true] {
        let input = json!({ "api_key": KEY, "keep_unchecked": keep_unchecked });
        let error = world.add("ann", input).unwrap_err();
        assert_eq!(error.code(), "PROVIDER_KEY_REFUSED");
    }
    assert_eq!(world.list("ann", true).unwrap(), []);
}

#[test]
fn a_key_that_cannot_be_checked_is_kept_only_if_asked() {
    let world = World::new();
    for does in [
        Does::TimeOut,
        Does::HangUp,
        Does::Answer(302),
        Does::Answer(403),
        Does::Answer(429),
        Does::Answer(503),
    ] {
        world.provider.does.set(does);
        let error = world.add("ann", json!({ "api_key": KEY })).unwrap_err();
        assert_eq!(error.code(), "PROVIDER_UNREACHABLE");
        assert_eq!(world.list("ann", true).unwrap(), []);
    }
    let input = json!({ "api_key": KEY, "keep_unchecked": true });
    let key = world.add("ann", input).unwrap();
    assert_eq!(key.state, KeyState::Unchecked);
    assert_eq!(world.used("ann").as_deref(), Some(KEY));
}

#[test]
fn only_the_operators_providers_are_asked() {
    let world = World::new();
    let input = json!({ "provider": "https://evil.test/v1", "api_key": KEY });
    let error = world.add("ann", input).unwrap_err();
    assert_eq!(error.code(), "PROVIDER_UNKNOWN");
    assert!(error.to_string().ends_with("openai, anthropic"));
    assert!(world.provider.seen.borrow().is_empty());
}

#[test]
fn one_key_of_a_name_is_active() {
    let world = World::new();
    let first = world.added("ann", "work", KEY);
    let again = world.add("ann", json!({ "name": "work", "api_key": NEW_KEY }));
    assert_eq!(again.unwrap_err().code(), "PROVIDER_KEY_EXISTS");
    world.added("bob", "work", KEY);
    world.revoke("ann", &first.id).unwrap();
    assert_eq!(world.added("ann", "work", NEW_KEY).version, 2);
}

#[test]
fn of_two_that_take_a_name_at_once_one_gets_it() {
    let world = World::new();
    let taken = "INSERT INTO api_keys (id, user_id, key_hash, key_name, version, created_at,
        updated_at, sealing_key_id, last_four, fingerprint)
        VALUES ('x', 'ann', 'x', 'default', 7, 1, 1, 'x', '', '')";
    *world.database.meanwhile.borrow_mut() = Some(Statement::new(taken));
    let error = world.add("ann", json!({ "api_key": KEY })).unwrap_err();
    assert_eq!(error.code(), "PROVIDER_KEY_EXISTS");
    assert_eq!(world.list("ann", true).unwrap().len(), 1);
}

#[test]
fn a_user_has_so_many_keys_and_deposits_so_many_an_hour() {
    let world = World::new();
    for number in 0..MAX_KEYS {
        world.added("ann", &format!("key {number}"), KEY);
    }
    let one_more = json!({ "name": "one more", "api_key": KEY });
    let error = world.add("ann", one_more.clone()).unwrap_err();
    assert_eq!(error.code(), "PROVIDER_KEY_LIMIT");
    for _ in MAX_KEYS + 1..MAX_DEPOSITS_AN_HOUR {
        assert_eq!(
            world.add("ann", one_more.clone()).unwrap_err().code(),
            "PROVIDER_KEY_LIMIT"
        );
    }
    let asked = world.provider.seen.borrow().len();
    let error = world.add("ann", one_more.clone()).unwrap_err();
    assert_eq!(error.code(), "RATE_LIMITED");
    assert_eq!(world.provider.seen.borrow().len(), asked);
    world.clock.advance(HOUR_MS);
    assert_eq!(
        world.add("ann", one_more).unwrap_err().code(),
        "PROVIDER_KEY_LIMIT"
    );
}

#[test]
fn rotation_leaves_no_moment_without_a_key() {
    let world = World::new();
    let old = world.added("ann", "default", KEY);
    world.provider.does.set(Does::Answer(401));
    let refused = world.rotate("ann", &old.id, NEW_KEY).unwrap_err();
    assert_eq!(refused.code(), "PROVIDER_KEY_REFUSED");
    assert_eq!(world.used("ann").as_deref(), Some(KEY));
    world.provider.does.set(Does::Answer(200));
    let done = world.rotate("ann", &old.id, NEW_KEY).unwrap();
    assert_eq!((done.key.version, done.key.state), (2, KeyState::Active));
    assert_eq!(done.previous.state, KeyState::Previous);
    assert_eq!(done.previous.id, old.id);
    let key = block_on(world.vault.active_key("ann", "openai"))
        .unwrap()
        .unwrap();
    assert_eq!(
        (key.id.as_str(), key.secret.expose()),
        (done.key.id.as_str(), NEW_KEY)
    );
    assert_eq!(key.previous.unwrap().expose(), KEY);
    world.clock.advance(DAY_MS);
    let key = block_on(world.vault.active_key("ann", "openai"))
        .unwrap()
        .unwrap();
    assert!(key.previous.is_none());
}

#[test]
fn there_are_two_versions_at_most_and_one_successor() {
    let world = World::new();
    let first = world.added("ann", "default", KEY);
    let second = world.rotate("ann", &first.id, NEW_KEY).unwrap().key;
    let late = world
        .rotate("ann", &first.id, "sk-some-other-key-1234")
        .unwrap_err();
    assert_eq!(late.code(), "PROVIDER_KEY_NOT_ACTIVE");
    let same = world.rotate("ann", &second.id, NEW_KEY).unwrap_err();
    assert_eq!(same.code(), "PROVIDER_KEY_UNCHANGED");
    world.rotate("ann", &second.id, KEY).unwrap();
    assert_eq!(world.column(&first.id, "key_hash"), "");
    let expected = [KeyState::Active, KeyState::Previous, KeyState::Ended];
    assert_eq!(world.states("ann"), expected);
}

#[test]
fn a_key_that_is_revoked_while_it_is_rotated_stays_revoked() {
    let world = World::new();
    let old = world.added("ann", "default", KEY);
    let revoked = "UPDATE api_keys SET is_active = 0, key_hash = '', ends_at = 1, revoked_at = 1";
    *world.database.meanwhile.borrow_mut() = Some(Statement::new(revoked));
    let error = world.rotate("ann", &old.id, NEW_KEY).unwrap_err();
    assert_eq!(error.code(), "PROVIDER_KEY_NOT_ACTIVE");
    assert_eq!(world.states("ann"), [KeyState::Revoked]);
}

#[test]
fn revoking_erases_at_once_and_with_it_what_was_replaced() {
    let world = World::new();
    let old = world.added("ann", "default", KEY);
    let other = world.added("ann", "other", KEY);
    let new = world.rotate("ann", &old.id, NEW_KEY).unwrap().key;
    let done = world.revoke("ann", &new.id).unwrap();
    assert_eq!((done.revoked, done.key.state), (2, KeyState::Revoked));
    for id in [&old.id, &new.id] {
        assert_eq!(world.column(id, "key_hash"), "");
    }
    assert_eq!(world.used("ann").as_deref(), Some(KEY));
    assert_eq!(world.revoke("ann", &new.id).unwrap().revoked, 0);
    world.revoke("ann", &other.id).unwrap();
    assert_eq!(world.used("ann"), None);
    assert_eq!(world.list("ann", false).unwrap(), []);
    let late = world.rotate("ann", &new.id, KEY).unwrap_err();
    assert_eq!(late.code(), "PROVIDER_KEY_NOT_ACTIVE");
}

#[test]
fn revoking_what_was_replaced_leaves_its_successor() {
    let world = World::new();
    let old = world.added("ann", "default", KEY);
    world.rotate("ann", &old.id, NEW_KEY).unwrap();
    assert_eq!(world.revoke("ann", &old.id).unwrap().revoked, 1);
    assert_eq!(world.states("ann"), [KeyState::Active, KeyState::Revoked]);
    assert_eq!(world.used("ann").as_deref(), Some(NEW_KEY));
}

#[test]
fn anothers_key_reads_as_not_there() {
    let world = World::new();
    let key = world.added("ann", "default", KEY);
    for id in [key.id.as_str(), "no such id"] {
        let rotated = world.rotate("bob", id, NEW_KEY).unwrap_err();
        assert_eq!(rotated.code(), "PROVIDER_KEY_NOT_FOUND");
        let revoked = world.revoke("bob", id).unwrap_err();
        assert_eq!(revoked.code(), "PROVIDER_KEY_NOT_FOUND");
    }
    let named = world.add("bob", json!({ "api_key": KEY, "user_id": "ann" }));
    assert_eq!(named.unwrap_err().code(), "USER_ID_REFUSED");
    assert_eq!(world.list("bob", true).unwrap(), []);
    let request = RequestInfo::default();
    let asking = Asking {
        principal: &caller("desk", &[DELEGATION_SCOPE]),
        request: &request,
    };
    let input = RevokeInput { id: key.id };
    assert_eq!(
        block_on(world.vault.revoke(asking, &input))
            .unwrap()
            .revoked,
        1
    );
}

#[test]
fn equal_keys_have_equal_fingerprints_for_one_user_only() {
    let world = World::new();
    let one = world.added("ann", "one", KEY);
    assert_eq!(one.fingerprint, world.added("ann", "two", KEY).fingerprint);
    assert_ne!(
        one.fingerprint,
        world.added("ann", "three", NEW_KEY).fingerprint
    );
    assert_ne!(one.fingerprint, world.added("bob", "one", KEY).fingerprint);
}

#[test]
fn inputs_have_a_form_and_refusals_do_not_quote_them() {
    let wrong_key = "sk-proj-with a space-in-it";
    for (input, valid) in [
        (json!({ "api_key": KEY }), true),
        (json!({ "api_key": "x".repeat(512) }), true),
        (json!({ "api_key": "x".repeat(513) }), false),
        (json!({ "api_key": "short" }), false),
        (json!({ "api_key": wrong_key }), false),
        (json!({ "api_key": KEY, "name": "" }), false),
        (json!({ "api_key": KEY, "name": "a\nb" }), false),
        (json!({ "api_key": KEY, "name": "x".repeat(41) }), false),
        (json!({ "api_key": KEY, "provider": "x".repeat(33) }), false),
    ] {
        let parsed: AddInput = serde_json::from_value(input.clone()).unwrap();
        let report = parsed.validate();
        assert_eq!(report.is_ok(), valid, "{input}");
        assert!(!format!("{report:?} {parsed:?}").contains("sk-proj"));
    }
    for (grace_hours, valid) in [(0, false), (1, true), (168, true), (169, false)] {
        let input = json!({ "id": "x", "api_key": KEY, "grace_hours": grace_hours });
        let parsed: RotateInput = serde_json::from_value(input).unwrap();
        assert_eq!(parsed.validate().is_ok(), valid);
    }
    let more = json!({ "api_key": KEY, "base_url": "https://evil.test" });
    assert!(serde_json::from_value::<AddInput>(more).is_err());
}
