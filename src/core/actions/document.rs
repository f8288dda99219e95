//! The `OpenAPI` document, made from the list of tools.

use serde_json::{Map, Value, json};

use super::TOOLS;
use super::schema::Rewriter;
use crate::auth::catalogue;
use crate::mcp::{About, Registry};

/// `ChatGPT` reads no more.
pub const MAX_OPERATIONS: usize = 30;
/// Of a summary or description of an operation.
const MAX_WORDS: usize = 300;
const ERROR: &str = "Error";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// 3.1.0, whose schemas are JSON Schema 2020-12.
    V3_1,
    /// 3.0.1, for readers that know no other.
    V3_0,
}

impl Version {
    fn number(self) -> &'static str {
        match self {
            Self::V3_1 => "3.1.0",
            Self::V3_0 => "3.0.1",
        }
    }
}

/// What a document is made of.
pub struct Api<'a, S> {
    /// Of the server, for people.
    pub title: &'a str,
    /// Base URL that the document was asked for under.
    pub origin: &'a str,
    /// Whose access tokens are taken. None: keys alone.
    pub issuer: Option<&'a str>,
    pub tools: &'a Registry<S>,
}

impl<S: 'static> Api<'_, S> {
    pub fn document(&self, version: Version) -> Value {
        let mut schemas = Map::new();
        schemas.insert(ERROR.to_owned(), error_schema());
        let mut paths = Map::new();
        for (about, listed) in self.tools.listed().take(MAX_OPERATIONS) {
            let mut add = |suffix: &str, schema: Option<&Value>| {
                let name = format!("{}_{suffix}", about.name);
                let schema = schema.cloned().unwrap_or_else(content_schema);
                let rewriter = Rewriter::new(version, &name);
                let (schema, parts) = rewriter.take(schema);
                schemas.extend(parts);
                schemas.insert(name.clone(), schema);
                reference(&name)
            };
            let input = add("input", listed.get("inputSchema"));
            let output = add("output", listed.get("outputSchema"));
            let operation = self.operation(about, &input, &output);
            paths.insert(
                format!("{TOOLS}{}", about.name),
                json!({ "post": operation }),
            );
        }
        json!({
            "openapi": version.number(),
            "info": {
                "title": self.title,
                "description": self.description(),
                "version": env!("CARGO_PKG_VERSION"),
            },
            "servers": [{ "url": self.origin }],
            "paths": paths,
            "components": { "schemas": schemas, "securitySchemes": self.schemes() },
        })
    }

    fn description(&self) -> String {
        let left_out = self.tools.abouts().count().saturating_sub(MAX_OPERATIONS);
        let words = "Tools of a ChittyMCP server, each as one operation.";
        if left_out == 0 {
            return words.to_owned();
        }
        format!(
            "{words} {left_out} more are served over MCP at {}/mcp.",
            self.origin
        )
    }

    fn operation(&self, about: &About, input: &Value, output: &Value) -> Value {
        let json_of = |schema: &Value| json!({ "application/json": { "schema": schema } });
        json!({
            "operationId": about.name,
            "summary": shortened(about.title, MAX_WORDS),
            "description": shortened(about.description, MAX_WORDS),
            "x-openai-isConsequential": !about.hints.read_only_hint,
            "security": self.security(about),
            "requestBody": { "required": true, "content": json_of(input) },
            "responses": {
                "200": { "description": "The tool's result.", "content": json_of(output) },
                "default": {
                    "description": "Why there is no result, and what to change.",
                    "content": json_of(&reference(ERROR)),
                },
            },
        })
    }

    fn security(&self, about: &About) -> Value {
        let mut ways = Vec::new();
        if self.issuer.is_some() {
            ways.push(json!({ "oauth2": about.scopes }));
        }
        ways.push(json!({ "bearer": [] }));
        json!(ways)
    }

    fn schemes(&self) -> Value {
        let bearer = json!({
            "type": "http",
            "scheme": "bearer",
            "description": "A key or an access token of ChittyMCP.",
        });
        let Some(issuer) = self.issuer else {
            return json!({ "bearer": bearer });
        };
        let flow = json!({
            "authorizationUrl": format!("{issuer}/authorize"),
            "tokenUrl": format!("{issuer}/token"),
            "refreshUrl": format!("{issuer}/token"),
            "scopes": self.scopes(),
        });
        let oauth2 = json!({ "type": "oauth2", "flows": { "authorizationCode": flow } });
        json!({ "oauth2": oauth2, "bearer": bearer })
    }

    /// Those that an operation needs, with what each allows in words.
    fn scopes(&self) -> Map<String, Value> {
        let needed = self.tools.abouts().take(MAX_OPERATIONS);
        let needed = needed.flat_map(|about| about.scopes.iter().copied());
        let mut scopes: Map<String, Value> = needed
            .map(|scope| {
                let words = catalogue::find(scope).map_or(scope, |info| info.words);
                (scope.to_owned(), json!(words))
            })
            .collect();
        let stays = catalogue::IDENTITY_SCOPES.iter();
        let stays = stays.filter(|(name, _)| *name == "offline_access");
        scopes.extend(stays.map(|(name, words)| ((*name).to_owned(), json!(words))));
        scopes
    }
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// Of tools whose result is content alone.
fn content_schema() -> Value {
    json!({
        "type": "object",
        "properties": { "content": { "type": "array", "items": { "type": "object" } } },
        "required": ["content"],
    })
}

fn error_schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "error": {
                "type": "object",
                "properties": {
                    "code": { "type": "string" },
                    "message": { "type": "string", "description": "What to change." },
                    "request_id": { "type": "string" },
                    "details": { "type": "object", "properties": {} },
                },
                "required": ["code", "message", "request_id"],
            },
        },
        "required": ["error"],
    })
}

/// At most `max` characters, up to the end of a sentence where one ends in time.
pub(super) fn shortened(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_owned();
    }
    let kept: String = text.chars().take(max - 1).collect();
    if let Some(end) = kept.rfind(". ") {
        return kept.get(..=end).unwrap_or_default().to_owned();
    }
    let end = kept.rfind(' ').unwrap_or(kept.len());
    format!("{}…", kept.get(..end).unwrap_or_default())
}
