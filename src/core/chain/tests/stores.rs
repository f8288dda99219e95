//! What every store of a log promises, on the one in memory, which faults and schedules are tried
//! on, and on the one in SQLite, which is deployed.

use serde_json::json;

use super::super::fact::Salt;
use super::super::hash::Hash;
use super::super::sequencer::{AppendRequest, FactRef, Sequencer};
use super::super::sql_store::{MAX_PARAMETER, SqlLogStore, inserts};
use super::super::store::{Commit, EntryRow, LogStore, RoundRow};
use super::super::tiles::{Kind, Tile};
use super::super::tree::{NewNode, Nodes as _};
use super::memory::MemoryStore;
use super::{NOW_MS, fact, salt, test_key};
use crate::sql::{Sql as _, SqliteDatabase, Statement, Value};
use crate::testing::Random;

fn sql_store() -> SqlLogStore<SqliteDatabase> {
    SqlLogStore::open(SqliteDatabase::empty()).unwrap()
}

fn row(index: u64) -> EntryRow {
    EntryRow {
        index,
        fact_id: Hash::of(&index.to_be_bytes()),
        idempotency_key: format!("key-{index}"),
        logged_at_ms: NOW_MS + index,
        content: Some(format!("{{\"n\":{index},\"text\":\"é \\\" \u{1f600}\"}}")),
    }
}

fn node(level: u8, index: u64) -> NewNode {
    NewNode {
        level,
        index,
        hash: Hash::of(&[level, u8::try_from(index).unwrap()]),
    }
}

/// Entries `from..to`, and as many nodes of the lowest level.
fn commit(from: u64, to: u64) -> Commit {
    Commit {
        nodes: (from..to).map(|index| node(0, index)).collect(),
        entries: (from..to).map(row).collect(),
        round: RoundRow {
            size: to,
            checkpoint: format!("head {to}\n"),
        },
    }
}

fn keeps_its_promises<S: LogStore>(mut store: S)
where
    S::Error: std::fmt::Debug + PartialEq,
{
    assert_eq!(store.size(), Ok(0));
    assert_eq!(store.round_from(1), Ok(None));
    assert_eq!(store.entry(0), Ok(None));
    assert_eq!(store.get(0, 0), Ok(None));
    assert_eq!(store.due_rows(9, 9), Ok(vec![]));
    store.commit(&commit(0, 3)).unwrap();
    store.commit(&commit(3, 5)).unwrap();
    assert_eq!(store.size(), Ok(5));
    for (size, round) in [(1, 3), (3, 3), (4, 5), (5, 5)] {
        let found = store.round_from(size).unwrap().unwrap();
        assert_eq!(
            (found.size, found.checkpoint),
            (round, format!("head {round}\n"))
        );
    }
    assert_eq!(store.round_from(6), Ok(None));
    assert_eq!(store.entry(4), Ok(Some(row(4))));
    assert_eq!(store.entry(5), Ok(None));
    assert_eq!(
        store.log_entries(1, 9),
        Ok((1..5).map(|n| row(n).entry()).collect())
    );
    assert_eq!(store.get(0, 2), Ok(Some(node(0, 2).hash)));
    assert_eq!(store.get(1, 2), Ok(None));
    assert_eq!(
        store.level(0, 3, 9),
        Ok(vec![node(0, 3).hash, node(0, 4).hash])
    );
    assert_eq!(store.index_by_key("key-3"), Ok(Some(3)));
    assert_eq!(store.index_by_key("key-5"), Ok(None));
    entries_are_found_by_the_beginning_of_their_keys(&mut store);
    assert_eq!(store.index_by_fact(&row(2).fact_id), Ok(Some(2)));
    assert_eq!(store.index_by_fact(&Hash::of(b"?")), Ok(None));
    due_rows_are_told_until_they_are_written(&mut store);
    store.erase_content(1).unwrap();
    store.erase_content(1).unwrap();
    let erased = EntryRow {
        content: None,
        ..row(1)
    };
    assert_eq!(store.entry(1), Ok(Some(erased)));
    assert_eq!(store.entry(2), Ok(Some(row(2))));
    // Beyond what the engines count to.
    assert_eq!(store.entry(u64::MAX), Ok(None));
    assert_eq!(store.round_from(u64::MAX), Ok(None));
}

fn entries_are_found_by_the_beginning_of_their_keys<S: LogStore>(store: &mut S)
where
    S::Error: std::fmt::Debug + PartialEq,
{
    let rows = |from, to| Ok((from..to).map(row).collect());
    assert_eq!(store.entries_by_prefix("key-", 9), rows(0, 5));
    assert_eq!(store.entries_by_prefix("key-", 2), rows(0, 2));
    assert_eq!(store.entries_by_prefix("key-3", 9), rows(3, 4));
    for other in ["key-33", "kez", "KEY-", "key%", "key-_", "k_y-"] {
        assert_eq!(store.entries_by_prefix(other, 9), Ok(vec![]), "{other}");
    }
}

fn due_rows_are_told_until_they_are_written<S: LogStore>(store: &mut S)
where
    S::Error: std::fmt::Debug + PartialEq,
{
    let rows = |from, to| Ok((from..to).map(row).collect());
    assert_eq!(store.due_rows(3, 2), rows(0, 2));
    assert_eq!(store.due_rows(3, 9), rows(0, 3));
    store.rows_written(1).unwrap();
    assert_eq!(store.due_rows(5, 9), rows(2, 5));
    store.rows_written(4).unwrap();
    assert_eq!(store.due_rows(5, 9), Ok(vec![]));
}

#[test]
fn both_stores_keep_their_promises() {
    keeps_its_promises(MemoryStore::default());
    keeps_its_promises(sql_store());
}

