use serde::{Deserialize, Serialize};

use super::bins::Metric;
use super::statements::{CUT_OFF, count_events, mark_counted, places, withdraw_cut_off};
use crate::sql::{Statement, Value};
use crate::usage::TokenUsage;

/// Milliseconds of a bucket: time zones are whole quarter hours from UTC.
pub(super) const QUARTER_MS: i64 = 900_000;

/// One attempt to have an answer from a provider. It says nothing of what was asked or answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsageEvent {
    /// The call it is an attempt of.
    pub request_id: String,
    /// From 1.
    pub attempt: u32,
    pub user_id: String,
    /// The caller's key, if one was used.
    pub key_id: Option<String>,
    pub session_id: Option<String>,
    pub case_id: Option<String>,
    pub provider: String,
    pub model_asked: String,
    /// The one that answered, as the provider names it; else the one asked.
    pub model: String,
    pub service_tier: Option<String>,
    /// None if the provider did not say, which is not 0.
    pub tokens: Option<TokenUsage>,
    pub cost: EventCost,
    /// How many messages it added to its conversation: 2 for a question and its answer.
    pub messages: u32,
    pub started_at_ms: i64,
    /// From the start to the first token and to the end, and what of it was the gateway's own.
    /// None if not measured.
    pub first_token_ms: Option<u32>,
    pub total_ms: Option<u32>,
    pub overhead_ms: Option<u32>,
    /// The error's code. None if it went well.
    pub error: Option<String>,
}

/// What an attempt cost, in nano-dollars by a row of the price table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum EventCost {
    /// The provider did no work.
    None,
    /// By the provider's own count.
    Priced { nanos: i64, price_id: String },
    /// By a count made here.
    Estimated { nanos: i64, price_id: String },
    /// It may have cost something, and no price is known.
    Unpriced,
}

impl EventCost {
    pub fn status(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Priced { .. } => "priced",
            Self::Estimated { .. } => "estimated",
            Self::Unpriced => "unpriced",
        }
    }

    pub fn nanos(&self) -> Option<i64> {
        match self {
            Self::Priced { nanos, .. } | Self::Estimated { nanos, .. } => Some(*nanos),
            Self::None | Self::Unpriced => None,
        }
    }

    /// Of attempts together: as certain as the least certain one.
    pub fn of_all(events: &[UsageEvent]) -> Self {
        let costs = events.iter().map(|event| event.cost.clone());
        costs.fold(Self::None, Self::plus)
    }

    fn plus(self, other: Self) -> Self {
        let nanos = self.nanos().zip(other.nanos());
        match (self, other) {
            (Self::None, cost) | (cost, Self::None) => cost,
            (Self::Unpriced, _) | (_, Self::Unpriced) => Self::Unpriced,
            (Self::Priced { price_id, .. }, Self::Priced { .. }) => Self::Priced {
                nanos: sum(nanos),
                price_id,
            },
            (Self::Priced { price_id, .. } | Self::Estimated { price_id, .. }, _) => {
                Self::Estimated {
                    nanos: sum(nanos),
                    price_id,
                }
            }
        }
    }

    fn price_id(&self) -> Option<&str> {
        match self {
            Self::Priced { price_id, .. } | Self::Estimated { price_id, .. } => Some(price_id),
            Self::None | Self::Unpriced => None,
        }
    }
}

fn sum(nanos: Option<(i64, i64)>) -> i64 {
    nanos.map_or(0, |(one, other)| one.saturating_add(other))
}

/// The error of a call that was cut off from whoever made it.
pub fn cut_off_error() -> String {
    CUT_OFF.to_owned()
}

/// Puts `event` on file and into the roll-ups, in one batch, which may hold other statements
/// beside. An event that is on file already changes nothing, but for one that told of its call
/// as cut off: that one gives way.
pub fn record(event: &UsageEvent) -> Vec<Statement> {
    record_all(std::slice::from_ref(event))
}

/// The same for a call of which nobody has said how it ended, unless somebody has.
pub fn record_cut_off(event: &UsageEvent) -> Vec<Statement> {
    put(std::slice::from_ref(event))
}

