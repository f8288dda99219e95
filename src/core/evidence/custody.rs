//! Who had evidence in hand: events with the fields of ISO/IEC 27037 (evidence id; who, when,
//! where; what was done, why, on whose authority; changes that could not be avoided, and who
//! answers for them). Each is a fact in the log.
//!
//! Events of an execution are numbered from 1, and each number is taken once: a gap shows
//! that one is missing.

use std::collections::BTreeMap;

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::EvidenceError;
use super::service::Evidence;
use crate::auth::Principal;
use crate::chain::fact::Fact;
use crate::chain::hash::Hash;
use crate::execution::Asker;
use crate::ledger::{AppendRequest, KeyedFact, LedgerError, LoggedFact};
use crate::time;
use crate::validation::{printable, printable_if_some};

pub(crate) const PREDICATE: &str = "custody_event";
const SOURCE: &str = "chittyos-coordinator";
/// Most events of an execution, so that all of them are proven in one tree with its own facts and
/// those of the keys that signed.
pub(super) const MAX_EVENTS: usize = 90;
/// How often the next number is tried when others record at the same moment.
const TRIES: u32 = 6;
/// What the log answers where a number is taken.
const TAKEN: &str = "idempotency_conflict";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CustodyAction {
    Collected,
    Accessed,
    Copied,
    Analysed,
    CheckedOut,
    CheckedIn,
    Transferred,
    Disclosed,
    Packaged,
    Other,
}

/// What happened to a piece of evidence. Texts are of one line.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct CustodyEvent {
    #[garde(skip)]
    pub action: CustodyAction,
    /// Who did it. Default: the caller.
    #[garde(length(chars, min = 1, max = 300), custom(printable_if_some))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// Where it was done.
    #[garde(length(chars, min = 1, max = 300), custom(printable))]
    pub location: String,
    /// Why.
    #[garde(length(chars, min = 1, max = 1_000), custom(printable))]
    pub purpose: String,
    /// On whose authority.
    #[garde(length(chars, min = 1, max = 300), custom(printable))]
    pub authority: String,
    /// Changes to the evidence that could not be avoided. Default: none.
    #[garde(length(chars, min = 1, max = 1_000), custom(printable_if_some), custom(answered_for(&self.responsible)))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<String>,
    /// Who answers for those changes; needed with them.
    #[garde(length(chars, min = 1, max = 300), custom(printable_if_some))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub responsible: Option<String>,
    /// When it happened, RFC 3339. Default: now. The log adds its own time.
    #[garde(length(bytes, min = 1, max = 40), custom(time_if_some))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occurred_at: Option<String>,
}

#[expect(clippy::ref_option, reason = "garde's form")]
fn answered_for(
    responsible: &Option<String>,
) -> impl FnOnce(&Option<String>, &()) -> garde::Result + '_ {
    move |changes, ()| {
        if changes.is_some() && responsible.is_none() {
            return Err(garde::Error::new(
                "name in responsible who answers for the changes",
            ));
        }
        Ok(())
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    clippy::ref_option,
    reason = "garde's form"
)]
fn time_if_some(text: &Option<String>, _: &()) -> garde::Result {
    match text.as_deref().map(time::from_rfc3339) {
        Some(Err(error)) => Err(garde::Error::new(error.to_string())),
        Some(Ok(ms)) if ms < 0 => Err(garde::Error::new("lies before 1970")),
        _ => Ok(()),
    }
}

/// An event to record, or, without one, the events to list.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct CustodyInput {
    #[garde(length(bytes, min = 1, max = 128))]
    pub execution_id: String,
    /// Left out: nothing is recorded, the events on file are listed.
    #[garde(dive)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<CustodyEvent>,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct CustodyOutput {
    pub execution_id: String,
    /// What the events are about, the same in all of them.
    pub evidence_id: String,
    /// Id of the fact that was recorded now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recorded: Option<String>,
    /// Oldest first.
    pub events: Vec<CustodyLine>,
    /// The key that signs the log's checkpoints. Compare it with one you got elsewhere.
    pub verifier_key: String,
}

/// An event on file. All but the proof is as the fact has it; an erased one has no fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CustodyLine {
    pub fact_id: String,
    pub leaf_index: u64,
    /// By the log's clock, RFC 3339.
    pub logged_at: String,
    /// As recorded, RFC 3339; absent where the event was erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub occurred_at: Option<String>,
    /// sequence, action, actor, location, purpose, authority, and what else was recorded.
    pub fields: BTreeMap<String, String>,
    /// C2SP tlog-proof of the fact.
    pub tlog_proof: String,
}

impl CustodyLine {
    pub(super) fn of(logged: &LoggedFact) -> Self {
        let ms = |ms: u64| time::to_rfc3339(i64::try_from(ms).unwrap_or(i64::MAX));
        let fact = logged.stored.content.fact();
        Self {
            fact_id: logged.stored.fact_id.to_string(),
            leaf_index: logged.stored.leaf_index,
            logged_at: ms(logged.stored.logged_at_ms),
            occurred_at: fact.map(|fact| ms(fact.timestamp_ms)),
            fields: fact.map(fields).unwrap_or_default(),
            tlog_proof: logged.receipt.to_proof_text(),
        }
    }
}

