//! What is written down of keys, and that it is.

use super::*;
use crate::sql::Row;

/// `action/outcome/resource id/reason`, in the order written.
fn audited(world: &World) -> Vec<String> {
    let rows = world.sql("SELECT * FROM audit_logs ORDER BY id").rows;
    let words = |row: &Row| {
        ["action", "outcome", "resource_id", "reason"]
            .map(|column| row.opt_text(column).unwrap().unwrap_or_default())
            .join("/")
    };
    rows.iter().map(words).collect()
}

#[test]
fn what_is_done_and_its_row_are_written_together() {
    let world = World::new();
    let old = world.added("ann", "default", KEY).id;
    let new = world.rotate("ann", &old, NEW_KEY).unwrap().key.id;
    world.revoke("ann", &new).unwrap();
    // Whoever asked may hang up now: nothing waits.
    let expected = [
        format!("provider_key_add/allow/{old}/"),
        format!("provider_key_rotate/allow/{old}/"),
        format!("provider_key_revoke/allow/{new}/"),
    ];
    assert_eq!(audited(&world), expected);
    let rotated = world.sql("SELECT details FROM audit_logs WHERE action = 'provider_key_rotate'");
    let details = rotated.first().unwrap().json("details").unwrap();
    assert_eq!(details["new_id"], new);
    world.background.run_all();
    assert_eq!(audited(&world).len(), 3, "and none of them twice");
}

#[test]
fn without_the_row_nothing_is_done() {
    let world = World::new();
    let id = world.added("ann", "default", KEY).id;
    world.sql("ALTER TABLE audit_logs RENAME TO away");
    let other = json!({ "name": "other", "api_key": KEY });
    assert_eq!(
        world.add("ann", other).unwrap_err().code(),
        "DATABASE_UNAVAILABLE"
    );
    assert!(world.rotate("ann", &id, NEW_KEY).is_err());
    assert!(world.revoke("ann", &id).is_err());
    assert_eq!(world.states("ann"), [KeyState::Active]);
    assert_eq!(world.used("ann").as_deref(), Some(KEY));
}

#[test]
fn what_was_not_done_leaves_no_row_of_a_yes() {
    let world = World::new();
    let old = world.added("ann", "default", KEY);
    let revoked = "UPDATE api_keys SET is_active = 0, key_hash = '', ends_at = 1, revoked_at = 1";
    *world.database.meanwhile.borrow_mut() = Some(Statement::new(revoked));
    world.rotate("ann", &old.id, NEW_KEY).unwrap_err();
    world.revoke("bob", &old.id).unwrap_err();
    world.background.run_all();
    let expected = [
        format!("provider_key_add/allow/{}/", old.id),
        format!("provider_key_rotate/deny/{}/not_active", old.id),
        format!("provider_key_revoke/deny/{}/not_found", old.id),
    ];
    assert_eq!(audited(&world), expected);
}