/// The same of several events, [`MOST_EVENTS`] at most: the roll-ups are gone through once.
pub fn record_all(events: &[UsageEvent]) -> Vec<Statement> {
    let first = events.iter().filter(|event| event.attempt == 1);
    let mut statements = withdraw_cut_off(&ids(first));
    statements.extend(put(events));
    statements
}

fn put(events: &[UsageEvent]) -> Vec<Statement> {
    let mut statements: Vec<Statement> = events.chunks(ROWS).map(insert).collect();
    if !events.is_empty() {
        let ids = ids(events);
        statements.extend([count_events(&ids), mark_counted(&ids)]);
    }
    statements
}

fn ids<'a>(events: impl IntoIterator<Item = &'a UsageEvent>) -> Vec<String> {
    events.into_iter().map(UsageEvent::id).collect()
}

/// Databases bind a hundred values to a statement.
const MOST_VALUES: usize = 100;
pub const MOST_EVENTS: usize = MOST_VALUES / 2;

const COLUMNS: usize = 31;
/// A statement takes as long as several rows, so they share one.
const ROWS: usize = MOST_VALUES / COLUMNS;

const INSERT: &str = "INSERT INTO usage_events (id, request_id, attempt, user_id, key_id, \
    session_id, case_id, provider, model_asked, model, service_tier, messages, prompt_tokens, \
    cached_tokens, cache_write_tokens, cache_write_1h_tokens, completion_tokens, \
    reasoning_tokens, web_searches, cost_nanos, cost_status, price_id, first_token_ms, total_ms, \
    overhead_ms, first_token_bin, total_bin, overhead_bin, outcome, started_at, bucket) \
    VALUES {rows} ON CONFLICT (id) DO NOTHING";

/// [`ROWS`] at most.
fn insert(events: &[UsageEvent]) -> Statement {
    let row = |index| format!("({})", places(index * COLUMNS + 1, COLUMNS));
    let rows: Vec<String> = (0..events.len()).map(row).collect();
    let insert = Statement::new(INSERT.replace("{rows}", &rows.join(", ")));
    events
        .iter()
        .fold(insert, |insert, event| event.bind(insert))
}

impl UsageEvent {
    fn id(&self) -> String {
        format!("{}.{}", self.request_id, self.attempt)
    }

    fn bind(&self, insert: Statement) -> Statement {
        let mut insert = insert
            .bind(self.id())
            .bind(&self.request_id)
            .bind(self.attempt)
            .bind(&self.user_id)
            .bind(self.key_id.as_deref())
            .bind(self.session_id.as_deref())
            .bind(self.case_id.as_deref())
            .bind(&self.provider)
            .bind(&self.model_asked)
            .bind(&self.model)
            .bind(self.service_tier.as_deref())
            .bind(self.messages);
        for part in PARTS {
            insert = insert.bind(self.tokens.as_ref().map(part).map(stored));
        }
        insert = insert
            .bind(self.cost.nanos())
            .bind(self.cost.status())
            .bind(self.cost.price_id());
        let times = [
            (Metric::FirstToken, self.first_token_ms),
            (Metric::Total, self.total_ms),
            (Metric::Overhead, self.overhead_ms),
        ];
        for (_, ms) in times {
            insert = insert.bind(ms);
        }
        for (metric, ms) in times {
            insert = insert.bind(ms.map(|ms| metric.code(ms)));
        }
        insert
            .bind(self.error.as_deref().unwrap_or("ok"))
            .timestamp(self.started_at_ms)
            .bind(self.started_at_ms.div_euclid(QUARTER_MS))
    }
}

/// In the order of the columns.
const PARTS: [fn(&TokenUsage) -> u64; 7] = [
    |tokens| tokens.prompt,
    |tokens| tokens.cached,
    |tokens| tokens.cache_write,
    |tokens| tokens.cache_write_1h,
    |tokens| tokens.completion,
    |tokens| tokens.reasoning,
    |tokens| tokens.web_searches,
];

/// Providers' counts are checked where they are read; this only keeps a sum from overflowing.
fn stored(count: u64) -> Value {
    Value::Int(i64::try_from(count).unwrap_or(i64::MAX).min(MAX_COUNT))
}

/// Nine billion of these fit into a sum.
const MAX_COUNT: i64 = 1_000_000_000;
