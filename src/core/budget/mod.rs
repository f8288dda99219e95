//! Limits and money of a user, decided before each call to a model and settled after it.
//!
//! An [`Account`] belongs to one user and has one owner, so that check and reservation are one
//! step: `spent + reserved <= cap` at every admission, under any number of calls at once. A
//! reservation ends in one of four ways: settled exactly, settled as an estimate, released, or
//! expired, which charges its bound as an estimate if the call may have been made.

mod account;
mod admit;
mod error;
mod gates;
mod headers;
pub mod manage;
mod memory;
mod rate;
mod remote;
mod settings;
mod settling;
mod shield;
mod sql_store;
mod staged;
mod store;
#[cfg(test)]
mod tests;
mod types;
mod unsettled;
mod window;

pub use account::Account;
pub use error::BudgetError;
pub use gates::{TEXT, family_of};
pub use headers::duration;
pub use remote::{Objects, RemoteUserLedger, Served, UserLedger, UserLedgerError, serve};
pub use shield::Shield;
pub use sql_store::SqlStore;
pub use store::{Change, Holder, Loaded, Reservation, Span, Store, Tat};
pub use types::{
    Actual, Admission, Admitted, Booking, BudgetState, Caps, CapsChange, Charge, Clamp, Limits,
    Period, RateState, Reason, Refused, Request, Settled, Spending, Standing, State,
};
