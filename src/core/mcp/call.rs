//! One request as a tool, prompt or resource sees it.

use std::cell::Cell;
use std::rc::Rc;

use futures::channel::mpsc::UnboundedSender;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tower_mcp_types::protocol::LogLevel;

use super::era::Era;
use crate::auth::Principal;

/// The caller, and the way to talk to it while the work goes on.
#[expect(clippy::struct_excessive_bools, reason = "each is a matter of its own")]
pub struct Call {
    pub principal: Rc<Principal>,
    pub request_id: String,
    pub era: Era,
    pub(super) capabilities: Value,
    progress: Option<Progress>,
    log_level: Option<LogLevel>,
    /// The caller sees messages before the result.
    pub(super) streams: bool,
    pub(super) knows_links: bool,
    outbox: UnboundedSender<Value>,
    pub(super) inputs: Map<String, Value>,
    pub(super) state: Option<Value>,
    defers: bool,
    task: bool,
}

struct Progress {
    token: Value,
    last: Cell<f64>,
}

/// What the tool must be told before it can go on: questions by key, and state of its own
/// that comes back sealed (2026-07-28, "Multi round-trip requests").
#[derive(Debug, Clone, Default)]
pub struct InputRequired {
    /// Key to `{method, params}` of `elicitation/create`, `sampling/createMessage` or
    /// `roots/list`.
    pub requests: Map<String, Value>,
    pub state: Option<Value>,
}

impl InputRequired {
    #[must_use]
    pub fn ask(mut self, key: &str, method: &str, params: &Value) -> Self {
        self.requests.insert(
            key.to_owned(),
            json!({ "method": method, "params": params }),
        );
        self
    }

    #[must_use]
    pub fn with_state(mut self, state: Value) -> Self {
        self.state = Some(state);
        self
    }
}

/// What the caller sent beside the arguments.
pub(super) struct Context {
    pub principal: Rc<Principal>,
    pub request_id: String,
    pub era: Era,
    pub capabilities: Value,
    pub progress_token: Option<Value>,
    pub log_level: Option<LogLevel>,
    pub streams: bool,
    pub knows_links: bool,
    /// The host keeps tasks, and the caller can follow one.
    pub defers: bool,
    pub outbox: UnboundedSender<Value>,
}

impl Call {
    pub(super) fn new(context: Context, inputs: Map<String, Value>, state: Option<Value>) -> Self {
        Self {
            principal: context.principal,
            request_id: context.request_id,
            era: context.era,
            capabilities: context.capabilities,
            progress: context.progress_token.map(|token| Progress {
                token,
                last: Cell::new(f64::NEG_INFINITY),
            }),
            log_level: context.log_level,
            streams: context.streams,
            knows_links: context.knows_links,
            outbox: context.outbox,
            inputs,
            state,
            defers: context.defers,
            task: false,
        }
    }

    /// This call is the work on a task.
    pub(super) fn into_task(mut self) -> Self {
        self.task = true;
        self
    }

    /// A further round of the same request, with the answers to what it asked.
    pub(super) fn resume(&mut self, inputs: Map<String, Value>, state: Option<Value>) {
        self.inputs = inputs;
        self.state = state;
    }

    /// True if the tool may answer [`super::Reply::Later`].
    pub fn may_defer(&self) -> bool {
        self.defers
    }

    /// True if the tool said [`super::Reply::Later`] and this is later.
    pub fn is_task(&self) -> bool {
        self.task
    }

    /// True if the caller asked to be told of progress.
    pub fn wants_progress(&self) -> bool {
        self.progress.is_some()
    }

    /// Tells of progress, if the caller asked for it. A value that does not rise is dropped:
    /// the protocol wants it increasing.
    pub fn progress(&self, value: f64, total: Option<f64>, message: Option<&str>) {
        let Some(progress) = &self.progress else {
            return;
        };
        if value <= progress.last.replace(value.max(progress.last.get())) {
            return;
        }
        let mut params = json!({ "progressToken": progress.token, "progress": value });
        if let Some(total) = total {
            insert(&mut params, "total", json!(total));
        }
        if let Some(message) = message {
            insert(&mut params, "message", json!(message));
        }
        self.notify("notifications/progress", &params);
    }

    /// Sends a log message to the caller, if it asked for messages of this severity.
    pub fn log(&self, level: LogLevel, data: &Value) {
        if self.log_level.is_some_and(|wanted| level <= wanted) {
            let params = json!({ "level": level, "logger": "chittymcp", "data": data });
            self.notify("notifications/message", &params);
        }
    }

    /// The caller's answer to the question asked under `key`.
    pub fn input(&self, key: &str) -> Option<&Value> {
        self.inputs.get(key)
    }

    /// The state this tool sealed in an earlier round.
    pub fn state<T: DeserializeOwned>(&self) -> Option<T> {
        self.state
            .clone()
            .and_then(|state| serde_json::from_value(state).ok())
    }

    /// Whether the client declared a capability such as `"elicitation"`. A legacy client
    /// declared its own at `initialize`, which nobody here remembers: it is taken at its word.
    pub fn supports(&self, capability: &str) -> bool {
        !self.era.is_modern() || self.capabilities.get(capability).is_some()
    }

    /// Whether the client can show a question in this mode, `form` or `url`. One that says
    /// nothing of modes shows forms.
    pub fn elicits(&self, mode: &str) -> bool {
        if !self.era.is_modern() {
            return true;
        }
        let modes = self.capabilities.get("elicitation");
        modes.is_some_and(|modes| {
            modes.get(mode).is_some() || (mode == "form" && modes.get("url").is_none())
        })
    }

    fn notify(&self, method: &str, params: &Value) {
        let message = json!({ "jsonrpc": "2.0", "method": method, "params": params });
        // Fails only when the caller has gone; its cancellation is under way.
        let _ = self.outbox.unbounded_send(message);
    }

    pub(super) fn send(&self, message: Value) {
        let _ = self.outbox.unbounded_send(message);
    }
}

fn insert(object: &mut Value, key: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(key.to_owned(), value);
    }
}
