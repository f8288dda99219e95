//! From a method's name to its answer.

use std::collections::BTreeMap;
use std::rc::Rc;

use futures::channel::mpsc;
use futures::stream::LocalBoxStream;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tower_mcp_types::protocol::{CompleteParams, CompletionReference, LogLevel};

use super::call::{Call, Context};
use super::deferring::declared;
use super::era::{self, Era, LEGACY, META_CAPABILITIES, META_LOG_LEVEL};
use super::error::RpcError;
use super::headers;
use super::run::{self, Event, Target};
use super::server::{Host, Server};
use super::state::{self, Binding};
use super::tool::{self, About};
use crate::auth::Principal;
use crate::http::Headers;

/// Values in one completion (2026-07-28, "Completion").
const MAX_COMPLETIONS: usize = 100;

pub(super) enum Answer {
    /// A result made just now.
    Value(Value),
    /// A result's text, made once an isolate.
    Text(Rc<str>),
    /// Work under way.
    Run(LocalBoxStream<'static, Event>),
    /// The caller may not do this.
    Refused(Refusal),
}

/// A call that its caller's scopes do not allow. Clients of the protocol read the status and
/// the challenge (2026-07-28, "Authorization", Step-up), ChatGPT the result.
pub(super) struct Refusal {
    pub status: u16,
    /// `WWW-Authenticate`.
    pub challenge: Option<String>,
    /// A tool error with the challenge in its `_meta`.
    pub result: Value,
}

#[expect(clippy::struct_field_names, reason = "the name everybody uses")]
pub(super) struct Request<'a> {
    pub era: Era,
    pub id: &'a Value,
    pub method: &'a str,
    pub params: Map<String, Value>,
    /// The caller reads event streams.
    pub streams: bool,
    pub headers: &'a dyn Headers,
    pub principal: Rc<Principal>,
    pub request_id: String,
}

impl<S: Host> Server<S> {
    pub(super) async fn dispatch(
        self: &Rc<Self>,
        services: &Rc<S>,
        request: Request<'_>,
    ) -> Result<Answer, RpcError> {
        let Request { era, params, .. } = &request;
        let versions = services.list_versions();
        if let Some(page) = self.list(request.method, *era, params, &request.principal, versions) {
            return page.map(Answer::Text);
        }
        match (era, request.method) {
            (_, "tools/call" | "prompts/get" | "resources/read") => self.start(services, request),
            (_, "completion/complete") if self.completes() => {
                self.complete(params).map(Answer::Value)
            }
            (Era::Modern, "server/discover") => {
                let defers = services.tasks().is_some();
                Ok(Answer::Value(self.discovered(defers)))
            }
            (Era::Modern, "subscriptions/listen") => self.listen(services, &request).await,
            (Era::Modern, "tasks/get" | "tasks/update" | "tasks/cancel") => {
                let Some(tasks) = services.tasks() else {
                    return Err(RpcError::method_not_found(request.method, true));
                };
                let followed = self.follow_task(services, &*tasks, &request).await;
                followed.map(Answer::Value)
            }
            (Era::Legacy, "initialize") => Ok(Answer::Value(self.initialize(params))),
            (Era::Legacy, "ping") => Ok(Answer::Value(json!({}))),
            (Era::Legacy, "logging/setLevel") => set_level(params).map(Answer::Value),
            (Era::Legacy, "resources/subscribe" | "resources/unsubscribe")
                if self.watchable.resources =>
            {
                require_str(params, "uri").map(|_| Answer::Value(json!({})))
            }
            _ => Err(RpcError::method_not_found(request.method, era.is_modern())),
        }
    }

    /// The version asked for, if it is spoken here, else the newest with a handshake.
    fn initialize(&self, params: &Map<String, Value>) -> Value {
        let asked = params.get("protocolVersion").and_then(Value::as_str);
        let version = LEGACY.into_iter().find(|known| asked == Some(known));
        self.initialized(version.unwrap_or(LEGACY[0]))
    }

    fn start(
        self: &Rc<Self>,
        services: &Rc<S>,
        mut request: Request<'_>,
    ) -> Result<Answer, RpcError> {
        let (outbox, messages) = mpsc::unbounded();
        let defers = services.tasks().is_some();
        let context = context(&request, defers, outbox)?;
        let inputs = inputs(&request.params)?;
        let sealed = request.params.remove("requestState");
        let target = self.target(request)?;
        let state = match sealed {
            None => None,
            Some(Value::String(text)) => {
                let binding = Binding::new(&context.principal, &target);
                Some(state::open(&**services, &binding, &text)?)
            }
            Some(_) => {
                return Err(RpcError::invalid_params(
                    "\"requestState\" must be a string",
                ));
            }
        };
        let call = Call::new(context, inputs, state);
        if let Some(refusal) = self.refusal(&**services, &call, &target)? {
            return Ok(Answer::Refused(refusal));
        }
        let work = Rc::clone(self).run(Rc::clone(services), call, target);
        Ok(Answer::Run(run::events(Box::pin(work), messages)))
    }

    /// None if the caller may go on. Asked once for a call, before anything of it is answered:
    /// only then is there a status to refuse it with.
    fn refusal(
        &self,
        services: &S,
        call: &Call,
        target: &Target,
    ) -> Result<Option<Refusal>, RpcError> {
        let Target::Tool { name, .. } = target else {
            return Ok(None);
        };
        let About { name, scopes, .. } = self.tool(name)?.about;
        let Err(error) = services.authorize(call, name, scopes) else {
            return Ok(None);
        };
        let challenge = services.challenge(&error);
        let result = tool::refused(&error, challenge.as_deref(), &call.request_id);
        Ok(Some(Refusal {
            status: error.status(),
            challenge,
            result: json!(result),
        }))
    }

