//! What is read and written. What two requests may race for is guarded by the row's own state.

use super::stored::{Place, SealedKey, StoredKey};
use super::{DAY_MS, MAX_KEYS};
use crate::sql::Statement;

const COLUMNS: &str = "id, user_id, provider, key_name, version, key_hash, sealing_key_id,
    fingerprint, is_active, last_four, created_at, checked_at, last_used_at, usage_count, ends_at,
    revoked_at, undecryptable_at";
/// How long a row outlives its key.
const KEPT_MS: i64 = 90 * DAY_MS;

/// A key to be written.
pub(super) struct NewKey<'a> {
    pub place: &'a Place,
    pub sealed: &'a SealedKey,
    pub last_four: &'a str,
    pub checked_at: Option<i64>,
    pub now_ms: i64,
}

impl NewKey<'_> {
    fn insert(&self, from: &str) -> Statement {
        Statement::new(format!(
            "INSERT INTO api_keys (id, user_id, provider, key_name, version, key_hash,
                sealing_key_id, fingerprint, last_four, checked_at, created_at, updated_at)
            SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11 {from} RETURNING {COLUMNS}"
        ))
        .bind(&self.place.id)
        .bind(&self.place.owner)
        .bind(&self.place.provider)
        .bind(&self.place.name)
        .bind(self.place.version)
        .bind(&self.sealed.text)
        .bind(&self.sealed.key_id)
        .bind(&self.sealed.fingerprint)
        .bind(self.last_four)
        .timestamp(self.checked_at)
        .timestamp(self.now_ms)
    }

    /// Returns the row, or none where there is no room.
    pub fn add(&self) -> Statement {
        self.insert("WHERE (SELECT count(*) FROM api_keys WHERE user_id = ?2 AND is_active) < ?12")
            .bind(MAX_KEYS)
    }

    /// Returns the row, or none if it does not replace `old`.
    pub fn succeed(&self, old: &str) -> Statement {
        self.insert("FROM api_keys WHERE id = ?12 AND replaced_by = ?1")
            .bind(old)
    }
}

/// Makes room for `new`: the active key `old` works until `ends_at`.
pub(super) fn replace(old: &str, new: &str, ends_at: i64, now_ms: i64) -> Statement {
    Statement::new(format!(
        "UPDATE api_keys SET is_active = FALSE, replaced_by = ?1, ends_at = ?2, updated_at = ?3
        WHERE id = ?4 AND is_active RETURNING {COLUMNS}"
    ))
    .bind(new)
    .timestamp(ends_at)
    .timestamp(now_ms)
    .bind(old)
}

/// Ends what was replaced before `old`, once `new` has replaced that: there are two at most.
pub(super) fn end_before(old: &str, new: &Place, now_ms: i64) -> Statement {
    Statement::new(
        "UPDATE api_keys SET key_hash = '', ends_at = ?1, updated_at = ?1
        WHERE user_id = ?2 AND provider = ?3 AND key_name = ?4 AND version < ?5 AND id <> ?6
            AND key_hash <> ''
            AND EXISTS (SELECT 1 FROM api_keys o WHERE o.id = ?6 AND o.replaced_by = ?7)",
    )
    .timestamp(now_ms)
    .bind(&new.owner)
    .bind(&new.provider)
    .bind(&new.name)
    .bind(new.version)
    .bind(old)
    .bind(&new.id)
}

/// Ends a key and those before it of its name, and erases them. Returns what it ended.
pub(super) fn revoke(place: &Place, now_ms: i64) -> Statement {
    Statement::new(
        "UPDATE api_keys SET is_active = FALSE, key_hash = '', ends_at = ?1, revoked_at = ?1,
            updated_at = ?1
        WHERE user_id = ?2 AND provider = ?3 AND key_name = ?4 AND version <= ?5
            AND key_hash <> '' RETURNING id",
    )
    .timestamp(now_ms)
    .bind(&place.owner)
    .bind(&place.provider)
    .bind(&place.name)
    .bind(place.version)
}

pub(super) fn find(id: &str) -> Statement {
    Statement::new(format!("SELECT {COLUMNS} FROM api_keys WHERE id = ?1")).bind(id)
}

