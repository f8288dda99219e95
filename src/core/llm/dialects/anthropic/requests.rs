use serde_json::{Map, Value, json};

use super::{Encoded, Unsupported};
use crate::llm::dialects::{chosen_function, field, function};
use crate::llm::{Content, Message, ModelRequest, Role, ToolCall};

/// Anthropic demands a limit. All of its models take this one.
const DEFAULT_MAX_TOKENS: u32 = 4_096;
/// Parameters of Anthropic's own that callers may add to a request.
const PASSES: [&str; 6] = [
    "top_k",
    "thinking",
    "cache_control",
    "container",
    "inference_geo",
    "context_management",
];

/// All but the model and the way of delivery.
pub(super) fn encode(request: &ModelRequest) -> Result<Encoded, Unsupported> {
    let mut to = Encoded::default();
    if request.n.is_some_and(|n| n > 1) {
        return Err(Unsupported::new("n"));
    }
    if request.temperature.is_some_and(|t| t > 1.0) {
        let advice = "send one from 0 to 1";
        return Err(Unsupported::advised("temperature", advice));
    }
    to.default_max_tokens = request.max_tokens.is_none().then_some(DEFAULT_MAX_TOKENS);
    to.set(
        "max_tokens",
        request.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS),
    );
    to.set_if_some("temperature", request.temperature.as_ref());
    to.set_if_some("top_p", request.top_p.as_ref());
    if let Some(stop) = &request.stop {
        to.set("stop_sequences", stop.as_slice());
    }
    let (system, turns) = conversation(&request.messages)?;
    if !system.is_empty() {
        to.set("system", system);
    }
    to.set("messages", turns);
    tools(request, &mut to)?;
    output_config(request, &mut to)?;
    match request.service_tier.as_deref() {
        Some("auto") => to.set("service_tier", "auto"),
        Some("default") => to.set("service_tier", "standard_only"),
        other => to.drop_if("service_tier", other.is_some()),
    }
    if let Some(user) = &request.user {
        to.set("metadata", json!({"user_id": user}));
    }
    to.drop_if("metadata", request.metadata.is_some());
    to.drop_if("seed", request.seed.is_some());
    to.add_extra(&request.extra, &PASSES)?;
    Ok(to)
}

/// The instructions, and the turns of user and assistant. Instructions from within the
/// conversation go to its front; neighbours of one role become one turn, as the results of
/// several tools have to.
fn conversation(messages: &[Message]) -> Result<(Vec<Value>, Vec<Value>), Unsupported> {
    let mut system = Vec::new();
    let mut turns: Vec<(&str, Vec<Value>)> = Vec::new();
    for message in messages {
        let (role, blocks) = match message.role {
            Role::System | Role::Developer => {
                system.extend(blocks(message)?);
                continue;
            }
            Role::User => ("user", blocks(message)?),
            Role::Tool => ("user", vec![tool_result(message)?]),
            Role::Assistant => ("assistant", assistant(message)?),
        };
        match turns.last_mut() {
            Some((last, before)) if *last == role => before.extend(blocks),
            _ => turns.push((role, blocks)),
        }
    }
    let turn = |(role, content)| json!({"role": role, "content": content});
    Ok((system, turns.into_iter().map(turn).collect()))
}

/// Empty texts are refused by the provider, and say nothing.
fn blocks(message: &Message) -> Result<Vec<Value>, Unsupported> {
    match &message.content {
        None => Ok(Vec::new()),
        Some(Content::Text(text)) if text.is_empty() => Ok(Vec::new()),
        Some(Content::Text(text)) => Ok(vec![json!({"type": "text", "text": text})]),
        Some(Content::Parts(parts)) => parts
            .iter()
            .filter(|part| part.get("text").is_none_or(|text| text != ""))
            .map(block)
            .collect(),
    }
}

/// A part as a block, with its mark for the prompt cache if it has one.
fn block(part: &Value) -> Result<Value, Unsupported> {
    let kind = field(part, "type");
    let unsupported = || Unsupported::new(format!("messages[].content[].{kind}"));
    let (kind, name, value) = match kind {
        "text" => ("text", "text", field(part, "text").into()),
        "refusal" => ("text", "text", field(part, "refusal").into()),
        "image_url" => {
            let url = part.get("image_url").map(|image| field(image, "url"));
            ("image", "source", source(url.unwrap_or_default()))
        }
        "file" => {
            let data = part.get("file").map(|file| field(file, "file_data"));
            let data = data.filter(|data| data.starts_with("data:"));
            ("document", "source", source(data.ok_or_else(unsupported)?))
        }
        _ => return Err(unsupported()),
    };
    let mut block = Map::from_iter([("type".to_owned(), kind.into()), (name.to_owned(), value)]);
    if let Some(mark) = part.get("cache_control") {
        block.insert("cache_control".to_owned(), mark.clone());
    }
    Ok(block.into())
}

