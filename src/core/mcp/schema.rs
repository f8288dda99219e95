//! JSON Schema 2020-12 of the Rust types that tools take and give.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::Value;

/// The schema of `T`, without `$ref`: some clients read no further than the first level.
pub fn of<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
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
