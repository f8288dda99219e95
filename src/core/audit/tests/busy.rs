//! Honest databases and logs at which others work at the same time have no findings, and one bad
//! row keeps nothing else from being recorded.

use async_trait::async_trait;

use super::left_behind::erase_of;

use super::*;
use crate::anchoring::Anchoring;
use crate::audit::tables::Table;
use crate::chain::hash::Hash;
use crate::chain::receipt::{ConsistencyProof, InclusionProof, Receipt, StoredFact};
use crate::ledger::{AppendRequest, FactRef, Head, Keyed, Ledger, LedgerError, LoggedFact};

#[test]
fn two_sweeps_at_once_over_an_erased_row_leave_its_record() {
    let office = Office::with(1);
    erase_of(&office, "execution_id", &office.executions[0]).unwrap();
    let table = Table::named("secure_executions").unwrap();
    let (recorder, mut all) = (office.recorder(), recorder::Recorded::default());
    let mut due = || {
        let mut after = String::new();
        office
            .clock()
            .run(recorder.due(table, &mut after, &mut all))
            .unwrap()
    };
    for due in [due(), due()] {
        let done = recorder.record(table, &due, &mut all);
        office.clock().run(done).unwrap();
    }
    office.record();
    assert_eq!(office.findings(), []);
}

/// A log to which somebody appends between an audit's look at its head and what follows.
struct Busy(Rc<dyn Ledger>);

#[async_trait(?Send)]
impl Ledger for Busy {
    async fn append(&self, request: &AppendRequest) -> Result<Receipt, LedgerError> {
        self.0.append(request).await
    }

    async fn append_all(
        &self,
        requests: &[AppendRequest],
    ) -> Result<Vec<Result<Receipt, LedgerError>>, LedgerError> {
        self.0.append_all(requests).await
    }

    async fn facts(&self, facts: &[Hash]) -> Result<Vec<LoggedFact>, LedgerError> {
        self.0.facts(facts).await
    }

    async fn keyed(&self, prefixes: &[String]) -> Result<Vec<Keyed>, LedgerError> {
        self.0.keyed(prefixes).await
    }

    async fn recent(&self, count: usize) -> Result<Vec<LoggedFact>, LedgerError> {
        self.0.recent(count).await
    }

    async fn entries(&self, from: u64) -> Result<Vec<StoredFact>, LedgerError> {
        self.0.entries(from).await
    }

    async fn erase(&self, fact: Hash) -> Result<StoredFact, LedgerError> {
        self.0.erase(fact).await
    }

    async fn head(&self) -> Result<Head, LedgerError> {
        let head = self.0.head().await?;
        self.0.append(&crate::ledger::tests::request(0)).await?;
        Ok(head)
    }

    async fn checkpoint(&self, size: u64) -> Result<String, LedgerError> {
        self.0.checkpoint(size).await
    }

    async fn inclusion(
        &self,
        fact: FactRef,
        size: Option<u64>,
    ) -> Result<InclusionProof, LedgerError> {
        self.0.inclusion(fact, size).await
    }

    async fn consistency(&self, first: u64, second: u64) -> Result<ConsistencyProof, LedgerError> {
        self.0.consistency(first, second).await
    }

    async fn anchoring(&self, size: Option<u64>) -> Result<Anchoring, LedgerError> {
        self.0.anchoring(size).await
    }
}

#[test]
fn a_fact_that_is_logged_while_an_audit_goes_on_is_no_finding() {
    let mut office = Office::with(1);
    office.world.service.ledger = Rc::new(Busy(Rc::clone(&office.world.service.ledger)));
    assert_eq!(office.findings(), []);
    let last = "SELECT leaf_index FROM chitty_chain_facts ORDER BY leaf_index DESC LIMIT 1";
    let last = office.sql(last)[0].int("leaf_index").unwrap();
    office.sql(format!(
        "UPDATE chitty_chain_facts SET leaf_index = 9999 WHERE leaf_index = {last}"
    ));
    let found = office.findings();
    let extra = found.iter().any(|found| found.code == Code::FactRowExtra);
    assert!(extra, "it is one at another place: {found:?}");
}

/// The log tells of a round before the rows of all its facts are written.
#[test]
fn a_row_that_is_a_moment_late_is_no_finding() {
    let office = Office::with(1);
    let ledger = &office.world.service.ledger;
    let request = crate::ledger::tests::request(0);
    office.clock().run(ledger.append(&request)).unwrap();
    let newest = office.world.log.size() - 1;
    office.sql(format!(
        "DELETE FROM chitty_chain_facts WHERE leaf_index = {newest}"
    ));
    let logged_at_ms = i64::try_from(crate::ledger::tests::LOGGED_AT_MS).unwrap();
    let at = |now_ms| office.audit_at(&forensic(&[]), now_ms).findings;
    assert_eq!(at(logged_at_ms + 1_000), []);
    let late = at(logged_at_ms + 3_600_000);
    assert_eq!(late.len(), 1);
    assert_eq!(late[0].code, Code::FactRowMissing);
}

#[test]
fn a_row_that_counts_its_states_wrong_keeps_no_other_from_being_recorded() {
    for count in ["9223372036854775807", "-1", "200"] {
        let mut office = Office::with(1);
        office.sql(format!(
            "UPDATE secure_executions SET recorded_fact = NULL, records = {count}"
        ));
        office.execute();
        let done = office.record();
        assert_eq!((done.rows, done.unreadable), (4, 1));
        let found = office.findings();
        let subject = format!("secure_executions:{}", office.executions[0]);
        let named = found.iter().any(|found| {
            found.subject == subject
                && found.code == Code::RowUnreadable
                && found.column.as_deref() == Some("records")
        });
        assert!(named, "{found:?}");
    }
}

#[test]
fn a_row_whose_mark_is_refused_keeps_no_other_from_being_marked() {
    let mut office = Office::with(0);
    office.execute();
    office.execute();
    let bad = &office.executions[0];
    office.sql(format!(
        "CREATE TRIGGER refuse BEFORE UPDATE ON secure_executions WHEN OLD.id = '{bad}' \
         BEGIN SELECT RAISE(ABORT, 'no'); END"
    ));
    let failed = office.clock().run(record_due(&office.recorder()));
    assert!(failed.is_err(), "{failed:?}");
    for table in crate::audit::tables::TABLES {
        let left = format!("SELECT id FROM {} WHERE recorded_fact IS NULL", table.name);
        let left = office.sql(left);
        let ids: Vec<String> = left.iter().map(|row| row.text("id").unwrap()).collect();
        let expected = if table.name == "secure_executions" {
            std::slice::from_ref(bad)
        } else {
            &[]
        };
        assert_eq!(ids, expected, "{}", table.name);
    }
}

#[test]
fn a_run_that_names_what_was_erased_belongs_to_itself() {
    let office = Office::with(0);
    let done = office
        .world
        .execute(&input(SecurityLevel::Standard))
        .unwrap();
    office.record();
    erase_of(&office, "execution_id", &done.execution_id).unwrap();
    let asked = serde_json::json!({"prompt": "p", "label": "l", "evidence_id": done.execution_id});
    office.run(asked);
    assert_eq!(office.record().rows, 2);
    let run = &office.sql("SELECT execution_id FROM fortress_jobs")[0];
    assert_eq!(run.opt_text("execution_id").unwrap(), None);
    assert_eq!(office.findings(), []);
}
