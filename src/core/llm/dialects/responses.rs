//! OpenAI's Responses (`CreateResponse`, `Response`, `ResponseStreamEvent`). Nothing is
//! stored at the provider: the history is ours, and sent each time.

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Encoded, Protocol, Reader, Unsupported, chosen_function, field, function};
use crate::llm::draft::{About, Event, Fault, shape};
use crate::llm::{Content, Delta, Message, ModelRequest, Part, Role};
use crate::usage::wire::openai_responses;

/// Parameters with the same name and meaning here.
const PASSES: [&str; 9] = [
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "moderation",
    "truncation",
    "include",
    "max_tool_calls",
    "context_management",
];

pub(super) struct Responses;

impl Protocol for Responses {
    fn path(&self) -> &'static str {
        "/responses"
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
        let mut to = Encoded::default();
        if request.n.is_some_and(|n| n > 1) {
            return Err(Unsupported::new("n"));
        }
        if request
            .stop
            .as_ref()
            .is_some_and(|s| !s.as_slice().is_empty())
        {
            return Err(Unsupported::new("stop"));
        }
        to.set("model", model);
        to.set("input", input(&request.messages)?);
        to.set("store", false);
        to.set_if_some("max_output_tokens", request.max_tokens.as_ref());
        to.set_if_some("temperature", request.temperature.as_ref());
        to.set_if_some("top_p", request.top_p.as_ref());
        to.set_if_some("service_tier", request.service_tier.as_ref());
        to.set_if_some("user", request.user.as_ref());
        to.set_if_some("metadata", request.metadata.as_ref());
        to.set_if_some("parallel_tool_calls", request.parallel_tool_calls.as_ref());
        if let Some(effort) = &request.reasoning_effort {
            to.set("reasoning", json!({"effort": effort}));
        }
        if let Some(list) = &request.tools {
            let tools: Result<Vec<Value>, _> = list.iter().map(tool).collect();
            to.set("tools", tools?);
        }
        if let Some(choice) = &request.tool_choice {
            to.set("tool_choice", tool_choice(choice)?);
        }
        let mut extra = request.extra.clone();
        let text = text(request, extra.remove("verbosity"));
        if !text.is_empty() {
            to.set("text", text);
        }
        to.add_extra(&extra, &PASSES)?;
        to.drop_if("seed", request.seed.is_some());
        if streamed {
            to.set("stream", true);
            to.set("stream_options", json!({"include_obfuscation": false}));
        }
        Ok(to)
    }

    fn read_whole(&self, body: &[u8], events: &mut Vec<Event>) -> Result<(), Fault> {
        let response: WireResponse = serde_json::from_slice(body).map_err(|error| shape(&error))?;
        let mut calls = 0;
        for item in response.output.iter().flatten() {
            match field(item, "type") {
                "message" => read_message(item, events),
                "function_call" => {
                    events.push(begin_call(calls, item));
                    let piece = field(item, "arguments").to_owned();
                    events.push(said(Part::Arguments {
                        index: calls,
                        piece,
                    }));
                    calls += 1;
                }
                _ => {}
            }
        }
        finish(&response, calls > 0, events)
    }

    fn reader(&self) -> Box<dyn Reader> {
        Box::new(EventReader::default())
    }
}

fn input(messages: &[Message]) -> Result<Vec<Value>, Unsupported> {
    let mut items = Vec::with_capacity(messages.len());
    for message in messages {
        if message.role == Role::Tool {
            items.push(json!({
                "type": "function_call_output",
                "call_id": message.tool_call_id,
                "output": content(message)?,
            }));
            continue;
        }
        if message.content.is_some() {
            items.push(json!({"role": message.role, "content": content(message)?}));
        }
        for call in message.tool_calls.iter().flatten() {
            items.push(json!({
                "type": "function_call",
                "call_id": call.id,
                "name": call.name,
                "arguments": call.arguments,
            }));
        }
    }
    Ok(items)
}

fn content(message: &Message) -> Result<Value, Unsupported> {
    match &message.content {
        None => Ok("".into()),
        Some(Content::Text(text)) => Ok(text.as_str().into()),
        // An earlier answer goes back as its text alone: its parts have no other form here.
        Some(Content::Parts(parts)) if message.role == Role::Assistant => {
            let text = |part| field(part, "text").to_owned() + field(part, "refusal");
            Ok(parts.iter().map(text).collect::<String>().into())
        }
        Some(Content::Parts(parts)) => parts.iter().map(part).collect(),
    }
}

fn part(part: &Value) -> Result<Value, Unsupported> {
    match field(part, "type") {
        "text" => Ok(json!({"type": "input_text", "text": field(part, "text")})),
        "image_url" => {
            let image = part.get("image_url").unwrap_or(&Value::Null);
            let detail = image.get("detail").and_then(Value::as_str);
            Ok(json!({
                "type": "input_image",
                "image_url": field(image, "url"),
                "detail": detail.unwrap_or("auto"),
            }))
        }
        "file" => {
            let mut file = part.get("file").and_then(Value::as_object).cloned();
            let file = file.get_or_insert_default();
            file.insert("type".to_owned(), "input_file".into());
            Ok(std::mem::take(file).into())
        }
        other => Err(Unsupported::new(format!("messages[].content[].{other}"))),
    }
}

