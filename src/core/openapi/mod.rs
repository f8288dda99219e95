//! `OpenAPI` documents of tools as HTTP operations, for the faces where they are.

mod parameters;
mod schema;
#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};

use crate::auth::catalogue;
use crate::mcp::About;
use crate::rest::Rest;
use parameters::{named, parameter, without};
use schema::Rewriter;

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

/// Whose document it is.
pub struct Api<'a> {
    /// Of the server, for people.
    pub title: &'a str,
    /// Base URL that the document was asked for under.
    pub origin: &'a str,
    /// Whose access tokens are taken. None: keys alone.
    pub issuer: Option<&'a str>,
}

/// What a worker serves besides its tools.
#[derive(Debug, Clone, Copy)]
pub struct Further {
    /// `paths` and `schemas` of a document, as JSON text.
    pub described: &'static str,
    /// What each of its operations needs.
    pub scopes: &'static [&'static str],
}

/// What always is as it is. Text is smaller than the code that makes values.
const TEMPLATE: &str = include_str!("template.json");

/// A document in the making.
pub struct Draft<'a> {
    api: &'a Api<'a>,
    version: Version,
    template: Value,
    document: Value,
    scopes: Map<String, Value>,
}

impl<'a> Draft<'a> {
    pub fn new(api: &'a Api<'a>, version: Version) -> Self {
        let template: Value = serde_json::from_str(TEMPLATE).unwrap_or_default();
        let mut draft = Self {
            api,
            version,
            document: part(&template, "document"),
            template,
            scopes: Map::new(),
        };
        let error = part(&draft.template, "error");
        draft.component("Error", error);
        draft
    }

    /// The operation that calls a tool, with its schemas among the components. `listed` is
    /// the tool's object in `tools/list`.
    pub fn operation(&mut self, rest: &Rest, about: &About, listed: &str) -> Value {
        let listed: Value = serde_json::from_str(listed).unwrap_or_default();
        let output = match part(&listed, "outputSchema") {
            Value::Null => part(&self.template, "contentAlone"),
            schema => schema,
        };
        let name = format!("{}_output", about.name);
        let output = self.rewritten(&name, output);
        let output = self.component(&name, output);
        let name = format!("{}_input", about.name);
        let mut input = self.rewritten(&name, part(&listed, "inputSchema"));
        let fields = rest.fields().filter_map(|field| without(&mut input, field));
        let mut parameters: Vec<Value> = fields.map(|field| parameter("path", field)).collect();

        let mut made = part(&self.template, "operation");
        put(&mut made, "/operationId", json!(about.name));
        put(&mut made, "/summary", json!(about.title));
        put(&mut made, "/description", json!(about.description));
        put(&mut made, "/security", self.security(about.scopes));
        if rest.takes_body() {
            let mut body = part(&self.template, "body");
            put(
                &mut body,
                "/required",
                json!(!named(&input, "required").is_empty()),
            );
            put(&mut body, SCHEMA, self.component(&name, input));
            set(&mut made, "requestBody", body);
        } else {
            let fields = named(&input, "properties").into_iter();
            let fields = fields.filter_map(|field| without(&mut input, &field));
            parameters.extend(fields.map(|field| parameter("query", field)));
        }
        if !parameters.is_empty() {
            set(&mut made, "parameters", Value::Array(parameters));
        }
        let mut response = part(&self.template, "response");
        put(&mut response, SCHEMA, output);
        if let Some(responses) = made.get_mut("responses") {
            set(responses, &rest.status.to_string(), response);
        }
        made
    }

    pub fn add(&mut self, path: &str, method: &str, operation: Value) {
        let paths = self
            .document
            .get_mut("paths")
            .and_then(Value::as_object_mut);
        if let Some(paths) = paths {
            let methods = paths
                .entry(path)
                .or_insert_with(|| Value::Object(Map::new()));
            set(methods, &method.to_ascii_lowercase(), operation);
        }
    }

    pub fn further(&mut self, further: Further) {
        let described: Value = serde_json::from_str(further.described).unwrap_or_default();
        for (name, schema) in fields(part(&described, "schemas")) {
            self.component(&name, schema);
        }
        for (path, methods) in fields(part(&described, "paths")) {
            for (method, mut operation) in fields(methods) {
                set(&mut operation, "security", self.security(further.scopes));
                self.add(&path, &method, operation);
            }
        }
    }

    pub fn finish(mut self, description: &str) -> Value {
        let made = &mut self.document;
        put(made, "/openapi", json!(self.version.number()));
        put(made, "/info/title", json!(self.api.title));
        put(made, "/info/description", json!(description));
        put(made, "/info/version", json!(env!("CARGO_PKG_VERSION")));
        put(made, "/servers/0/url", json!(self.api.origin));
        let Some(issuer) = self.api.issuer else {
            return self.document;
        };
        let stays = catalogue::IDENTITY_SCOPES.iter();
        for (name, words) in stays.filter(|(name, _)| *name == "offline_access") {
            self.scopes.insert((*name).to_owned(), json!(words));
        }
        let mut oauth2 = part(&self.template, "oauth2");
        if let Some(flow) = oauth2.pointer_mut("/flows/authorizationCode") {
            put(
                flow,
                "/authorizationUrl",
                json!(format!("{issuer}/authorize")),
            );
            put(flow, "/tokenUrl", json!(format!("{issuer}/token")));
            put(flow, "/refreshUrl", json!(format!("{issuer}/token")));
            put(flow, "/scopes", Value::Object(self.scopes));
        }
        if let Some(schemes) = made.pointer_mut("/components/securitySchemes") {
            set(schemes, "oauth2", oauth2);
        }
        self.document
    }

    /// The ways to be let in with these scopes.
    fn security(&mut self, scopes: &[&str]) -> Value {
        let mut ways = vec![json!({ "bearer": [] })];
        if self.api.issuer.is_some() {
            ways.insert(0, json!({ "oauth2": scopes }));
        }
        for scope in scopes {
            let words = catalogue::find(scope).map_or(*scope, |info| info.words);
            self.scopes.insert((*scope).to_owned(), json!(words));
        }
        Value::Array(ways)
    }

    /// The schema of a tool, and its parts as components.
    fn rewritten(&mut self, name: &str, schema: Value) -> Value {
        let (schema, parts) = Rewriter::new(self.version, name).take(schema);
        for (name, part) in parts {
            self.component(&name, part);
        }
        schema
    }

    /// Adds a component, and gives the reference to it.
    fn component(&mut self, name: &str, schema: Value) -> Value {
        if let Some(schemas) = self.document.pointer_mut("/components/schemas") {
            set(schemas, name, schema);
        }
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }
}

/// Where a body or a response has its schema.
const SCHEMA: &str = "/content/application~1json/schema";

fn part(whole: &Value, name: &str) -> Value {
    whole.get(name).cloned().unwrap_or_default()
}

fn fields(object: Value) -> Map<String, Value> {
    match object {
        Value::Object(fields) => fields,
        _ => Map::new(),
    }
}

/// Replaces what is there.
fn put(whole: &mut Value, pointer: &str, value: Value) {
    if let Some(place) = whole.pointer_mut(pointer) {
        *place = value;
    }
}

/// Sets a field of an object.
pub(crate) fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(name.to_owned(), value);
    }
}

/// At most `max` characters, up to the end of a sentence where one ends in time.
pub(crate) fn shortened(text: &str, max: usize) -> String {
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