/// All that a log of random rounds answers, as text.
fn story<S: LogStore>(store: S, seed: u64) -> Vec<String>
where
    S::Error: std::fmt::Debug,
{
    let random = Random::seeded(seed);
    let mut log = Sequencer::open(store, test_key(), None).unwrap();
    let (mut told, mut salts) = (Vec::new(), 0);
    for round in 0..=random.below(11) {
        let asked: Vec<(AppendRequest, Salt)> = (0..=random.below(39))
            .map(|_| {
                salts += 1;
                // Some keys come again, with the same fact or with another.
                let (key, number) = (random.below(60), random.below(60));
                let key = format!("key-{key}");
                let request = AppendRequest {
                    idempotency_key: key,
                    fact: fact(number),
                };
                (request, salt(salts))
            })
            .collect();
        let asked: Vec<_> = asked
            .iter()
            .map(|(request, salt)| (request, *salt))
            .collect();
        let outcomes = log.add(&asked, NOW_MS + round).unwrap();
        let placed: Vec<_> = outcomes
            .iter()
            .filter_map(|one| one.as_ref().ok())
            .copied()
            .collect();
        told.push(format!("{outcomes:?}{:?}", log.unpublished()));
        log.note_published(log.committed().unwrap());
        told.push(format!("{:?}", log.receipts(&placed)));
        if random.one_in(2) {
            let index = random.below(log.size());
            told.push(format!("{:?}", log.erase(FactRef::Index(index))));
        }
    }
    told.extend(everything(&log));
    told
}

fn everything<S: LogStore>(log: &Sequencer<S>) -> Vec<String>
where
    S::Error: std::fmt::Debug,
{
    let size = log.size();
    let mut told = vec![format!("{size} {:?}", log.checkpoint())];
    for index in 0..=size {
        let fact = FactRef::Index(index);
        told.push(format!(
            "{:?} {:?}",
            log.fact(fact),
            log.prove_inclusion(fact, None)
        ));
        told.push(format!("{:?}", log.prove_consistency(index, size)));
    }
    for kind in [Kind::Entries, Kind::Hashes(0), Kind::Hashes(1)] {
        let tile = Tile {
            kind,
            index: 0,
            width: size.clamp(1, 256),
        };
        told.push(format!("{:?}", log.tile(tile)));
    }
    told
}

#[test]
fn a_log_answers_alike_on_both() {
    for seed in 0..40 {
        let (memory, sql) = (
            story(MemoryStore::default(), seed),
            story(sql_store(), seed),
        );
        assert_eq!(memory, sql, "seed {seed}");
    }
}

#[test]
fn a_round_is_written_whole_or_not_at_all() {
    let mut store = sql_store();
    store.commit(&commit(0, 3)).unwrap();
    let twice = |change: fn(&mut Commit)| {
        let mut commit = commit(3, 5);
        change(&mut commit);
        commit
    };
    let cases = [
        twice(|commit| commit.nodes.push(node(0, 2))),
        twice(|commit| commit.entries[1].index = 2),
        twice(|commit| commit.entries[1].idempotency_key = "key-0".to_owned()),
        twice(|commit| commit.entries[1].fact_id = row(0).fact_id),
        twice(|commit| commit.round.size = 3),
    ];
    for commit in cases {
        store.commit(&commit).unwrap_err();
        assert_eq!((store.size(), store.entry(3)), (Ok(3), Ok(None)));
        assert_eq!(store.get(0, 3), Ok(None));
    }
    store.commit(&commit(3, 5)).unwrap();
}

#[test]
fn a_log_of_before_rounds_is_opened_with_a_round_for_each_entry() {
    let sql = SqliteDatabase::empty();
    let old = "CREATE TABLE entries (position INTEGER PRIMARY KEY, fact_id TEXT NOT NULL UNIQUE, \
               idempotency_key TEXT NOT NULL UNIQUE, logged_at_ms INTEGER NOT NULL, content TEXT, \
               checkpoint TEXT NOT NULL, projected INTEGER NOT NULL DEFAULT 0)";
    sql.query(Statement::new(old)).unwrap();
    for index in 0..2 {
        let EntryRow {
            fact_id,
            idempotency_key,
            content,
            ..
        } = row(index);
        let insert = "INSERT INTO entries (position, fact_id, idempotency_key, logged_at_ms, \
                      content, checkpoint) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let position = i64::try_from(index).unwrap();
        let insert = Statement::new(insert)
            .bind(position)
            .bind(fact_id.to_string())
            .bind(idempotency_key)
            .bind(i64::try_from(NOW_MS).unwrap() + position)
            .bind(content)
            .bind(format!("head {}", index + 1));
        sql.query(insert).unwrap();
    }
    let store = SqlLogStore::open(sql).unwrap();
    assert_eq!((store.size(), store.entry(1)), (Ok(2), Ok(Some(row(1)))));
    assert_eq!(store.round_from(1).unwrap().unwrap().checkpoint, "head 1");
}

#[test]
fn rows_are_parted_where_a_parameter_would_be_too_long() {
    let row = |size: usize| json!(["x".repeat(size)]);
    let sizes = [10, MAX_PARAMETER * 6 / 10, MAX_PARAMETER * 6 / 10, 10];
    let statements = inserts("INSERT", sizes.into_iter().map(row));
    let rows: Vec<Vec<serde_json::Value>> = statements
        .iter()
        .map(|statement| match &statement.params[..] {
            [Value::Text(rows)] => serde_json::from_str(rows).unwrap(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(rows.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2]);
    assert_eq!(rows.concat(), sizes.map(row));
    assert!(inserts("INSERT", std::iter::empty()).is_empty());
}
