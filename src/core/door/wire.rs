//! Answers in OpenAI's form.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::analytics::EventCost;
use crate::llm::{Choice, Delta, ModelAnswer, Part, ToolCall};
use crate::usage::dollars;

const CHUNK: &str = "chat.completion.chunk";

/// What all chunks of an answer have in common.
#[derive(Debug, Clone)]
pub(super) struct Heading {
    pub id: String,
    /// Seconds since 1970 UTC.
    pub created: i64,
    pub model: String,
}

pub(super) fn completion(heading: &Heading, answer: &ModelAnswer, cost: &EventCost) -> Value {
    let choices = std::iter::once(&answer.choice).chain(&answer.others);
    let choices: Vec<Value> = choices.enumerate().map(choice).collect();
    let mut body = json!({
        "id": heading.id,
        "object": "chat.completion",
        "created": heading.created,
        "model": answer.model,
        "choices": choices,
        "usage": usage(answer, cost),
    });
    let further = [
        ("service_tier", &answer.service_tier),
        ("system_fingerprint", &answer.system_fingerprint),
    ];
    for (name, value) in further {
        if let Some(value) = value {
            put(&mut body, name, json!(value));
        }
    }
    body
}

fn choice((index, choice): (usize, &Choice)) -> Value {
    let mut message: Map<String, Value> = choice.extra.clone();
    message.insert("role".to_owned(), json!("assistant"));
    let silent = choice.text.is_empty() && !choice.tool_calls.is_empty();
    let content = (!silent && choice.refusal.is_none()).then_some(&choice.text);
    message.insert("content".to_owned(), json!(content));
    message.insert("refusal".to_owned(), json!(choice.refusal));
    if !choice.tool_calls.is_empty() {
        message.insert("tool_calls".to_owned(), json!(choice.tool_calls));
    }
    json!({
        "index": index,
        "message": message,
        "logprobs": choice.logprobs,
        "finish_reason": choice.finish_reason,
    })
}

/// `CompletionUsage`, and beside it what it cost and what was not as asked: parameters that the
/// model's provider has no word for, and the limit of output that it wants one for. Null where
/// the provider did not say.
fn usage(answer: &ModelAnswer, cost: &EventCost) -> Value {
    let (status, nanos, price_id) = match cost {
        EventCost::None => ("none", None, None),
        EventCost::Priced { nanos, price_id } => ("priced", Some(*nanos), Some(price_id)),
        EventCost::Estimated { nanos, price_id } => ("estimated", Some(*nanos), Some(price_id)),
        EventCost::Unpriced => ("unpriced", None, None),
    };
    let Some(usage) = answer.usage else {
        return Value::Null;
    };
    let mut chitty = json!({
        "cost_status": status,
        "cost_usd": nanos.map(dollars),
        "cost_nanos": nanos,
        "price_id": price_id,
    });
    if !answer.dropped.is_empty() {
        put(&mut chitty, "dropped_parameters", json!(answer.dropped));
    }
    if let Some(most) = answer.default_max_tokens {
        put(&mut chitty, "default_max_tokens", json!(most));
    }
    json!({
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.total,
        "prompt_tokens_details": { "cached_tokens": usage.cached },
        "completion_tokens_details": { "reasoning_tokens": usage.reasoning },
        "chitty": chitty,
    })
}

/// A chunk that says something, made for each piece of an answer, so without building a tree.
#[derive(Serialize)]
pub(super) struct Piece<'a> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    choices: [PieceChoice<'a>; 1],
}

#[derive(Serialize)]
struct PieceChoice<'a> {
    index: usize,
    delta: PieceDelta<'a>,
    logprobs: Option<&'a Value>,
    finish_reason: (),
}

#[derive(Default, Serialize)]
struct PieceDelta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<[Value; 1]>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    fields: Option<&'a Map<String, Value>>,
}

