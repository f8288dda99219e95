//! The one trait a tool implements, and the registry that lists and calls them.

use std::borrow::Cow;
use std::marker::PhantomData;

use async_trait::async_trait;
use garde::Validate;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tower_mcp_types::protocol::{CallToolResult, Content};

use super::call::{Call, InputRequired};
use super::error::RpcError;
use super::headers::{ParamHeader, param_headers};
use super::link::Link;
use super::schema;
use crate::auth::{AuthError, Scopes};
use crate::rest::{Operation, Rest};

/// A tool over the services `S`. One file holds its types, its description and its work.
#[async_trait(?Send)]
pub trait Tool<S: 'static>: 'static {
    type Input: DeserializeOwned + JsonSchema + Validate<Context = ()>;
    type Output: Serialize + JsonSchema;

    const ABOUT: About;
    /// False for a tool whose answer is content only, such as an image.
    const STRUCTURED: bool = true;
    /// Its operation of the REST face, if it has one.
    const REST: Option<Rest> = None;

    fn input_schema() -> Value {
        schema::of::<Self::Input>()
    }

    async fn call(
        services: &S,
        call: &Call,
        input: Self::Input,
    ) -> Result<Reply<Self::Output>, ToolError>;
}

/// What a client is told of a tool.
#[derive(Debug, Clone, Copy)]
pub struct About {
    pub name: &'static str,
    pub title: &'static str,
    pub description: &'static str,
    /// All of them are needed.
    pub scopes: &'static [&'static str],
    pub hints: Hints,
    /// `data:` URI of an SVG.
    pub icon: Option<&'static str>,
}

/// Tool annotations of the specification. Clients show and gate by them, so each is said.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
#[expect(
    clippy::struct_excessive_bools,
    reason = "the protocol's own four flags"
)]
pub struct Hints {
    pub read_only_hint: bool,
    pub destructive_hint: bool,
    pub idempotent_hint: bool,
    pub open_world_hint: bool,
}

impl Hints {
    /// Reads our own data.
    pub const READ: Self = Self {
        read_only_hint: true,
        destructive_hint: false,
        idempotent_hint: true,
        open_world_hint: false,
    };
    /// Adds to our own data; each call adds again.
    pub const ADD: Self = Self {
        read_only_hint: false,
        destructive_hint: false,
        idempotent_hint: false,
        open_world_hint: false,
    };
    /// Asks a model outside, and keeps what it said.
    pub const MODEL: Self = Self {
        open_world_hint: true,
        ..Self::ADD
    };
}

/// How a tool answers.
pub enum Reply<O> {
    /// A typed result: `structuredContent`, and the same JSON as text.
    Structured(O),
    /// The same, with a link to a resource that it tells of.
    Linked(O, Link),
    /// Content as it stands.
    Content(CallToolResult),
    /// Something must be asked of the caller first.
    Ask(InputRequired),
    /// This takes long: call again as a task ([`super::task`]). Callers that cannot follow
    /// one ([`Call::may_defer`]) get an error that says what they lack.
    Later,
}

impl<O> From<O> for Reply<O> {
    fn from(output: O) -> Self {
        Self::Structured(output)
    }
}

/// Why a tool gave no result.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ToolError {
    /// Shown to the model as a tool error, so that it can correct itself.
    #[error("{message} ({code})")]
    Failed {
        code: Cow<'static, str>,
        message: String,
        details: Option<Value>,
    },
    /// An error of the protocol itself.
    #[error(transparent)]
    Protocol(#[from] RpcError),
}

impl ToolError {
    pub fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self::Failed {
            code: code.into(),
            message: message.into(),
            details: None,
        }
    }

    pub fn with_details(code: &'static str, message: impl Into<String>, details: Value) -> Self {
        Self::Failed {
            code: Cow::Borrowed(code),
            message: message.into(),
            details: Some(details),
        }
    }
}

/// Code of arguments that do not fit the tool's schema.
pub const INVALID_ARGUMENTS: &str = "INVALID_ARGUMENTS";

