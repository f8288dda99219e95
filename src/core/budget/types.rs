//! What is asked of a user's account and what it answers, as it also stands on the wire.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::error::BudgetError;
use crate::validation::is_word;

/// Largest amount that is counted, in nano-dollars: $4.5 million. Sums stay below 2^53,
/// which is what the storage holds exactly.
pub const MAX_NANOS: i64 = 1 << 52;
/// Most tokens of one request.
pub const MAX_TOKENS: u64 = 1 << 32;
const MAX_NAME_BYTES: usize = 128;
const TTL_MS: std::ops::RangeInclusive<i64> = 1_000..=3_600_000;

/// A call to a model that wants to be made. All amounts are upper bounds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// One for each upstream attempt that may be billed. The same id is the same attempt.
    pub request_id: String,
    /// The caller's key; its budgets and limits hold beside the user's.
    pub key_id: Option<String>,
    /// What the limit of tokens a minute counts by: see [`super::family_of`].
    pub family: String,
    pub input_tokens: u64,
    /// Of all choices together.
    pub max_output_tokens: u64,
    /// Nano-dollars at most. None where no price is known.
    pub bound_nanos: Option<i64>,
    /// Allows fewer output tokens where the budget has no room for all of them.
    pub clamp: Option<Clamp>,
    /// When the reservation ends by itself, 1 s to 1 h from now.
    pub ttl_ms: i64,
    /// Whether the call goes out as soon as it is admitted. If not, the caller says `sent`
    /// before it sends: a reservation that ends unsent costs nothing.
    pub sent: bool,
    /// Drawn for this asking: whoever asks with it again has not heard the answer. Left empty,
    /// whoever asks again is taken for somebody else.
    #[serde(default)]
    pub nonce: String,
    /// For the books, if nobody ever says how the call ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub booking: Option<Booking>,
}

/// What the books say of a call that nobody settles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Booking {
    pub user_id: String,
    pub session_id: Option<String>,
    pub case_id: Option<String>,
    pub provider: String,
    /// The one asked.
    pub model: String,
    pub service_tier: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Clamp {
    /// Price of an output token within `bound_nanos`, in pico-dollars.
    pub output_picos: u64,
    /// Fewer output tokens than this are of no use.
    pub min_output_tokens: u64,
}

impl Request {
    pub(super) fn check(&self) -> Result<(), BudgetError> {
        check_name("request_id", &self.request_id)?;
        check_name("family", &self.family)?;
        if let Some(key) = &self.key_id {
            check_name("key_id", key)?;
        }
        if !self.nonce.is_empty() {
            check_name("nonce", &self.nonce)?;
        }
        if self.input_tokens > MAX_TOKENS || self.max_output_tokens > MAX_TOKENS {
            return Err(BudgetError::invalid("a request has at most 2^32 tokens"));
        }
        if let Some(nanos) = self.bound_nanos {
            check_nanos("bound_nanos", nanos)?;
        }
        if !TTL_MS.contains(&self.ttl_ms) {
            return Err(BudgetError::invalid("ttl_ms is 1000 to 3600000"));
        }
        Ok(())
    }
}

/// Its fault names the field.
pub(super) fn check_name(field: &str, text: &str) -> Result<(), BudgetError> {
    if !is_word(text, MAX_NAME_BYTES) {
        let fault = format!("{field} is 1 to {MAX_NAME_BYTES} visible ASCII characters");
        return Err(BudgetError::Invalid(fault));
    }
    Ok(())
}

pub(super) fn check_nanos(field: &str, nanos: i64) -> Result<(), BudgetError> {
    if !(0..=MAX_NANOS).contains(&nanos) {
        return Err(BudgetError::Invalid(format!(
            "{field} is 0 to {MAX_NANOS} nano-dollars"
        )));
    }
    Ok(())
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "decision")]
pub enum Admission {
    Admitted(Admitted),
    Refused(Refused),
}

/// The call may be made, once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Admitted {
    pub request_id: String,
    pub expires_ms: i64,
    /// What is reserved; None where no price is known.
    pub bound_nanos: Option<i64>,
    /// At most what was asked for.
    pub max_output_tokens: u64,
    /// The same request was admitted before: whoever asked then may have made the call.
    pub replayed: bool,
    pub standing: Standing,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    pub reason: Reason,
    /// When the same request can be admitted if nothing else happens. None: never as it is.
    pub retry_after_ms: Option<i64>,
    /// Of what ran out, in its unit: requests, tokens, calls at once or nano-dollars.
    pub limit: i64,
    pub remaining: i64,
    pub needed: i64,
    pub standing: Standing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// More tokens than a minute's limit: no waiting helps.
    TooLarge,
    /// A budget applies and the model has no known price.
    Unpriced,
    Budget,
    Concurrency,
    RequestsPerMinute,
    TokensPerMinute,
    /// This request has been settled, or its reservation has ended.
    Finished,
}

