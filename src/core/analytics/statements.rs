//! The SQL that keeps roll-ups: whether an event arrives, an hour is counted again or a user
//! is forgotten, sums are made by one text.

use super::event::QUARTER_MS;
use crate::sql::Statement;

const FOLD: &str = include_str!("fold.sql");

/// Adds the events that `which` selects, as rows `e`, to the roll-ups.
fn fold(which: &str) -> String {
    FOLD.replace("{events}", which)
}

/// Adds the event to the roll-ups, unless they hold it.
pub(super) fn count_event(id: &str) -> Statement {
    Statement::new(fold("e.id = ?1 AND NOT e.counted")).bind(id)
}

pub(super) fn mark_counted(id: &str) -> Statement {
    Statement::new("UPDATE usage_events SET counted = TRUE WHERE id = ?1 AND NOT counted").bind(id)
}

/// Sums over the roll-ups of some buckets, to compare.
const TOTALS: &str = "SELECT COUNT(*) AS row_count, CAST(COALESCE(SUM(attempts), 0) AS BIGINT) AS attempts, \
    CAST(COALESCE(SUM(errors), 0) AS BIGINT) AS errors, \
    CAST(COALESCE(SUM(prompt_tokens + completion_tokens), 0) AS BIGINT) AS tokens, \
    CAST(COALESCE(SUM(cost_nanos), 0) AS BIGINT) AS cost_nanos \
    FROM usage_rollups WHERE bucket >= ?1 AND bucket < ?2";

const DROP: &str = "DELETE FROM usage_rollups WHERE bucket >= ?1 AND bucket < ?2";

/// Makes the roll-ups of whole hours anew, and tells their sums before and after: the first
/// and the last outcome.
pub(super) fn rebuild(from: i64, to: i64) -> Vec<Statement> {
    [
        TOTALS.to_owned(),
        DROP.to_owned(),
        fold("e.bucket >= ?1 AND e.bucket < ?2"),
        TOTALS.to_owned(),
    ]
    .into_iter()
    .map(|sql| Statement::new(sql).bind(from).bind(to))
    .collect()
}

const FIRST_OF_USER: &str = "SELECT MIN(bucket) AS bucket FROM usage_events WHERE user_id = ?1";

pub(super) fn first_bucket_of(user: &str) -> Statement {
    Statement::new(FIRST_OF_USER).bind(user)
}

const DROP_OF_USER: &str =
    "DELETE FROM usage_rollups WHERE user_id = ?1 AND bucket >= ?2 AND bucket < ?3";

/// The call's id and the moment it began are on file elsewhere beside its user, so they go too:
/// attempts of one call stay together under a name that is new.
const FORGET: &str = "UPDATE usage_events SET user_id = NULL, key_id = NULL, session_id = NULL, \
    case_id = NULL, request_id = CAST(?4 AS TEXT) || '.' || calls.place, \
    id = CAST(?4 AS TEXT) || '.' || calls.place || '.' || attempt, started_at = ?5 \
    FROM (SELECT id AS event, DENSE_RANK() OVER (ORDER BY request_id) AS place \
        FROM usage_events WHERE user_id = ?1 AND bucket >= ?2 AND bucket < ?3) AS calls \
    WHERE usage_events.id = calls.event";

/// Makes the user's events of whole hours nobody's, in the roll-ups too. Their calls are
/// renamed to `name`, which must say nothing of the user, and numbered.
pub(super) fn forget(user: &str, from: i64, to: i64, name: &str) -> Vec<Statement> {
    let nobodys = ["user_id", "key_id", "session_id", "case_id"]
        .into_iter()
        .fold(FOLD.to_owned(), |sql, column| {
            sql.replace(&format!("e.{column}"), "NULL")
        });
    let nobodys = nobodys.replace(
        "{events}",
        "e.user_id = ?1 AND e.bucket >= ?2 AND e.bucket < ?3",
    );
    let of_user = |sql: String| Statement::new(sql).bind(user).bind(from).bind(to);
    let renamed = of_user(FORGET.to_owned()).bind(name);
    vec![
        of_user(nobodys),
        of_user(DROP_OF_USER.to_owned()),
        renamed.timestamp(from.saturating_mul(QUARTER_MS)),
    ]
}
