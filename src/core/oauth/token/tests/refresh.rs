//! Chains of refresh tokens.

use super::super::super::settings::{GRANT_MS, REFRESH_AGAIN_MS, REFRESH_TOKEN_MS};
use super::shaky::{Task, interleave};
use super::*;
use crate::testing::Random;

#[test]
fn each_use_replaces_the_token() {
    let world = World::new();
    let mut token = world.first_refresh();
    for _ in 0..20 {
        world.clock.advance(3600 * SECOND);
        let next = world.refresh(&token).unwrap();
        assert_ne!(next, token);
        token = next;
    }
    assert_eq!(world.count("oauth_refresh_tokens"), 21);
    assert_eq!(
        world.count("oauth_refresh_tokens WHERE replaced_at IS NULL"),
        1
    );
}

#[test]
fn the_same_successor_is_given_again_for_a_while() {
    let world = World::new();
    let first = world.first_refresh();
    let second = world.refresh(&first).unwrap();
    world.clock.advance(REFRESH_AGAIN_MS);
    assert_eq!(world.refresh(&first).as_ref(), Ok(&second));
    assert_eq!(world.count("oauth_refresh_tokens"), 2);
    assert!(world.refresh(&second).is_ok());
}

#[test]
fn that_while_begins_with_the_first_use() {
    let world = World::new();
    let first = world.first_refresh();
    for _ in 0..2 {
        world.refresh(&first).unwrap();
        world.clock.advance(REFRESH_AGAIN_MS / 2 + 1);
    }
    assert_eq!(world.refresh(&first), Err("invalid_grant"));
    assert_eq!(
        world.revoke_reason().as_deref(),
        Some("refresh_token_reused")
    );
}

#[test]
fn who_comes_late_with_others_gets_the_newest() {
    let world = World::new();
    let first = world.first_refresh();
    let second = world.refresh(&first).unwrap();
    let third = world.refresh(&second).unwrap();
    assert_eq!(world.refresh(&first).as_ref(), Ok(&third));
    world.clock.advance(DAY);
    assert!(world.refresh(&third).is_ok());
}

#[test]
fn a_replaced_token_after_that_while_ends_the_grant() {
    let world = World::new();
    let first = world.first_refresh();
    let second = world.refresh(&first).unwrap();
    world.clock.advance(REFRESH_AGAIN_MS + 1);
    assert_eq!(world.refresh(&first), Err("invalid_grant"));
    assert_eq!(
        world.revoke_reason().as_deref(),
        Some("refresh_token_reused")
    );
    assert_eq!(world.refresh(&second), Err("invalid_grant"));
    let expected = [
        "allow/",
        "allow/",
        "deny/refresh_token_reused",
        "deny/grant_revoked",
    ];
    assert_eq!(world.audited(), expected);
}

#[test]
fn another_client_gets_nothing_and_ends_nothing() {
    let world = World::new();
    let first = world.first_refresh();
    let second = world.refresh(&first).unwrap();
    world.clock.advance(DAY);
    for token in [&first, &second] {
        let error = world
            .post(&client("client-2"), &refresh_form(token))
            .err()
            .unwrap();
        assert_eq!((error.status, error.code), (400, "invalid_grant"));
    }
    assert_eq!(world.revoke_reason(), None);
    assert!(world.refresh(&second).is_ok());
}

#[test]
fn every_refusal_sounds_the_same() {
    let world = World::new();
    let token = world.first_refresh();
    let unknown = format!("chitty_refresh_{}", "0".repeat(64));
    let one = world
        .post(&client("client-1"), &refresh_form(&unknown))
        .err()
        .unwrap();
    let two = world
        .post(&client("client-2"), &refresh_form(&token))
        .err()
        .unwrap();
    assert_eq!(one, two);
}

#[test]
fn scope_only_shrinks_and_only_for_that_token() {
    let world = World::new();
    let mut token = world.first_refresh();
    for (scope, granted) in [
        ("chain:verify", Some("chain:verify")),
        (
            "chain:verify offline_access",
            Some("chain:verify offline_access"),
        ),
        ("fortress:*", Some("fortress:*")),
        ("fortress:execute", None),
        ("admin:*", None),
        ("chatgpt:complete", None),
        ("chain:verify chatgpt:complete", None),
        ("openid", None),
        ("chain:*", None),
        (" ", None),
    ] {
        let form = with(refresh_form(&token), "scope", scope);
        match world.post(&client("client-1"), &form) {
            Ok(tokens) => {
                assert_eq!(body(&tokens)["scope"].as_str(), granted, "{scope}");
                token = tokens.refresh.unwrap();
            }
            Err(error) => {
                assert_eq!((error.code, granted), ("invalid_scope", None), "{scope}");
            }
        }
    }
    let tokens = world
        .post(&client("client-1"), &refresh_form(&token))
        .unwrap();
    assert_eq!(
        body(&tokens)["scope"],
        "chain:verify execution:read fortress:* offline_access"
    );
}