/// Where the user stands with limits and budgets, after the answer it comes with.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The tighter of the user's and the key's.
    pub requests: Option<RateState>,
    pub tokens: Option<RateState>,
    /// The user's, then the key's.
    pub budgets: Vec<BudgetState>,
}

impl Standing {
    /// Soft budgets that are used up.
    pub fn warnings(&self) -> impl Iterator<Item = &BudgetState> {
        self.budgets.iter().filter(|budget| budget.over_soft())
    }
}

/// How much of a limit is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RateState {
    /// A minute.
    pub limit: u64,
    pub remaining: u64,
    /// Until all of the limit is there again.
    pub reset_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetState {
    /// None: the user's.
    pub key_id: Option<String>,
    pub period: Period,
    pub caps: Caps,
    #[serde(flatten)]
    pub spending: Spending,
    /// Of the period, UTC.
    pub starts_ms: i64,
    pub ends_ms: i64,
}

impl BudgetState {
    /// Spent and reserved, in nano-dollars.
    pub fn used(&self) -> i64 {
        self.spending.spent.saturating_add(self.spending.reserved)
    }

    /// What the hard cap leaves.
    pub fn remaining(&self) -> Option<i64> {
        self.caps.hard.map(|hard| (hard - self.used()).max(0))
    }

    pub fn over_soft(&self) -> bool {
        self.caps.soft.is_some_and(|soft| self.used() > soft)
    }
}

/// Nano-dollars of a span of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spending {
    pub spent: i64,
    /// Held for calls under way.
    pub reserved: i64,
    /// The part of `spent` that is no exact bill.
    pub estimated: i64,
}

impl Spending {
    #[must_use]
    pub(super) fn plus(self, more: Self) -> Self {
        Self {
            spent: self.spent.saturating_add(more.spent),
            reserved: self.reserved.saturating_add(more.reserved),
            estimated: self.estimated.saturating_add(more.estimated),
        }
    }
}

/// On the calendar of the user's time zone.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    Day,
    Month,
}

/// Nano-dollars a period. Past `soft` answers carry a warning; past `hard` nothing is admitted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Caps {
    pub soft: Option<i64>,
    pub hard: Option<i64>,
}

/// What becomes of caps: None leaves one as it is, `Some(None)` removes it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CapsChange {
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "stated")]
    pub soft: Option<Option<i64>>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "stated")]
    pub hard: Option<Option<i64>>,
}

impl CapsChange {
    pub(super) fn of(self, caps: Caps) -> Caps {
        Caps {
            soft: self.soft.unwrap_or(caps.soft),
            hard: self.hard.unwrap_or(caps.hard),
        }
    }
}

/// These, whatever there was.
impl From<Caps> for CapsChange {
    fn from(caps: Caps) -> Self {
        Self {
            soft: Some(caps.soft),
            hard: Some(caps.hard),
        }
    }
}

/// Tells null from what is left out, with `serde(default)`.
#[expect(clippy::option_option, reason = "left out, or null")]
pub(super) fn stated<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Unset limits are the deployment's for a user, and none for a key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    #[schemars(range(min = 1, max = 1_000_000_000))]
    pub requests_per_minute: Option<u64>,
    /// By model family: `gpt-3.5`, `gpt-4`, `gpt-5`, `claude`, `o1`, `o3`, `o4`, `other`; `text` is
    /// what is kept without a model (four bytes a token); `*` is each family that is not named.
    /// 1 to 1000000000.
    pub tokens_per_minute: BTreeMap<String, u64>,
    /// Calls at once.
    #[schemars(range(min = 1, max = 1_000))]
    pub concurrent: Option<u64>,
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Actual {
    pub charge: Charge,
    /// Tokens in and out. None if nobody knows: the bound stands.
    pub tokens: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Charge {
    /// Nano-dollars by the provider's own count of tokens.
    Exact(i64),
    /// Nano-dollars where that count is missing, as after an aborted stream.
    Estimated(i64),
    /// The answer has no known price. Charged as an estimate at the bound, if one was reserved.
    Unpriced,
    /// The provider surely did no work.
    Released,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// What counts now.
    pub charge: Charge,
    /// It was settled before; that settlement stands.
    pub replayed: bool,
    /// The reservation had ended by itself and this corrects it.
    pub corrected: bool,
}

/// An account for its owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// IANA name.
    pub zone: String,
    /// In force for the user, and for the key if one was asked about.
    pub limits: Vec<Limits>,
    pub standing: Standing,
    /// Tokens a minute by model family, where they are limited: the tighter of the user's and
    /// the key's.
    pub tokens: BTreeMap<String, RateState>,
    /// Calls under way.
    pub held: u64,
}
