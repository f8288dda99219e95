//! The arguments of a call: from the path, and from the query or the body.

use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::{PathField, Rest};

/// The fields that stand in a query, each of the type that the tool's schema says. An error
/// is a sentence for the caller.
pub fn from_query(rest: &Rest, schema: &Value, query: &str) -> Result<Map<String, Value>, String> {
    let mut fields = Map::new();
    for (name, text) in form_urlencoded::parse(query.as_bytes()) {
        let known = property(schema, &name).filter(|_| is_taken(rest, &name));
        let known = known.ok_or_else(|| unknown(rest, schema, &name))?;
        if is_type(known, "array") {
            let item = typed(known.get("items").unwrap_or(&Value::Null), &text);
            let items = fields.entry(name).or_insert_with(|| json!([]));
            items
                .as_array_mut()
                .into_iter()
                .for_each(|items| items.push(item.clone()));
        } else if fields
            .insert(name.to_string(), typed(known, &text))
            .is_some()
        {
            return Err(format!(
                "the query parameter {name:?} comes twice: send it once"
            ));
        }
    }
    Ok(fields)
}

/// Adds the fields of the path to those of the query or the body.
pub fn join(
    fields: &mut Map<String, Value>,
    schema: &Value,
    path: &[PathField],
) -> Result<(), String> {
    for (name, text) in path {
        let value = typed(property(schema, name).unwrap_or(&Value::Null), text);
        match fields.insert((*name).to_owned(), value.clone()) {
            Some(said) if said != value => {
                return Err(format!(
                    "{name} is one thing in the path and another in the body: leave it out of the body"
                ));
            }
            _ => {}
        }
    }
    Ok(())
}

fn property<'a>(schema: &'a Value, name: &str) -> Option<&'a Value> {
    schema.get("properties")?.get(name)
}

/// Whether the field comes in the query.
fn is_taken(rest: &Rest, name: &str) -> bool {
    !rest.takes_body() && rest.fields().all(|field| field != name)
}

fn unknown(rest: &Rest, schema: &Value, name: &str) -> String {
    let all = schema.get("properties").and_then(Value::as_object);
    let all = all.into_iter().flat_map(Map::keys);
    let taken: Vec<&str> = all
        .map(String::as_str)
        .filter(|name| is_taken(rest, name))
        .collect();
    if taken.is_empty() {
        let place = if rest.takes_body() {
            "send it in the body"
        } else {
            "leave it out"
        };
        return format!("there is no query parameter {name:?} here: {place}");
    }
    format!(
        "there is no query parameter {name:?} here, only {}",
        taken.join(", ")
    )
}

/// A number, true or false where the schema takes no text. What is neither stays text, and
/// the tool's own check says what is wrong with it.
fn typed(schema: &Value, text: &str) -> Value {
    let plain = ["integer", "number", "boolean"];
    if !is_type(schema, "string") && plain.iter().any(|name| is_type(schema, name)) {
        let read = serde_json::from_str(text);
        if let Ok(value @ (Value::Number(_) | Value::Bool(_))) = read {
            return value;
        }
    }
    json!(text)
}

fn is_type(schema: &Value, name: &str) -> bool {
    match schema.get("type") {
        Some(Value::Array(names)) => names.iter().any(|one| one == name),
        Some(one) => one == name,
        None => false,
    }
}
