/// Bounds of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From the first request to the end of the answer, pauses and fallbacks included.
    pub total_ms: u64,
    /// Until a stream begins, and between two pieces of it. Reasoning models are silent for
    /// minutes.
    pub idle_ms: u64,
    /// Body of a plain answer, or text and arguments of a streamed one.
    pub max_answer_bytes: usize,
    /// Body of a streamed answer: each token comes in some 200 bytes of wrapping.
    pub max_stream_bytes: usize,
    pub max_line_bytes: usize,
    /// How long, and for how much more text, a stream is read on for its usage after its
    /// client has left.
    pub drain_ms: u64,
    /// A token is taken for four bytes.
    pub drain_tokens: u32,
    /// Whether the next model may be asked after one that may have been billed without an
    /// answer, such as after status 500. Then a call can cost the sum of its models, so a
    /// budget has to reserve that.
    pub may_bill_twice: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            total_ms: 300_000,
            idle_ms: 240_000,
            max_answer_bytes: 1024 * 1024,
            max_stream_bytes: 64 * 1024 * 1024,
            max_line_bytes: 1024 * 1024,
            drain_ms: 120_000,
            drain_tokens: 32_768,
            may_bill_twice: false,
        }
    }
}
