//! Schemas of tools (JSON Schema 2020-12) as `OpenAPI` has them.

use serde_json::{Map, Value, json};

use super::{Version, shortened};

/// Of a property; `ChatGPT` refuses more.
const MAX_DESCRIPTION: usize = 700;
/// Keywords whose value is a schema.
const ONE: [&str; 10] = [
    "items",
    "additionalProperties",
    "not",
    "if",
    "then",
    "else",
    "contains",
    "propertyNames",
    "unevaluatedItems",
    "unevaluatedProperties",
];
/// … a list of schemas.
const LIST: [&str; 4] = ["allOf", "anyOf", "oneOf", "prefixItems"];
/// … schemas by name.
const NAMED: [&str; 3] = ["properties", "patternProperties", "dependentSchemas"];
/// Keywords that 3.0 knows. What else there is only narrows what is valid: the tool's own
/// checks stay as strict.
const KNOWN_3_0: [&str; 31] = [
    "$ref",
    "additionalProperties",
    "allOf",
    "anyOf",
    "default",
    "deprecated",
    "description",
    "enum",
    "example",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "not",
    "nullable",
    "oneOf",
    "pattern",
    "properties",
    "readOnly",
    "required",
    "title",
    "type",
];

/// Turns one schema of a tool into a component of a document.
pub(super) struct Rewriter<'a> {
    version: Version,
    /// Of the component: what refers to its root or its parts is led there.
    name: &'a str,
}

impl<'a> Rewriter<'a> {
    pub fn new(version: Version, name: &'a str) -> Self {
        Self { version, name }
    }

    /// The schema, and its `$defs` as components of their own.
    pub fn take(&self, mut schema: Value) -> (Value, Map<String, Value>) {
        let defs = schema
            .as_object_mut()
            .and_then(|fields| fields.remove("$defs"));
        let parts = match defs {
            Some(Value::Object(defs)) => defs
                .into_iter()
                .map(|(part, schema)| (self.part(&part), self.schema(schema)))
                .collect(),
            _ => Map::new(),
        };
        (self.schema(schema), parts)
    }

    fn part(&self, part: &str) -> String {
        let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let part: String = part.chars().map(plain).collect();
        format!("{}_{part}", self.name)
    }

    fn schema(&self, schema: Value) -> Value {
        let mut fields = match schema {
            Value::Object(fields) => fields,
            Value::Bool(false) => return json!({ "not": {} }),
            _ => return json!({}),
        };
        fields.retain(|key, _| !matches!(key.as_str(), "$schema" | "$id" | "$comment"));
        self.refer(&mut fields);
        for (key, value) in &mut fields {
            if let Some(text) = value.as_str().filter(|_| key == "description") {
                *value = json!(shortened(text, MAX_DESCRIPTION));
            }
            self.inner(key, value);
        }
        if self.version == Version::V3_0 {
            downgrade(&mut fields);
        }
        // Importers refuse objects that say nothing of properties.
        if fields.get("type") == Some(&json!("object")) {
            fields.entry("properties").or_insert_with(|| json!({}));
        }
        Value::Object(fields)
    }

    fn refer(&self, fields: &mut Map<String, Value>) {
        let Some(target) = fields.get("$ref").and_then(Value::as_str) else {
            return;
        };
        let name = match target.strip_prefix("#/$defs/") {
            Some(part) => self.part(part),
            None => self.name.to_owned(),
        };
        fields.insert(
            "$ref".to_owned(),
            json!(format!("#/components/schemas/{name}")),
        );
    }

    fn inner(&self, key: &str, value: &mut Value) {
        let key = &key;
        if ONE.contains(key) && !(*key == "additionalProperties" && value.is_boolean()) {
            *value = self.schema(value.take());
        } else if LIST.contains(key) {
            for item in value.as_array_mut().into_iter().flatten() {
                *item = self.schema(item.take());
            }
        } else if NAMED.contains(key) {
            for item in value.as_object_mut().into_iter().flat_map(Map::values_mut) {
                *item = self.schema(item.take());
            }
        }
    }
}

/// What 2020-12 says in ways that 3.0 does not know, in those that it does. Schemas inside
/// have been through this.
fn downgrade(fields: &mut Map<String, Value>) {
    if let Some(only) = fields.remove("const") {
        fields.insert("enum".to_owned(), json!([only]));
    }
    for key in ["anyOf", "oneOf"] {
        without_null(fields, key);
    }
    one_type(fields);
    for (exclusive, bound) in [
        ("exclusiveMinimum", "minimum"),
        ("exclusiveMaximum", "maximum"),
    ] {
        if let Some(value) = fields
            .get(exclusive)
            .filter(|value| value.is_number())
            .cloned()
        {
            fields.insert(bound.to_owned(), value);
            fields.insert(exclusive.to_owned(), json!(true));
        }
    }
    if let Some(Value::Array(examples)) = fields.remove("examples")
        && let Some(first) = examples.into_iter().next()
    {
        fields.insert("example".to_owned(), first);
    }
    if let Some(Value::Array(items)) = fields.remove("prefixItems") {
        fields.insert("items".to_owned(), json!({ "anyOf": items }));
    }
    if fields.get("type") == Some(&json!("array")) {
        fields.entry("items").or_insert_with(|| json!({}));
    }
    fields.retain(|key, _| KNOWN_3_0.contains(&key.as_str()) || key.starts_with("x-"));
    // Beside a reference nothing else counts.
    if fields.len() > 1
        && let Some(target) = fields.remove("$ref")
    {
        fields.insert("allOf".to_owned(), json!([{ "$ref": target }]));
    }
}

/// For where null cannot be said, such as a query.
pub(super) fn never_null(fields: &mut Map<String, Value>) {
    for key in ["anyOf", "oneOf"] {
        without_null(fields, key);
    }
    one_type(fields);
    if let Some(Value::Array(values)) = fields.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    fields.remove("nullable");
    if fields.get("default") == Some(&Value::Null) {
        fields.remove("default");
    }
}

/// A schema that takes null alone, before or after it has been downgraded.
fn is_null(schema: &Value) -> bool {
    let only_null = schema.get("enum") == Some(&json!([null]));
    schema.get("type") == Some(&json!("null")) || only_null
}

/// Alternatives without the one for null, which `nullable` stands for. A single one that is
/// left joins what stands beside it.
fn without_null(fields: &mut Map<String, Value>, key: &str) {
    let Some(Value::Array(all)) = fields.get_mut(key) else {
        return;
    };
    let before = all.len();
    all.retain(|schema| !is_null(schema));
    if all.len() == before {
        return;
    }
    let only = if all.len() == 1 { all.pop() } else { None };
    fields.insert("nullable".to_owned(), json!(true));
    if let Some(Value::Object(only)) = only {
        fields.remove(key);
        for (name, value) in only {
            fields.entry(name).or_insert(value);
        }
    }
}

fn one_type(fields: &mut Map<String, Value>) {
    let Some(Value::Array(types)) = fields.get("type") else {
        return;
    };
    let mut types = types.clone();
    let before = types.len();
    types.retain(|name| name != "null");
    if types.len() < before {
        fields.insert("nullable".to_owned(), json!(true));
    }
    if types.len() > 1 {
        fields.remove("type");
        let each: Vec<Value> = types.iter().map(|name| json!({ "type": name })).collect();
        fields.insert("anyOf".to_owned(), json!(each));
    } else if let Some(only) = types.pop() {
        fields.insert("type".to_owned(), only);
    }
}
