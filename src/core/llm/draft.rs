//! An answer in the making. Plain and streamed answers of all dialects come to it as the
//! same events.

use serde_json::{Map, Value};

use super::answer::STOPPED;
use super::{Choice, Delta, Part, TokenUsage, ToolCall};

/// Most choices and tool calls an answer may have.
const MAX_PARTS: usize = 256;

/// What a dialect reads out of the provider's JSON.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Event {
    About(About),
    Delta(Delta),
    /// Counts from before the end: of use only if the end does not come.
    EarlyUsage(TokenUsage),
    /// The counts of the whole answer. `None` if they make no sense.
    Usage(Option<TokenUsage>),
    Finish(usize, String),
    Done,
}

/// What an answer says about itself. `None` leaves what was said before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct About {
    pub model: Option<String>,
    pub response_id: Option<String>,
    pub service_tier: Option<String>,
    pub system_fingerprint: Option<String>,
}

/// Why an event could not be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// Not of the documented shape; never quotes the answer.
    Shape(String),
    /// The provider says that it failed, in these words.
    Provider(String),
    /// More than this many bytes.
    TooLarge(usize),
}

#[derive(Default)]
pub(super) struct Draft {
    pub choices: Vec<Choice>,
    pub about: About,
    pub early_usage: Option<TokenUsage>,
    pub usage: Option<TokenUsage>,
    /// Text and arguments.
    pub bytes: usize,
    pub done: bool,
}

impl Draft {
    pub fn take(&mut self, event: &Event, max_bytes: usize) -> Result<(), Fault> {
        match event {
            Event::About(about) => self.about.update(about),
            Event::EarlyUsage(usage) => self.early_usage = Some(*usage),
            Event::Usage(usage) => self.usage = *usage,
            Event::Delta(delta) => self.add(delta, max_bytes)?,
            Event::Finish(at, reason) => self.choice(*at)?.finish_reason.clone_from(reason),
            Event::Done => self.done = true,
        }
        Ok(())
    }

    /// Whether it has all a whole answer has.
    pub fn is_whole(&self) -> bool {
        let finished = |choice: &Choice| !choice.finish_reason.is_empty();
        self.done
            && self.about.model.is_some()
            && !self.choices.is_empty()
            && self.choices.iter().all(finished)
    }

    /// What is there of an answer that was broken off.
    pub fn stop(&mut self) {
        if self.choices.is_empty() {
            self.choices.push(Choice::default());
        }
        for choice in &mut self.choices {
            if choice.finish_reason.is_empty() {
                STOPPED.clone_into(&mut choice.finish_reason);
            }
        }
    }

    pub fn text(&self) -> String {
        let first = self.choices.first();
        first.map_or_else(String::new, |choice| choice.said().to_owned())
    }

    fn add(&mut self, delta: &Delta, max_bytes: usize) -> Result<(), Fault> {
        let bytes = match &delta.part {
            Part::Text(text) | Part::Refusal(text) => text.len(),
            Part::Arguments { piece, .. } => piece.len(),
            Part::ToolCall { id, name, .. } => id.len() + name.len(),
            Part::Fields(fields) => fields.values().map(size).sum(),
            Part::Logprobs(_) => 0,
        };
        if self.bytes + bytes > max_bytes {
            return Err(Fault::TooLarge(max_bytes));
        }
        self.bytes += bytes;
        let choice = self.choice(delta.choice)?;
        match &delta.part {
            Part::Text(text) => choice.text.push_str(text),
            Part::Refusal(text) => choice.refusal.get_or_insert_default().push_str(text),
            Part::Logprobs(more) => add_logprobs(&mut choice.logprobs, more),
            Part::Fields(more) => add_fields(&mut choice.extra, more),
            Part::ToolCall { index, id, name } => {
                let call = slot(&mut choice.tool_calls, *index)?;
                *call = ToolCall {
                    id: id.clone(),
                    name: name.clone(),
                    arguments: std::mem::take(&mut call.arguments),
                };
            }
            Part::Arguments { index, piece } => {
                slot(&mut choice.tool_calls, *index)?
                    .arguments
                    .push_str(piece);
            }
        }
        Ok(())
    }

    fn choice(&mut self, at: usize) -> Result<&mut Choice, Fault> {
        slot(&mut self.choices, at)
    }
}

impl About {
    fn update(&mut self, newer: &Self) {
        let update = |old: &mut Option<String>, new: &Option<String>| {
            if new.is_some() {
                old.clone_from(new);
            }
        };
        update(&mut self.model, &newer.model);
        update(&mut self.response_id, &newer.response_id);
        update(&mut self.service_tier, &newer.service_tier);
        update(&mut self.system_fingerprint, &newer.system_fingerprint);
    }
}

/// The element at `at`, made with all before it if it is new.
fn slot<T: Clone + Default>(list: &mut Vec<T>, at: usize) -> Result<&mut T, Fault> {
    if at >= MAX_PARTS {
        return Err(Fault::Shape(format!("it has a part of index {at}")));
    }
    if list.len() <= at {
        list.resize(at + 1, T::default());
    }
    list.get_mut(at)
        .ok_or_else(|| Fault::Shape("a part is out of order".to_owned()))
}

/// Of text and of what is in lists, in bytes, roughly.
fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(size).sum(),
        Value::Object(fields) => fields.values().map(size).sum(),
        _ => 8,
    }
}

/// Texts and lists go on, as in the pieces that OpenAI's clients join; else the latest holds.
fn add_fields(all: &mut Map<String, Value>, more: &Map<String, Value>) {
    for (name, value) in more {
        match (all.get_mut(name), value) {
            (Some(Value::String(old)), Value::String(new)) => old.push_str(new),
            (Some(Value::Array(old)), Value::Array(new)) => old.extend(new.iter().cloned()),
            _ => {
                all.insert(name.clone(), value.clone());
            }
        }
    }
}

/// OpenAI's form: an object with the lists `content` and `refusal`.
fn add_logprobs(all: &mut Option<Value>, more: &Value) {
    let all = all.get_or_insert_with(|| Value::Object(Map::new()));
    for name in ["content", "refusal"] {
        let (Some(Value::Array(new)), Some(fields)) = (more.get(name), all.as_object_mut()) else {
            continue;
        };
        match fields.get_mut(name) {
            Some(Value::Array(old)) => old.extend(new.iter().cloned()),
            _ => {
                fields.insert(name.to_owned(), Value::Array(new.clone()));
            }
        }
    }
}

/// Where the JSON is wrong. serde's words may quote the answer, which is not for an error.
pub(super) fn shape(error: &serde_json::Error) -> Fault {
    let what = match error.classify() {
        serde_json::error::Category::Eof => "the JSON ends early",
        serde_json::error::Category::Syntax => "it is not valid JSON",
        _ => "it is not of the documented shape",
    };
    let (line, column) = (error.line(), error.column());
    Fault::Shape(format!("{what}, line {line} column {column}"))
}
