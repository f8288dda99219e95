//! Requests that do work: tool calls, prompts, resources. A run is a stream of messages
//! that ends with its result; dropping it cancels the work.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;

use futures::channel::mpsc::UnboundedReceiver;
use futures::future::LocalBoxFuture;
use futures::stream::{self, LocalBoxStream};
use futures::{FutureExt, StreamExt};
use serde_json::{Map, Value, json};

use super::call::{Call, InputRequired};
use super::deferring;
use super::era::Era;
use super::error::RpcError;
use super::interaction;
use super::link::linked;
use super::prompt::PromptReply;
use super::resource::{ResourceReply, Resources};
use super::server::{Host, Server};
use super::state::{self, Binding};
use super::tool::{self, Entry, Reply, ToolError};

/// Rounds of questions in one legacy call.
const MAX_ROUNDS: usize = 8;

pub(super) enum Event {
    /// A notification, or a question to a legacy client.
    Message(Value),
    /// The result, or the error, that ends the run.
    Done(Result<Value, RpcError>),
}

/// What a run works on, found and authorised before the work starts.
pub(super) enum Target {
    Tool {
        name: String,
        arguments: Value,
    },
    Prompt {
        name: String,
        arguments: BTreeMap<String, String>,
    },
    Resource {
        uri: String,
    },
}

pub(super) enum Turn {
    Done(Value),
    Ask(InputRequired),
    Later,
}

/// The events of `work`: messages as they are sent, then the result.
pub(super) fn events(
    work: LocalBoxFuture<'static, Result<Value, RpcError>>,
    messages: UnboundedReceiver<Value>,
) -> LocalBoxStream<'static, Event> {
    // Messages first: the sender lives in the work, so they end when it does.
    let messages = messages.map(Event::Message);
    let result = stream::once(caught(work)).map(Event::Done);
    ordered(messages.boxed_local(), result.boxed_local()).boxed_local()
}

/// `work`, its panic turned into an error that only its own caller sees. State that others
/// share lives behind cells, whose guards are released while the panic unwinds.
pub(super) async fn caught<T>(
    work: impl Future<Output = Result<T, RpcError>>,
) -> Result<T, RpcError> {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(result) => result,
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().copied();
            let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
            let cause = format!("panic: {}", text.unwrap_or("of an unknown kind"));
            Err(RpcError::internal_because(&cause))
        }
    }
}

/// Both streams as they come, all of `first` before the last of `last`.
fn ordered(
    mut first: LocalBoxStream<'static, Event>,
    mut last: LocalBoxStream<'static, Event>,
) -> impl futures::Stream<Item = Event> {
    use std::task::Poll;
    let mut open = true;
    let mut result = None;
    let mut ended = false;
    stream::poll_fn(move |context| {
        if ended {
            return Poll::Ready(None);
        }
        if result.is_none()
            && let Poll::Ready(done) = last.poll_next_unpin(context)
        {
            result = Some(done);
        }
        if open {
            match first.poll_next_unpin(context) {
                Poll::Ready(Some(message)) => return Poll::Ready(Some(message)),
                Poll::Ready(None) => open = false,
                Poll::Pending => {}
            }
        }
        match result.take() {
            Some(done) => {
                ended = true;
                Poll::Ready(done)
            }
            None => Poll::Pending,
        }
    })
}

impl<S: Host> Server<S> {
    /// Works on `target` to its end, with as many rounds of questions as the era allows.
    pub(super) async fn run(
        self: Rc<Self>,
        services: Rc<S>,
        mut call: Call,
        target: Target,
    ) -> Result<Value, RpcError> {
        for _ in 0..MAX_ROUNDS {
            let wanted = match self.turn(&services, &call, &target).await? {
                Turn::Done(result) => return Ok(result),
                Turn::Later => return deferring::defer(&*services, call, target).await,
                Turn::Ask(wanted) => wanted,
            };
            if call.era == Era::Modern {
                return input_required(&*services, &call, wanted, &target);
            }
            let answers = interaction::ask(&*services, &call, &wanted).await?;
            call.resume(answers, wanted.state);
        }
        Err(RpcError::invalid_params(format!(
            "the call still lacks input after {MAX_ROUNDS} rounds of questions"
        )))
    }

    pub(super) async fn turn(
        &self,
        services: &S,
        call: &Call,
        target: &Target,
    ) -> Result<Turn, RpcError> {
        match target {
            Target::Tool { name, arguments } => {
                let entry = self.tool(name)?;
                self.tool_turn(services, call, entry, arguments).await
            }
            Target::Prompt { name, arguments } => {
                let prompt = self.prompt(name)?;
                Ok(match prompt.get(services, call, arguments.clone()).await? {
                    PromptReply::Done(result) => Turn::Done(json!(result)),
                    PromptReply::Ask(wanted) => Turn::Ask(wanted),
                })
            }
            Target::Resource { uri } => self.resource_turn(services, call, uri).await,
        }
    }

