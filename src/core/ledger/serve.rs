use std::rc::Rc;

use serde::Serialize;
use serde_json::json;

use super::log::Log;
use super::refusal::Refusal;
use super::{
    Appended, Command, FactRef, Found, Head, Keyed, KeyedFact, LoggedFact, MAX_FACTS, MAX_KEYED,
};
use crate::chain::error::SequencerError;
use crate::chain::hash::Hash;
use crate::chain::receipt::{Receipt, StoredFact};
use crate::chain::sequencer::Sequencer;
use crate::chain::store::LogStore;

/// What the log answers: an HTTP status and a JSON text.
#[derive(Debug)]
pub struct Served {
    pub status: u16,
    pub body: String,
}

/// Bytes of facts in one answer. As JSON, and within JSON again, they are three times as many.
const MAX_CONTENT: usize = 4 * 1024 * 1024;

/// Places looked at for one answer, where entries are missing.
const MOST_LOOKED_AT: u64 = 10 * MAX_FACTS as u64;

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
        Command::Facts(ids) => answer(log.read(|log| facts(log, &ids)).await),
        Command::Keyed(all) if all.len() > MAX_FACTS => refused(&Refusal::too_many(MAX_FACTS)),
        Command::Keyed(prefixes) => answer(log.read(|log| keyed(log, &prefixes)).await),
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
    let (mut newest, mut room) = (Vec::new(), Room::default());
    for index in (start..size).rev() {
        let found = find(log, FactRef::Index(index))?;
        if !found.as_ref().is_none_or(|fact| room.takes(&fact.stored)) {
            break;
        }
        newest.extend(found);
    }
    newest.reverse();
    Ok(newest)
}

fn facts<S: LogStore>(log: &Sequencer<S>, ids: &[Hash]) -> Outcome<Found, S> {
    let (mut facts, mut asked, mut room) = (Vec::new(), 0, Room::default());
    for id in ids {
        let found = find(log, FactRef::FactId(*id))?;
        if !found.as_ref().is_none_or(|fact| room.takes(&fact.stored)) {
            break;
        }
        facts.extend(found);
        asked += 1;
    }
    Ok(Found { asked, facts })
}

/// Of the first prefixes, as many as fit. Of the very first, as many facts as fit.
fn keyed<S: LogStore>(log: &Sequencer<S>, prefixes: &[String]) -> Outcome<Vec<Keyed>, S> {
    let (mut all, mut room) = (Vec::new(), Room::default());
    for prefix in prefixes {
        let found = log.keyed(prefix, MAX_KEYED as u64 + 1)?;
        let count = found.len();
        let facts: Vec<KeyedFact> = found
            .into_iter()
            .take(MAX_KEYED)
            .map(|(key, stored)| KeyedFact { key, stored })
            .take_while(|fact| room.takes(&fact.stored))
            .collect();
        let more = facts.len() < count;
        if more && count <= MAX_KEYED && !all.is_empty() {
            break;
        }
        all.push(Keyed { facts, more });
    }
    Ok(all)
}

fn entries<S: LogStore>(log: &Sequencer<S>, from: u64) -> Outcome<Vec<StoredFact>, S> {
    let (mut entries, mut room) = (Vec::new(), Room::default());
    let end = log.size().min(from.saturating_add(MOST_LOOKED_AT));
    for index in from..end {
        match log.fact(FactRef::Index(index)) {
            Ok(entry) if entries.len() < MAX_FACTS && room.takes(&entry) => entries.push(entry),
            Ok(_) => break,
            Err(SequencerError::Missing { .. }) => (),
            Err(error) => return Err(error),
        }
    }
    Ok(entries)
}

/// What is left of an answer, in bytes of content.
struct Room(usize);

impl Default for Room {
    fn default() -> Self {
        Self(MAX_CONTENT)
    }
}

impl Room {
    /// The first one always fits.
    fn takes(&mut self, fact: &StoredFact) -> bool {
        let bytes = fact.content.canonical().map_or(0, str::len);
        let fits = self.0 == MAX_CONTENT || bytes <= self.0;
        self.0 = self.0.saturating_sub(bytes);
        fits
    }
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
