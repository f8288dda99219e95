//! The rows that queries read.

use super::*;
use crate::sql::{Row, SqliteDatabase, Statement};

fn rows(db: &SqliteDatabase, sql: &'static str) -> Vec<Row> {
    block_on(db.run(Statement::new(sql))).unwrap().rows
}

/// Entries of a log as the object has them.
fn entry(number: u64, change: impl FnOnce(&mut Fact)) -> EntryRow {
    let http = LogHttp::new(None);
    let mut request = request(number);
    change(&mut request.fact);
    let body = serde_json::to_vec(&Command::Append(request)).unwrap();
    let receipt: Receipt = serde_json::from_str(&http.serve(&body).body).unwrap();
    EntryRow {
        index: number,
        fact_id: receipt.fact_id,
        idempotency_key: format!("key-{number}"),
        logged_at_ms: receipt.logged_at_ms,
        content: Some(http.fact(0).1),
    }
}

#[test]
fn a_row_says_what_its_entry_says() {
    let db = SqliteDatabase::with_schema();
    let written = entry(3, |_| ());
    block_on(project(&db, std::slice::from_ref(&written))).unwrap();
    let row = &rows(&db, "SELECT * FROM chitty_chain_facts")[0];
    let text = |column| row.text(column).unwrap();
    assert_eq!(text("uuid"), written.fact_id.to_string());
    assert_eq!(text("leaf_hash"), written.entry().leaf_hash().to_string());
    assert_eq!(
        (row.int("leaf_index").unwrap(), text("subject")),
        (3, "case/3".into())
    );
    assert_eq!(
        (text("predicate"), text("object")),
        ("status".into(), "approved".into())
    );
    assert_eq!(
        (text("source"), text("user_id")),
        ("review".into(), "ann".into())
    );
    assert_eq!(text("idempotency_key"), "key-3");
    assert_eq!(row.opt_text("fact_json").unwrap(), written.content);
    assert_eq!(row.int("timestamp").unwrap(), 1_700_000_000_000);
    assert_eq!(
        u64::try_from(row.timestamp("ingested_at").unwrap()),
        Ok(LOGGED_AT_MS)
    );
    assert_eq!(
        row.json("metadata").unwrap(),
        serde_json::json!({"user_id": "ann"})
    );
    assert!(!row.boolean("verified").unwrap());
}

#[test]
fn writing_again_changes_nothing() {
    let db = SqliteDatabase::with_schema();
    let entries = [entry(0, |_| ()), entry(1, |_| ())];
    block_on(project(&db, &entries[..1])).unwrap();
    let mark =
        "UPDATE chitty_chain_facts SET verified = 1, verified_at = 5, verification_method = 'x'";
    rows(&db, mark);
    block_on(project(&db, &entries)).unwrap();
    block_on(project(&db, &entries)).unwrap();
    let found = rows(&db, "SELECT * FROM chitty_chain_facts ORDER BY leaf_index");
    assert_eq!(found.len(), 2);
    assert!(found[0].boolean("verified").unwrap());
    assert!(!found[1].boolean("verified").unwrap());
}

#[test]
fn what_a_fact_names_and_is_not_there_is_null() {
    let db = SqliteDatabase::with_schema();
    rows(
        &db,
        "INSERT INTO secure_executions (id, user_id, prompt, prompt_hash, security_level, \
         execution_method, created_at, updated_at) VALUES ('known', 'ann', 'x', \
         '0000000000000000000000000000000000000000000000000000000000000000', 'standard', \
         'direct', 1, 1)",
    );
    let of = |number, execution: &'static str| {
        entry(number, move |fact| {
            fact.execution_id = Some(execution.to_owned());
            fact.evidence_id = Some("gone".to_owned());
        })
    };
    let anothers = entry(2, |fact| {
        fact.execution_id = Some("known".to_owned());
        fact.metadata.insert("user_id".to_owned(), "bob".to_owned());
    });
    block_on(project(&db, &[of(0, "known"), of(1, "gone"), anothers])).unwrap();
    let found = rows(&db, "SELECT * FROM chitty_chain_facts ORDER BY leaf_index");
    let execution = |index: usize| found[index].opt_text("execution_id").unwrap();
    assert_eq!(
        (execution(0).as_deref(), execution(1), execution(2)),
        (Some("known"), None, None)
    );
    assert_eq!(found[0].opt_text("evidence_id").unwrap(), None);
    assert!(found[1].text("fact_json").unwrap().contains("gone"));
}

#[test]
fn an_erased_entry_gets_no_row() {
    let db = SqliteDatabase::with_schema();
    let erased = EntryRow {
        content: None,
        ..entry(0, |_| ())
    };
    block_on(project(&db, std::slice::from_ref(&erased))).unwrap();
    block_on(project(&db, &[erased, entry(1, |_| ())])).unwrap();
    let found = rows(&db, "SELECT leaf_index FROM chitty_chain_facts");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].int("leaf_index").unwrap(), 1);
}

#[test]
fn one_row_that_cannot_be_written_keeps_the_others_out_only_together() {
    let db = SqliteDatabase::with_schema();
    let clash = EntryRow {
        index: 0,
        ..entry(1, |_| ())
    };
    let entries = [entry(0, |_| ()), clash, entry(2, |_| ())];
    assert!(block_on(project(&db, &entries)).is_err());
    assert!(rows(&db, "SELECT * FROM chitty_chain_facts").is_empty());
    let refused = block_on(project_apart(&db, &entries)).unwrap();
    let indexes: Vec<u64> = refused.iter().map(|row| row.index).collect();
    assert_eq!(indexes, [0]);
    let written = rows(
        &db,
        "SELECT subject FROM chitty_chain_facts ORDER BY leaf_index",
    );
    let subjects: Vec<_> = written
        .iter()
        .map(|row| row.text("subject").unwrap())
        .collect();
    assert_eq!(subjects, ["case/0", "case/2"]);
}
