//! Keys: who may have which, how many, for how long, and how they end.

use super::*;
use crate::auth::keys::{
    Asking, KeyError, KeyService, KeyState, ListInput, ListOutput, MAX_KEYS, MAX_KEYS_PER_PLATFORM,
    MAX_MINTS_AN_HOUR, MintInput, MintOutput, RevokeInput, RevokeOutput, RotateInput, RotateOutput,
};
use crate::auth::roles::Role;
use crate::sql::Row;

const HOUR: i64 = 60 * 60 * 1000;

fn caller(user_id: &str, scopes: &[&str]) -> Principal {
    Principal {
        user_id: user_id.into(),
        name: "key".into(),
        kind: PrincipalKind::User,
        scopes: Scopes::new(scopes.iter().copied()),
        token_id: "made-with".into(),
        client_id: None,
    }
}

fn ann() -> Principal {
    caller("ann", &["token:manage", "execution:*", "chain:verify"])
}

fn admin() -> Principal {
    caller("root", &["admin:*"])
}

fn wanted(name: &str) -> MintInput {
    MintInput {
        name: name.into(),
        expires_in_days: 90,
        ..MintInput::default()
    }
}

fn with_scopes(scopes: &[&str]) -> MintInput {
    MintInput {
        scopes: Some(scopes.iter().map(|scope| (*scope).to_owned()).collect()),
        ..wanted("key")
    }
}

fn for_service() -> MintInput {
    MintInput {
        kind: PrincipalKind::Service,
        ..wanted("service")
    }
}

impl Setup {
    fn mint(&self, who: &Principal, input: &MintInput) -> Result<MintOutput, KeyError> {
        self.with_keys(who, |keys, asking| block_on(keys.mint(asking, input)))
    }

    fn list(&self, who: &Principal, input: &ListInput) -> Result<ListOutput, KeyError> {
        self.with_keys(who, |keys, asking| block_on(keys.list(asking, input)))
    }

    fn rotate(&self, who: &Principal, id: &str, hours: i64) -> Result<RotateOutput, KeyError> {
        let input = RotateInput {
            id: id.into(),
            overlap_hours: hours,
        };
        self.with_keys(who, |keys, asking| block_on(keys.rotate(asking, &input)))
    }

    fn revoke(&self, who: &Principal, id: &str) -> Result<RevokeOutput, KeyError> {
        let input = RevokeInput {
            id: id.into(),
            descendants: false,
        };
        self.with_keys(who, |keys, asking| block_on(keys.revoke(asking, &input)))
    }

    fn with_keys<T>(
        &self,
        who: &Principal,
        work: impl FnOnce(KeyService<'_>, Asking<'_>) -> T,
    ) -> T {
        self.store_maker();
        let request = Self::request();
        let keys = KeyService {
            audit: &self.auth.audit,
        };
        let asking = Asking {
            principal: who,
            request: &request,
        };
        work(keys, asking)
    }

    /// The key that callers of [`caller`] come with; it never ends unless it is made to.
    fn store_maker(&self) {
        let insert = Statement::new(
            "INSERT INTO api_tokens (id, user_id, token_hash, name, scopes, status, created_at)
             VALUES ('made-with', 'maker', ?1, 'maker', '[]', 'active', ?2)
             ON CONFLICT (id) DO NOTHING",
        );
        let insert = insert.bind("f".repeat(64)).timestamp(NOW);
        let stored = block_on(self.database.run(insert));
        assert!(stored.is_ok() || self.database.down.get());
    }

    /// The end of a key, in milliseconds from [`NOW`].
    fn end_of(&self, id: &str) -> i64 {
        self.row(id).timestamp("expires_at").unwrap() - NOW
    }

    fn row(&self, id: &str) -> Row {
        let select = Statement::new("SELECT * FROM api_tokens WHERE id = ?1").bind(id);
        block_on(self.database.run(select)).unwrap().rows.remove(0)
    }
}

#[test]
fn a_minted_key_opens_what_it_was_made_for_and_is_stored_as_its_hash() {
    let setup = Setup::new();
    let input = MintInput {
        platform: Some("claude".into()),
        ..with_scopes(&["execution:run", "execution:read", "execution:run"])
    };
    let made = setup.mint(&ann(), &input).unwrap();
    assert!(made.token.starts_with("chitty_key_") && made.token.len() == 11 + 64);
    let principal = setup.call(&made.token).unwrap();
    assert_eq!(principal.user_id, "ann");
    assert_eq!(principal.token_id, made.key.id);
    let scopes = Scopes::new(["execution:run", "execution:read"]);
    assert_eq!(principal.scopes, scopes);
    let row = setup.row(&made.key.id);
    assert!(!format!("{row:?}").contains(&made.token));
    assert_eq!(row.text("created_by").unwrap(), "made-with");
    assert_eq!(row.timestamp("expires_at").unwrap(), NOW + 90 * DAY);
    assert_eq!(made.key.state, KeyState::Active);
    assert_eq!(made.key.platform.as_deref(), Some("claude"));
    setup.background.run_all();
    let select = Statement::new("SELECT * FROM audit_logs");
    let rows = block_on(setup.database.run(select)).unwrap().rows;
    assert!(!format!("{rows:?}").contains(&made.token[18..]));
    assert!(
        rows.iter()
            .any(|row| row.text("action").unwrap() == "token_mint")
    );
}

