use std::collections::HashMap;

use super::chain_check::ChainVerifyInput;
use crate::chain::receipt::{StoredContent, StoredFact};
use crate::ledger::{LoggedFact, held, said};
use crate::ports::Database;
use crate::sql::{DatabaseError, Row, Statement};

/// What the database has of some facts: their rows by fact id, and the runs they record by
/// job id. Empty where nothing was asked for.
pub(super) struct OnFile {
    rows: HashMap<String, Row>,
    runs: HashMap<String, Run>,
}

/// What was signed, as it is stored. Empty where it is gone.
#[derive(Clone, Default)]
pub(super) struct Run {
    pub manifest: String,
    pub signature: String,
}

impl OnFile {
    /// In one batch, however many facts there are.
    pub async fn read(
        db: &dyn Database,
        input: &ChainVerifyInput,
        facts: &[LoggedFact],
    ) -> Result<Self, DatabaseError> {
        let ids = facts.iter().filter(|_| input.cross_reference);
        let ids = ids.map(|fact| fact.stored.fact_id.to_string()).collect();
        let jobs = facts.iter().filter(|_| input.verify_signatures);
        let jobs = jobs.filter_map(job_of).map(str::to_owned).collect();
        let of_rows = "SELECT uuid, leaf_index, leaf_hash, fact_json, subject, predicate, object, \
                       source, timestamp, ingested_at, user_id, metadata \
                       FROM chitty_chain_facts WHERE uuid IN";
        let of_runs = "SELECT id, manifest, signature FROM fortress_jobs WHERE id IN";
        let found = db
            .batch(vec![among(of_rows, ids), among(of_runs, jobs)])
            .await?;
        let rows = |index: usize| found.get(index).map_or(&[][..], |outcome| &outcome.rows);
        Ok(Self {
            rows: rows(0)
                .iter()
                .map(|row| Ok((row.text("uuid")?, row.clone())))
                .collect::<Result<_, DatabaseError>>()?,
            runs: rows(1)
                .iter()
                .map(|row| Ok((row.text("id")?, Run::from_row(row)?)))
                .collect::<Result<_, DatabaseError>>()?,
        })
    }

    pub fn run(&self, job_id: &str) -> Run {
        self.runs.get(job_id).cloned().unwrap_or_default()
    }

    /// Whether the fact's row says what the log says. An erased fact need not have a row; altered
    /// content says nothing that a row could agree with.
    pub fn agrees(&self, stored: &StoredFact) -> bool {
        let row = self.rows.get(&stored.fact_id.to_string());
        match (&stored.content, row) {
            (StoredContent::Altered { .. }, _) => false,
            (content, None) => *content == StoredContent::Erased,
            (_, Some(row)) => said(stored)
                .iter()
                .all(|(column, said)| held(row, column) == *said),
        }
    }
}

impl Run {
    fn from_row(row: &Row) -> Result<Self, DatabaseError> {
        Ok(Self {
            manifest: row.opt_text("manifest")?.unwrap_or_default(),
            signature: row.opt_text("signature")?.unwrap_or_default(),
        })
    }
}

/// The job that a fact records the run of.
pub(super) fn job_of(fact: &LoggedFact) -> Option<&str> {
    let fact = fact.stored.content.fact()?;
    fact.subject.strip_prefix("fortress:job:")
}

/// `select` with the values in parentheses; with none, a statement that finds nothing.
fn among(select: &str, values: Vec<String>) -> Statement {
    let places: Vec<String> = (1..=values.len()).map(|n| format!("?{n}")).collect();
    let places = if places.is_empty() {
        "NULL".to_owned()
    } else {
        places.join(", ")
    };
    let statement = Statement::new(format!("{select} ({places})"));
    values.into_iter().fold(statement, Statement::bind)
}
