//! How many keys, how often, and for how long.

use super::*;

#[test]
fn no_key_outlasts_the_one_that_made_it() {
    let setup = Setup::new();
    let lasting = setup.mint(&ann(), &wanted("lasting")).unwrap().key.id;
    let input = MintInput {
        expires_in_days: 30,
        ..wanted("month")
    };
    let month = setup.mint(&ann(), &input).unwrap().key.id;
    let short = |scopes| {
        let end = Statement::new("UPDATE api_tokens SET expires_at = ?1 WHERE id = 'made-with'");
        block_on(setup.database.run(end.timestamp(NOW + 2 * DAY))).unwrap();
        caller("ann", scopes)
    };
    let ann = short(&["token:manage", "execution:*", "chain:verify"]);
    let made = setup.mint(&ann, &wanted("short")).unwrap().key.id;
    assert_eq!(setup.end_of(&made), 2 * DAY);
    let made = setup.mint(&short(&["admin:*"]), &wanted("key"));
    assert_eq!(setup.end_of(&made.unwrap().key.id), 90 * DAY);
    setup.clock.advance(DAY);
    let renewed = setup.rotate(&ann, &month, 0).unwrap().key.id;
    assert_eq!(setup.end_of(&renewed), 30 * DAY, "not later than before");
    let itself = Principal {
        token_id: lasting.clone(),
        ..ann.clone()
    };
    let renewed = setup.rotate(&itself, &lasting, 0).unwrap().key.id;
    assert_eq!(setup.end_of(&renewed), 91 * DAY);
    let refused = setup.mint(&itself, &wanted("late")).unwrap_err();
    assert_eq!(refused, KeyError::NotActive, "the caller's own has ended");
    setup.clock.advance(DAY);
    let refused = setup.mint(&ann, &wanted("late")).unwrap_err();
    assert_eq!(refused, KeyError::NotActive);
}

#[test]
fn a_user_has_so_many_keys_and_so_many_on_a_platform() {
    let setup = Setup::new();
    let on_claude = MintInput {
        platform: Some("claude".into()),
        ..wanted("key")
    };
    let mut last = None;
    for _ in 0..MAX_KEYS_PER_PLATFORM {
        last = Some(setup.mint(&ann(), &on_claude).unwrap().key);
    }
    let max = MAX_KEYS_PER_PLATFORM;
    let refused = setup.mint(&ann(), &on_claude).unwrap_err();
    assert_eq!(refused, KeyError::TooManyOnPlatform { max });
    for _ in MAX_KEYS_PER_PLATFORM..MAX_KEYS {
        setup.mint(&ann(), &wanted("key")).unwrap();
    }
    let max = MAX_KEYS;
    let refused = setup.mint(&ann(), &wanted("key")).unwrap_err();
    assert_eq!(refused, KeyError::TooMany { max });
    assert!(setup.mint(&admin(), &on_claude).is_ok());
    let last = last.unwrap();
    // The limit leaves room to rotate at once, and none for both to live.
    let refused = setup.rotate(&ann(), &last.id, 1).unwrap_err();
    assert_eq!(refused, KeyError::TooMany { max });
    assert_eq!(setup.row(&last.id).text("status").unwrap(), "active");
    let next = setup.rotate(&ann(), &last.id, 0).unwrap().key;
    setup.revoke(&ann(), &next.id).unwrap();
    assert!(setup.mint(&ann(), &on_claude).is_ok());
}

#[test]
fn making_and_revoking_in_turns_has_an_end() {
    let setup = Setup::new();
    for _ in 0..MAX_MINTS_AN_HOUR {
        let made = setup.mint(&ann(), &wanted("key")).unwrap();
        setup.revoke(&ann(), &made.key.id).unwrap();
    }
    let retry_after_s = 60 * 60;
    let refused = setup.mint(&ann(), &wanted("key")).unwrap_err();
    assert_eq!(refused, KeyError::TooOften { retry_after_s });
    setup.clock.advance(HOUR);
    assert!(setup.mint(&ann(), &wanted("key")).is_ok());
}