/// The default of `strict` differs between the two protocols, so it is always named.
fn tool(tool: &Value) -> Result<Value, Unsupported> {
    let mut flat = function(tool)?.clone();
    flat.insert("type".to_owned(), "function".into());
    for (name, default) in [("strict", Value::Bool(false)), ("parameters", Value::Null)] {
        flat.entry(name.to_owned()).or_insert(default);
    }
    Ok(flat.into())
}

fn tool_choice(choice: &Value) -> Result<Value, Unsupported> {
    match (choice, chosen_function(choice)) {
        (Value::String(_), _) => Ok(choice.clone()),
        (_, Some(name)) => Ok(json!({"type": "function", "name": name})),
        _ => Err(Unsupported::new("tool_choice")),
    }
}

fn text(request: &ModelRequest, verbosity: Option<Value>) -> Map<String, Value> {
    let mut text = Map::new();
    if let Some(format) = &request.response_format {
        let mut flat = Map::new();
        if let Some(schema) = format.get("json_schema").and_then(Value::as_object) {
            flat.clone_from(schema);
        }
        flat.insert("type".to_owned(), field(format, "type").into());
        text.insert("format".to_owned(), flat.into());
    }
    text.extend(verbosity.map(|verbosity| ("verbosity".to_owned(), verbosity)));
    text
}

/// `Response`, as far as it is read.
#[derive(Deserialize)]
struct WireResponse {
    id: Option<String>,
    model: Option<String>,
    status: Option<String>,
    output: Option<Vec<Value>>,
    #[serde(default)]
    usage: Value,
    service_tier: Option<String>,
    #[serde(default)]
    incomplete_details: Value,
    #[serde(default)]
    error: Value,
}

impl WireResponse {
    fn about(&self) -> Event {
        Event::About(About {
            model: self.model.clone(),
            response_id: self.id.clone(),
            service_tier: self.service_tier.clone(),
            system_fingerprint: None,
        })
    }
}

fn said(part: Part) -> Event {
    Event::Delta(Delta { choice: 0, part })
}

fn read_message(item: &Value, events: &mut Vec<Event>) {
    let parts = item.get("content").and_then(Value::as_array);
    for part in parts.into_iter().flatten() {
        match field(part, "type") {
            "output_text" => events.push(said(Part::Text(field(part, "text").to_owned()))),
            "refusal" => events.push(said(Part::Refusal(field(part, "refusal").to_owned()))),
            _ => {}
        }
    }
}

fn begin_call(index: usize, item: &Value) -> Event {
    said(Part::ToolCall {
        index,
        id: field(item, "call_id").to_owned(),
        name: field(item, "name").to_owned(),
    })
}

/// The end of an answer, good or bad: its usage counts either way.
fn finish(response: &WireResponse, called: bool, events: &mut Vec<Event>) -> Result<(), Fault> {
    events.push(response.about());
    let searches = response.output.iter().flatten();
    let searches = searches.filter(|item| field(item, "type") == "web_search_call");
    let mut usage = openai_responses(&response.usage);
    if let Some(usage) = &mut usage {
        usage.web_searches = u64::try_from(searches.count()).unwrap_or(u64::MAX);
    }
    events.push(Event::Usage(usage));
    let reason = match response.status.as_deref() {
        Some("completed") if called => "tool_calls",
        Some("completed") => "stop",
        Some("incomplete") => match field(&response.incomplete_details, "reason") {
            "content_filter" => "content_filter",
            _ => "length",
        },
        Some("failed" | "cancelled") => return Err(Fault::Provider(response.error.to_string())),
        _ => return Err(Fault::Shape("it has no final status".to_owned())),
    };
    events.extend([Event::Finish(0, reason.to_owned()), Event::Done]);
    Ok(())
}

/// `ResponseStreamEvent`, as far as it is read.
#[derive(Deserialize)]
struct WireEvent {
    r#type: String,
    output_index: Option<u64>,
    delta: Option<Value>,
    item: Option<Value>,
    response: Option<WireResponse>,
}

/// Knows the function calls by their place among the output items.
#[derive(Default)]
struct EventReader {
    calls: Vec<u64>,
}

impl Reader for EventReader {
    fn read(&mut self, data: &str, events: &mut Vec<Event>) -> Result<(), Fault> {
        let event: WireEvent = serde_json::from_str(data).map_err(|error| shape(&error))?;
        let delta = || {
            let text = event.delta.as_ref().and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        let output_index = event.output_index.unwrap_or_default();
        match (event.r#type.as_str(), event.response) {
            ("response.output_text.delta", _) => events.push(said(Part::Text(delta()))),
            ("response.refusal.delta", _) => events.push(said(Part::Refusal(delta()))),
            ("response.output_item.added", _) => {
                let item = event.item.unwrap_or_default();
                if field(&item, "type") == "function_call" {
                    events.push(begin_call(self.calls.len(), &item));
                    self.calls.push(output_index);
                }
            }
            ("response.function_call_arguments.delta", _) => {
                let index = self.calls.iter().position(|call| *call == output_index);
                let unknown = || Fault::Shape("arguments of an unknown call".to_owned());
                let (index, piece) = (index.ok_or_else(unknown)?, delta());
                events.push(said(Part::Arguments { index, piece }));
            }
            ("response.created", Some(response)) => events.push(response.about()),
            ("response.completed" | "response.incomplete" | "response.failed", Some(response)) => {
                finish(&response, !self.calls.is_empty(), events)?;
            }
            ("error", _) => return Err(Fault::Provider(data.to_owned())),
            _ => {}
        }
        Ok(())
    }
}