    async fn tool_turn(
        &self,
        services: &S,
        call: &Call,
        entry: &Entry<S>,
        arguments: &Value,
    ) -> Result<Turn, RpcError> {
        let called = entry.handler.call(services, call, arguments);
        let result = match called.await {
            Ok(Reply::Structured(value)) => return Ok(Turn::Done(tool::structured(value))),
            Ok(Reply::Linked(value, link)) => {
                let link = Some(link).filter(|_| call.knows_links);
                return Ok(Turn::Done(linked(value, link)));
            }
            Ok(Reply::Content(result)) => result,
            Ok(Reply::Ask(wanted)) => return Ok(Turn::Ask(wanted)),
            Ok(Reply::Later) => return Ok(Turn::Later),
            Err(ToolError::Protocol(error)) => return Err(error),
            Err(ToolError::Failed {
                code,
                message,
                details,
            }) => tool::failed(&code, &message, details, &call.request_id),
        };
        Ok(Turn::Done(json!(result)))
    }

    async fn resource_turn(&self, services: &S, call: &Call, uri: &str) -> Result<Turn, RpcError> {
        let allowed = |resources: &&dyn Resources<S>| {
            let scopes = resources.scopes(uri);
            services.authorize(call, "resources/read", scopes).is_ok()
        };
        let found = match self.resources.as_deref().filter(allowed) {
            Some(resources) => resources.read(services, call, uri).await?,
            None => None,
        };
        match found {
            Some(ResourceReply::Ask(wanted)) => Ok(Turn::Ask(wanted)),
            Some(ResourceReply::Done(contents)) => {
                let mut result = json!({ "contents": contents });
                if let (true, Some(fields)) = (call.era.is_modern(), result.as_object_mut()) {
                    fields.insert("ttlMs".to_owned(), json!(0));
                    fields.insert("cacheScope".to_owned(), json!("private"));
                }
                Ok(Turn::Done(result))
            }
            None => Err(RpcError::invalid_params(format!(
                "there is no resource {uri:?}: resources/list names those you may read"
            ))
            .with_data(json!({ "uri": uri }))),
        }
    }

    pub(super) fn tool(&self, name: &str) -> Result<&Entry<S>, RpcError> {
        self.tools.find(name).ok_or_else(|| {
            RpcError::invalid_params(format!(
                "there is no tool {name:?}: tools/list names those you may call"
            ))
        })
    }

    pub(super) fn prompt(&self, name: &str) -> Result<&dyn super::prompt::Prompt<S>, RpcError> {
        let mut all = self.prompts.iter();
        all.find(|prompt| prompt.definition().name == name)
            .map(AsRef::as_ref)
            .ok_or_else(|| {
                RpcError::invalid_params(format!(
                    "there is no prompt {name:?}: prompts/list names those there are"
                ))
            })
    }
}

/// Refuses questions that the client did not declare it can answer.
pub(super) fn lacking(call: &Call, wanted: &InputRequired) -> Result<(), RpcError> {
    let mut lacking = Map::new();
    for request in wanted.requests.values() {
        let method = request.get("method").and_then(Value::as_str);
        let (capability, detail, declared) = match method {
            Some("elicitation/create") => {
                let mode = request.pointer("/params/mode").and_then(Value::as_str);
                let mode = mode.unwrap_or("form");
                ("elicitation", json!({ mode: {} }), call.elicits(mode))
            }
            Some("sampling/createMessage") => ("sampling", json!({}), call.supports("sampling")),
            Some("roots/list") => ("roots", json!({}), call.supports("roots")),
            _ => {
                return Err(RpcError::internal_because(
                    &"a tool asked by an unknown method",
                ));
            }
        };
        if !declared {
            lacking.insert(capability.to_owned(), detail);
        }
    }
    if wanted.requests.is_empty() && wanted.state.is_none() {
        return Err(RpcError::internal_because(&"a tool asked for nothing"));
    }
    if lacking.is_empty() {
        return Ok(());
    }
    Err(RpcError::missing_capability(&Value::Object(lacking)))
}

/// The modern way to ask: the result says what is missing, the client calls again.
fn input_required<S: Host>(
    services: &S,
    call: &Call,
    wanted: InputRequired,
    target: &Target,
) -> Result<Value, RpcError> {
    lacking(call, &wanted)?;
    let mut result = json!({ "resultType": "input_required" });
    if let Some(fields) = result.as_object_mut() {
        if !wanted.requests.is_empty() {
            fields.insert("inputRequests".to_owned(), Value::Object(wanted.requests));
        }
        if let Some(state) = wanted.state {
            let binding = Binding::new(&call.principal, target);
            let sealed = state::seal(services, &binding, state)?;
            fields.insert("requestState".to_owned(), json!(sealed));
        }
    }
    Ok(result)
}
