//! What is written down of it, and what never is.

use super::*;
use crate::ports::Level;

#[test]
fn scopes_are_checked_and_audited_both_ways() {
    let setup = Setup::with(&Token::default());
    let principal = setup.call(USER_TOKEN).unwrap();
    let request = Setup::request();
    let allowed = setup
        .auth
        .authorize(&principal, &["chatgpt:complete"], "complete", &request);
    assert_eq!(allowed, Ok(()));
    let needed = ["chatgpt:complete", "chain:read"];
    let refused = setup
        .auth
        .authorize(&principal, &needed, "verify", &request);
    let expected = AuthError::InsufficientScope {
        needed: needed.map(str::to_owned).into(),
        missing: vec!["chain:read".to_owned()],
    };
    assert_eq!(refused, Err(expected));
    let mut rows = setup.audited();
    rows.sort();
    let expected = [
        "allow/-/id-43",
        "allow/-/id-43",
        "deny/insufficient_scope/id-43",
    ];
    assert_eq!(rows, expected);
}

#[test]
fn rows_recorded_together_are_written_together() {
    let setup = Setup::with(&Token::default());
    for _ in 0..120 {
        setup.call(USER_TOKEN).unwrap();
    }
    assert_eq!(setup.audited().len(), 120);
    assert_eq!(setup.database.batches.get(), 3);
}

#[test]
fn a_flood_of_refusals_leaves_a_bounded_number_of_rows_and_says_so() {
    let setup = Setup::with(&Token::default());
    for _ in 0..100 {
        setup
            .call("chitty_key_ffffffffffffffffffffffffffffffff")
            .unwrap_err();
    }
    setup.call(USER_TOKEN).unwrap();
    let count = |rows: &[String], word: &str| rows.iter().filter(|row| row.contains(word)).count();
    let rows = setup.audited();
    assert_eq!(count(&rows, "deny/"), 61);
    assert_eq!(count(&rows, "too_many_to_list"), 1);
    assert_eq!(count(&rows, "allow/"), 1);
    setup.clock.advance(60_000);
    setup
        .call("chitty_key_ffffffffffffffffffffffffffffffff")
        .unwrap_err();
    setup.background.run_all();
    let select = Statement::new("SELECT id FROM audit_logs WHERE outcome = 'deny'");
    let refused = block_on(setup.database.run(select)).unwrap();
    assert_eq!(refused.rows.len(), 62);
}

#[test]
fn a_batch_that_cannot_be_written_is_logged_whole() {
    let setup = Setup::with(&Token::default());
    for _ in 0..60 {
        setup.call(USER_TOKEN).unwrap();
    }
    setup.database.down.set(true);
    setup.background.run_all();
    let lines = setup.log.0.borrow();
    let lost = lines.iter().filter(|line| line.1 == "audit_write_failed");
    let counts: Vec<_> = lost
        .map(|(_, _, fields)| fields["rows"].as_array().unwrap().len())
        .collect();
    // One note that the key was used is among the first fifty.
    assert_eq!(counts, [49, 11]);
}

#[test]
fn a_database_that_is_down_refuses_and_is_logged() {
    let setup = Setup::with(&Token::default());
    setup.database.down.set(true);
    assert_eq!(setup.call(USER_TOKEN), Err(AuthError::Unavailable));
    setup.background.run_all();
    let lines = setup.log.0.borrow();
    let events: Vec<_> = lines
        .iter()
        .map(|(level, event, _)| (*level, event.as_str()))
        .collect();
    let expected = [
        (Level::Error, "token_look_up_failed"),
        (Level::Error, "audit_write_failed"),
    ];
    assert_eq!(events, expected);
    let lost = &lines[1].2["rows"][0];
    assert_eq!(lost["reason"], "unavailable");
}

#[test]
fn no_token_is_printed_logged_or_audited() {
    let setup = Setup::with(&Token::default());
    let hash = hex::encode(Sha256::digest(USER_TOKEN));
    setup.call(USER_TOKEN).unwrap();
    let refused = setup.call("chitty_key_ffffffffffffffffffffffffffffffff");
    setup.database.down.set(true);
    setup.clock.advance(cache::FRESH_MS);
    let down = setup.call(USER_TOKEN);
    setup.background.run_all();
    setup.database.down.set(false);
    let dump = "SELECT json_group_array(json_object('a', action, 'r', reason, 'd', details,
        'x', resource_id, 'n', request_id, 't', token_id)) AS dump FROM audit_logs";
    let rows = block_on(setup.database.run(Statement::new(dump))).unwrap();
    let shown = format!(
        "{:?} {:?} {refused:?} {down:?}",
        rows.rows,
        setup.log.0.borrow()
    );
    assert!(
        shown.contains("unavailable"),
        "the probe sees what is written"
    );
    for secret in [&USER_TOKEN[11..], "ffffffffffff", &hash] {
        assert!(!shown.contains(secret), "{secret}");
    }
}
