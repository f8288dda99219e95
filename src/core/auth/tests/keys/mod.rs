//! Keys: who may have which, how many, for how long, and how they end.

mod auditing;
mod ending;
mod limits;

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
