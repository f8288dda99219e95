//! The model: OpenAI's Chat Completions API, plain and streamed, over [`crate::ports::Http`].
//!
//! Shapes: OpenAI's published description of its API (`CreateChatCompletionRequest`,
//! `CreateChatCompletionResponse`, `CreateChatCompletionStreamResponse`). Event streams:
//! WHATWG HTML, section 9.2.6. The API has no idempotency, so a request is sent again only
//! where the provider surely did no work.

mod answer;
mod error;
mod openai;
mod request;
#[cfg(test)]
pub(crate) mod scripted;
mod scrub;
mod sse;
mod stream;
#[cfg(test)]
mod tests;

pub use crate::usage::TokenUsage;
pub use answer::ModelAnswer;
pub use error::{ModelError, ProviderError};
pub use openai::{Limits, OpenAi};
pub use request::{Message, ModelRequest, Role, takes_sampling_parameters};
