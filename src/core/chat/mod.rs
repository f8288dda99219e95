//! Conversations with the model: completions, plain and streamed, and sessions that keep them.
//!
//! # What is on file when
//! A completion in a session is an *exchange*. Its question is written before the model is
//! called, with the state `asked` in the row's metadata; the answer, the totals of the
//! session and of `usage_analytics`, and the state `answered` follow in one batch. A failure
//! sets `failed` with its code, and keeps what text had arrived as an answer marked
//! `partial`. If the program dies in between, the row stays `asked` and counts as failed
//! once its `settles_by_ms` is past: no sweep is needed for it to be told the truth. A caller
//! that leaves while the model is at work changes nothing: the call goes on to its end in the
//! background, is paid for, and its answer is there to be read.
//!
//! Row ids follow from the exchange's id (`{exchange}.q`, `{exchange}.a`), so that writing
//! an exchange twice writes it once, and asking again under its id gives the stored answer
//! instead of a second bill.
//!
//! A completion in a session sends the session's history before its own messages, as far as
//! the model's window allows; the result says what was left out. See [`history`].

mod asking;
mod error;
mod exchange;
pub mod history;
mod input;
pub mod library;
mod output;
pub mod room;
mod service;
mod sessions;
pub mod settings;
mod statements;
pub mod templates;
#[cfg(test)]
mod tests;
mod windows;

pub use asking::Heard;
pub use error::ChatError;
pub use input::{ChatMessage, CompletionInput, Role, SessionCreateInput};
pub use library::Library;
pub(crate) use library::deletion;
pub use output::{
    CompletionOutput, CostStatus, MessageView, SessionCreateOutput, SessionSettings, SessionStatus,
    SessionView, StreamOutput, StreamStatus, UsageView,
};
pub use service::{Asker, ChatService};
pub use sessions::{Session, Sessions};
pub use windows::{UNKNOWN_WINDOW, window_of};