/// The next `version` of a name, and whether it is `taken`.
pub(super) fn next(owner: &str, provider: &str, name: &str) -> Statement {
    Statement::new(
        "SELECT COALESCE(MAX(version), 0) + 1 AS version,
            COUNT(CASE WHEN is_active THEN 1 END) AS taken
        FROM api_keys WHERE user_id = ?1 AND provider = ?2 AND key_name = ?3",
    )
    .bind(owner)
    .bind(provider)
    .bind(name)
}

pub(super) fn list(owner: &str, ended: bool, now_ms: i64, most: i64) -> Statement {
    Statement::new(format!(
        "SELECT {COLUMNS} FROM api_keys
        WHERE user_id = ?1 AND (?2 = 1 OR is_active OR ends_at > ?3)
        ORDER BY provider, key_name, version DESC LIMIT ?4"
    ))
    .bind(owner)
    .bind(i64::from(ended))
    .timestamp(now_ms)
    .bind(most)
}

/// What calls may use: the key named `default`, or else the first by name; then what it
/// replaced.
pub(super) fn usable(owner: &str, provider: &str, now_ms: i64) -> Statement {
    Statement::new(format!(
        "SELECT {COLUMNS} FROM api_keys
        WHERE user_id = ?1 AND provider = ?2 AND (is_active OR ends_at > ?3)
        ORDER BY CASE WHEN key_name = 'default' THEN 0 ELSE 1 END, key_name, version DESC LIMIT 2"
    ))
    .bind(owner)
    .bind(provider)
    .timestamp(now_ms)
}

pub(super) fn used(id: &str, now_ms: i64) -> Statement {
    Statement::new(
        "UPDATE api_keys SET usage_count = usage_count + 1, last_used_at = ?1 WHERE id = ?2",
    )
    .timestamp(now_ms)
    .bind(id)
}

/// Puts a newly sealed text in place of the one that was opened, and of no other.
pub(super) fn reseal(key: &StoredKey, sealed: &SealedKey) -> Statement {
    Statement::new(
        "UPDATE api_keys SET key_hash = ?1, sealing_key_id = ?2, fingerprint = ?3,
            undecryptable_at = NULL
        WHERE id = ?4 AND key_hash = ?5",
    )
    .bind(&sealed.text)
    .bind(&sealed.key_id)
    .bind(&sealed.fingerprint)
    .bind(&key.place.id)
    .bind(&key.text)
}

/// Notes when a text was found not to open; `None`: it opens again.
pub(super) fn mark_undecryptable(key: &StoredKey, at_ms: Option<i64>) -> Statement {
    Statement::new("UPDATE api_keys SET undecryptable_at = ?1 WHERE id = ?2 AND key_hash = ?3")
        .timestamp(at_ms)
        .bind(&key.place.id)
        .bind(&key.text)
}

/// Keys that another encryption key than `key_id` sealed, without those that were found not
/// to open since `tried_since`. Two ranges, since an index serves no `<>`.
pub(super) fn sealed_under_others(key_id: &str, tried_since: i64, most: i64) -> Statement {
    Statement::new(format!(
        "SELECT {COLUMNS} FROM api_keys
        WHERE (sealing_key_id < ?1 OR sealing_key_id > ?1) AND key_hash <> ''
            AND (undecryptable_at IS NULL OR undecryptable_at < ?2) LIMIT ?3"
    ))
    .bind(key_id)
    .timestamp(tried_since)
    .bind(most)
}

/// How many of these there are, as `remaining`, and how many of them do not open, as
/// `undecryptable`.
pub(super) fn count_sealed_under_others(key_id: &str) -> Statement {
    Statement::new(
        "SELECT COUNT(*) AS remaining, COUNT(undecryptable_at) AS undecryptable FROM api_keys
        WHERE (sealing_key_id < ?1 OR sealing_key_id > ?1) AND key_hash <> ''",
    )
    .bind(key_id)
}

/// Erases what has ended.
pub(super) fn erase_ended(now_ms: i64) -> Statement {
    Statement::new(
        "UPDATE api_keys SET key_hash = '', updated_at = ?1
        WHERE ends_at <= ?1 AND key_hash <> ''",
    )
    .timestamp(now_ms)
}

pub(super) fn delete_old(now_ms: i64) -> Statement {
    Statement::new("DELETE FROM api_keys WHERE ends_at <= ?1")
        .timestamp(now_ms.saturating_sub(KEPT_MS))
}
