//! The facts whose content goes with what they are about. Where to look is the database's word;
//! what a fact is about is its own, as the log has it.

use std::collections::{BTreeMap, BTreeSet};

use super::{EraseError, Erased, Eraser, PREDICATE, RUN};
use crate::audit::digest::short_of;
use crate::audit::recorder::{SOURCE, records_of};
use crate::audit::rows::Record;
use crate::audit::tables::{TABLES, Table};
use crate::chain::fact::Fact;
use crate::chain::hash::Hash;
use crate::chain::receipt::{StoredContent, StoredFact};
use crate::evidence::CUSTODY_EVENT;
use crate::fortress::OWN_SOURCES;
use crate::ledger::MAX_FACTS;
use crate::sql::{DatabaseError, Row, Statement};

const OF_EXECUTION: [&str; 3] = [
    "SELECT uuid AS fact FROM chitty_chain_facts WHERE execution_id = ?1",
    "SELECT assertion_id AS fact FROM fortress_jobs WHERE execution_id = ?1",
    "SELECT chain_facts AS facts FROM secure_executions WHERE id = ?1",
];
const OF_RUN: [&str; 1] = ["SELECT assertion_id AS fact FROM fortress_jobs WHERE id = ?1"];

/// What is erased of the log, and what was before.
pub(super) struct Facts {
    /// Each with its execution.
    pub present: BTreeMap<Hash, Option<String>>,
    pub gone: BTreeSet<Hash>,
}

impl Facts {
    pub fn ids(&self) -> impl Iterator<Item = &Hash> {
        self.present.keys().chain(&self.gone)
    }

    /// Those of an execution; all those of a run.
    pub fn of(&self, execution: Option<&str>) -> Vec<Hash> {
        let of =
            |(_, of): &(&Hash, &Option<String>)| execution.is_none() || of.as_deref() == execution;
        self.present
            .iter()
            .filter(of)
            .map(|(fact, _)| *fact)
            .collect()
    }
}

impl Eraser {
    /// All facts about it, but those that tell of erasures and of custody.
    pub(super) async fn facts_of(&self, erased: &Erased) -> Result<Facts, EraseError> {
        let mut logged = self.records(erased).await?;
        logged.extend(self.late(erased).await?);
        let asked: Vec<Hash> = self.named(erased).await?.into_iter().collect();
        // What the log does not have cannot be erased there.
        for some in asked.chunks(MAX_FACTS) {
            let found = self.ledger.facts(some).await?;
            logged.extend(found.into_iter().map(|fact| fact.stored));
        }
        let (mut present, mut gone) = (BTreeMap::new(), BTreeSet::new());
        for stored in logged {
            match stored.content {
                StoredContent::Present { fact, .. } if is_about(&fact, erased) => {
                    present.insert(stored.fact_id, fact.execution_id);
                }
                StoredContent::Erased => drop(gone.insert(stored.fact_id)),
                _ => (),
            }
        }
        Ok(Facts { present, gone })
    }

    /// The records of its rows.
    async fn records(&self, erased: &Erased) -> Result<Vec<StoredFact>, EraseError> {
        let mut prefixes = Vec::new();
        for table in &TABLES {
            let named = erased.executions.iter().chain(&erased.run);
            for (id, column) in named.flat_map(|id| table.erased_with.iter().map(move |c| (id, c)))
            {
                let sql = format!("SELECT id FROM {} WHERE {column} = ?1", table.name);
                for row in self
                    .db
                    .run(Statement::new(sql).bind(id.as_str()))
                    .await?
                    .rows
                {
                    prefixes.push(records_of(table, &row.text("id")?));
                }
            }
        }
        let found = self.ledger.keyed(&prefixes).await?;
        let facts = found.into_iter().flat_map(|keyed| keyed.facts);
        Ok(facts.map(|fact| fact.stored).collect())
    }

    /// Those that rows name.
    async fn named(&self, erased: &Erased) -> Result<BTreeSet<Hash>, EraseError> {
        let of = |sql: &[&'static str], id: &String| -> Vec<Statement> {
            let bound = |sql: &&'static str| Statement::new(*sql).bind(id.as_str());
            sql.iter().map(bound).collect()
        };
        let of_executions = erased
            .executions
            .iter()
            .flat_map(|id| of(&OF_EXECUTION, id));
        let of_run = erased.run.iter().flat_map(|id| of(&OF_RUN, id));
        let mut facts = BTreeSet::new();
        for outcome in self.db.batch(of_executions.chain(of_run).collect()).await? {
            for row in &outcome.rows {
                facts.extend(ids_in(row)?);
            }
        }
        Ok(facts)
    }
}

/// Whether a fact goes with it, by what the fact says: its own, or one of ours about it. What tells
/// of erasures and of custody stays.
pub(super) fn is_about(fact: &Fact, erased: &Erased) -> bool {
    let is_ours = OWN_SOURCES.contains(&fact.source.as_str());
    let stays = [PREDICATE, CUSTODY_EVENT].contains(&fact.predicate.as_str());
    let is_theirs = match fact.metadata.get("user_id") {
        Some(owner) => *owner == erased.owner,
        None => is_ours,
    };
    if !is_theirs || (stays && is_ours) {
        return false;
    }
    let of_execution = fact.execution_id.as_ref();
    let run = erased.run.as_ref();
    of_execution.is_some_and(|id| erased.executions.contains(id))
        || run.is_some_and(|run| is_ours && is_of_run(fact, run))
}

/// Of a run that is part of no execution: the run, its row, and the evidence made of it.
fn is_of_run(fact: &Fact, run: &str) -> bool {
    if fact.subject.strip_prefix(RUN) == Some(run) {
        return true;
    }
    let Some((table, id)) = Table::of_subject(&fact.subject) else {
        return false;
    };
    let record = Record::of(fact, table, id);
    let run = short_of(run);
    fact.execution_id.is_none()
        && fact.source == SOURCE
        && record.is_some_and(|record| {
            let named = |column: &&str| record.columns.get(*column) == Some(&run);
            table.erased_with.iter().any(named)
        })
}

/// Those that a row names.
fn ids_in(row: &Row) -> Result<Vec<Hash>, DatabaseError> {
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
