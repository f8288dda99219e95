//! The facts whose content goes with what they are about.

use crate::audit::recorder::SOURCE;
use crate::chain::hash::Hash;
use crate::sql::{DatabaseError, Row, Statement};

/// What tells of the erasure and of custody stays, if it is ours.
const ABOUT: &str = "SELECT uuid AS fact FROM chitty_chain_facts WHERE execution_id = ?1 \
     AND NOT (source = ?2 AND predicate IN ('content_erased', 'custody_event'))";

const OF_EXECUTION: [&str; 6] = [
    "SELECT recorded_fact AS fact FROM secure_executions WHERE id = ?1",
    "SELECT recorded_fact AS fact FROM fortress_jobs WHERE execution_id = ?1",
    "SELECT assertion_id AS fact FROM fortress_jobs WHERE execution_id = ?1",
    "SELECT recorded_fact AS fact FROM evidence_records WHERE execution_id = ?1",
    "SELECT recorded_fact AS fact FROM evidence_packages WHERE execution_id = ?1",
    "SELECT chain_facts AS facts FROM secure_executions WHERE id = ?1",
];

const OF_RUN: [&str; 5] = [
    "SELECT assertion_id AS fact FROM fortress_jobs WHERE id = ?1",
    "SELECT recorded_fact AS fact FROM fortress_jobs WHERE id = ?1",
    "SELECT recorded_fact AS fact FROM evidence_records WHERE fortress_job_id = ?1",
    "SELECT uuid AS fact FROM chitty_chain_facts WHERE subject = 'row:fortress_jobs:' || ?1",
    "SELECT f.uuid AS fact FROM evidence_records e JOIN chitty_chain_facts f \
     ON f.subject = 'row:evidence_records:' || e.id WHERE e.fortress_job_id = ?1",
];

pub(super) fn of_execution(id: &str) -> Vec<Statement> {
    let about = Statement::new(ABOUT).bind(id).bind(SOURCE);
    let others = OF_EXECUTION.iter().map(|sql| Statement::new(*sql).bind(id));
    std::iter::once(about).chain(others).collect()
}

pub(super) fn of_run(id: &str) -> Vec<Statement> {
    let statements = OF_RUN.iter().map(|sql| Statement::new(*sql).bind(id));
    statements.collect()
}

/// Those that a row names.
pub(super) fn ids_in(row: &Row) -> Result<Vec<Hash>, DatabaseError> {
    let texts = if row.value("facts").is_some() {
        let list = row.json("facts")?;
        serde_json::from_value(list).unwrap_or_default()
    } else {
        row.opt_text("fact")?.into_iter().collect::<Vec<String>>()
    };
    Ok(texts
        .iter()
        .filter_map(|id| Hash::from_hex(id).ok())
        .collect())
}
