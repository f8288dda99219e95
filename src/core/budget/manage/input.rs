use garde::Validate;
use schemars::JsonSchema;
use serde::Deserialize;

use super::super::settings::check_limits;
use super::super::types::{CapsChange, Limits, Period, stated};
use super::error::ManageError;
use crate::usage::StatedDollars;
use crate::validation::printable_if_some;

/// What to change. What is left out stays as it is.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct BudgetSetInput {
    /// Whose it is. You, if left out; naming somebody else needs the delegation scope.
    #[serde(default)]
    #[garde(length(chars, min = 1, max = 255), custom(printable_if_some))]
    pub user_id: Option<String>,
    /// A key of that user's, whose budgets and limits hold beside the user's own.
    #[serde(default)]
    #[garde(length(bytes, min = 1, max = 128), custom(printable_if_some))]
    pub key_id: Option<String>,
    /// Which budget the caps are of; needed with them.
    #[serde(default)]
    #[garde(skip)]
    pub period: Option<Period>,
    /// US dollars a period, such as "25.50". Above it each answer carries a warning. Null
    /// removes it.
    #[serde(default, deserialize_with = "stated")]
    #[schemars(with = "Option<StatedDollars>")]
    #[garde(custom(plain_sum))]
    pub soft_usd: Option<Option<StatedDollars>>,
    /// US dollars a period. What could go above it is refused; 0 refuses everything. Null
    /// removes it.
    #[serde(default, deserialize_with = "stated")]
    #[schemars(with = "Option<StatedDollars>")]
    #[garde(custom(plain_sum))]
    pub hard_usd: Option<Option<StatedDollars>>,
    /// Time zone of all days and months of the user: a name of the IANA database, such as
    /// Europe/Berlin.
    #[serde(default)]
    #[garde(length(bytes, min = 1, max = 64), custom(printable_if_some))]
    pub zone: Option<String>,
    /// Replaces all limits of the user or the key. Null, or what it leaves out, is as if never
    /// set.
    #[serde(default, deserialize_with = "stated")]
    #[schemars(with = "Option<Limits>")]
    #[garde(custom(right_limits))]
    pub limits: Option<Option<Limits>>,
}

/// Whose budgets and limits to tell.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct BudgetGetInput {
    /// You, if left out; naming somebody else needs the delegation scope.
    #[serde(default)]
    #[garde(length(chars, min = 1, max = 255), custom(printable_if_some))]
    pub user_id: Option<String>,
    /// Also those of this key.
    #[serde(default)]
    #[garde(length(bytes, min = 1, max = 128), custom(printable_if_some))]
    pub key_id: Option<String>,
}

impl BudgetSetInput {
    /// The budget to change and how, to the nano-dollar.
    pub(super) fn caps(&self) -> Result<Option<(Period, CapsChange)>, ManageError> {
        let change = CapsChange {
            soft: nanos("soft_usd", self.soft_usd.as_ref())?,
            hard: nanos("hard_usd", self.hard_usd.as_ref())?,
        };
        let invalid = |fault: &str| Err(ManageError::InvalidInput(fault.to_owned()));
        match self.period {
            Some(_) if change == CapsChange::default() => {
                invalid("period: name soft_usd or hard_usd with it; null removes one")
            }
            Some(period) => Ok(Some((period, change))),
            None if change == CapsChange::default() => Ok(None),
            None => invalid("period: needed with soft_usd and hard_usd: day or month"),
        }
    }
}

#[expect(clippy::option_option, reason = "left out, or null")]
fn nanos(
    field: &str,
    sum: Option<&Option<StatedDollars>>,
) -> Result<Option<Option<i64>>, ManageError> {
    let read = |sum: &Option<StatedDollars>| sum.as_ref().map(StatedDollars::nanos).transpose();
    let nanos = sum.map(read).transpose();
    nanos.map_err(|fault| ManageError::InvalidInput(format!("{field}: {fault}")))
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    clippy::ref_option,
    clippy::option_option,
    reason = "garde's form"
)]
fn plain_sum(sum: &Option<Option<StatedDollars>>, _: &()) -> garde::Result {
    let sum = sum.as_ref().and_then(Option::as_ref);
    let nanos = sum.map(StatedDollars::nanos).transpose();
    nanos.map(drop).map_err(garde::Error::new)
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    clippy::ref_option,
    clippy::option_option,
    reason = "garde's form"
)]
fn right_limits(limits: &Option<Option<Limits>>, _: &()) -> garde::Result {
    let limits = limits.as_ref().and_then(Option::as_ref);
    limits
        .map_or(Ok(()), check_limits)
        .map_err(garde::Error::new)
}
