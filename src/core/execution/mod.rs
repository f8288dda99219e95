//! Executions: one question, answered at one of three levels of assurance, on file.
//!
//! * `standard`: the chatgpt worker answers.
//! * `fortress`: the fortress worker answers in a signed and logged run; the prompt reaches
//!   nobody else.
//! * `verified`: both answer side by side, the signature is checked, the answers compared,
//!   and the comparison logged too.
//!
//! An execution is a row of `secure_executions`, written before any model is called:
//! `executing` → `completed` or `failed` with a reason. One whose worker ended is failed by
//! the sweep at its deadline. Whether it was verified is a field of its own.

mod chain_check;
mod compare;
mod error;
mod gathered;
mod on_file;
mod service;
mod store;
mod types;
mod view;
mod workers;

#[cfg(test)]
pub(crate) mod tests;

pub use chain_check::{ChainCheck, ChainVerifyInput, ChainVerifyOutput};
pub use compare::{CompareInput, CompareOutput};
pub use error::{ExecutionError, Failed};
pub use service::ExecutionService;
pub use store::{Executions, INTERRUPTED};
pub use types::{
    ExecuteInput, ExecuteOutput, ExecutionView, FinishReasons, Results, SecurityLevel, StatusInput,
    StatusOutput, Verification,
};
pub use view::ERASED;
pub use workers::{Asker, Workers};
