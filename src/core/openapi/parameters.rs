//! Properties of a schema as parameters of a path or a query.

use serde_json::{Value, json};

use super::schema::never_null;
use super::set;

/// A property on its own.
pub(super) struct Field {
    name: String,
    schema: Value,
    required: bool,
}

/// Takes a property out of a schema.
pub(super) fn without(schema: &mut Value, name: &str) -> Option<Field> {
    let properties = schema.get_mut("properties").and_then(Value::as_object_mut);
    let found = properties?.remove(name)?;
    let mut required = false;
    if let Some(needed) = schema.get_mut("required").and_then(Value::as_array_mut) {
        let before = needed.len();
        needed.retain(|one| one != name);
        required = needed.len() < before;
    }
    Some(Field {
        name: name.to_owned(),
        schema: found,
        required,
    })
}

/// The names in `properties` or `required`.
pub(super) fn named(schema: &Value, key: &str) -> Vec<String> {
    match schema.get(key) {
        Some(Value::Object(fields)) => fields.keys().cloned().collect(),
        Some(Value::Array(names)) => names.iter().map(Value::to_string).collect(),
        _ => Vec::new(),
    }
}

pub(super) fn parameter(place: &str, field: Field) -> Value {
    let mut schema = field.schema;
    let fields = schema.as_object_mut();
    let words = fields.and_then(|fields| {
        // What is left out of a query is not there.
        never_null(fields);
        fields.remove("description")
    });
    let mut said = json!({ "name": field.name, "in": place, "schema": schema });
    if field.required {
        set(&mut said, "required", Value::Bool(true));
    }
    if let Some(words) = words {
        set(&mut said, "description", words);
    }
    said
}
