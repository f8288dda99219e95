use serde::Deserialize;
use serde_json::Value;

use super::answer::shape;
use super::scrub::scrub;
use super::sse::{SseError, SseParser};
use super::{Limits, ModelAnswer, ModelError, TokenUsage};
use crate::usage::wire::openai_chat;

/// Data of the event that ends a stream.
const DONE: &str = "[DONE]";

/// An answer as it arrives. Kept outside of the future that reads, so that what arrived
/// survives a timeout.
pub(super) struct Arriving {
    parser: SseParser,
    limits: Limits,
    received_bytes: usize,
    pub text: String,
    refused: bool,
    finish_reason: Option<String>,
    model: Option<String>,
    response_id: Option<String>,
    service_tier: Option<String>,
    system_fingerprint: Option<String>,
    usage: Option<TokenUsage>,
    pub provider_request_id: Option<String>,
    pub first_text_at_ms: Option<i64>,
    done: bool,
}

/// `CreateChatCompletionStreamResponse`, as far as it is read, or an error in its place.
#[derive(Deserialize)]
struct WireChunk {
    id: Option<String>,
    model: Option<String>,
    #[serde(default)]
    choices: Vec<WireDelta>,
    #[serde(default)]
    usage: Value,
    service_tier: Option<String>,
    system_fingerprint: Option<String>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct WireDelta {
    #[serde(default)]
    index: u32,
    #[serde(default)]
    delta: WireText,
    finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
struct WireText {
    content: Option<String>,
    refusal: Option<String>,
}

impl Arriving {
    pub fn new(limits: Limits) -> Self {
        Self {
            parser: SseParser::new(limits.max_line_bytes),
            limits,
            received_bytes: 0,
            text: String::new(),
            refused: false,
            finish_reason: None,
            model: None,
            response_id: None,
            service_tier: None,
            system_fingerprint: None,
            usage: None,
            provider_request_id: None,
            first_text_at_ms: None,
            done: false,
        }
    }

    /// Takes a piece of the body and hands its text on. True once the stream has ended.
    pub fn take(
        &mut self,
        bytes: &[u8],
        now_ms: i64,
        key: &str,
        on_delta: &mut dyn FnMut(&str),
    ) -> Result<bool, ModelError> {
        self.received_bytes += bytes.len();
        if self.received_bytes > self.limits.max_stream_bytes {
            return Err(self.too_large(self.limits.max_stream_bytes));
        }
        for data in self
            .parser
            .feed(bytes)
            .map_err(|error| self.unreadable(&error))?
        {
            if data == DONE {
                self.done = true;
                return Ok(true);
            }
            self.take_event(&data, now_ms, key, on_delta)?;
        }
        Ok(false)
    }

    fn take_event(
        &mut self,
        data: &str,
        now_ms: i64,
        key: &str,
        on_delta: &mut dyn FnMut(&str),
    ) -> Result<(), ModelError> {
        let chunk: WireChunk =
            serde_json::from_str(data).map_err(|error| self.interrupted(shape(&error)))?;
        if let Some(error) = chunk.error.filter(|error| !error.is_null()) {
            return Err(self.interrupted(scrub(&error.to_string(), key)));
        }
        self.model = chunk.model.or(self.model.take());
        self.response_id = chunk.id.or(self.response_id.take());
        self.service_tier = chunk.service_tier.or(self.service_tier.take());
        self.system_fingerprint = chunk.system_fingerprint.or(self.system_fingerprint.take());
        // Counts in earlier chunks are placeholders: the last one holds.
        self.usage = openai_chat(&chunk.usage).or(self.usage);
        for choice in chunk.choices.into_iter().filter(|choice| choice.index == 0) {
            self.finish_reason = choice.finish_reason.or(self.finish_reason.take());
            self.refused |= choice.delta.refusal.is_some();
            let text = choice
                .delta
                .content
                .or(choice.delta.refusal)
                .unwrap_or_default();
            self.take_text(&text, now_ms, on_delta)?;
        }
        Ok(())
    }

    fn take_text(
        &mut self,
        text: &str,
        now_ms: i64,
        on_delta: &mut dyn FnMut(&str),
    ) -> Result<(), ModelError> {
        if text.is_empty() {
            return Ok(());
        }
        if self.text.len() + text.len() > self.limits.max_answer_bytes {
            return Err(self.too_large(self.limits.max_answer_bytes));
        }
        self.first_text_at_ms.get_or_insert(now_ms);
        self.text.push_str(text);
        on_delta(text);
        Ok(())
    }

    /// The answer, if it is whole: a stream without a finish reason and `[DONE]` was cut.
    pub fn finish(self, started_ms: i64, now_ms: i64) -> Result<ModelAnswer, ModelError> {
        let finish_reason = match (self.done, &self.finish_reason, &self.model) {
            (true, Some(reason), Some(_)) => reason.clone(),
            _ => return Err(self.interrupted("the stream ended before the answer did".to_owned())),
        };
        Ok(ModelAnswer {
            text: self.text,
            model: self.model.unwrap_or_default(),
            finish_reason,
            usage: self.usage,
            provider_request_id: self.provider_request_id,
            response_id: self.response_id,
            service_tier: self.service_tier,
            system_fingerprint: self.system_fingerprint,
            refused: self.refused,
            first_token_ms: self.first_text_at_ms.map(|at| at - started_ms),
            total_ms: now_ms - started_ms,
        })
    }

    pub fn interrupted(&self, cause: String) -> ModelError {
        ModelError::Interrupted {
            cause,
            partial: self.text.clone(),
        }
    }

    fn too_large(&self, limit: usize) -> ModelError {
        ModelError::TooLarge {
            limit,
            partial: self.text.clone(),
        }
    }

    fn unreadable(&self, error: &SseError) -> ModelError {
        match error {
            SseError::TooLong => self.too_large(self.limits.max_line_bytes),
            SseError::NotUtf8 => self.interrupted("the stream is not UTF-8".to_owned()),
        }
    }
}
