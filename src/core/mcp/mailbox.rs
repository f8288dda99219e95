//! Where a legacy client's answers to our questions arrive: in another request than the one
//! that asked, so in a place both can reach.

use async_trait::async_trait;
use serde_json::Value;

#[async_trait(?Send)]
pub trait Mailbox {
    /// Waits for the message under `ticket`.
    async fn take(&self, ticket: &str, timeout_ms: u64) -> Result<Value, MailboxError>;
    /// Leaves a message under `ticket`; it is kept until taken, for some minutes.
    async fn put(&self, ticket: &str, message: &Value) -> Result<(), MailboxError>;
}

#[derive(Debug, Clone, thiserror::Error)]
pub enum MailboxError {
    #[error("the client did not answer within {ms} ms")]
    Timeout { ms: u64 },
    #[error("the mailbox could not be reached: {0}")]
    Unavailable(String),
}
