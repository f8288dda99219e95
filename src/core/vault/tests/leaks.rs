//! Everything that can be seen of the vault is gathered, and searched for the keys.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use super::*;

/// The key as it is, in hex, and in base64 however it lies in what was encoded.
fn forms(key: &str) -> Vec<String> {
    let hex = hex::encode(key);
    let mut forms = vec![key.to_owned(), hex.to_uppercase(), hex];
    for start in 0..3 {
        let whole = &key.as_bytes()[start..];
        let whole = &whole[..whole.len() / 3 * 3];
        forms.extend([STANDARD.encode(whole), URL_SAFE.encode(whole)]);
    }
    forms
}

fn assert_clean(seen: &str) {
    for key in [KEY, NEW_KEY] {
        for form in forms(key) {
            assert!(!seen.contains(&form), "{form} is in {seen}");
        }
    }
}

/// Every value of every table.
fn stored(world: &World) -> String {
    let tables = world.sql("SELECT name FROM sqlite_master WHERE type = 'table'");
    let dump = |table: String| {
        let all = Statement::new(format!("SELECT * FROM \"{table}\""));
        let rows = block_on(world.database.inner.run(all)).unwrap().rows;
        format!("{table}: {rows:?}\n")
    };
    let names = tables.rows.iter().map(|row| row.text("name").unwrap());
    names.map(dump).collect()
}

fn shown<T: std::fmt::Debug>(done: Result<T, VaultError>) -> String {
    match done {
        Ok(output) => format!("{output:?}"),
        Err(error) => format!("{error:?} {error} {:?}", error.blame()),
    }
}

/// All verbs, one after the other, and what they said.
fn every_verb(world: &mut World) -> String {
    let mut said = shown(world.add("ann", json!({ "api_key": KEY })));
    said += &shown(world.add(
        "ann",
        json!({ "api_key": KEY, "name": "b", "keep_unchecked": true }),
    ));
    let ids: Vec<String> = world
        .list("ann", true)
        .map(|keys| keys.into_iter().map(|key| key.id).collect())
        .unwrap_or_default();
    for id in &ids {
        said += &shown(world.rotate("ann", id, NEW_KEY));
        let kept = json!({ "id": id, "api_key": NEW_KEY, "keep_unchecked": true });
        said += &shown(world.rotate_with("ann", kept));
    }
    world.rekey("b2", &["a1"]);
    said += &shown(block_on(world.vault.active_key("ann", "openai")));
    said += &shown(block_on(world.vault.reseal()));
    said += &shown(world.list("ann", true));
    world.rekey("c3", &[]);
    said += &shown(block_on(world.vault.active_key("ann", "openai")));
    world.rekey("b2", &["a1"]);
    world.background.run_all();
    said += &shown(block_on(world.vault.erase_ended()));
    for id in &ids {
        said += &shown(world.revoke("ann", id));
    }
    world.background.run_all();
    said
}

#[test]
fn no_key_is_in_anything_that_is_said_logged_or_stored() {
    let providers = [
        Does::Answer(200),
        Does::Answer(401),
        Does::Answer(403),
        Does::Answer(500),
        Does::TimeOut,
        Does::HangUp,
    ];
    let mut said_anything = 0;
    for does in providers {
        // Sound, or broken from each statement on that all verbs together run.
        for sound in std::iter::once(None).chain((0..40).map(Some)) {
            let mut world = World::new();
            world.provider.does.set(does);
            world.database.sound.set(sound);
            let said = every_verb(&mut world);
            assert_clean(&said);
            let logged = format!("{:?}", world.log.0.borrow());
            assert_clean(&logged);
            assert_clean(&stored(&world));
            said_anything += said.len() + logged.len();
        }
    }
    assert!(said_anything > 100_000);
}

#[test]
fn the_search_finds_what_it_looks_for() {
    let world = World::new();
    world.added("ann", "default", KEY);
    let found = |text: &str| {
        world.set_text(&world.list("ann", true).unwrap()[0].id, text);
        let seen = stored(&world);
        forms(KEY).iter().any(|form| seen.contains(form))
    };
    for prefix in ["", "a", "ab", "abc"] {
        assert!(found(&STANDARD.encode(format!("{prefix}{KEY}xyz"))));
    }
    assert!(found(KEY) && found(&hex::encode(KEY)));
    assert!(!found("v1.01234567.AAAA"));
    assert!(stored(&world).contains("audit_logs"));
}
