//! The SQL of exchanges. Every statement states the owner, so that none can touch somebody
//! else's session.

use serde_json::{Value, json};

use super::exchange::{Charge, Exchange, QuestionState};
use crate::sql::Statement;
use crate::time::to_rfc3339;

/// Serializes writers of a session on Postgres, and says by its row count whether the
/// session is the owner's. Each later statement of the batch sees what others committed.
const LOCK: &str = "UPDATE chat_sessions SET updated_at = ?1 \
    WHERE id = ?2 AND user_id = ?3 AND status <> 'deleted'";

const ADD_TO_TOTALS: &str = "UPDATE chat_sessions SET \
    total_messages = total_messages + ?1, total_tokens = total_tokens + ?2, \
    total_cost_nanos = total_cost_nanos + ?3, unpriced_messages = unpriced_messages + ?4 \
    WHERE id = ?5 AND user_id = ?6 AND status <> 'deleted' \
    AND NOT EXISTS (SELECT 1 FROM chat_messages WHERE id = ?7)";

const ADD_TO_USAGE: &str = "INSERT INTO usage_analytics \
    (id, user_id, session_id, date, hour, messages_count, tokens_used, cost_nanos, \
    unpriced_count, model, created_at) \
    SELECT ?1, user_id, id, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 FROM chat_sessions \
    WHERE id = ?10 AND user_id = ?11 AND status <> 'deleted' \
    AND NOT EXISTS (SELECT 1 FROM chat_messages WHERE id = ?12) \
    ON CONFLICT (user_id, session_id, date, hour, model) DO UPDATE SET \
    messages_count = usage_analytics.messages_count + excluded.messages_count, \
    tokens_used = usage_analytics.tokens_used + excluded.tokens_used, \
    cost_nanos = usage_analytics.cost_nanos + excluded.cost_nanos, \
    unpriced_count = usage_analytics.unpriced_count + excluded.unpriced_count";

const ADD_USAGE_ALONE: &str = "INSERT INTO usage_analytics \
    (id, user_id, date, hour, messages_count, tokens_used, cost_nanos, unpriced_count, \
    model, created_at) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (id) DO NOTHING";

const APPEND: &str = "INSERT INTO chat_messages \
    (id, session_id, seq, role, content, timestamp, tokens_used, prompt_tokens, \
    completion_tokens, cost_nanos, cost_status, model, metadata, case_id, user_id) \
    SELECT ?1, ?2, (SELECT COALESCE(MAX(seq), -1) + 1 FROM chat_messages WHERE session_id = ?2), \
    ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, COALESCE(?13, case_id), user_id FROM chat_sessions \
    WHERE id = ?2 AND user_id = ?14 AND status <> 'deleted' ON CONFLICT (id) DO NOTHING";

const SET_QUESTION_STATE: &str =
    "UPDATE chat_messages SET metadata = ?1 WHERE id = ?2 AND session_id = ?3";

const FIND: &str = "SELECT id, session_id, content, tokens_used, prompt_tokens, \
    completion_tokens, cost_nanos, cost_status, model, metadata \
    FROM chat_messages WHERE id IN (?1, ?2)";

#[derive(Default)]
pub(super) struct Counts {
    pub total: Option<i64>,
    pub prompt: Option<i64>,
    pub completion: Option<i64>,
    pub nanos: Option<i64>,
}

pub(super) struct Append<'a> {
    pub id: &'a str,
    pub role: &'static str,
    pub content: &'a str,
    pub at_ms: i64,
    pub model: Option<&'a str>,
    pub cost_status: &'static str,
    pub metadata: Value,
    /// The session's, if none.
    pub case_id: Option<&'a str>,
    pub counts: Counts,
}

impl Append<'_> {
    pub fn statement(self, exchange: &Exchange<'_>) -> Statement {
        Statement::new(APPEND)
            .bind(self.id)
            .bind(exchange.session_id)
            .bind(self.role)
            .bind(self.content)
            .timestamp(self.at_ms)
            .bind(self.counts.total)
            .bind(self.counts.prompt)
            .bind(self.counts.completion)
            .bind(self.counts.nanos)
            .bind(self.cost_status)
            .bind(self.model)
            .bind(self.metadata)
            .bind(self.case_id)
            .bind(exchange.owner)
    }
}

impl QuestionState<'_> {
    pub fn statement(&self, exchange: &Exchange<'_>) -> Statement {
        let metadata = match self {
            Self::Answered => json!({"exchange_id": exchange.id, "state": "answered"}),
            Self::Failed { code, message } => json!({
                "exchange_id": exchange.id, "state": "failed", "code": code, "message": message,
            }),
        };
        Statement::new(SET_QUESTION_STATE)
            .bind(metadata)
            .bind(exchange.question_id())
            .bind(exchange.session_id)
    }
}

pub(super) fn lock(exchange: &Exchange<'_>, at_ms: i64) -> Statement {
    Statement::new(LOCK)
        .timestamp(at_ms)
        .bind(exchange.session_id)
        .bind(exchange.owner)
}

/// Unless the message `unless_id` is there already.
pub(super) fn add_to_totals(
    exchange: &Exchange<'_>,
    messages: i64,
    charge: &Charge<'_>,
    unless_id: &str,
) -> Statement {
    Statement::new(ADD_TO_TOTALS)
        .bind(messages)
        .bind(charge.tokens.unwrap_or(0))
        .bind(charge.nanos.unwrap_or(0))
        .bind(i64::from(charge.unpriced))
        .bind(exchange.session_id)
        .bind(exchange.owner)
        .bind(unless_id)
}

pub(super) fn add_to_usage(
    exchange: &Exchange<'_>,
    messages: i64,
    charge: &Charge<'_>,
    at_ms: i64,
    unless_id: &str,
) -> Statement {
    Statement::new(ADD_TO_USAGE)
        .bind(format!("{}.u", exchange.id))
        .bind(utc_day(at_ms))
        .bind(utc_hour(at_ms))
        .bind(messages)
        .bind(charge.tokens.unwrap_or(0))
        .bind(charge.nanos.unwrap_or(0))
        .bind(i64::from(charge.unpriced))
        .bind(charge.model)
        .timestamp(at_ms)
        .bind(exchange.session_id)
        .bind(exchange.owner)
        .bind(unless_id)
}

/// Counts a call outside of any session, once per exchange id.
pub(super) fn add_usage_alone(
    exchange_id: &str,
    owner: &str,
    charge: &Charge<'_>,
    at_ms: i64,
) -> Statement {
    Statement::new(ADD_USAGE_ALONE)
        .bind(format!("{exchange_id}.u"))
        .bind(owner)
        .bind(utc_day(at_ms))
        .bind(utc_hour(at_ms))
        .bind(2)
        .bind(charge.tokens.unwrap_or(0))
        .bind(charge.nanos.unwrap_or(0))
        .bind(i64::from(charge.unpriced))
        .bind(charge.model)
        .timestamp(at_ms)
}

/// Question and answer, in any order.
pub(super) fn find(exchange: &Exchange<'_>) -> Statement {
    Statement::new(FIND)
        .bind(exchange.question_id())
        .bind(exchange.answer_id())
}

fn utc_day(ms: i64) -> String {
    to_rfc3339(ms).chars().take(10).collect()
}

fn utc_hour(ms: i64) -> i64 {
    ms.rem_euclid(86_400_000) / 3_600_000
}