fn fields(fact: &Fact) -> BTreeMap<String, String> {
    let action = ("action".to_owned(), fact.object.clone());
    fact.metadata.clone().into_iter().chain([action]).collect()
}

/// Whose evidence it is, and under which id.
pub(super) struct Subject<'a> {
    pub execution_id: &'a str,
    pub evidence_id: &'a str,
    pub owner: &'a str,
}

impl Evidence<'_> {
    /// Records an event, if one is given, and lists all of them.
    pub async fn custody(
        &self,
        asker: &Asker<'_>,
        input: &CustodyInput,
    ) -> Result<CustodyOutput, EvidenceError> {
        let execution = self
            .executions
            .status(asker.principal, &input.execution_id)
            .await?
            .execution;
        let evidence_id = execution.evidence_id.as_deref().unwrap_or(&execution.id);
        let subject = Subject {
            execution_id: &execution.id,
            evidence_id,
            owner: &execution.user_id,
        };
        let recorded = match &input.event {
            None => None,
            Some(event) => {
                let none = BTreeMap::new();
                Some(self.record(&subject, asker.principal, event, none).await?)
            }
        };
        let ids = self.custody_ids(&subject).await?;
        let mut events = self.executions.ledger.facts(&ids).await?;
        events.sort_by_key(|event| event.stored.leaf_index);
        Ok(CustodyOutput {
            evidence_id: evidence_id.to_owned(),
            recorded: recorded.map(|id| id.to_string()),
            events: events.iter().map(CustodyLine::of).collect(),
            verifier_key: self.executions.ledger.head().await?.verifier_key,
            execution_id: execution.id,
        })
    }

    /// Ids of the events of an execution, oldest first. Which there are is the log's word: rows
    /// may be late, or gone.
    pub(super) async fn custody_ids(
        &self,
        subject: &Subject<'_>,
    ) -> Result<Vec<Hash>, EvidenceError> {
        let prefix = key(subject.execution_id, "");
        let found = self.executions.ledger.keyed(std::slice::from_ref(&prefix));
        let facts = found.await?.into_iter().flat_map(|keyed| keyed.facts);
        let is_event = |logged: &KeyedFact| {
            let sequence = logged.key.strip_prefix(&prefix).unwrap_or_default();
            let of_custody = |fact: &Fact| fact.predicate == PREDICATE && fact.source == SOURCE;
            sequence.parse::<usize>().is_ok() && logged.stored.content.fact().is_none_or(of_custody)
        };
        let events = facts.filter(is_event);
        Ok(events.map(|event| event.stored.fact_id).collect())
    }

    /// Logs an event under the next number. `more` is added to its fields.
    pub(super) async fn record(
        &self,
        subject: &Subject<'_>,
        by: &Principal,
        event: &CustodyEvent,
        more: BTreeMap<String, String>,
    ) -> Result<Hash, EvidenceError> {
        let mut sequence = self.custody_ids(subject).await?.len() + 1;
        let mut fact = fact(subject, by, event, more, self.executions.clock.now_ms());
        for _ in 0..TRIES {
            if sequence > MAX_EVENTS {
                return Err(EvidenceError::TooManyEvents);
            }
            fact.metadata
                .insert("sequence".to_owned(), sequence.to_string());
            let request = AppendRequest {
                idempotency_key: key(subject.execution_id, &sequence.to_string()),
                fact: fact.clone(),
            };
            match self.executions.ledger.append(&request).await {
                Ok(receipt) => return Ok(receipt.fact_id),
                Err(LedgerError::Refused { code, .. }) if code == TAKEN => sequence += 1,
                Err(error) => return Err(error.into()),
            }
        }
        Err(EvidenceError::Busy)
    }
}

/// Of an event of an execution.
fn key(execution: &str, sequence: &str) -> String {
    format!("custody:{execution}:{sequence}")
}

fn fact(
    subject: &Subject<'_>,
    by: &Principal,
    event: &CustodyEvent,
    more: BTreeMap<String, String>,
    now_ms: i64,
) -> Fact {
    let occurred = event
        .occurred_at
        .as_deref()
        .and_then(|text| time::from_rfc3339(text).ok());
    let action = serde_json::json!(event.action);
    let mut metadata = more;
    let fields = [
        ("user_id", Some(subject.owner)),
        ("recorded_by", Some(by.user_id.as_str())),
        ("actor", Some(event.actor.as_deref().unwrap_or(&by.user_id))),
        ("location", Some(event.location.as_str())),
        ("purpose", Some(event.purpose.as_str())),
        ("authority", Some(event.authority.as_str())),
        ("changes", Some(event.changes.as_deref().unwrap_or("none"))),
        ("responsible", event.responsible.as_deref()),
    ];
    for (name, value) in fields {
        metadata.extend(value.map(|value| (name.to_owned(), value.to_owned())));
    }
    Fact {
        subject: format!("evidence:{}", subject.evidence_id),
        predicate: PREDICATE.to_owned(),
        object: action.as_str().unwrap_or_default().to_owned(),
        source: SOURCE.to_owned(),
        timestamp_ms: u64::try_from(occurred.unwrap_or(now_ms)).unwrap_or_default(),
        execution_id: Some(subject.execution_id.to_owned()),
        evidence_id: None,
        metadata,
    }
}
