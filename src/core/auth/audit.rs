//! Rows of `audit_logs`: every yes and no, written after the response. Notes of when a key
//! or a grant was last used go the same way.
//!
//! What is to be written waits [`FLUSH_DELAY_MS`] for company and goes in one batch;
//! each request that adds to it stays alive until its own is written. Rows that cannot be
//! written go to the log instead.

use std::cmp::Ordering;
use std::rc::Rc;

use serde::Serialize;

use super::throttle::{self, network_of};
use super::{Principal, RequestInfo};
use crate::gathering::Gathering;
use crate::ids;
use crate::ports::{Background, Clock, Database, Entropy, Level, Log};
use crate::sql::Statement;

pub const FLUSH_DELAY_MS: u64 = 50;
const MAX_BATCH: usize = 50;
const MAX_QUEUED: usize = 1000;
/// Rows of refusals of unknown callers, for an action and network in a minute.
pub const MAX_REFUSALS: i64 = 60;
const MINUTE_MS: i64 = 60_000;
/// The reason in the last of these rows: what follows in that minute has none.
const FURTHER: &str = "too_many_to_list";
const MAX_ADDRESS_CHARS: usize = 64;
const MAX_AGENT_CHARS: usize = 256;

const INSERT: &str = "INSERT INTO audit_logs (id, user_id, token_id, request_id, action,
    resource_type, resource_id, outcome, reason, details, ip_address, user_agent, created_at)
    SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13";

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    Allow,
    /// With the reason, a constant word.
    Deny(&'static str),
}

/// A row. It never holds a token, a key or content.
#[derive(Debug, Clone, Serialize)]
pub struct AuditRow {
    id: String,
    user_id: Option<String>,
    token_id: Option<String>,
    request_id: String,
    action: String,
    resource_type: &'static str,
    resource_id: Option<String>,
    outcome: &'static str,
    reason: Option<&'static str>,
    details: serde_json::Value,
    ip_address: Option<String>,
    user_agent: Option<String>,
    created_at: i64,
}

/// What is not yet written, one for an isolate.
#[derive(Default)]
pub struct AuditQueue(Gathering<Entry>);

#[derive(Clone)]
enum Entry {
    Row(Box<AuditRow>),
    /// Something that is no loss if it is lost, and no other if it is done twice.
    Note(Statement),
}

/// Records on behalf of one request.
#[derive(Clone)]
pub struct AuditLog {
    pub queue: Rc<AuditQueue>,
    pub database: Rc<dyn Database>,
    pub clock: Rc<dyn Clock>,
    pub entropy: Rc<dyn Entropy>,
    pub background: Rc<dyn Background>,
    pub log: Rc<dyn Log>,
}

/// What happened, to what.
#[derive(Debug, Clone)]
pub struct AuditEvent<'a> {
    pub action: &'a str,
    pub resource_type: &'static str,
    pub resource_id: Option<&'a str>,
    pub decision: Decision,
    /// A JSON object of names and ids.
    pub details: serde_json::Value,
}

impl AuditLog {
    /// Returns at once; the row is written in the background. Of refusals of nobody in
    /// particular, which anybody can cause without end, [`MAX_REFUSALS`] rows are written in a
    /// minute for each action and network, and one more that says so.
    pub fn record(&self, event: AuditEvent<'_>, who: Option<&Principal>, request: &RequestInfo) {
        let bounded = who.is_none() && event.decision != Decision::Allow;
        let Some(row) = self.row(event, who, request) else {
            return;
        };
        let log = self.clone();
        if bounded {
            let network = network_of(request.ip.as_deref());
            self.background.spawn(Box::pin(async move {
                if let Some(row) = log.within_bounds(row, &network).await
                    && let Some(number) = log.enqueue(Entry::Row(Box::new(row)))
                {
                    log.flush_soon(number).await;
                }
            }));
        } else {
            self.write_soon(Entry::Row(Box::new(row)));
        }
    }

    /// Runs a statement with the next rows, such as that a key was used.
    pub fn note(&self, statement: Statement) {
        self.write_soon(Entry::Note(statement));
    }

    fn write_soon(&self, entry: Entry) {
        if let Some(number) = self.enqueue(entry) {
            let log = self.clone();
            self.background
                .spawn(Box::pin(async move { log.flush_soon(number).await }));
        }
    }