#[test]
fn another_resource_is_refused_and_replaces_nothing() {
    let world = World::new();
    let token = world.first_refresh();
    let form = with(
        refresh_form(&token),
        "resource",
        "https://chatgpt.example.com/mcp",
    );
    assert_eq!(
        world.post(&client("client-1"), &form).err().unwrap().code,
        "invalid_target"
    );
    assert_eq!(world.count("oauth_refresh_tokens"), 1);
    let form = with(refresh_form(&token), "resource", RESOURCE);
    assert!(world.post(&client("client-1"), &form).is_ok());
}

#[test]
fn tokens_end_after_a_month_unused_and_grants_after_three() {
    let world = World::new();
    let idle = world.first_refresh();
    world.clock.advance(REFRESH_TOKEN_MS);
    assert_eq!(world.refresh(&idle), Err("invalid_grant"));

    let world = World::new();
    let mut token = world.first_refresh();
    let (end, step) = (NOW + GRANT_MS, REFRESH_TOKEN_MS - SECOND);
    for _ in 0..3 {
        world.clock.advance(step);
        token = world.refresh(&token).unwrap();
    }
    let last = world.sql("SELECT max(expires_at) AS n FROM oauth_refresh_tokens");
    assert_eq!(last.first().unwrap().int("n").unwrap(), end);
    world.clock.advance(3 * SECOND);
    assert_eq!(world.refresh(&token), Err("invalid_grant"));
    assert_eq!(world.revoke_reason(), None);
}

#[test]
fn a_revoked_key_ends_the_grant_and_a_suspended_user_pauses_it() {
    let world = World::new();
    let token = world.first_refresh();
    world.sql("UPDATE identities SET status = 'suspended'");
    assert_eq!(world.refresh(&token), Err("invalid_grant"));
    world.sql("UPDATE identities SET status = 'active'");
    let token = world.refresh(&token).unwrap();
    world.sql("UPDATE oauth_grants SET token_id = 'no such key'");
    assert_eq!(world.refresh(&token), Err("invalid_grant"));
    assert_eq!(world.revoke_reason().as_deref(), Some("key_ended"));
}

#[test]
fn a_new_master_key_makes_no_second_chain() {
    let mut world = World::new();
    let first = world.first_refresh();
    let second = world.refresh(&first).unwrap();
    world.server.sealer = sealer("b");
    assert_eq!(world.refresh(&first), Err("invalid_grant"));
    assert_eq!(
        world.count("oauth_refresh_tokens WHERE replaced_at IS NULL"),
        1
    );
    assert_eq!(world.revoke_reason(), None);
    assert!(world.refresh(&second).is_ok());
}

#[test]
fn a_hundred_at_once_are_one_family_with_one_successor() {
    for seed in 0..2 {
        let world = World::new();
        let first = world.first_refresh();
        let ask = || -> Task<'_, _> {
            Box::pin(world.exchange(client("client-1"), encoded(&refresh_form(&first))))
        };
        let answers = interleave((0..100).map(|_| ask()).collect(), &Random::seeded(seed), 0);
        let successors: std::collections::BTreeSet<String> = answers
            .into_iter()
            .map(|answer| answer.unwrap().unwrap().refresh.unwrap())
            .collect();
        assert_eq!(successors.len(), 1);
        assert_eq!(world.count("oauth_refresh_tokens"), 2);
        assert_eq!(world.revoke_reason(), None);
        world.clock.advance(DAY);
        assert!(world.refresh(successors.first().unwrap()).is_ok());
    }
}

#[test]
fn a_hundred_redemptions_at_once_give_tokens_once() {
    for seed in 0..2 {
        let world = World::new();
        let code = world.code();
        let ask = || -> Task<'_, _> {
            Box::pin(world.exchange(client("client-1"), encoded(&code_form(&code))))
        };
        let answers = interleave((0..100).map(|_| ask()).collect(), &Random::seeded(seed), 0);
        let given = answers
            .iter()
            .filter(|answer| answer.as_ref().unwrap().is_ok());
        assert_eq!(given.count(), 1);
        assert_eq!(world.count("oauth_refresh_tokens"), 1);
        assert_eq!(world.revoke_reason().as_deref(), Some("code_replayed"));
    }
}

#[test]
fn a_role_taken_away_and_a_client_disabled_are_felt_at_the_next_refresh() {
    let world = World::new();
    let token = world.first_refresh();
    world.sql("UPDATE identities SET roles = '[\"reader\"]'");
    let all = with(
        refresh_form(&token),
        "scope",
        "chain:verify fortress:* offline_access",
    );
    let tokens = world.post(&client("client-1"), &all).unwrap();
    assert_eq!(
        tokens.scopes,
        Scopes::new(["chain:verify", "offline_access"])
    );
    world.sql(
        "INSERT INTO oauth_clients (id, name, redirect_uris, auth_method, grant_types, metadata,
            status, created_at)
        VALUES ('client-1', 'c', '[]', 'none', '[]', '{}', 'active', 1)",
    );
    let token = world.refresh(&tokens.refresh.unwrap()).unwrap();
    world.sql("UPDATE oauth_clients SET status = 'disabled'");
    assert_eq!(world.refresh(&token), Err("invalid_grant"));
    assert_eq!(
        world.audited().last().map(String::as_str),
        Some("deny/client_disabled")
    );
}