/// A tool of the registry, its types erased.
#[async_trait(?Send)]
pub(super) trait Handler<S> {
    async fn call(
        &self,
        services: &S,
        call: &Call,
        arguments: &Value,
    ) -> Result<Reply<Value>, ToolError>;
}

struct Typed<T>(PhantomData<T>);

#[async_trait(?Send)]
impl<S: 'static, T: Tool<S>> Handler<S> for Typed<T> {
    async fn call(
        &self,
        services: &S,
        call: &Call,
        arguments: &Value,
    ) -> Result<Reply<Value>, ToolError> {
        let input = decode::<T::Input>(arguments)?;
        Ok(match T::call(services, call, input).await? {
            Reply::Structured(output) => Reply::Structured(encode(&output)?),
            Reply::Linked(output, link) => Reply::Linked(encode(&output)?, link),
            Reply::Content(result) => Reply::Content(result),
            Reply::Ask(input) => Reply::Ask(input),
            Reply::Later => Reply::Later,
        })
    }
}

fn decode<I: DeserializeOwned + Validate<Context = ()>>(arguments: &Value) -> Result<I, ToolError> {
    let input = I::deserialize(arguments).or_else(|_| located(arguments))?;
    input.validate().map_err(|report| unfit(&report))?;
    Ok(input)
}

#[inline(never)]
fn unfit(report: &garde::Report) -> ToolError {
    let faults: Vec<String> = report
        .iter()
        .map(|(path, fault)| format!("{path}: {fault}"))
        .collect();
    invalid(&faults.join("; "))
}

/// Once more, for the place of what does not fit: keeping track of it takes time.
fn located<I: DeserializeOwned>(arguments: &Value) -> Result<I, ToolError> {
    serde_path_to_error::deserialize(arguments).map_err(|error| misplaced(&error))
}

#[inline(never)]
fn misplaced(error: &serde_path_to_error::Error<serde_json::Error>) -> ToolError {
    let path = error.path().to_string();
    let place = if path == "." {
        String::new()
    } else {
        format!("{path}: ")
    };
    invalid(&format!("{place}{}", error.inner()))
}

fn invalid(faults: &str) -> ToolError {
    let message = format!("the arguments do not fit the tool's inputSchema: {faults}");
    ToolError::new(INVALID_ARGUMENTS, message)
}

fn encode<O: Serialize>(output: &O) -> Result<Value, ToolError> {
    serde_json::to_value(output).map_err(|error| RpcError::internal_because(&error).into())
}

/// A tool and everything about it that can be made once.
pub(super) struct Entry<S> {
    pub about: About,
    pub rest: Option<Rest>,
    /// Its object in `tools/list`, as JSON text.
    pub listed: String,
    pub headers: Vec<ParamHeader>,
    pub handler: Box<dyn Handler<S>>,
}

/// The tools of a server, in the order they were added.
pub struct Registry<S> {
    pub(super) entries: Vec<Entry<S>>,
}

impl<S: 'static> Default for Registry<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: 'static> Registry<S> {
    pub fn new() -> Self {
        Self {
            entries: Vec::new(),
        }
    }

    #[must_use]
    pub fn with<T: Tool<S>>(self) -> Self {
        let output_schema = T::STRUCTURED.then(schema::of::<T::Output>);
        let handler = Box::new(Typed::<T>(PhantomData));
        let said = const { &(T::ABOUT, T::REST) };
        self.and(said, T::input_schema(), output_schema, handler)
    }

    /// What is the same for all tools, apart so that it is compiled once.
    #[inline(never)]
    fn and(
        mut self,
        &(about, rest): &'static (About, Option<Rest>),
        input_schema: Value,
        output_schema: Option<Value>,
        handler: Box<dyn Handler<S>>,
    ) -> Self {
        let headers = param_headers(&input_schema);
        self.entries.push(Entry {
            listed: listed(&about, input_schema, output_schema).to_string(),
            about,
            rest,
            headers,
            handler,
        });
        self
    }

    pub(super) fn find(&self, name: &str) -> Option<&Entry<S>> {
        self.entries.iter().find(|entry| entry.about.name == name)
    }

