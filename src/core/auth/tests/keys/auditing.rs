//! What is written down of keys, and that it is.

use super::*;

#[test]
fn every_refusal_is_a_row_with_its_reason() {
    let setup = Setup::new();
    setup.mint(&ann(), &with_scopes(&["admin:*"])).unwrap_err();
    setup.revoke(&ann(), "none").unwrap_err();
    setup.rotate(&ann(), "none", 0).unwrap_err();
    let nobody = caller("eve", &[]);
    setup.list(&nobody, &ListInput::default()).unwrap_err();
    let rows = setup.audited();
    assert_eq!(
        rows,
        [
            "deny/insufficient_scope/made-with",
            "deny/not_found/made-with",
            "deny/not_found/made-with",
            "deny/insufficient_scope/made-with",
        ]
    );
}

#[test]
fn a_database_that_is_down_makes_no_key() {
    let setup = Setup::new();
    setup.database.down.set(true);
    let error = setup.mint(&ann(), &wanted("key")).unwrap_err();
    assert!(error.is_internal() && error.status() == 503);
}

/// `action/outcome/resource id` of what is written, while nothing ran in the background.
fn written(setup: &Setup) -> Vec<String> {
    let select = Statement::new("SELECT * FROM audit_logs ORDER BY id");
    let rows = block_on(setup.database.run(select)).unwrap().rows;
    let words =
        |row: &Row| ["action", "outcome", "resource_id"].map(|column| row.text(column).unwrap());
    rows.iter().map(|row| words(row).join("/")).collect()
}

#[test]
fn what_is_done_and_its_row_are_written_together() {
    let setup = Setup::new();
    let old = setup.mint(&ann(), &wanted("key")).unwrap().key.id;
    let new = setup.rotate(&ann(), &old, 0).unwrap().key.id;
    setup.revoke(&ann(), &new).unwrap();
    // Whoever asked may hang up now: nothing waits.
    let expected = [
        format!("token_mint/allow/{old}"),
        format!("token_rotate/allow/{old}"),
        format!("token_revoke/allow/{new}"),
    ];
    assert_eq!(written(&setup), expected);
    let select = Statement::new("SELECT details FROM audit_logs WHERE action = 'token_rotate'");
    let rows = block_on(setup.database.run(select)).unwrap().rows;
    assert_eq!(rows[0].json("details").unwrap()["new_id"], new);
    assert_eq!(setup.audited().len(), 3, "and none of them twice");
}

#[test]
fn without_the_row_nothing_is_done() {
    let setup = Setup::new();
    let id = setup.mint(&ann(), &wanted("key")).unwrap().key.id;
    let rename = Statement::new("ALTER TABLE audit_logs RENAME TO away");
    block_on(setup.database.run(rename)).unwrap();
    assert!(
        setup
            .mint(&ann(), &wanted("key"))
            .unwrap_err()
            .is_internal()
    );
    assert!(setup.rotate(&ann(), &id, 0).unwrap_err().is_internal());
    assert!(setup.revoke(&ann(), &id).unwrap_err().is_internal());
    let live = setup.list(&ann(), &ListInput::default()).unwrap().keys;
    let live: Vec<_> = live.into_iter().map(|key| (key.id, key.state)).collect();
    assert_eq!(live, [(id, KeyState::Active)]);
}

#[test]
fn a_key_that_had_no_room_leaves_no_row_of_a_yes() {
    let setup = Setup::new();
    for _ in 0..MAX_KEYS {
        setup.mint(&ann(), &wanted("key")).unwrap();
    }
    setup.mint(&ann(), &wanted("key")).unwrap_err();
    assert_eq!(written(&setup).len(), 20);
    let rows = setup.audited();
    assert_eq!(rows.len(), 21);
    assert!(rows.contains(&"deny/key_limit/made-with".to_owned()));
}
