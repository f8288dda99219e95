//! What goes on while an audit does: erasures between two of its slices, or cut short, and a round
//! that is published and not noted yet. None of it is a finding.

use std::cell::Cell;

use async_trait::async_trait;

use super::left_behind::erase_of;
use super::*;
use crate::anchoring::Anchoring;
use crate::chain::checkpoint::Checkpoint;
use crate::chain::hash::Hash;
use crate::chain::receipt::{ConsistencyProof, InclusionProof, Receipt, StoredFact};
use crate::ledger::{AppendRequest, FactRef, Head, Keyed, Ledger, LedgerError, LoggedFact};

/// A log that does not answer whoever erases, or gives an old head for so many calls.
struct Hindered {
    inner: Rc<dyn Ledger>,
    erases: bool,
    old: Option<Head>,
    /// Calls until the old head gives way.
    lags: Cell<usize>,
}

impl Hindered {
    fn of(office: &Office) -> Self {
        Self {
            inner: Rc::clone(&office.world.service.ledger),
            erases: true,
            old: None,
            lags: Cell::new(0),
        }
    }

    fn lagging(&self) -> Option<&Head> {
        self.old.as_ref().filter(|_| self.lags.get() > 0)
    }
}

#[async_trait(?Send)]
impl Ledger for Hindered {
    async fn append(&self, request: &AppendRequest) -> Result<Receipt, LedgerError> {
        self.inner.append(request).await
    }

    async fn append_all(
        &self,
        requests: &[AppendRequest],
    ) -> Result<Vec<Result<Receipt, LedgerError>>, LedgerError> {
        self.inner.append_all(requests).await
    }

    async fn facts(&self, facts: &[Hash]) -> Result<Vec<LoggedFact>, LedgerError> {
        self.inner.facts(facts).await
    }

    async fn keyed(&self, prefixes: &[String]) -> Result<Vec<Keyed>, LedgerError> {
        self.inner.keyed(prefixes).await
    }

    async fn recent(&self, count: usize) -> Result<Vec<LoggedFact>, LedgerError> {
        self.inner.recent(count).await
    }

    async fn entries(&self, from: u64) -> Result<Vec<StoredFact>, LedgerError> {
        self.inner.entries(from).await
    }

    async fn erase(&self, fact: Hash) -> Result<StoredFact, LedgerError> {
        if self.erases {
            return self.inner.erase(fact).await;
        }
        Err(LedgerError::Unavailable("down".to_owned()))
    }

    async fn head(&self) -> Result<Head, LedgerError> {
        let old = self.lagging().cloned();
        self.lags.set(self.lags.get().saturating_sub(1));
        match old {
            Some(old) => Ok(old),
            None => self.inner.head().await,
        }
    }

    async fn checkpoint(&self, size: u64) -> Result<String, LedgerError> {
        self.inner.checkpoint(size).await
    }

    async fn inclusion(
        &self,
        fact: FactRef,
        size: Option<u64>,
    ) -> Result<InclusionProof, LedgerError> {
        self.inner.inclusion(fact, size).await
    }

    async fn consistency(&self, first: u64, second: u64) -> Result<ConsistencyProof, LedgerError> {
        if let Some(old) = self.lagging()
            && Checkpoint::parse_unverified(&old.checkpoint).unwrap().size < second
        {
            let (code, message) = ("size_not_reached".to_owned(), String::new());
            return Err(LedgerError::Refused { code, message });
        }
        self.inner.consistency(first, second).await
    }

    async fn anchoring(&self, size: Option<u64>) -> Result<Anchoring, LedgerError> {
        self.inner.anchoring(size).await
    }
}

/// A run that is part of no execution, on record.
fn run_alone(office: &Office) -> String {
    let run = office.run(serde_json::json!({"prompt": "by itself", "label": "alone"}));
    office.record();
    run.job_id
}

#[test]
fn what_is_erased_between_two_slices_is_no_finding() {
    let office = Office::with(1);
    let run = run_alone(&office);
    let size = office.world.log.size();
    let head = office.clock().run(office.world.service.ledger.head());
    let at_the_facts = Progress {
        phase: Phase::Facts,
        head: Some(head.unwrap().checkpoint),
        ..Progress::default()
    };
    erase_of(&office, "fortress_job_id", &run).unwrap();
    erase_of(&office, "execution_id", &office.executions[0]).unwrap();
    // Where to look for what tells of it, rows may not say yet.
    office.sql(format!(
        "DELETE FROM chitty_chain_facts WHERE leaf_index >= {size}"
    ));
    let later = office.later();
    let audit = office.audit_on(&forensic(&[]), at_the_facts, later);
    assert_eq!(audit.findings, []);
    assert_eq!(audit.facts, size, "of the head that it began with");
}

#[test]
fn entries_that_are_missing_at_the_end_are_named_though_erasures_are_looked_for_after_it() {
    let office = Office::with(1);
    let run = run_alone(&office);
    let last = office.world.log.size() - 1;
    let head = office.clock().run(office.world.service.ledger.head());
    erase_of(&office, "fortress_job_id", &run).unwrap();
    let at_the_facts = Progress {
        phase: Phase::Facts,
        head: Some(head.unwrap().checkpoint),
        ..Progress::default()
    };
    office.world.log.alter(last, None);
    let audit = office.audit_on(&forensic(&[]), at_the_facts, office.later());
    let codes: Vec<Code> = audit.findings.iter().map(|found| found.code).collect();
    assert!(codes.contains(&Code::FactMissing), "{codes:?}");
    assert!(!codes.contains(&Code::ContentGone), "{codes:?}");
}

#[test]
fn an_erasure_that_is_cut_short_is_no_forgery() {
    let mut office = Office::with(1);
    let (id, whole) = (
        office.executions[0].clone(),
        Rc::clone(&office.world.service.ledger),
    );
    office.world.service.ledger = Rc::new(Hindered {
        erases: false,
        ..Hindered::of(&office)
    });
    assert!(erase_of(&office, "execution_id", &id).is_err());
    office.world.service.ledger = whole;
    office.record();
    assert_eq!(office.findings(), []);
    erase_of(&office, "execution_id", &id).unwrap();
    office.record();
    assert_eq!(office.findings(), []);
}

#[test]
fn an_erasure_that_did_nothing_takes_no_right_to_go_on() {
    let office = Office::with(1);
    office.sql(
        "CREATE TRIGGER refuse BEFORE UPDATE ON secure_executions \
         BEGIN SELECT RAISE(ABORT, 'no'); END",
    );
    assert!(erase_of(&office, "execution_id", &office.executions[0]).is_err());
    office.sql("DROP TRIGGER refuse");
    office.sql(
        "UPDATE evidence_packages SET status = 'delivered', updated_at = updated_at + 1, \
         recorded_fact = NULL",
    );
    assert_eq!(office.record().rows, 1);
    assert_eq!(office.findings(), []);
    erase_of(&office, "execution_id", &office.executions[0]).unwrap();
    office.record();
    assert_eq!(office.findings(), []);
}

#[test]
fn a_round_that_is_published_and_not_noted_yet_is_no_finding() {
    for lags in 1..12 {
        let mut office = Office::with(1);
        let old = office.clock().run(office.world.service.ledger.head());
        let request = crate::ledger::tests::request(0);
        let appended = office.world.service.ledger.append(&request);
        office.clock().run(appended).unwrap();
        office.world.service.ledger = Rc::new(Hindered {
            old: Some(old.unwrap()),
            lags: Cell::new(lags),
            ..Hindered::of(&office)
        });
        assert_eq!(office.findings(), [], "{lags}");
    }
}