    /// Each tool with its object in `tools/list`, as JSON text.
    pub fn listed(&self) -> impl Iterator<Item = (&About, &str)> {
        let entries = self.entries.iter();
        entries.map(|entry| (&entry.about, entry.listed.as_str()))
    }

    /// Those that the REST face serves.
    pub fn operations(&self) -> impl Iterator<Item = Operation<'_>> {
        self.entries.iter().filter_map(|entry| {
            Some(Operation {
                rest: entry.rest?,
                about: &entry.about,
                listed: &entry.listed,
            })
        })
    }

    /// Names of the tools, for documents and tests.
    pub fn abouts(&self) -> impl Iterator<Item = &About> {
        self.entries.iter().map(|entry| &entry.about)
    }
}

impl<S> Entry<S> {
    pub fn visible_to(&self, scopes: &Scopes) -> bool {
        scopes.missing(self.about.scopes).is_empty()
    }
}

fn listed(about: &About, input_schema: Value, output_schema: Option<Value>) -> Value {
    let mut object = Map::new();
    object.insert("name".to_owned(), json!(about.name));
    object.insert("title".to_owned(), json!(about.title));
    object.insert("description".to_owned(), json!(about.description));
    object.insert("inputSchema".to_owned(), input_schema);
    if let Some(schema) = output_schema {
        object.insert("outputSchema".to_owned(), schema);
    }
    object.insert("annotations".to_owned(), json!(about.hints));
    // Not of the protocol's own revisions: ChatGPT reads the one, older clients of it the other.
    let schemes = json!([{ "type": "oauth2", "scopes": about.scopes }]);
    object.insert("securitySchemes".to_owned(), schemes.clone());
    object.insert("_meta".to_owned(), json!({ "securitySchemes": schemes }));
    if let Some(icon) = about.icon {
        let icon = json!([{ "src": icon, "mimeType": "image/svg+xml", "sizes": ["any"] }]);
        object.insert("icons".to_owned(), icon);
    }
    Value::Object(object)
}

/// The result of a typed answer: structured, with the same JSON as text for older clients.
/// Its fields are those of `CallToolResult`.
pub(super) fn structured(value: Value) -> Value {
    let text = encoded(&value);
    let mut result = Map::new();
    result.insert(
        "content".to_owned(),
        json!([{ "type": "text", "text": text }]),
    );
    result.insert("structuredContent".to_owned(), value);
    Value::Object(result)
}

/// As JSON text. Faster than `to_string`, which writes through a formatter.
pub(super) fn encoded(value: &impl Serialize) -> String {
    // What is made of values always has a text.
    serde_json::to_string(value).unwrap_or_default()
}

/// Key of the challenge in a tool error's `_meta`, a list of `WWW-Authenticate` values: ChatGPT
/// starts its sign-in by it.
const META_CHALLENGE: &str = "mcp/www_authenticate";

/// The result of a call that its caller's scopes do not allow.
pub(super) fn refused(
    error: &AuthError,
    challenge: Option<&str>,
    request_id: &str,
) -> CallToolResult {
    let details = match error {
        AuthError::InsufficientScope { needed, missing } => {
            Some(json!({ "needed_scopes": needed, "missing_scopes": missing }))
        }
        _ => None,
    };
    let meta = challenge.map(|challenge| json!({ META_CHALLENGE: [challenge] }));
    CallToolResult {
        meta,
        ..failed(error.code(), &error.to_string(), details, request_id)
    }
}

/// The result of a failed call: JSON text that names a code, a sentence and the request.
pub(super) fn failed(
    code: &str,
    message: &str,
    details: Option<Value>,
    request_id: &str,
) -> CallToolResult {
    let mut error = json!({ "code": code, "message": message, "request_id": request_id });
    if let (Some(details), Some(fields)) = (details, error.as_object_mut()) {
        fields.insert("details".to_owned(), details);
    }
    CallToolResult {
        content: vec![Content::text(json!({ "error": error }).to_string())],
        is_error: true,
        structured_content: None,
        meta: None,
    }
}