    fn target(&self, mut request: Request<'_>) -> Result<Target, RpcError> {
        let params = &mut request.params;
        match request.method {
            "tools/call" => {
                let name = require_str(params, "name")?.to_owned();
                let entry = self.tool(&name)?;
                let arguments = match params.remove("arguments") {
                    None | Some(Value::Null) => json!({}),
                    Some(arguments) if arguments.is_object() => arguments,
                    Some(_) => {
                        return Err(RpcError::invalid_params("\"arguments\" must be an object"));
                    }
                };
                if request.era.is_modern() {
                    headers::check_params(request.headers, &entry.headers, &arguments)?;
                }
                Ok(Target::Tool { name, arguments })
            }
            "prompts/get" => {
                let name = require_str(params, "name")?.to_owned();
                let arguments = prompt_arguments(params)?;
                for wanted in self.prompt(&name)?.definition().arguments {
                    if wanted.required && !arguments.contains_key(&wanted.name) {
                        return Err(RpcError::invalid_params(format!(
                            "the prompt {name:?} needs the argument {:?}",
                            wanted.name
                        )));
                    }
                }
                Ok(Target::Prompt { name, arguments })
            }
            _ => Ok(Target::Resource {
                uri: require_str(params, "uri")?.to_owned(),
            }),
        }
    }

    fn complete(&self, params: &Map<String, Value>) -> Result<Value, RpcError> {
        let params: CompleteParams = decode(params)?;
        let argument = &params.argument;
        let mut values = match &params.reference {
            CompletionReference::Prompt { name } => {
                let prompt = self.prompt(name)?;
                prompt.complete(&argument.name, &argument.value)
            }
            CompletionReference::Resource { uri } => match &self.resources {
                Some(resources) => resources.complete(uri, &argument.name, &argument.value),
                None => Vec::new(),
            },
            _ => Vec::new(),
        };
        let total = values.len();
        values.truncate(MAX_COMPLETIONS);
        let completion = json!({
            "values": values,
            "total": total,
            "hasMore": total > MAX_COMPLETIONS,
        });
        Ok(json!({ "completion": completion }))
    }
}

fn context(
    request: &Request<'_>,
    host_defers: bool,
    outbox: mpsc::UnboundedSender<Value>,
) -> Result<Context, RpcError> {
    let version = request.headers.get("mcp-protocol-version");
    let meta = request.params.get("_meta");
    let field = |key| meta.and_then(|meta| meta.get(key));
    let progress_token = match field("progressToken") {
        Some(token) if token.is_string() || token.is_i64() || token.is_u64() => Some(token.clone()),
        Some(_) => {
            return Err(RpcError::invalid_params(
                "_meta.progressToken must be a string or an integer",
            ));
        }
        None => None,
    };
    Ok(Context {
        principal: Rc::clone(&request.principal),
        request_id: request.request_id.clone(),
        era: request.era,
        defers: host_defers && request.era.is_modern() && declared(field(META_CAPABILITIES)),
        capabilities: field(META_CAPABILITIES).cloned().unwrap_or_default(),
        progress_token,
        log_level: log_level(request.era, field(META_LOG_LEVEL))?,
        streams: request.streams,
        knows_links: era::knows_links(request.era, version.as_deref()),
        outbox,
    })
}

/// Modern: what this request asks for, else nothing. Legacy: `info`, since no session
/// remembers `logging/setLevel`.
fn log_level(era: Era, asked: Option<&Value>) -> Result<Option<LogLevel>, RpcError> {
    match (era, asked) {
        (Era::Legacy, _) => Ok(Some(LogLevel::Info)),
        (Era::Modern, None) => Ok(None),
        (Era::Modern, Some(level)) => LogLevel::deserialize(level).map(Some).map_err(|error| {
            RpcError::invalid_params(format!("_meta[{META_LOG_LEVEL:?}]: {error}"))
        }),
    }
}

fn set_level(params: &Map<String, Value>) -> Result<Value, RpcError> {
    let level = params.get("level").cloned().unwrap_or_default();
    LogLevel::deserialize(level)
        .map(|_| json!({}))
        .map_err(|error| RpcError::invalid_params(format!("\"level\": {error}")))
}

pub(super) fn inputs(params: &Map<String, Value>) -> Result<Map<String, Value>, RpcError> {
    match params.get("inputResponses") {
        None => Ok(Map::new()),
        Some(Value::Object(answers)) if answers.values().all(Value::is_object) => {
            Ok(answers.clone())
        }
        Some(_) => Err(RpcError::invalid_params(
            "\"inputResponses\" must be an object of result objects",
        )),
    }
}

fn prompt_arguments(params: &Map<String, Value>) -> Result<BTreeMap<String, String>, RpcError> {
    let Some(arguments) = params.get("arguments") else {
        return Ok(BTreeMap::new());
    };
    BTreeMap::deserialize(arguments)
        .map_err(|_| RpcError::invalid_params("\"arguments\" of a prompt must be strings"))
}

fn decode<T: serde::de::DeserializeOwned>(params: &Map<String, Value>) -> Result<T, RpcError> {
    serde_path_to_error::deserialize(Value::Object(params.clone())).map_err(|error| {
        RpcError::invalid_params(format!("params.{}: {}", error.path(), error.inner()))
    })
}

pub(super) fn require_str<'a>(
    params: &'a Map<String, Value>,
    field: &str,
) -> Result<&'a str, RpcError> {
    params
        .get(field)
        .and_then(Value::as_str)
        .ok_or_else(|| RpcError::invalid_params(format!("{field:?} must be a string")))
}
