//! The byte layouts, with test vectors, and the limits of facts.

use super::super::fact::{
    FactError, LogEntry, MAX_OBJECT_BYTES, MAX_TIMESTAMP_MS, Salt, SaltedFact, fact_id,
};
use super::super::hash::Hash;
use super::{Fact, NOW_MS, fact};

const SALT: &str = "0707070707070707070707070707070707070707070707070707070707070707";

fn salted(change: impl FnOnce(&mut Fact)) -> SaltedFact {
    let mut fact = fact(1);
    change(&mut fact);
    let salt = Salt::from_random_bytes([7; 32]);
    SaltedFact { fact, salt }
}

#[test]
fn canonical_bytes_of_a_small_fact() {
    let canonical = salted(|_| ()).canonical().unwrap();
    let expected = format!(
        r#"{{"object":"approved","predicate":"status","salt":"{SALT}","source":"review","subject":"case/1","timestamp_ms":1700000000000,"v":1}}"#
    );
    assert_eq!(canonical, expected);
    let id = "a294fd5e98bf10a048ae59e2facb00a917e74ec6aa8b58d1d0c6e05e1cfe43fd";
    assert_eq!(fact_id(&canonical).to_string(), id);
    let entry = LogEntry {
        fact_id: Hash::from_hex(id).unwrap(),
        logged_at_ms: NOW_MS,
    };
    let bytes = format!(r#"{{"fact_id":"{id}","logged_at_ms":1700000000123,"v":1}}"#);
    assert_eq!(entry.canonical(), bytes);
    assert_eq!(
        serde_json_canonicalizer::to_string(&json(&bytes)).unwrap(),
        bytes
    );
    assert_eq!(
        entry.leaf_hash().to_string(),
        "0f56fc5e23e1980bb481194d2558fd4886c6487331e35fbf4516509e0fe14bda"
    );
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn canonical_bytes_of_a_full_fact() {
    let full = salted(|fact| {
        fact.object = "line\n\"quoted\" \u{20ac} \u{1f600} \u{7f}".to_owned();
        fact.execution_id = Some("EXEC-1".to_owned());
        fact.evidence_id = Some("EVID-1".to_owned());
        // RFC 8785 sorts by UTF-16 units: the emoji comes before U+FB33.
        fact.metadata = [("\u{fb33}", "2"), ("\u{1f600}", ""), ("a", "1")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
    });
    let expected = format!(
        r#"{{"evidence_id":"EVID-1","execution_id":"EXEC-1","metadata":{{"a":"1","{}":"","{}":"2"}},"object":"line\n\"quoted\" {} {} {}","predicate":"status","salt":"{SALT}","source":"review","subject":"case/1","timestamp_ms":1700000000000,"v":1}}"#,
        '\u{1f600}', '\u{fb33}', '\u{20ac}', '\u{1f600}', '\u{7f}'
    );
    assert_eq!(full.canonical().unwrap(), expected);
    assert_eq!(SaltedFact::parse(&expected).unwrap(), full);
}

#[test]
fn only_the_canonical_form_is_read() {
    let good = salted(|_| ()).canonical().unwrap();
    assert!(SaltedFact::parse(&good).is_ok());
    for bad in [
        good.replace(r#""v":1"#, r#""v":2"#),
        good.replace(r#","v":1"#, ""),
        good.replace(r#""v":1"#, r#""v":1.0"#),
        good.replace('{', "{ "),
        good.replace(r#""v":1"#, r#""v":1,"v":1"#),
        good.replace(r#""object""#, r#""metadata":{},"object""#),
        good.replace(r#""object""#, r#""extra":1,"object""#),
        good.replace("approved", "\\u0061pproved"),
        good.replace(SALT, &SALT.replace("07", "AB")),
        good.replace(SALT, &SALT[2..]),
        good.replace("1700000000000", "-1"),
        format!("{good} "),
        "[".repeat(60_000),
        String::new(),
    ] {
        assert!(SaltedFact::parse(&bad).is_err(), "{bad:.80}");
    }
}

#[test]
fn the_salt_hides_and_the_debug_output_hides_the_salt() {
    let one = salted(|_| ());
    let salt = Salt::from_random_bytes([8; 32]);
    let two = SaltedFact {
        salt,
        ..one.clone()
    };
    assert_ne!(one.canonical().unwrap(), two.canonical().unwrap());
    assert!(!format!("{one:?}").contains("07"));
}

#[test]
fn limits_are_enforced_and_named() {
    let error = |change: fn(&mut Fact)| salted(change).canonical().unwrap_err();
    let empty = error(|fact| fact.subject.clear());
    assert_eq!(empty, FactError::Empty { field: "subject" });
    let nul = error(|fact| fact.object = "a\0".to_owned());
    assert_eq!(nul, FactError::Nul { field: "object" });
    let late = error(|fact| fact.timestamp_ms = MAX_TIMESTAMP_MS + 1);
    assert_eq!(late, FactError::Timestamp);
    let long = error(|fact| fact.object = "a".repeat(MAX_OBJECT_BYTES + 1));
    assert!(matches!(
        long,
        FactError::TooLong {
            field: "object",
            ..
        }
    ));
    let id = error(|fact| fact.execution_id = Some(String::new()));
    assert!(matches!(
        id,
        FactError::Empty {
            field: "execution_id"
        }
    ));
    // Six bytes of JSON for one: within the field's limit, over the entry's.
    let escaped = error(|fact| fact.object = "\u{1}".repeat(MAX_OBJECT_BYTES));
    assert!(matches!(escaped, FactError::TooLarge { .. }));
    let entries = error(|fact| {
        fact.metadata = (0..65).map(|n| (n.to_string(), String::new())).collect();
    });
    assert_eq!(entries, FactError::TooManyEntries { entries: 65 });
    let largest = salted(|fact| {
        fact.timestamp_ms = MAX_TIMESTAMP_MS;
        fact.object = "a".repeat(MAX_OBJECT_BYTES);
    });
    let canonical = largest.canonical().unwrap();
    assert!(canonical.contains("\"timestamp_ms\":9007199254740991"));
    assert_eq!(SaltedFact::parse(&canonical).unwrap(), largest);
}
