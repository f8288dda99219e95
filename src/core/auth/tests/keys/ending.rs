//! Keys that are replaced, and keys that are revoked.

use super::*;

#[test]
fn a_rotated_key_is_replaced_in_one_step() {
    let setup = Setup::new();
    let input = MintInput {
        expires_in_days: 30,
        platform: Some("cursor".into()),
        ..with_scopes(&["execution:read"])
    };
    let old = setup.mint(&ann(), &input).unwrap();
    setup.call(&old.token).unwrap();
    setup.clock.advance(20 * DAY);
    let new = setup.rotate(&ann(), &old.key.id, 0).unwrap();
    assert_ne!(new.token, old.token);
    assert_eq!(new.key.name, old.key.name);
    assert_eq!(new.key.scopes, old.key.scopes);
    assert_eq!(new.key.platform, old.key.platform);
    let expires_at = setup.row(&new.key.id).timestamp("expires_at").unwrap();
    assert_eq!(expires_at, NOW + 50 * DAY);
    assert_eq!(new.replaced.state, KeyState::Inactive);
    assert!(setup.call(&new.token).is_ok());
    assert_eq!(setup.call(&old.token), Err(AuthError::Inactive));
    let refused = setup.rotate(&ann(), &old.key.id, 0).unwrap_err();
    assert_eq!(refused, KeyError::NotActive);
}

#[test]
fn an_overlap_ends_when_stated_and_never_prolongs() {
    let setup = Setup::new();
    let day = MintInput {
        expires_in_days: 1,
        ..wanted("key")
    };
    let old = setup.mint(&ann(), &day).unwrap();
    let new = setup.rotate(&ann(), &old.key.id, 2).unwrap();
    assert_eq!(new.replaced.state, KeyState::Active);
    setup.clock.advance(2 * HOUR - 1);
    assert!(setup.call(&old.token).is_ok());
    setup.clock.advance(1);
    assert_eq!(setup.call(&old.token), Err(AuthError::Expired));
    setup.clock.advance(21 * HOUR);
    let newer = setup.rotate(&ann(), &new.key.id, 24).unwrap();
    setup.clock.advance(HOUR);
    assert_eq!(setup.call(&new.token), Err(AuthError::Expired));
    assert!(setup.call(&newer.token).is_ok());
}

#[test]
fn a_rotation_gives_nobody_more_than_they_have() {
    let setup = Setup::new();
    let input = MintInput {
        user_id: Some("ann".into()),
        ..with_scopes(&["admin:*"])
    };
    let strong = setup.mint(&admin(), &input).unwrap();
    let refused = setup.rotate(&ann(), &strong.key.id, 0).unwrap_err();
    assert_eq!(refused.code(), "INSUFFICIENT_SCOPE");
    assert!(setup.call(&strong.token).is_ok());
}

#[test]
fn a_key_not_made_here_is_revoked_but_not_rotated() {
    let setup = Setup::with(&Token::default());
    let listed = setup.list(&ann(), &ListInput::default()).unwrap();
    assert_eq!(listed.keys[0].kind, None);
    let me = caller("ann", &["token:manage", "chatgpt:complete"]);
    let refused = setup.rotate(&me, "id-43", 0).unwrap_err();
    assert_eq!(refused, KeyError::UnknownForm);
    assert_eq!(setup.revoke(&me, "id-43").unwrap().revoked, 1);
    assert_eq!(setup.call(USER_TOKEN), Err(AuthError::Inactive));
}

#[test]
fn revoking_is_effective_within_ten_seconds_and_idempotent() {
    let setup = Setup::new();
    let made = setup.mint(&ann(), &wanted("key")).unwrap();
    setup.call(&made.token).unwrap();
    let first = setup.revoke(&ann(), &made.key.id).unwrap();
    assert_eq!((first.revoked, first.key.state), (1, KeyState::Inactive));
    setup.clock.advance(cache::FRESH_MS);
    assert_eq!(setup.call(&made.token), Err(AuthError::Inactive));
    let again = setup.revoke(&ann(), &made.key.id).unwrap();
    assert_eq!(again.revoked, 0);
    assert_eq!(again.key, first.key);
}

#[test]
fn a_stolen_key_is_revoked_with_all_that_was_made_with_it() {
    let setup = Setup::new();
    let by = |token_id: &str| Principal {
        token_id: token_id.into(),
        ..admin()
    };
    let stolen = setup.mint(&admin(), &wanted("stolen")).unwrap().key.id;
    let child = setup.mint(&by(&stolen), &wanted("child")).unwrap().key.id;
    let grandchild = setup.rotate(&by(&child), &child, 24).unwrap().key.id;
    let grant = Statement::new(
        "INSERT INTO oauth_grants (id, kind, user_id, client_id, client_name, resource, scopes, \
         token_id, created_at, expires_at) \
         VALUES ('grant', 'code', 'root', 'c', 'c', 'r', '[]', ?1, 0, 1)",
    );
    block_on(setup.database.run(grant.bind(&stolen))).unwrap();
    let by_client = setup.mint(&by("grant"), &wanted("client")).unwrap().key.id;
    let other = setup.mint(&admin(), &wanted("other")).unwrap().key.id;
    let input = RevokeInput {
        id: stolen.clone(),
        descendants: true,
    };
    let done = setup.with_keys(&admin(), |keys, asking| {
        block_on(keys.revoke(asking, &input))
    });
    assert_eq!(done.unwrap().revoked, 4);
    let status = |id: &str| setup.row(id).text("status").unwrap();
    for id in [&stolen, &child, &grandchild, &by_client] {
        assert_eq!(status(id), "revoked");
    }
    assert_eq!(status(&other), "active");
}
