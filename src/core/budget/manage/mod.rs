//! Budgets and limits, set and read by people and programs on behalf of a user.

mod error;
mod input;
mod output;
mod service;

pub use error::ManageError;
pub use input::{BudgetGetInput, BudgetSetInput};
pub use output::{Amounts, BudgetOutput, BudgetView, RateView};
pub use service::Budgets;

/// Lets its holder say what they, or a key of theirs, may spend.
pub const BUDGET_SCOPE: &str = "chatgpt:budget";
