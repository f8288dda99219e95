use serde::Serialize;
use serde_json::json;

use super::{Command, FactRef, Head, LoggedFact, MAX_FACTS};
use crate::chain::error::SequencerError;
use crate::chain::fact::Salt;
use crate::chain::receipt::{Receipt, StoredFact};
use crate::chain::sequencer::Sequencer;
use crate::chain::store::LogStore;

/// What the sequencer answers: an HTTP status and a JSON text.
#[derive(Debug)]
pub struct Served {
    pub status: u16,
    pub body: String,
    /// A fact was logged, now or before by the same key: its row may be due.
    pub logged: bool,
}

type Outcome<T, S> = Result<T, SequencerError<<S as crate::chain::tree::Nodes>::Error>>;

/// Answers one request to the sequencer. `salt` is fresh randomness.
pub fn serve<S: LogStore>(log: &mut Sequencer<S>, body: &[u8], now_ms: u64, salt: &Salt) -> Served
where
    S::Error: std::fmt::Display,
{
    let Ok(command) = serde_json::from_slice::<Command>(body) else {
        return refused(400, "invalid_command", "the body is no command of the log");
    };
    match command {
        Command::Append(request) => {
            let receipt = log.append(&request, now_ms, salt);
            Served {
                logged: receipt.is_ok(),
                ..answer(receipt)
            }
        }
        Command::Facts(ids) if ids.len() > MAX_FACTS => refused(
            400,
            "too_many",
            &format!("ask for at most {MAX_FACTS} facts"),
        ),
        Command::Facts(ids) => answer(ids.into_iter().try_fold(Vec::new(), |mut found, id| {
            found.extend(find(log, FactRef::FactId(id))?);
            Ok::<_, SequencerError<S::Error>>(found)
        })),
        Command::Recent(count) => answer(recent(log, count.min(MAX_FACTS))),
        Command::Entries(from) => answer(entries(log, from)),
        Command::Erase(id) => answer(log.erase(FactRef::FactId(id))),
        Command::Head => answer(head(log)),
        Command::Consistency { first, second } => answer(log.prove_consistency(first, second)),
    }
}

fn recent<S: LogStore>(log: &Sequencer<S>, count: usize) -> Outcome<Vec<LoggedFact>, S> {
    let size = log.size()?;
    let start = size.saturating_sub(count as u64);
    let mut found = Vec::new();
    for index in start..size {
        found.extend(find(log, FactRef::Index(index))?);
    }
    Ok(found)
}

fn entries<S: LogStore>(log: &Sequencer<S>, from: u64) -> Outcome<Vec<StoredFact>, S> {
    let end = log.size()?.min(from.saturating_add(MAX_FACTS as u64));
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

fn answer<T: Serialize, E: std::fmt::Display>(outcome: Result<T, SequencerError<E>>) -> Served {
    match outcome {
        Ok(value) => Served {
            status: 200,
            body: json!(value).to_string(),
            logged: false,
        },
        Err(error) => {
            let status = match error.code() {
                "storage_failed" | "bad_clock" => 503,
                "log_damaged" | "wrong_log_key" => 500,
                _ => 409,
            };
            refused(status, error.code(), &error.to_string())
        }
    }
}

fn refused(status: u16, code: &str, message: &str) -> Served {
    Served {
        status,
        body: json!({ "code": code, "message": message }).to_string(),
        logged: false,
    }
}
