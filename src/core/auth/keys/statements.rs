//! What is written and counted, each one statement. Those of one mint or rotation are one
//! batch, which begins with the count of the user's mints: that makes a second one wait.

use serde_json::json;

use super::{MAX_KEYS, MAX_KEYS_PER_PLATFORM, MAX_MINTS_AN_HOUR};
use crate::sql::Statement;

const COLUMNS: &str = "id, user_id, identity_id, name, key_prefix, scopes, status, platform, \
    last_used_at, expires_at, created_at, revoked_at, (SELECT i.status FROM identities i \
    WHERE i.id = COALESCE(api_tokens.user_id, api_tokens.identity_id)) AS person";

/// Whether a key opens anything at the time `?n`.
fn live(n: u8) -> String {
    format!(
        "status = 'active' AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?{n})"
    )
}

/// A key to be written.
pub(super) struct NewKey<'a> {
    pub id: &'a str,
    pub owner: &'a str,
    pub hash: &'a str,
    pub prefix: &'a str,
    pub name: &'a str,
    pub scopes: &'a [String],
    pub platform: Option<&'a str>,
    pub expires_at: i64,
    pub now_ms: i64,
    /// Id of the caller's token.
    pub made_with: &'a str,
}

/// Where the mints of a user are counted.
pub(super) fn counter(owner: &str) -> String {
    format!("mint:{owner}")
}

/// The condition under which `owner` (`?o`) may have one more key on `platform` (`?p`) at the
/// time `?t`; binds the three limits and the counter at `?b` and after.
fn room(o: u8, p: u8, t: u8, b: u8) -> String {
    let live = live(t);
    let [counter, mints, keys, on_platform] = [b, b + 1, b + 2, b + 3];
    format!(
        "(SELECT attempts FROM throttles WHERE id = ?{counter}) <= ?{mints}
        AND (SELECT count(*) FROM api_tokens WHERE user_id = ?{o} AND {live}) < ?{keys}
        AND (SELECT count(*) FROM api_tokens WHERE user_id = ?{o} AND platform = ?{p} AND {live})
            < ?{on_platform}"
    )
}

/// `spare` is 1 where the new key takes another's place.
fn bind_room(statement: Statement, owner: &str, spare: i64) -> Statement {
    statement
        .bind(counter(owner))
        .bind(MAX_MINTS_AN_HOUR)
        .bind(MAX_KEYS + spare)
        .bind(MAX_KEYS_PER_PLATFORM + spare)
}

/// Returns the new row's id, or no row where there is no room.
pub(super) fn insert(key: &NewKey<'_>) -> Statement {
    let sql = format!(
        "INSERT INTO api_tokens (id, user_id, token_hash, key_prefix, name, scopes, platform,
            expires_at, created_at, created_by, status, type)
        SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 'active', 'bearer' WHERE {}
        RETURNING id",
        room(2, 7, 9, 11)
    );
    bind_room(bind(key, sql), key.owner, 0)
}

/// The same, if the key `old` is live at that time.
pub(super) fn insert_for(key: &NewKey<'_>, old: &str, overlap_ms: i64) -> Statement {
    let sql = format!(
        "INSERT INTO api_tokens (id, user_id, token_hash, key_prefix, name, scopes, platform,
            expires_at, created_at, created_by, status, type)
        SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 'active', 'bearer' WHERE {}
        AND EXISTS (SELECT 1 FROM api_tokens WHERE id = ?15 AND {})
        RETURNING id",
        room(2, 7, 9, 11),
        live(9)
    );
    let spare = i64::from(overlap_ms == 0);
    bind_room(bind(key, sql), key.owner, spare).bind(old)
}

fn bind(key: &NewKey<'_>, sql: String) -> Statement {
    Statement::new(sql)
        .bind(key.id)
        .bind(key.owner)
        .bind(key.hash)
        .bind(key.prefix)
        .bind(key.name)
        .bind(json!(key.scopes))
        .bind(key.platform)
        .timestamp(key.expires_at)
        .timestamp(key.now_ms)
        .bind(key.made_with)
}

/// What there is of the user: `attempts`, `counted_until`, `keys`, `on_platform`.
pub(super) fn tally(owner: &str, platform: Option<&str>, now_ms: i64) -> Statement {
    let live = live(3);
    Statement::new(format!(
        "SELECT attempts, expires_at AS counted_until,
            (SELECT count(*) FROM api_tokens WHERE user_id = ?1 AND {live}) AS keys,
            (SELECT count(*) FROM api_tokens WHERE user_id = ?1 AND platform = ?2 AND {live})
                AS on_platform
        FROM throttles WHERE id = ?4"
    ))
    .bind(owner)
    .bind(platform)
    .timestamp(now_ms)
    .bind(counter(owner))
}

/// Ends the key `old` at `ends_at`, or now, if the key `new` is there.
pub(super) fn replace(old: &str, new: &str, ends_at: i64, now_ms: i64) -> Statement {
    if ends_at <= now_ms {
        return Statement::new(
            "UPDATE api_tokens SET status = 'revoked', revoked_at = ?1
            WHERE id = ?2 AND EXISTS (SELECT 1 FROM api_tokens WHERE id = ?3)",
        )
        .timestamp(now_ms)
        .bind(old)
        .bind(new);
    }
    Statement::new(
        "UPDATE api_tokens SET expires_at = ?1
        WHERE id = ?2 AND (expires_at IS NULL OR expires_at > ?1)
        AND EXISTS (SELECT 1 FROM api_tokens WHERE id = ?3)",
    )
    .timestamp(ends_at)
    .bind(old)
    .bind(new)
}

/// Returns the ids of the keys that it ended.
pub(super) fn revoke(id: &str, now_ms: i64) -> Statement {
    Statement::new(
        "UPDATE api_tokens SET status = 'revoked', revoked_at = ?2
        WHERE id = ?1 AND revoked_at IS NULL RETURNING id",
    )
    .bind(id)
    .timestamp(now_ms)
}

/// The same, for the keys made with `id`, and with those, also by clients that were let in
/// with one.
pub(super) fn revoke_descendants(id: &str, now_ms: i64) -> Statement {
    Statement::new(
        "WITH RECURSIVE made (id) AS (
            SELECT id FROM api_tokens WHERE id = ?1
            UNION
            SELECT child.id FROM (
                SELECT id, created_by AS parent FROM api_tokens
                UNION ALL
                SELECT id, token_id AS parent FROM oauth_grants
            ) child JOIN made ON child.parent = made.id)
        UPDATE api_tokens SET status = 'revoked', revoked_at = ?2
        WHERE id IN (SELECT id FROM made) AND revoked_at IS NULL RETURNING id",
    )
    .bind(id)
    .timestamp(now_ms)
}

pub(super) fn find(id: &str) -> Statement {
    Statement::new(format!(
        "SELECT {COLUMNS} FROM api_tokens WHERE id = ?1 AND type = 'bearer'"
    ))
    .bind(id)
}

/// Newest first.
pub(super) fn list(owner: &str, ended: bool, now_ms: i64, most: i64) -> Statement {
    Statement::new(format!(
        "SELECT {COLUMNS} FROM api_tokens
        WHERE (user_id = ?1 OR (user_id IS NULL AND identity_id = ?1)) AND type = 'bearer'
        AND (?2 = 1 OR ({}))
        ORDER BY created_at DESC, id DESC LIMIT ?4",
        live(3)
    ))
    .bind(owner)
    .bind(i64::from(ended))
    .timestamp(now_ms)
    .bind(most)
}