/// The piece of one choice; `first` for the choice's first.
pub(super) fn piece<'a>(heading: &'a Heading, delta: &'a Delta, first: bool) -> Piece<'a> {
    let mut said = PieceDelta::of(&delta.part);
    if first {
        said.role = Some("assistant");
        let has_content = said
            .fields
            .is_some_and(|fields| fields.contains_key("content"));
        if !has_content {
            said.content.get_or_insert("");
        }
    }
    let logprobs = match &delta.part {
        Part::Logprobs(logprobs) => Some(logprobs),
        _ => None,
    };
    Piece {
        id: &heading.id,
        object: CHUNK,
        created: heading.created,
        model: &heading.model,
        choices: [PieceChoice {
            index: delta.choice,
            delta: said,
            logprobs,
            finish_reason: (),
        }],
    }
}

impl<'a> PieceDelta<'a> {
    fn of(part: &'a Part) -> Self {
        let mut said = Self::default();
        match part {
            Part::Text(text) => said.content = Some(text),
            Part::Refusal(text) => said.refusal = Some(text),
            Part::ToolCall { index, id, name } => {
                let call = ToolCall {
                    id: id.clone(),
                    name: name.clone(),
                    arguments: String::new(),
                };
                let mut call = json!(call);
                put(&mut call, "index", json!(index));
                said.tool_calls = Some([call]);
            }
            Part::Arguments { index, piece } => {
                let call = json!({ "index": index, "function": { "arguments": piece } });
                said.tool_calls = Some([call]);
            }
            Part::Fields(fields) => said.fields = Some(fields),
            Part::Logprobs(_) => {}
        }
        said
    }
}

/// The end of each choice.
pub(super) fn ends(heading: &Heading, answer: &ModelAnswer) -> Vec<Value> {
    let choices = std::iter::once(&answer.choice).chain(&answer.others);
    let end = |(index, choice): (usize, &Choice)| {
        let choice = json!([{
            "index": index,
            "delta": {},
            "logprobs": null,
            "finish_reason": choice.finish_reason,
        }]);
        chunk(heading, &choice)
    };
    choices.enumerate().map(end).collect()
}

/// The last chunk, where the usage is asked for: without a choice.
pub(super) fn last(heading: &Heading, answer: &ModelAnswer, cost: &EventCost) -> Value {
    let mut body = chunk(heading, &json!([]));
    put(&mut body, "usage", usage(answer, cost));
    body
}

fn put(object: &mut Value, name: &str, value: Value) {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}

fn chunk(heading: &Heading, choices: &Value) -> Value {
    json!({
        "id": heading.id,
        "object": CHUNK,
        "created": heading.created,
        "model": heading.model,
        "choices": choices,
    })
}

/// The chunks of a whole completion: what each choice says, its end, and the usage.
pub(super) fn chunks(completion: &Value, with_usage: bool) -> Vec<Value> {
    let member = |name: &str| completion.get(name).cloned().unwrap_or_default();
    let heading = Heading {
        id: member("id").as_str().unwrap_or_default().to_owned(),
        created: member("created").as_i64().unwrap_or_default(),
        model: member("model").as_str().unwrap_or_default().to_owned(),
    };
    let choices = member("choices");
    let choices = choices.as_array().into_iter().flatten();
    let mut chunks: Vec<Value> = choices.flat_map(|choice| said(&heading, choice)).collect();
    if with_usage {
        let mut last = chunk(&heading, &json!([]));
        put(&mut last, "usage", member("usage"));
        chunks.push(last);
    }
    chunks
}

fn said(heading: &Heading, choice: &Value) -> [Value; 2] {
    let mut message = choice.get("message").cloned().unwrap_or_default();
    let calls = message.get_mut("tool_calls").and_then(Value::as_array_mut);
    for (index, call) in calls.into_iter().flatten().enumerate() {
        put(call, "index", json!(index));
    }
    let piece = |delta: Value, finish_reason: Option<&Value>| {
        let choice = json!({
            "index": choice.get("index"),
            "delta": delta,
            "logprobs": null,
            "finish_reason": finish_reason,
        });
        chunk(heading, &json!([choice]))
    };
    [
        piece(message, None),
        piece(json!({}), choice.get("finish_reason")),
    ]
}
