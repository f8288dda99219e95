//! The audit log as it is exported, watched and kept.

use futures::StreamExt;
use serde_json::Value;

use super::*;
use crate::auth::records::{Export, ExportError};
use crate::ports::Level;

impl Setup {
    /// A row of this time.
    pub(super) fn row_at(&self, id: &str, at: i64, action: &str, reason: Option<&str>) {
        let insert = "INSERT INTO audit_logs (id, action, resource_type, outcome, reason, \
            details, created_at) VALUES (?1, ?2, 'service', ?3, ?4, '{\"a\":1}', ?5)";
        let outcome = if reason.is_some() { "deny" } else { "allow" };
        let statement = Statement::new(insert)
            .bind(id)
            .bind(action)
            .bind(outcome)
            .bind(reason)
            .timestamp(at);
        block_on(self.database.inner.run(statement)).unwrap();
    }

    fn kept(&self) -> i64 {
        let count = Statement::new("SELECT count(*) AS n FROM audit_logs");
        let outcome = block_on(self.database.run(count)).unwrap();
        outcome.rows[0].int("n").unwrap()
    }

    fn export(&self, from_ms: i64, to_ms: i64) -> Vec<Value> {
        let part = Export { from_ms, to_ms };
        let chunks = part.lines(self.database.clone(), self.log.clone());
        lines(block_on(chunks.collect::<Vec<_>>()).concat())
    }
}

pub(super) fn lines(bytes: Vec<u8>) -> Vec<Value> {
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.ends_with('\n'));
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn an_export_has_each_row_of_its_time_once_and_says_that_it_is_whole() {
    let setup = Setup::new();
    // Many of one millisecond, so that pages end among equals.
    for n in 0..1203 {
        setup.row_at(&format!("id-{n:05}"), NOW + n / 700, "authenticate", None);
    }
    setup.row_at("before", NOW - 1, "authenticate", None);
    setup.row_at("at the end", NOW + 5, "authenticate", None);
    let mut found = setup.export(NOW, NOW + 5);
    let end = found.pop().unwrap();
    assert_eq!(end["export"]["complete"], true);
    assert_eq!(end["export"]["rows"], 1203);
    let ids: Vec<_> = found
        .iter()
        .map(|row| row["id"].as_str().unwrap())
        .collect();
    let expected: Vec<_> = (0..1203).map(|n| format!("id-{n:05}")).collect();
    assert_eq!(ids, expected);
    assert_eq!(found[0]["created_at"], "2026-11-21T11:59:09.123Z");
    assert_eq!(found[0]["details"]["a"], 1);
    assert_eq!(found[0]["reason"], Value::Null);
}

#[test]
fn a_page_of_exactly_one_read_is_whole_too() {
    let setup = Setup::new();
    for n in 0..500 {
        setup.row_at(&format!("id-{n:05}"), NOW, "authenticate", None);
    }
    assert_eq!(setup.export(NOW, NOW + 1).len(), 501);
    assert_eq!(setup.export(NOW + 1, NOW + 2).len(), 1);
}

#[test]
fn an_export_that_breaks_off_says_where_to_go_on() {
    let setup = Setup::new();
    for n in 0..600 {
        setup.row_at(&format!("id-{n:05}"), NOW + n, "authenticate", None);
    }
    let part = Export {
        from_ms: NOW,
        to_ms: NOW + 1000,
    };
    let mut chunks = part.lines(setup.database.clone(), setup.log.clone());
    let first = block_on(chunks.next()).unwrap();
    setup.database.down.set(true);
    let rest = block_on(chunks.collect::<Vec<_>>()).concat();
    assert_eq!(lines(first.to_vec()).len(), 500);
    let end = lines(rest).pop().unwrap();
    assert_eq!(end["export"]["complete"], false);
    let next = crate::time::to_rfc3339(NOW + 499);
    assert_eq!(end["export"]["continue_from"], next);
    assert_eq!(setup.log.0.borrow()[0].1, "audit_export_failed");
}

#[test]
fn a_part_is_named_by_times_in_order() {
    let read = |from, to, format| Export::read(from, to, format, NOW);
    let part = read(None, None, Some("ndjson")).unwrap();
    assert_eq!((part.from_ms, part.to_ms), (NOW - DAY, NOW));
    let day = Some("2026-11-21T00:00:00Z");
    assert_eq!(read(day, day, None), Err(ExportError::Order));
    assert_eq!(read(day, None, Some("csv")), Err(ExportError::Format));
    assert!(matches!(
        read(Some("yesterday"), None, None),
        Err(ExportError::Time(_))
    ));
}

#[test]
fn rows_are_kept_as_long_as_is_set() {
    let setup = Setup::new();
    for n in 0..1500 {
        setup.row_at(&format!("old-{n}"), NOW - 400 * DAY - 1, "a", None);
    }
    setup.row_at("young", NOW - 400 * DAY, "a", None);
    let expire = |days| block_on(setup.auth.audit.expire(days, NOW)).unwrap();
    assert_eq!((expire(0), setup.kept()), (0, 1501));
    assert_eq!((expire(400), setup.kept()), (1500, 1));
    assert_eq!((expire(400), setup.kept()), (0, 1));
    assert_eq!(expire(399), 1);
}

#[test]
fn one_go_removes_a_bounded_number() {
    let setup = Setup::new();
    let many = Statement::new(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10500)
        INSERT INTO audit_logs (id, action, resource_type, created_at)
        SELECT 'row-' || i, 'a', 'b', 0 FROM n",
    );
    block_on(setup.database.run(many)).unwrap();
    let expire = || block_on(setup.auth.audit.expire(1, NOW)).unwrap();
    assert_eq!((expire(), expire(), expire()), (10_000, 500, 0));
}

#[test]
fn more_than_fifty_refused_credentials_in_a_minute_raise_the_alert_once() {
    let setup = Setup::new();
    let refused = || block_on(setup.auth.audit.authentication_alert(NOW)).unwrap();
    for n in 0..50 {
        let at = NOW - n * 1000;
        setup.row_at(&format!("bad-{n}"), at, "authenticate", Some("unknown"));
    }
    setup.row_at("old", NOW - 60_000, "sign_in", Some("unknown"));
    setup.row_at("later", NOW + 1, "sign_in", Some("unknown"));
    setup.row_at("none", NOW, "authenticate", Some("missing"));
    setup.row_at("good", NOW, "authenticate", None);
    setup.row_at(
        "scope",
        NOW,
        "chitty_chain_verify",
        Some("insufficient_scope"),
    );
    assert_eq!(refused(), 50);
    assert!(setup.log.0.borrow().is_empty());
    setup.row_at("one more", NOW, "client_authenticate", Some("unknown"));
    assert_eq!(refused(), 51);
    let told = setup.log.0.borrow();
    let (level, event, fields) = &told[0];
    assert_eq!(
        (*level, event.as_str(), told.len()),
        (Level::Error, "alert", 1)
    );
    assert_eq!(fields["alert"], "auth_failures");
    assert_eq!(
        (&fields["count"], &fields["window_s"]),
        (&51.into(), &60.into())
    );
}
