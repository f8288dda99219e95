use std::rc::Rc;

use serde::Serialize;
use serde_json::json;

use super::log::Log;
use super::refusal::Refusal;
use super::{Appended, Command, FactRef, Head, LoggedFact, MAX_FACTS};
use crate::chain::error::SequencerError;
use crate::chain::receipt::{Receipt, StoredFact};
use crate::chain::sequencer::Sequencer;
use crate::chain::store::LogStore;

/// What the log answers: an HTTP status and a JSON text.
#[derive(Debug)]
pub struct Served {
    pub status: u16,
    pub body: String,
}

type Outcome<T, S> = Result<T, SequencerError<<S as crate::chain::tree::Nodes>::Error>>;

/// Answers one request to the log.
pub async fn serve<S: LogStore + 'static>(log: &Rc<Log<S>>, body: &[u8]) -> Served
where
    S::Error: std::fmt::Display,
{
    let Ok(command) = serde_json::from_slice::<Command>(body) else {
        let message = "the body is no command of the log";
        return refused(&Refusal::new(400, "invalid_command", message));
    };
    match command {
        Command::Append(request) => {
            let answers = log.append(vec![request]).await;
            let first = |answers: Vec<_>| answers.into_iter().next();
            answer(answers.and_then(|all| first(all).unwrap_or_else(|| Err(Refusal::stopped()))))
        }
        Command::AppendAll(requests) => {
            let answers = log.append(requests).await;
            answer(answers.map(|all| all.into_iter().map(Appended::from).collect::<Vec<_>>()))
        }
        Command::Facts(ids) if ids.len() > MAX_FACTS => refused(&Refusal::too_many(MAX_FACTS)),
        Command::Facts(ids) => {
            let find = |log: &Sequencer<S>| {
                ids.into_iter().try_fold(Vec::new(), |mut found, id| {
                    found.extend(find(log, FactRef::FactId(id))?);
                    Ok(found)
                })
            };
            answer(log.read(find).await)
        }
        Command::Recent(count) => answer(log.read(|log| recent(log, count.min(MAX_FACTS))).await),
        Command::Head => answer(log.read(head).await),
        Command::Checkpoint(size) => answer(log.read(|log| log.checkpoint_at(size)).await),
        Command::Inclusion { fact, size } => {
            answer(log.read(|log| log.prove_inclusion(fact, size)).await)
        }
        Command::Consistency { first, second } => {
            answer(log.read(|log| log.prove_consistency(first, second)).await)
        }
        Command::Entries(from) => answer(log.read(|log| entries(log, from)).await),
        Command::Erase(id) => answer(log.erase(id).await),
    }
}

fn recent<S: LogStore>(log: &Sequencer<S>, count: usize) -> Outcome<Vec<LoggedFact>, S> {
    let size = log.size();
    let start = size.saturating_sub(count as u64);
    let mut found = Vec::new();
    for index in start..size {
        found.extend(find(log, FactRef::Index(index))?);
    }
    Ok(found)
}

fn entries<S: LogStore>(log: &Sequencer<S>, from: u64) -> Outcome<Vec<StoredFact>, S> {
    let end = log.size().min(from.saturating_add(MAX_FACTS as u64));
    (from..end)
        .map(|index| log.fact(FactRef::Index(index)))
        .collect()
}

fn head<S: LogStore>(log: &Sequencer<S>) -> Outcome<Head, S> {
    Ok(Head {
        checkpoint: log.checkpoint()?,
        verifier_key: log.key().verifier().to_string(),
    })
}

fn find<S: LogStore>(log: &Sequencer<S>, fact: FactRef) -> Outcome<Option<LoggedFact>, S> {
    let stored = match log.fact(fact) {
        Ok(stored) => stored,
        Err(SequencerError::NotFound) => return Ok(None),
        Err(error) => return Err(error),
    };
    let place = log.prove_inclusion(fact, None)?;
    let receipt = Receipt {
        fact_id: stored.fact_id,
        leaf_index: place.leaf_index,
        tree_size: place.tree_size,
        leaf_hash: place.leaf_hash,
        logged_at_ms: stored.logged_at_ms,
        inclusion_proof: place.proof,
        checkpoint: place.checkpoint,
        replayed: true,
    };
    Ok(Some(LoggedFact { stored, receipt }))
}

fn answer<T: Serialize>(outcome: Result<T, Refusal>) -> Served {
    match outcome {
        Ok(value) => match serde_json::to_string(&value) {
            Ok(body) => Served { status: 200, body },
            Err(error) => refused(&Refusal::unavailable("unwritable", &error.to_string())),
        },
        Err(refusal) => refused(&refusal),
    }
}

fn refused(refusal: &Refusal) -> Served {
    Served {
        status: refusal.status,
        body: json!(refusal).to_string(),
    }
}