    /// The row of `event` for the batch that does what it tells of: neither is written without
    /// the other. Written where `condition` holds, over values that the caller binds from `?14`
    /// on. None where no id could be drawn for it, which is logged: then leave the rest undone.
    pub fn statement(
        &self,
        event: AuditEvent<'_>,
        who: &Principal,
        request: &RequestInfo,
        condition: &str,
    ) -> Option<Statement> {
        let mut statement = self.row(event, Some(who), request)?.statement();
        statement.sql = format!("{INSERT} WHERE {condition}").into();
        Some(statement)
    }

    /// The row to write, if it is to be. What cannot be counted is written.
    async fn within_bounds(&self, row: AuditRow, network: &str) -> Option<AuditRow> {
        let id = format!("refused:{}:{network}", row.action);
        let statement = throttle::count(&id, MINUTE_MS, row.created_at);
        let counted = self.database.run(statement).await;
        let attempts = counted.and_then(|outcome| {
            let row = outcome.first();
            row.map_or(Ok(0), |row| row.int("attempts"))
        });
        match attempts.unwrap_or_default().cmp(&(MAX_REFUSALS + 1)) {
            Ordering::Less => Some(row),
            Ordering::Equal => Some(AuditRow {
                reason: Some(FURTHER),
                ..row
            }),
            Ordering::Greater => None,
        }
    }

    /// None if there is no room: it is in the log then.
    fn enqueue(&self, entry: Entry) -> Option<u64> {
        if self.queue.0.len() >= MAX_QUEUED {
            self.tell("audit_queue_full", "too many rows wait", &[entry]);
            return None;
        }
        Some(self.queue.0.add(entry))
    }

    /// Writes what waits, if the entry of that number is not written yet.
    async fn flush_soon(&self, number: u64) {
        self.clock.sleep(FLUSH_DELAY_MS).await;
        let write = async |entries: &[Entry]| {
            let statements = entries.iter().map(Entry::statement).collect();
            if let Err(error) = self.database.batch(statements).await {
                self.tell("audit_write_failed", &error.to_string(), entries);
            }
        };
        self.queue
            .0
            .see_to(number, MAX_BATCH, &*self.clock, write)
            .await;
    }

    fn row(
        &self,
        event: AuditEvent<'_>,
        who: Option<&Principal>,
        request: &RequestInfo,
    ) -> Option<AuditRow> {
        let id = ids::plain(&*self.clock, &*self.entropy);
        let id = id
            .inspect_err(|error| self.tell("audit_write_failed", &error.to_string(), &[]))
            .ok()?;
        let (outcome, reason) = match event.decision {
            Decision::Allow => ("allow", None),
            Decision::Deny(reason) => ("deny", Some(reason)),
        };
        Some(AuditRow {
            id,
            user_id: who.map(|principal| principal.user_id.clone()),
            token_id: who.map(|principal| principal.token_id.clone()),
            request_id: request.request_id.clone(),
            action: event.action.to_owned(),
            resource_type: event.resource_type,
            resource_id: event.resource_id.map(str::to_owned),
            outcome,
            reason,
            details: event.details,
            ip_address: request.ip.as_deref().map(|ip| cut(ip, MAX_ADDRESS_CHARS)),
            user_agent: request
                .user_agent
                .as_deref()
                .map(|agent| cut(agent, MAX_AGENT_CHARS)),
            created_at: self.clock.now_ms(),
        })
    }

    fn tell(&self, event: &str, error: &str, entries: &[Entry]) {
        let rows: Vec<&AuditRow> = entries.iter().filter_map(Entry::row).collect();
        let fields = serde_json::json!({"error": error, "rows": rows});
        self.log.record(Level::Error, event, fields);
    }
}

impl Entry {
    fn row(&self) -> Option<&AuditRow> {
        match self {
            Self::Row(row) => Some(row),
            Self::Note(_) => None,
        }
    }

    fn statement(&self) -> Statement {
        match self {
            Self::Row(row) => {
                let mut statement = row.statement();
                statement.sql = format!("{INSERT} WHERE TRUE ON CONFLICT (id) DO NOTHING").into();
                statement
            }
            Self::Note(statement) => statement.clone(),
        }
    }
}

impl AuditRow {
    fn statement(&self) -> Statement {
        Statement::new(INSERT)
            .bind(&self.id)
            .bind(self.user_id.clone())
            .bind(self.token_id.clone())
            .bind(&self.request_id)
            .bind(&self.action)
            .bind(self.resource_type)
            .bind(self.resource_id.clone())
            .bind(self.outcome)
            .bind(self.reason)
            .bind(self.details.clone())
            .bind(self.ip_address.clone())
            .bind(self.user_agent.clone())
            .timestamp(self.created_at)
    }
}

fn cut(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}
