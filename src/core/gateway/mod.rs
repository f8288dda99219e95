//! One way to a model, for every face: admitted by the user's account, asked, settled, put on
//! the books.
//!
//! A call is admitted under its own id with the most that it can cost; what it did cost
//! settles that reservation. If this program dies in between, the account ends the reservation
//! by itself, as an estimate at its bound, and tells the books of it. Each attempt at a
//! provider is a [`UsageEvent`]; the caller writes them together with what it keeps of the
//! answer.

mod books;
mod bound;
mod error;
mod keeping;
mod listener;
mod own_keys;
mod recording;
mod routes;
mod serve;
#[cfg(test)]
pub(crate) mod tests;

pub use bound::{DEFAULT_OUTPUT_TOKENS, input_bytes, output_tokens};
pub use error::GatewayError;
pub use listener::Listener;
pub use own_keys::OwnKeys;
pub use recording::Unwritten;
pub use routes::Routes;
pub use serve::{Entry, Gateway, Live, Order, Outcome, Served};
