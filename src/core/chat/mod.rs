//! Conversations with the model: completions, plain and streamed, and sessions that keep them.
//!
//! # What is on file when
//! A completion in a session is an *exchange*. Its question is written before the model is
//! called, with the state `asked` in the row's metadata; the answer, the totals of the
//! session and of `usage_analytics`, and the state `answered` follow in one batch. A failure
//! sets `failed` with its code, and keeps what text had arrived as an answer marked
//! `partial`. If the program dies in between, the row stays `asked` and counts as failed
//! once its `settles_by_ms` is past: no sweep is needed for it to be told the truth. A caller
//! that leaves while the model is at work fails it at once, with `CALLER_LEFT`, and the call
//! is counted as one that may have been billed.
//!
//! Row ids follow from the exchange's id (`{exchange}.q`, `{exchange}.a`), so that writing
//! an exchange twice writes it once, and asking again under its id gives the stored answer
//! instead of a second bill.
//!
//! A session keeps its history; it does not send it. The model sees the messages of the
//! call and nothing else.

mod error;
mod exchange;
pub mod history;
mod input;
mod leaving;
pub mod library;
mod output;
mod service;
mod sessions;
pub mod settings;
mod statements;
pub mod templates;
#[cfg(test)]
mod tests;
mod windows;

pub use error::ChatError;
pub use input::{ChatMessage, CompletionInput, Role, SessionCreateInput};
pub use library::Library;
pub use output::{
    CompletionOutput, CostStatus, MessageView, SessionCreateOutput, SessionSettings, SessionStatus,
    SessionView, StreamOutput, StreamStatus, UsageView,
};
pub use service::ChatService;
pub use sessions::{Session, Sessions};
pub use windows::{UNKNOWN_WINDOW, window_of};
