//! The SQL that keeps roll-ups: whether an event arrives, an hour is counted again or a user
//! is forgotten, sums are made by one text.

use super::event::QUARTER_MS;
use crate::sql::Statement;

const FOLD: &str = include_str!("fold.sql");

/// Adds the events that `which` selects, as rows `e`, to the roll-ups.
fn fold(which: &str) -> String {
    FOLD.replace("{events}", which)
}

/// Adds the events to the roll-ups that these do not hold yet.
pub(super) fn count_events(ids: &[String]) -> Statement {
    let which = format!("e.id IN ({}) AND NOT e.counted", places(1, ids.len()));
    with_all(fold(&which), ids)
}

pub(super) fn mark_counted(ids: &[String]) -> Statement {
    let places = places(1, ids.len());
    let sql =
        format!("UPDATE usage_events SET counted = TRUE WHERE id IN ({places}) AND NOT counted");
    with_all(sql, ids)
}

/// `?1, ?2, …`, from `first` on.
pub(super) fn places(first: usize, count: usize) -> String {
    let places = (first..).take(count).map(|place| format!("?{place}"));
    places.collect::<Vec<_>>().join(", ")
}

fn with_all(sql: String, ids: &[String]) -> Statement {
    ids.iter().fold(Statement::new(sql), Statement::bind)
}

/// The outcome of a call that nobody settled.
pub(super) const CUT_OFF: &str = "CALL_CUT_OFF";

const CUT_OFF_EVENTS: &str = "e.id IN ({ids}) AND e.outcome = 'CALL_CUT_OFF'";

/// Summed up before: several may be in one row, of which an UPDATE would take back only one.
const UNCOUNT: &str = include_str!("uncount.sql");

/// By the columns that the key begins with, or all rows of the users would be gone through.
const DROP_EMPTY: &str = "DELETE FROM usage_rollups WHERE attempts = 0 \
    AND user_id IN (SELECT COALESCE(e.user_id, '') FROM usage_events e WHERE {events}) \
    AND scope IN ('key', 'session', 'case') AND span IN (1, 4) \
    AND bucket IN (SELECT e.bucket FROM usage_events e WHERE {events} \
        UNION ALL SELECT e.bucket - e.bucket % 4 FROM usage_events e WHERE {events})";

const DELETE_CUT_OFF: &str = "DELETE FROM usage_events AS e WHERE {events}";

/// Takes back those of the events that say of their call, a first attempt, only that it was cut
/// off.
pub(super) fn withdraw_cut_off(ids: &[String]) -> Vec<Statement> {
    if ids.is_empty() {
        return Vec::new();
    }
    let places = places(1, ids.len());
    let statement = |sql: &str| {
        let sql = sql.replace("{events}", CUT_OFF_EVENTS);
        with_all(sql.replace("{ids}", &places), ids)
    };
    [UNCOUNT, DROP_EMPTY, DELETE_CUT_OFF].map(statement).into()
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
