//! Schemas that must reach the client as they were written.

use async_trait::async_trait;
use chitty_core::mcp::{About, Call, Registry, Reply, Tool, ToolError};
use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::about;
use crate::services::Services;

pub fn add(registry: Registry<Services>) -> Registry<Services> {
    registry.with::<Keywords>().with::<MirroredHeader>()
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Anything {
    #[serde(flatten)]
    #[garde(skip)]
    fields: Map<String, Value>,
}

#[derive(Serialize, JsonSchema)]
struct Taken {
    /// Names of the arguments that arrived, sorted.
    arguments: Vec<String>,
}

struct Keywords;

#[async_trait(?Send)]
impl Tool<Services> for Keywords {
    type Input = Anything;
    type Output = Taken;
    const ABOUT: About = about(
        "json_schema_2020_12_tool",
        "Tool with JSON Schema 2020-12 features",
    );

    fn input_schema() -> Value {
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "$defs": {
                "address": {
                    "$anchor": "addressDef",
                    "type": "object",
                    "properties": { "street": { "type": "string" }, "city": { "type": "string" } },
                },
            },
            "properties": {
                "name": { "type": "string" },
                "address": { "$ref": "#/$defs/address" },
                "contactMethod": { "type": "string", "enum": ["phone", "email"] },
                "phone": { "type": "string" },
                "email": { "type": "string" },
            },
            "allOf": [{ "anyOf": [{ "required": ["phone"] }, { "required": ["email"] }] }],
            "if": { "properties": { "contactMethod": { "const": "phone" } }, "required": ["contactMethod"] },
            "then": { "required": ["phone"] },
            "else": { "required": ["email"] },
            "additionalProperties": false,
        })
    }

    async fn call(_: &Services, _: &Call, input: Anything) -> Result<Reply<Taken>, ToolError> {
        let mut arguments: Vec<String> = input.fields.into_iter().map(|(name, _)| name).collect();
        arguments.sort();
        Ok(Taken { arguments }.into())
    }
}

#[derive(Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
struct Routed {
    /// Repeated by clients in the header Mcp-Param-Region.
    #[schemars(extend("x-mcp-header" = "Region"))]
    #[garde(length(max = 128))]
    region: String,
    /// Repeated by clients in the header Mcp-Param-Shard.
    #[serde(default)]
    #[schemars(extend("x-mcp-header" = "Shard"))]
    #[garde(range(max = 1024))]
    shard: u32,
}

#[derive(Serialize, JsonSchema)]
struct Route {
    region: String,
    shard: u32,
}

struct MirroredHeader;

#[async_trait(?Send)]
impl Tool<Services> for MirroredHeader {
    type Input = Routed;
    type Output = Route;
    const ABOUT: About = about(
        "test_mirrored_header",
        "Takes arguments that are repeated in headers.",
    );

    async fn call(_: &Services, _: &Call, input: Routed) -> Result<Reply<Route>, ToolError> {
        Ok(Route {
            region: input.region,
            shard: input.shard,
        }
        .into())
    }
}
