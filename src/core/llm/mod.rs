//! The models: one request and answer shape over several providers' protocols, plain and
//! streamed, over [`crate::ports::Http`].
//!
//! The shape is that of OpenAI's Chat Completions. A [`Provider`] speaks a [`Dialect`] at a
//! base URL with a key. Event streams: WHATWG HTML, section 9.2.6. No provider has
//! idempotency, so a request is sent again only where the provider surely did no work, and
//! every attempt is reported for the books.

mod answer;
mod arriving;
mod attempt;
mod breaker;
mod dialects;
mod draft;
mod error;
mod exchange;
mod limits;
mod models;
mod provider;
mod refusal;
mod request;
#[cfg(test)]
pub(crate) mod scripted;
mod scrub;
mod sse;
mod stop;
#[cfg(test)]
mod tests;

pub use crate::usage::TokenUsage;
pub use answer::{Choice, Delta, Ended, ModelAnswer, Part, STOPPED};
pub use attempt::{Attempt, Called};
pub use breaker::Breakers;
pub use dialects::Dialect;
pub use error::{ModelError, ProviderError};
pub use limits::Limits;
pub use models::Models;
pub use provider::{AllowList, BaseUrl, BaseUrlError, Provider, Target};
pub use request::{
    Content, Message, ModelRequest, Role, StopSequences, ToolCall, takes_sampling_parameters,
};
pub use stop::Stop;
