//! Clients that act for themselves.

use super::*;

fn service() -> Client {
    Client {
        source: ClientSource::Predefined,
        auth: AuthMethod::SecretBasic,
        grant_types: vec!["client_credentials".to_owned()],
        scopes: Some(Scopes::new(["chain:verify", "fortress:*"])),
        ..client("service-1")
    }
}

fn form(scope: &str) -> Vec<(&'static str, String)> {
    vec![
        ("grant_type", "client_credentials".to_owned()),
        ("scope", scope.to_owned()),
    ]
}

#[test]
fn a_client_gets_a_token_for_itself_and_nothing_to_refresh() {
    let world = World::new();
    let both = Client {
        grant_types: vec!["client_credentials".to_owned(), "refresh_token".to_owned()],
        ..service()
    };
    let body = body(&world.post(&both, &form("fortress:execute")).unwrap());
    assert_eq!(body["scope"], "fortress:execute");
    assert_eq!(body.get("refresh_token"), None);
    assert_eq!(body.get("id_token"), None);
    let row = world.sql("SELECT id, kind, user_id, resource, expires_at FROM oauth_grants");
    let row = row.first().unwrap();
    assert_eq!(row.text("kind").unwrap(), "client_credentials");
    assert_eq!(row.text("user_id").unwrap(), "client:service-1");
    assert_eq!(row.text("resource").unwrap(), RESOURCE);
    assert_eq!(row.int("expires_at").unwrap(), NOW + 3600 * SECOND);
}

#[test]
fn scopes_stay_within_what_the_operator_gave() {
    let world = World::new();
    let unbound = Client {
        scopes: None,
        ..service()
    };
    let admin = Client {
        scopes: Some(Scopes::new(["admin:*"])),
        ..service()
    };
    let everything_a_person_may_give = "chain:assert chain:verify chatgpt:complete chatgpt:read chatgpt:sessions evidence:package \
         execution:read execution:run fortress:execute fortress:verify";
    for (client, scope, expected) in [
        (
            service(),
            "",
            Some("chain:verify fortress:execute fortress:verify"),
        ),
        (service(), "fortress:execute", Some("fortress:execute")),
        (
            service(),
            "chain:verify openid offline_access",
            Some("chain:verify"),
        ),
        (service(), "openid", None),
        (service(), "execution:run", None),
        (
            service(),
            "fortress:execute admin:* execution:run",
            Some("fortress:execute"),
        ),
        (service(), "admin:*", None),
        (service(), "fortress:unheard_of", None),
        (
            unbound.clone(),
            "",
            Some("chain:verify chatgpt:read execution:read fortress:verify"),
        ),
        (unbound.clone(), "execution:read", Some("execution:read")),
        (unbound, "fortress:execute", None),
        (admin.clone(), "", Some(everything_a_person_may_give)),
        (admin, "admin:*", Some("admin:*")),
    ] {
        match world.post(&client, &form(scope)) {
            Ok(tokens) => assert_eq!(body(&tokens)["scope"].as_str(), expected, "{scope}"),
            Err(error) => assert_eq!((error.code, expected), ("invalid_scope", None), "{scope}"),
        }
    }
}

#[test]
fn only_the_operators_own_confidential_clients_may() {
    let world = World::new();
    for stranger in [
        Client {
            source: ClientSource::Registered,
            ..service()
        },
        Client {
            source: ClientSource::Document,
            auth: AuthMethod::PrivateKeyJwt,
            ..service()
        },
        Client {
            auth: AuthMethod::None,
            ..service()
        },
        Client {
            grant_types: vec!["authorization_code".to_owned()],
            ..service()
        },
    ] {
        let error = world.post(&stranger, &form("chain:verify")).err().unwrap();
        assert_eq!(error.code, "unauthorized_client");
    }
    assert_eq!(world.count("oauth_grants"), 0);
}

#[test]
fn the_resource_is_one_of_ours() {
    let mut world = World::new();
    let other = "https://chatgpt.example.com/mcp";
    world.server.settings = Rc::new(Settings {
        resources: vec![other.to_owned()],
        ..Settings::default()
    });
    for (resource, expected) in [
        ("", Some(RESOURCE)),
        (RESOURCE, Some(RESOURCE)),
        ("https://chatgpt.example.com/mcp/", Some(other)),
        ("https://evil.example/mcp", None),
        ("https://mcp.example.com/other", None),
    ] {
        world.sql("DELETE FROM oauth_grants");
        let form = with(form("chain:verify"), "resource", resource);
        let result = world.post(&service(), &form);
        assert_eq!(result.is_ok(), expected.is_some(), "{resource}");
        match result {
            Ok(_) => {
                let row = world.sql("SELECT resource FROM oauth_grants");
                assert_eq!(
                    row.first().unwrap().text("resource").ok().as_deref(),
                    expected
                );
            }
            Err(error) => assert_eq!(error.code, "invalid_target"),
        }
    }
    let by_default = Client {
        default_resource: Some(other.to_owned()),
        ..service()
    };
    world.sql("DELETE FROM oauth_grants");
    world.post(&by_default, &form("chain:verify")).unwrap();
    let row = world.sql("SELECT resource FROM oauth_grants");
    assert_eq!(row.first().unwrap().text("resource").unwrap(), other);
}
