//! What a witness saw, in SQLite: it is there again when the object is opened again.

use std::rc::Rc;

use super::super::sql_store::SqlWitnessStore;
use super::super::store::WitnessStore;
use super::TestLog;
use super::serving::{ask, body, grow};
use crate::sql::{DatabaseError, Outcome, Sql, SqliteDatabase, Statement};

#[derive(Clone)]
struct Disk(Rc<SqliteDatabase>);

impl Sql for Disk {
    fn batch(&self, statements: &[Statement]) -> Result<Vec<Outcome>, DatabaseError> {
        Sql::batch(&*self.0, statements)
    }
}

#[test]
fn the_head_and_the_forks_outlive_the_object() {
    let disk = Disk(Rc::new(SqliteDatabase::empty()));
    let open = || SqlWitnessStore::open(disk.clone()).unwrap();
    let (log, other) = (TestLog::of(20), TestLog::branch(20, 6, 1));
    assert_eq!(open().head().unwrap(), None);
    assert_eq!(grow(&mut open(), &log, 0, 9).status, 200);
    assert_eq!(grow(&mut open(), &log, 0, 20).body, "9\n");
    assert_eq!(
        ask(&mut open(), &body(9, vec![], &other.note(9))).status,
        409
    );
    assert_eq!(grow(&mut open(), &other, 9, 20).status, 422);
    assert_eq!(grow(&mut open(), &log, 9, 20).status, 200);
    let seen = open();
    assert_eq!(seen.head().unwrap().unwrap().root, log.checkpoint(20).root);
    let forks = seen.forks().unwrap();
    assert_eq!(forks.len(), 2);
    assert!(forks[0].refused.starts_with(&other.checkpoint(9).text()));
    assert!(forks[1].cosigned.starts_with(&log.checkpoint(9).text()));
}