/// Of a `data:` URL its bytes, of another one the URL.
fn source(url: &str) -> Value {
    let data = url
        .strip_prefix("data:")
        .and_then(|rest| rest.split_once(";base64,"));
    match data {
        Some((media_type, data)) => {
            json!({"type": "base64", "media_type": media_type, "data": data})
        }
        None => json!({"type": "url", "url": url}),
    }
}

fn tool_result(message: &Message) -> Result<Value, Unsupported> {
    Ok(json!({
        "type": "tool_result",
        "tool_use_id": message.tool_call_id,
        "content": blocks(message)?,
    }))
}

fn assistant(message: &Message) -> Result<Vec<Value>, Unsupported> {
    let mut blocks = blocks(message)?;
    for call in message.tool_calls.iter().flatten() {
        blocks.push(tool_use(call)?);
    }
    Ok(blocks)
}

fn tool_use(call: &ToolCall) -> Result<Value, Unsupported> {
    let arguments = Some(call.arguments.as_str()).filter(|text| !text.trim().is_empty());
    let input: Option<Map<String, Value>> = serde_json::from_str(arguments.unwrap_or("{}")).ok();
    let input = input.ok_or(Unsupported::advised(
        "messages[].tool_calls[].function.arguments",
        "send a JSON object",
    ))?;
    Ok(json!({"type": "tool_use", "id": call.id, "name": call.name, "input": input}))
}

fn tools(request: &ModelRequest, to: &mut Encoded) -> Result<(), Unsupported> {
    let Some(tools) = request.tools.as_ref().filter(|tools| !tools.is_empty()) else {
        return Ok(());
    };
    let tools: Result<Vec<Value>, _> = tools.iter().map(tool).collect();
    to.set("tools", tools?);
    let choice = request.tool_choice.as_ref();
    let mut choice = match (choice.and_then(Value::as_str), choice) {
        (Some("none"), _) => json!({"type": "none"}),
        (Some("required"), _) => json!({"type": "any"}),
        (Some("auto"), _) | (None, None) => json!({"type": "auto"}),
        (_, Some(choice)) => {
            let name = chosen_function(choice).ok_or_else(|| Unsupported::new("tool_choice"))?;
            json!({"type": "tool", "name": name})
        }
        (Some(_), None) => return Err(Unsupported::new("tool_choice")),
    };
    if request.parallel_tool_calls == Some(false)
        && choice.get("type").is_none_or(|kind| kind != "none")
        && let Some(fields) = choice.as_object_mut()
    {
        fields.insert("disable_parallel_tool_use".to_owned(), true.into());
    }
    to.set("tool_choice", choice);
    Ok(())
}

fn tool(tool: &Value) -> Result<Value, Unsupported> {
    let function = function(tool)?;
    let mut own = Map::new();
    for (theirs, ours) in [
        ("name", "name"),
        ("description", "description"),
        ("parameters", "input_schema"),
        ("strict", "strict"),
    ] {
        if let Some(value) = function.get(theirs).filter(|value| !value.is_null()) {
            own.insert(ours.to_owned(), value.clone());
        }
    }
    own.entry("input_schema".to_owned())
        .or_insert_with(|| json!({"type": "object"}));
    Ok(own.into())
}

/// The form of the answer and the effort put into it.
fn output_config(request: &ModelRequest, to: &mut Encoded) -> Result<(), Unsupported> {
    let mut config = Map::new();
    if let Some(format) = &request.response_format {
        let schema = format
            .get("json_schema")
            .and_then(|json| json.get("schema"));
        match (field(format, "type"), schema) {
            ("text", _) => {}
            ("json_schema", Some(schema)) => {
                let format = json!({"type": "json_schema", "schema": schema});
                config.insert("format".to_owned(), format);
            }
            _ => {
                let advice = "give a json_schema";
                return Err(Unsupported::advised("response_format", advice));
            }
        }
    }
    match request.reasoning_effort.as_deref() {
        None => {}
        Some("none") => to.set("thinking", json!({"type": "disabled"})),
        Some("minimal") => {
            config.insert("effort".to_owned(), "low".into());
        }
        Some(effort) => {
            config.insert("effort".to_owned(), effort.into());
        }
    }
    if !config.is_empty() {
        to.set("output_config", config);
    }
    Ok(())
}
