use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::super::types::{BudgetState, Limits, Period, RateState, State};
use crate::time::to_rfc3339;
use crate::usage::dollars;

/// Limits, budgets and what is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct BudgetOutput {
    pub user_id: String,
    /// The key that was asked about.
    pub key_id: Option<String>,
    /// Whose days and months the budgets go by.
    pub zone: String,
    /// Of the user, in force: the deployment's where the user has none of their own.
    pub limits: Limits,
    /// Of the key.
    pub key_limits: Option<Limits>,
    /// The user's, then the key's; none without a cap.
    pub budgets: Vec<BudgetView>,
    /// How much of the limits a minute is left: the tighter of the user's and the key's.
    pub rates: RateView,
    /// Calls of the user under way.
    pub under_way: u64,
}

/// A budget and what there is of it. Dollars are exact decimals; nanos are 10⁻⁹ of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct BudgetView {
    /// The key it is of; null for the user's.
    pub key_id: Option<String>,
    pub period: Period,
    /// From then on, and before `ends_at`. RFC 3339, UTC.
    pub starts_at: String,
    pub ends_at: String,
    /// Spent and reserved are above the soft cap.
    pub over_soft: bool,
    pub usd: Amounts<String>,
    pub nanos: Amounts<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Amounts<T> {
    /// Caps, where there are any.
    pub soft: Option<T>,
    pub hard: Option<T>,
    pub spent: T,
    /// Held for calls under way.
    pub reserved: T,
    /// The part of what is spent that is no exact bill.
    pub estimated: T,
    /// What the hard cap leaves.
    pub remaining: Option<T>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RateView {
    pub requests: Option<RateState>,
    /// By model family, where there is a limit.
    pub tokens: BTreeMap<String, RateState>,
}

impl BudgetOutput {
    pub(super) fn of(user_id: String, key_id: Option<String>, state: State) -> Self {
        let mut limits = state.limits.into_iter();
        let budgets = state.standing.budgets.iter();
        Self {
            user_id,
            key_id,
            zone: state.zone,
            limits: limits.next().unwrap_or_default(),
            key_limits: limits.next(),
            budgets: budgets.map(BudgetView::of).collect(),
            rates: RateView {
                requests: state.standing.requests,
                tokens: state.tokens,
            },
            under_way: state.held,
        }
    }
}

impl BudgetView {
    fn of(budget: &BudgetState) -> Self {
        let nanos = Amounts {
            soft: budget.caps.soft,
            hard: budget.caps.hard,
            spent: budget.spending.spent,
            reserved: budget.spending.reserved,
            estimated: budget.spending.estimated,
            remaining: budget.remaining(),
        };
        Self {
            key_id: budget.key_id.clone(),
            period: budget.period,
            starts_at: to_rfc3339(budget.starts_ms),
            ends_at: to_rfc3339(budget.ends_ms),
            over_soft: budget.over_soft(),
            usd: nanos.in_dollars(),
            nanos,
        }
    }
}

impl Amounts<i64> {
    fn in_dollars(&self) -> Amounts<String> {
        Amounts {
            soft: self.soft.map(dollars),
            hard: self.hard.map(dollars),
            spent: dollars(self.spent),
            reserved: dollars(self.reserved),
            estimated: dollars(self.estimated),
            remaining: self.remaining.map(dollars),
        }
    }
}
