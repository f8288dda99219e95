//! JSON Schema 2020-12 of the Rust types that tools take and give.

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::Value;

/// The schema of `T`, without `$ref`: some clients read no further than the first level.
pub fn of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let settings = settings.with_transform(RecursiveTransform(without_widths));
    let mut schema = settings
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value();
    if let Some(fields) = schema.as_object_mut() {
        fields.remove("title");
        // The protocol wants objects at the root, also where nothing is taken.
        fields
            .entry("type")
            .or_insert_with(|| Value::String("object".to_owned()));
    }
    schema
}

/// Formats such as `uint64` are schemars' own: strict validators refuse what they do not know.
fn without_widths(schema: &mut Schema) {
    let format = schema.get("format").and_then(Value::as_str);
    let is_width = |name: &str| {
        ["int", "uint", "float", "double"]
            .iter()
            .any(|kind| name.starts_with(kind))
    };
    if format.is_some_and(is_width) {
        schema.remove("format");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is asked for")]
    struct Sample {
        small: u8,
        nested: Vec<Option<u64>>,
        real: f64,
    }

    #[test]
    fn no_format_is_listed_that_json_schema_does_not_define() {
        let schema = of::<Sample>();
        assert!(!schema.to_string().contains("format"), "{schema}");
        assert_eq!(schema["properties"]["small"]["minimum"], 0);
        assert_eq!(schema["properties"]["small"]["maximum"], 255);
    }
}
