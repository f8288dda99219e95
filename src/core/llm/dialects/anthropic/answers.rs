use serde::Deserialize;
use serde_json::{Map, Value};

use crate::llm::dialects::{Reader, field};
use crate::llm::draft::{About, Event, Fault, shape};
use crate::llm::{Delta, Part};
use crate::usage::wire::{anthropic, anthropic_tier};

/// `Message`, as far as it is read.
#[derive(Deserialize)]
struct WireMessage {
    id: Option<String>,
    model: Option<String>,
    #[serde(default)]
    content: Vec<Value>,
    stop_reason: Option<String>,
    usage: Option<Map<String, Value>>,
}

/// `RawMessageStreamEvent`, as far as it is read.
#[derive(Deserialize)]
struct WireEvent {
    r#type: String,
    message: Option<WireMessage>,
    #[serde(default)]
    index: u64,
    #[serde(default)]
    content_block: Value,
    #[serde(default)]
    delta: Value,
    usage: Option<Map<String, Value>>,
    #[serde(default)]
    error: Value,
}

/// Reads the answer block by block, be it whole or in pieces.
#[derive(Default)]
pub(super) struct EventReader {
    usage: Map<String, Value>,
    /// Calls so far, and the block of the one whose arguments have not begun.
    calls: usize,
    without_arguments: Option<u64>,
}

pub(super) fn read_whole(body: &[u8], events: &mut Vec<Event>) -> Result<(), Fault> {
    let message: WireMessage = serde_json::from_slice(body).map_err(|error| shape(&error))?;
    let mut reader = EventReader::default();
    for block in &message.content {
        reader.begin(0, block, events);
        if field(block, "type") == "tool_use" {
            let input = block.get("input").map(Value::to_string).unwrap_or_default();
            reader.arguments(input, events);
        }
    }
    EventReader::about(&message, events);
    reader.count(message.usage, events);
    events.extend(message.stop_reason.as_deref().map(finish));
    events.push(Event::Done);
    Ok(())
}

impl Reader for EventReader {
    fn read(&mut self, data: &str, events: &mut Vec<Event>) -> Result<(), Fault> {
        let event: WireEvent = serde_json::from_str(data).map_err(|error| shape(&error))?;
        match event.r#type.as_str() {
            "message_start" => {
                if let Some(message) = event.message {
                    Self::about(&message, events);
                    self.usage = message.usage.unwrap_or_default();
                    // A placeholder: the counts of the whole answer come at its end.
                    events.extend(self.counted().map(Event::EarlyUsage));
                }
            }
            "content_block_start" => self.begin(event.index, &event.content_block, events),
            "content_block_delta" => self.more(&event.delta, events),
            "content_block_stop" if self.without_arguments == Some(event.index) => {
                self.arguments("{}".to_owned(), events);
            }
            "message_delta" => {
                let reason = event.delta.get("stop_reason").and_then(Value::as_str);
                self.count(event.usage, events);
                events.extend(reason.map(finish));
            }
            "message_stop" => events.push(Event::Done),
            "error" => return Err(Fault::Provider(event.error.to_string())),
            _ => {}
        }
        Ok(())
    }
}

impl EventReader {
    fn about(message: &WireMessage, events: &mut Vec<Event>) {
        let usage = message.usage.as_ref();
        let tier = usage.and_then(|usage| anthropic_tier(&Value::Object(usage.clone())));
        let tier = tier.map(|tier| match tier.as_str() {
            "standard" => "default".to_owned(),
            _ => tier,
        });
        events.push(Event::About(About {
            model: message.model.clone(),
            response_id: message.id.clone(),
            service_tier: tier,
            system_fingerprint: None,
        }));
    }

    fn begin(&mut self, block: u64, content: &Value, events: &mut Vec<Event>) {
        match field(content, "type") {
            "text" => say(field(content, "text"), events),
            "tool_use" => {
                events.push(said(Part::ToolCall {
                    index: self.calls,
                    id: field(content, "id").to_owned(),
                    name: field(content, "name").to_owned(),
                }));
                self.calls += 1;
                self.without_arguments = Some(block);
            }
            _ => {}
        }
    }

    fn more(&mut self, delta: &Value, events: &mut Vec<Event>) {
        match field(delta, "type") {
            "text_delta" => say(field(delta, "text"), events),
            "input_json_delta" => self.arguments(field(delta, "partial_json").to_owned(), events),
            _ => {}
        }
    }

    /// Of the call begun last: blocks follow each other.
    fn arguments(&mut self, piece: String, events: &mut Vec<Event>) {
        if let Some(index) = self.calls.checked_sub(1).filter(|_| !piece.is_empty()) {
            self.without_arguments = None;
            events.push(said(Part::Arguments { index, piece }));
        }
    }

    /// Lays newer totals over older ones: they are not additions.
    fn count(&mut self, newer: Option<Map<String, Value>>, events: &mut Vec<Event>) {
        let newer = newer.into_iter().flatten();
        self.usage
            .extend(newer.filter(|(_, count)| !count.is_null()));
        events.push(Event::Usage(self.counted()));
    }

    fn counted(&self) -> Option<crate::usage::TokenUsage> {
        anthropic(&Value::Object(self.usage.clone()))
    }
}

fn said(part: Part) -> Event {
    Event::Delta(Delta { choice: 0, part })
}

fn say(text: &str, events: &mut Vec<Event>) {
    if !text.is_empty() {
        events.push(said(Part::Text(text.to_owned())));
    }
}

/// `stop_reason` in OpenAI's words.
fn finish(stop_reason: &str) -> Event {
    let reason = match stop_reason {
        "max_tokens" | "model_context_window_exceeded" => "length",
        "tool_use" => "tool_calls",
        "refusal" => "content_filter",
        _ => "stop",
    };
    Event::Finish(0, reason.to_owned())
}
