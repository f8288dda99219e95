//! OpenAI's Chat Completions, also as others speak it (`CreateChatCompletionResponse`,
//! `CreateChatCompletionStreamResponse`).

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Encoded, Protocol, Reader, Unsupported, function};
use crate::llm::draft::{About, Event, Fault, shape};
use crate::llm::{Delta, ModelRequest, Part, takes_sampling_parameters};
use crate::usage::wire::openai_chat;

/// Data of the event that ends a stream.
const DONE: &str = "[DONE]";

pub(super) struct ChatCompletions;

impl Protocol for ChatCompletions {
    fn path(&self) -> &'static str {
        "/chat/completions"
    }

    fn headers(&self, key: &str) -> Vec<(&'static str, String)> {
        vec![("authorization", format!("Bearer {key}"))]
    }

    fn encode(
        &self,
        request: &ModelRequest,
        model: &str,
        streamed: bool,
    ) -> Result<Encoded, Unsupported> {
        for tool in request.tools.iter().flatten() {
            function(tool)?;
        }
        if request.extra.get("functions").is_some_and(|f| !f.is_null()) {
            return Err(Unsupported::advised("functions", "name them as tools"));
        }
        if streamed && wants_audio(request) {
            let advice = "ask for the answer whole, without stream";
            return Err(Unsupported::advised("modalities", advice));
        }
        let Ok(Value::Object(mut body)) = serde_json::to_value(request) else {
            return Err(Unsupported::new("the request"));
        };
        body.insert("model".to_owned(), model.into());
        if !takes_sampling_parameters(model)
            && let Some(limit) = body.remove("max_tokens")
        {
            body.insert("max_completion_tokens".to_owned(), limit);
        }
        body.remove("stream");
        let options = body.remove("stream_options");
        if streamed {
            let mut options = options.unwrap_or_else(|| json!({}));
            if let Some(options) = options.as_object_mut() {
                options.insert("include_usage".to_owned(), true.into());
            }
            body.insert("stream".to_owned(), true.into());
            body.insert("stream_options".to_owned(), options);
        }
        Ok(Encoded {
            body,
            ..Encoded::default()
        })
    }

    fn read_whole(&self, body: &[u8], events: &mut Vec<Event>) -> Result<(), Fault> {
        let chunk: WireChunk = serde_json::from_slice(body).map_err(|error| shape(&error))?;
        ChunkReader::default().take(chunk, events)?;
        events.push(Event::Done);
        Ok(())
    }

    fn reader(&self) -> Box<dyn Reader> {
        Box::new(ChunkReader::default())
    }
}

fn wants_audio(request: &ModelRequest) -> bool {
    let modalities = request.extra.get("modalities").and_then(Value::as_array);
    modalities.is_some_and(|list| list.iter().any(|one| one == "audio"))
}

/// A whole answer or a chunk of one, as far as it is read, or an error in its place.
#[derive(Deserialize)]
struct WireChunk {
    id: Option<String>,
    model: Option<String>,
    choices: Option<Vec<WireChoice>>,
    #[serde(default)]
    usage: Value,
    service_tier: Option<String>,
    system_fingerprint: Option<String>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct WireChoice {
    #[serde(default)]
    index: usize,
    /// In a whole answer.
    message: Option<WireMessage>,
    /// In a chunk.
    delta: Option<WireMessage>,
    finish_reason: Option<String>,
    logprobs: Option<Value>,
}

#[derive(Deserialize)]
struct WireMessage {
    content: Option<String>,
    refusal: Option<String>,
    tool_calls: Option<Vec<WireCall>>,
    #[serde(flatten)]
    extra: Map<String, Value>,
}

#[derive(Deserialize)]
struct WireCall {
    index: Option<usize>,
    id: Option<String>,
    #[serde(default)]
    function: WireFunction,
}

#[derive(Default, Deserialize)]
struct WireFunction {
    name: Option<String>,
    arguments: Option<String>,
}

/// Knows which tool calls have begun, by choice.
#[derive(Default)]
struct ChunkReader {
    begun: Vec<(usize, usize)>,
}

impl Reader for ChunkReader {
    fn read(&mut self, data: &str, events: &mut Vec<Event>) -> Result<(), Fault> {
        if data == DONE {
            events.push(Event::Done);
            return Ok(());
        }
        let chunk = serde_json::from_str(data).map_err(|error| shape(&error))?;
        self.take(chunk, events)
    }
}

impl ChunkReader {
    fn take(&mut self, chunk: WireChunk, events: &mut Vec<Event>) -> Result<(), Fault> {
        if let Some(error) = chunk.error.filter(|error| !error.is_null()) {
            return Err(Fault::Provider(error.to_string()));
        }
        events.push(Event::About(About {
            model: chunk.model,
            response_id: chunk.id,
            service_tier: chunk.service_tier,
            system_fingerprint: chunk.system_fingerprint,
        }));
        let choices = chunk.choices.unwrap_or_default();
        let at_end = choices.iter().all(|choice| choice.finish_reason.is_some());
        match openai_chat(&chunk.usage) {
            _ if chunk.usage.is_null() => {}
            usage if at_end => events.push(Event::Usage(usage)),
            usage => events.extend(usage.map(Event::EarlyUsage)),
        }
        for choice in choices {
            self.take_choice(choice, events);
        }
        Ok(())
    }

    fn take_choice(&mut self, choice: WireChoice, events: &mut Vec<Event>) {
        let at = choice.index;
        if let Some(mut message) = choice.message.or(choice.delta) {
            let said = |part| Event::Delta(Delta { choice: at, part });
            let some = |text: Option<String>| text.filter(|text| !text.is_empty());
            events.extend(some(message.content).map(|text| said(Part::Text(text))));
            events.extend(some(message.refusal).map(|text| said(Part::Refusal(text))));
            for call in message.tool_calls.into_iter().flatten() {
                events.extend(self.call(at, call).into_iter().map(said));
            }
            message.extra.remove("role");
            message.extra.retain(|_, value| !value.is_null());
            if !message.extra.is_empty() {
                events.push(said(Part::Fields(message.extra)));
            }
        }
        if let Some(logprobs) = choice.logprobs.filter(|logprobs| !logprobs.is_null()) {
            let part = Part::Logprobs(logprobs);
            events.push(Event::Delta(Delta { choice: at, part }));
        }
        events.extend(choice.finish_reason.map(|reason| Event::Finish(at, reason)));
    }

    /// Some providers leave out the index, or repeat id and name with every piece.
    fn call(&mut self, choice: usize, call: WireCall) -> Vec<Part> {
        let begun = self.begun.iter().filter(|(at, _)| *at == choice).count();
        let is_more = call.id.is_none();
        let index = call
            .index
            .unwrap_or(begun.saturating_sub(usize::from(is_more)));
        let mut parts = Vec::new();
        if !self.begun.contains(&(choice, index)) {
            self.begun.push((choice, index));
            parts.push(Part::ToolCall {
                index,
                id: call.id.unwrap_or_default(),
                name: call.function.name.unwrap_or_default(),
            });
        }
        let piece = call.function.arguments.filter(|piece| !piece.is_empty());
        parts.extend(piece.map(|piece| Part::Arguments { index, piece }));
        parts
    }
}