#[test]
fn without_scopes_named_it_only_reads_what_its_maker_may() {
    let setup = Setup::new();
    let made = setup.mint(&ann(), &wanted("key")).unwrap();
    assert_eq!(made.key.scopes, ["chain:verify", "execution:read"]);
    let nothing = caller("ann", &["token:manage"]);
    let refused = setup.mint(&nothing, &wanted("key"));
    assert_eq!(refused.unwrap_err(), KeyError::NoScopes);
}

#[test]
fn nobody_makes_a_key_that_may_more_than_they() {
    let setup = Setup::new();
    for more in [
        "admin:*",
        "chatgpt:complete",
        "token:*",
        "delegation:act",
        "chain:*",
    ] {
        let refused = setup.mint(&ann(), &with_scopes(&["execution:read", more]));
        let error = KeyError::Scope(AuthError::InsufficientScope {
            needed: vec!["execution:read".to_owned(), more.to_owned()],
            missing: vec![more.to_owned()],
        });
        assert_eq!(refused.unwrap_err(), error);
    }
    assert!(setup.mint(&ann(), &with_scopes(&["execution:*"])).is_ok());
    assert!(setup.mint(&admin(), &with_scopes(&["admin:*"])).is_ok());
    for role in Role::ALL.into_iter().filter(|role| *role != Role::Admin) {
        let scopes = role.scopes();
        let scopes: Vec<_> = scopes.iter().collect();
        let refused = setup.mint(&caller("eve", &scopes), &with_scopes(&["admin:*"]));
        assert!(matches!(refused, Err(KeyError::Scope(_))), "{role:?}");
    }
}

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
fn apps_make_no_keys() {
    let setup = Setup::new();
    let id = setup.mint(&ann(), &wanted("key")).unwrap().key.id;
    for who in [ann(), admin()] {
        let app = Principal {
            client_id: Some("app".into()),
            ..who
        };
        let refused = setup.mint(&app, &wanted("key")).unwrap_err();
        assert_eq!((&refused, refused.status()), (&KeyError::Client, 403));
        let refused = setup.rotate(&app, &id, 0).unwrap_err();
        assert_eq!(refused, KeyError::Client);
    }
    assert_eq!(setup.row(&id).text("status").unwrap(), "active");
    let refusals = setup.audited();
    let told = |row: &&String| row.starts_with("deny/client/");
    assert_eq!(refusals.iter().filter(told).count(), 4);
}

#[test]
fn a_role_stands_for_its_scopes() {
    let setup = Setup::new();
    let of = |role| MintInput {
        role: Some(role),
        ..wanted("key")
    };
    for role in Role::ALL {
        let made = setup.mint(&admin(), &of(role)).unwrap();
        assert_eq!(Scopes::new(made.key.scopes), role.scopes());
    }
    assert!(matches!(
        setup.mint(&ann(), &of(Role::Counsel)),
        Err(KeyError::Scope(_))
    ));
    let both = MintInput {
        role: Some(Role::Reader),
        ..with_scopes(&["execution:read"])
    };
    let refused = setup.mint(&admin(), &both).unwrap_err();
    assert_eq!(refused, KeyError::RoleAndScopes);
}

#[test]
fn scopes_that_are_not_there_are_refused() {
    let setup = Setup::new();
    for scope in [
        "execution:reed",
        "execution",
        "*",
        "exec*",
        "ution:*",
        ":*",
        "nothing:*",
    ] {
        let refused = setup.mint(&admin(), &with_scopes(&[scope]));
        assert_eq!(refused.unwrap_err(), KeyError::UnknownScope(scope.into()));
    }
}

