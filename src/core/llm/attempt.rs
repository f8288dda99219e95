use super::{Ended, ModelAnswer, ModelError, TokenUsage};

/// The outcome of a call, with all that was tried for it.
#[derive(Debug, Clone, PartialEq)]
pub struct Called {
    pub result: Result<ModelAnswer, ModelError>,
    /// In order; the last one gave the result.
    pub attempts: Vec<Attempt>,
}

/// One request to one provider, for the books. Each may have cost something of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// Name of the provider.
    pub provider: String,
    /// The model asked.
    pub model: String,
    /// The model and tier that answered, as far as they are known.
    pub model_answered: Option<String>,
    pub service_tier: Option<String>,
    /// False if nothing went out: no key, a parameter the provider does not know, or an open
    /// circuit breaker.
    pub sent: bool,
    /// How the answer ended. `None` if none began.
    pub ended: Option<Ended>,
    pub error: Option<ModelError>,
    /// Exact where `ended` is [`Ended::Whole`] or [`Ended::Drained`]. Otherwise the last counts
    /// that arrived: of the prompt mostly right, of the completion too low.
    pub usage: Option<TokenUsage>,
    /// Text and arguments that arrived. Each token of them has one byte or more; reasoning
    /// that is not shown is not in it.
    pub output_bytes: usize,
    /// Bytes of the request, where another than the one ordered was sent.
    pub request_bytes: Option<u64>,
    /// Whether the provider may charge for it.
    pub may_have_billed: bool,
    pub provider_request_id: Option<String>,
    /// Unix time.
    pub started_ms: i64,
    pub first_token_ms: Option<i64>,
    pub total_ms: i64,
}
