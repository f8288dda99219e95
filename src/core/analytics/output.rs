use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::input::{Granularity, GroupBy};

/// Usage, summed up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UsageAnalyticsOutput {
    pub analytics: UsageAnalytics,
    /// The breakdown as RFC 4180, if that was asked for; it is left out above then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub csv: Option<String>,
}

/// All sums are over calls that began in the range; each is the sum of the breakdown's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UsageAnalytics {
    /// Sessions that were used; null where only a case or a key is looked at.
    pub total_sessions: Option<i64>,
    /// Messages that calls added to conversations: questions and answers.
    pub total_messages: i64,
    /// Prompt and completion tokens.
    pub total_tokens: i64,
    /// US dollars; null if no price is known, which is not 0. `totals` has it exactly.
    pub total_cost: Option<f64>,
    /// The range: from `start` on, and before `end`.
    pub start: String,
    pub end: String,
    pub time_zone: String,
    pub granularity: Granularity,
    pub group_by: Option<GroupBy>,
    pub totals: UsageSums,
    /// The range by group, costliest first; empty without `group_by`.
    pub groups: Vec<GroupUsage>,
    /// The range by time, oldest first, without gaps.
    pub breakdown: Vec<UsageBucket>,
}

/// One hour, day, week or month on the clock of the time zone, as far as it is in the range.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UsageBucket {
    /// From then on, in local time.
    pub start: String,
    /// And before then.
    pub end: String,
    #[serde(flatten)]
    pub usage: UsageSums,
    /// Those with any usage.
    pub groups: Vec<GroupUsage>,
}

/// A model, session, case or key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GroupUsage {
    /// Null for calls outside of any session or case, or without a key, and for the rest.
    pub group: Option<String>,
    /// All groups together that are too cheap to be listed.
    pub is_rest: bool,
    #[serde(flatten)]
    pub usage: UsageSums,
}

/// Counts, tokens, cost and times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UsageSums {
    /// Calls.
    pub requests: i64,
    /// Attempts to have an answer from a provider; more than calls where some were repeated.
    pub attempts: i64,
    /// Attempts that failed.
    pub errors: i64,
    /// Errors by attempts, 0 to 1; null without attempts.
    pub error_rate: Option<f64>,
    pub messages: i64,
    pub tokens: TokenSums,
    pub web_searches: i64,
    /// In nano-dollars, without what is unpriced; null if no price is known for any.
    pub cost_nanos: Option<i64>,
    /// The same in US dollars, a decimal string.
    pub cost_usd: Option<String>,
    /// Attempts the cost leaves out, since no price is known.
    pub unpriced: i64,
    /// Attempts whose cost is an estimate, since the provider's count is missing.
    pub estimated: i64,
    /// From the start of an attempt to its first token.
    pub first_token_ms: Option<Percentiles>,
    /// From its start to its end.
    pub total_ms: Option<Percentiles>,
    /// What of that was the gateway's own.
    pub overhead_ms: Option<Percentiles>,
}

/// Tokens by kind. Parts are inside: cached and written in prompt, reasoning in completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TokenSums {
    pub prompt: i64,
    /// Read from the provider's cache.
    pub cached: i64,
    /// Written to it, and the part of that kept for the longer time.
    pub cache_write: i64,
    pub cache_write_1h: i64,
    pub completion: i64,
    pub reasoning: i64,
    /// Prompt and completion.
    pub total: i64,
}

/// Milliseconds that so many percent of `count` measurements do not exceed, within 2 %.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Percentiles {
    pub count: u64,
    pub p50: u32,
    pub p95: u32,
    pub p99: u32,
}