#[test]
fn keys_of_others_need_the_delegation_scope() {
    let setup = Setup::new();
    let for_bob = MintInput {
        user_id: Some("bob".into()),
        ..wanted("key")
    };
    let refused = setup.mint(&ann(), &for_bob).unwrap_err();
    assert_eq!(refused, KeyError::User(DelegationError::NotAllowed));
    let made = setup.mint(&admin(), &for_bob).unwrap();
    assert_eq!(made.key.user_id, "bob");
    assert_eq!(setup.call(&made.token).unwrap().user_id, "bob");
    let id = &made.key.id;
    assert_eq!(setup.revoke(&ann(), id).unwrap_err(), KeyError::NotFound);
    assert_eq!(setup.rotate(&ann(), id, 0).unwrap_err(), KeyError::NotFound);
    assert_eq!(
        setup.revoke(&ann(), "none").unwrap_err(),
        KeyError::NotFound
    );
    let of_bob = ListInput {
        user_id: Some("bob".into()),
        include_ended: false,
    };
    assert!(setup.list(&ann(), &of_bob).is_err());
    assert_eq!(setup.list(&admin(), &of_bob).unwrap().keys.len(), 1);
    assert_eq!(
        setup
            .list(&ann(), &ListInput::default())
            .unwrap()
            .keys
            .len(),
        0
    );
}

#[test]
fn tokens_of_services_need_their_scope_and_live_90_days_at_most() {
    let setup = Setup::new();
    assert!(setup.mint(&ann(), &for_service()).is_err());
    let role = Role::Service.scopes();
    let scopes: Vec<_> = role.iter().collect();
    let service = caller("svc", &scopes);
    let input = MintInput {
        service: Some("chittyid".into()),
        ..for_service()
    };
    let made = setup.mint(&service, &input).unwrap();
    assert!(made.token.starts_with("chittyid_service_"));
    assert_eq!(made.key.kind, Some(PrincipalKind::Service));
    let kind = setup.call(&made.token).unwrap().kind;
    assert_eq!(kind, PrincipalKind::Service);
    let long = MintInput {
        expires_in_days: 91,
        ..for_service()
    };
    let refused = setup.mint(&service, &long).unwrap_err();
    assert_eq!(refused, KeyError::TooLong { max: 90 });
    let year = MintInput {
        expires_in_days: 365,
        ..wanted("key")
    };
    assert!(setup.mint(&service, &year).is_ok());
    let mixed = MintInput {
        service: Some("chittyid".into()),
        ..wanted("key")
    };
    let refused = setup.mint(&service, &mixed).unwrap_err();
    assert_eq!(refused, KeyError::ServiceOfUser);
    // Who may not make one may not turn an own one into a new one either.
    let owner = caller(
        "svc",
        &[
            "token:manage",
            "execution:read",
            "chain:verify",
            "fortress:verify",
        ],
    );
    assert!(matches!(
        setup.rotate(&owner, &made.key.id, 0),
        Err(KeyError::Scope(_))
    ));
    assert!(setup.revoke(&owner, &made.key.id).is_ok());
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

#[test]
fn the_list_shows_the_live_ones_first_and_never_a_secret() {
    let setup = Setup::new();
    let made = setup.mint(&ann(), &wanted("first")).unwrap();
    setup.clock.advance(1000);
    setup.mint(&ann(), &wanted("second")).unwrap();
    setup.revoke(&ann(), &made.key.id).unwrap();
    let live = setup.list(&ann(), &ListInput::default()).unwrap();
    let names: Vec<_> = live.keys.iter().map(|key| key.name.as_str()).collect();
    assert_eq!((names, live.more), (vec!["second"], false));
    let ended = ListInput {
        include_ended: true,
        user_id: None,
    };
    let all = setup.list(&ann(), &ended).unwrap();
    let names: Vec<_> = all.keys.iter().map(|key| key.name.as_str()).collect();
    assert_eq!(names, ["second", "first"]);
    let text = serde_json::to_string(&all).unwrap();
    assert!(!text.contains(&made.token));
    let hash = setup.row(&made.key.id).text("token_hash").unwrap();
    assert!(!text.contains(&hash));
}

#[test]
fn every_refusal_is_a_row_with_its_reason() {
    let setup = Setup::new();
    setup.mint(&ann(), &with_scopes(&["admin:*"])).unwrap_err();
    setup.revoke(&ann(), "none").unwrap_err();
    setup.rotate(&ann(), "none", 0).unwrap_err();
    let nobody = caller("eve", &[]);
    setup.list(&nobody, &ListInput::default()).unwrap_err();
    let rows = setup.audited();
    assert_eq!(
        rows,
        [
            "deny/insufficient_scope/made-with",
            "deny/not_found/made-with",
            "deny/not_found/made-with",
            "deny/insufficient_scope/made-with",
        ]
    );
}

#[test]
fn a_database_that_is_down_makes_no_key() {
    let setup = Setup::new();
    setup.database.down.set(true);
    let error = setup.mint(&ann(), &wanted("key")).unwrap_err();
    assert!(error.is_internal() && error.status() == 503);
}
