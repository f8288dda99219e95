//! Grants, ids that count once, and the sweep.

use super::*;
use crate::oauth::expire;

#[test]
fn a_grant_is_listed_from_its_codes_redemption_until_it_ends() {
    let world = World::new();
    let code = world.code();
    assert_eq!(block_on(world.server.grants_of("ann")).unwrap(), []);
    world.post(&client("client-1"), &code_form(&code)).unwrap();
    world.clock.advance(1);
    world.first_refresh();
    let grants = block_on(world.server.grants_of("ann")).unwrap();
    assert_eq!(grants.len(), 2);
    assert!(grants[0].created_at_ms > grants[1].created_at_ms);
    assert_eq!(block_on(world.server.grants_of("bob")).unwrap(), []);
    let one = &grants[0];
    assert_eq!(one.scopes, new_grant("ann").scopes);
    assert_eq!(
        block_on(world.server.grant(&one.id)).unwrap().as_ref(),
        Some(one)
    );
    assert_eq!(block_on(world.server.grant("none")).unwrap(), None);
    assert!(block_on(world.server.revoke_grant(&one.id, "by its user")).unwrap());
    assert!(!block_on(world.server.revoke_grant(&one.id, "again")).unwrap());
    assert_eq!(block_on(world.server.grants_of("ann")).unwrap().len(), 1);
    let ended = block_on(world.server.grant(&one.id)).unwrap().unwrap();
    assert_eq!(ended.revoked_at_ms, Some(NOW + 1));
}

#[test]
fn a_use_of_the_chain_is_noted() {
    let world = World::new();
    let token = world.first_refresh();
    world.clock.advance(DAY);
    world.refresh(&token).unwrap();
    let grants = block_on(world.server.grants_of("ann")).unwrap();
    assert_eq!(grants[0].last_used_at_ms, Some(NOW + DAY));
}

#[test]
fn grants_whose_key_has_ended_are_not_listed() {
    let world = World::new();
    world.sql(&format!(
        "INSERT INTO api_tokens (id, token_hash, name, scopes, status, expires_at, created_at)
        VALUES ('key-1', '{}', 'k', '[]', 'active', {}, 1)",
        "0".repeat(64),
        NOW + DAY
    ));
    let mut grant = new_grant("ann");
    grant.token_id = Some("key-1".to_owned());
    let code = world.code_for(grant, Some(&challenge()));
    world.post(&client("client-1"), &code_form(&code)).unwrap();
    world.first_refresh();
    let listed = || block_on(world.server.grants_of("ann")).unwrap().len();
    assert_eq!(listed(), 2);
    world.clock.advance(DAY);
    assert_eq!(listed(), 1);
}

#[test]
fn an_id_counts_once_until_it_expires() {
    let world = World::new();
    let used =
        |kind: &str, id: &str, until| block_on(world.server.first_use(kind, id, until)).unwrap();
    let long = "x".repeat(100_000);
    assert!(used("jti", &long, NOW + SECOND));
    assert!(!used("jti", &long, NOW + SECOND));
    assert!(used("jti", "x", NOW + SECOND));
    assert!(used("dpop", &long, NOW + SECOND));
    world.clock.advance(SECOND);
    assert!(used("jti", &long, NOW + 2 * SECOND));
    assert!(!used("jti", &long, NOW + 2 * SECOND));
}

#[test]
fn a_grant_that_made_a_key_is_kept_as_long_as_the_key() {
    let world = World::new();
    world.first_refresh();
    world.code();
    world.sql(&format!(
        "INSERT INTO api_tokens (id, token_hash, name, scopes, status, created_at, created_by)
        SELECT 'key-1', '{}', 'k', '[]', 'revoked', 1, id FROM oauth_grants
        WHERE last_used_at IS NOT NULL",
        "0".repeat(64)
    ));
    let later = NOW + 1000 * DAY;
    block_on(expire(&*world.database, later)).unwrap();
    assert_eq!(world.count("oauth_grants"), 1);
    world.sql("DELETE FROM api_tokens");
    block_on(expire(&*world.database, later)).unwrap();
    assert_eq!(world.count("oauth_grants"), 0);
}

#[test]
fn what_is_over_is_swept_and_nothing_else() {
    let world = World::new();
    let token = world.first_refresh();
    world.code();
    block_on(world.server.first_use("jti", "a", NOW + SECOND)).unwrap();
    world.sql("INSERT INTO throttles (id, attempts, expires_at) VALUES ('t', 1, 1)");
    world.sql(&format!(
        "INSERT INTO login_sessions (id, user_id, method, scopes, created_at, expires_at)
        VALUES ('old', 'ann', 'key', '[]', 1, 1), ('new', 'ann', 'key', '[]', 1, {})",
        NOW + 30 * DAY
    ));
    let swept = block_on(expire(&*world.database, NOW)).unwrap();
    assert_eq!((swept.rows, swept.more), (2, false));
    let swept = block_on(expire(&*world.database, NOW + 2 * DAY)).unwrap();
    assert_eq!(swept.rows, 3, "two codes and an id");
    let swept = block_on(expire(&*world.database, NOW + 30 * DAY + 3600 * SECOND)).unwrap();
    assert_eq!(swept.rows, 1, "the grant that was never used");
    world.clock.advance(8 * DAY);
    assert!(world.refresh(&token).is_ok());
    let swept = block_on(expire(&*world.database, NOW + 121 * DAY)).unwrap();
    assert_eq!((swept.rows, swept.more), (4, false));
    for table in [
        "oauth_grants",
        "oauth_refresh_tokens",
        "login_sessions",
        "used_once",
        "throttles",
    ] {
        assert_eq!(world.count(table), 0, "{table}");
    }
}

#[test]
fn a_sweep_takes_bounded_bites() {
    let world = World::new();
    world.sql(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20500)
        INSERT INTO used_once (id, expires_at) SELECT i, 1 FROM n",
    );
    let swept = block_on(expire(&*world.database, NOW)).unwrap();
    assert_eq!((swept.rows, swept.more), (20_000, true));
    let swept = block_on(expire(&*world.database, NOW)).unwrap();
    assert_eq!((swept.rows, swept.more), (500, false));
}
