//! A server: what it offers, made once an isolate.

use std::rc::Rc;

use serde_json::{Map, Value, json};
use tower_mcp_types::protocol::{Implementation, ToolIcon};

use super::call::Call;
use super::era::{Era, META_SERVER, SUPPORTED};
use super::list::ListCache;
use super::mailbox::Mailbox;
use super::prompt::Prompt;
use super::resource::Resources;
use super::task::{self, Tasks};
use super::tool::Registry;
use crate::auth::AuthError;
use crate::ports::{Clock, Entropy};
use crate::seal::Sealer;

/// What the protocol itself needs of the services that tools work with.
pub trait Host: 'static {
    fn clock(&self) -> &dyn Clock;
    fn entropy(&self) -> &dyn Entropy;
    fn sealer(&self) -> &Sealer;

    /// Where answers of legacy clients to our questions arrive. None: nothing can be asked
    /// of a legacy client.
    fn mailbox(&self) -> Option<Rc<dyn Mailbox>> {
        None
    }

    /// Where calls that outlive their request are kept and worked on. None: there are no
    /// tasks here.
    fn tasks(&self) -> Option<Rc<dyn Tasks>> {
        None
    }

    /// Numbers that change when a list does.
    fn list_versions(&self) -> ListVersions {
        ListVersions::default()
    }

    /// Whether the caller holds all of `scopes`. A host with an audit log writes the decision
    /// down under the action, which is the name of the tool.
    fn authorize(&self, call: &Call, _action: &str, scopes: &[&str]) -> Result<(), AuthError> {
        call.principal.scopes.require(scopes)
    }

    /// `WWW-Authenticate` of a call that was refused: how its client gets a token that will do.
    fn challenge(&self, error: &AuthError) -> Option<String> {
        error.challenge(None)
    }

    /// Logs the cause of an error that the caller only gets a request id for.
    fn report(&self, request_id: &str, cause: &str);
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ListVersions {
    pub tools: i64,
    pub prompts: i64,
    pub resources: i64,
}

/// Which changes a client may listen for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Watchable {
    /// The lists of tools, prompts and resources change while the server runs.
    pub lists: bool,
    /// Single resources have a version.
    pub resources: bool,
}

pub struct Server<S> {
    pub(super) info: Value,
    pub(super) instructions: &'static str,
    pub(super) tools: Registry<S>,
    pub(super) prompts: Vec<Box<dyn Prompt<S>>>,
    pub(super) resources: Option<Box<dyn Resources<S>>>,
    pub(super) watchable: Watchable,
    pub(super) lists: ListCache,
}

/// What a server says of itself. `icon` is an SVG image as a data URI.
pub fn describe(name: &str, title: &str, description: &str, icon: &str) -> Implementation {
    Implementation {
        name: name.to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        title: Some(title.to_owned()),
        description: Some(description.to_owned()),
        icons: Some(vec![ToolIcon {
            src: icon.to_owned(),
            mime_type: Some("image/svg+xml".to_owned()),
            sizes: Some(vec!["any".to_owned()]),
            theme: None,
        }]),
        ..Implementation::default()
    }
}

impl<S: Host> Server<S> {
    pub fn new(info: &Implementation, instructions: &'static str, tools: Registry<S>) -> Self {
        Self {
            info: json!(info),
            instructions,
            tools,
            prompts: Vec::new(),
            resources: None,
            watchable: Watchable::default(),
            lists: ListCache::default(),
        }
    }

    #[must_use]
    pub fn with_prompt(mut self, prompt: impl Prompt<S> + 'static) -> Self {
        self.prompts.push(Box::new(prompt));
        self
    }

    #[must_use]
    pub fn with_resources(
        mut self,
        resources: impl Resources<S> + 'static,
        watchable: Watchable,
    ) -> Self {
        self.resources = Some(Box::new(resources));
        self.watchable = watchable;
        self
    }

    /// For people.
    pub fn title(&self) -> &str {
        let named = self.info.get("title").or_else(|| self.info.get("name"));
        named.and_then(Value::as_str).unwrap_or_default()
    }

    pub fn tools(&self) -> &Registry<S> {
        &self.tools
    }

    pub(super) fn completes(&self) -> bool {
        !self.prompts.is_empty() || self.resources.is_some()
    }

    /// Changes are told on the modern era's `subscriptions/listen` alone.
    fn capabilities(&self, era: Era) -> Value {
        let tells = era.is_modern() && self.watchable.lists;
        let changes = json!({ "listChanged": tells });
        let mut all = Map::new();
        all.insert("logging".to_owned(), json!({}));
        all.insert("tools".to_owned(), changes.clone());
        if !self.prompts.is_empty() {
            all.insert("prompts".to_owned(), changes);
        }
        if self.resources.is_some() {
            let resources = json!({
                "listChanged": tells,
                "subscribe": self.watchable.resources,
            });
            all.insert("resources".to_owned(), resources);
        }
        if self.completes() {
            all.insert("completions".to_owned(), json!({}));
        }
        Value::Object(all)
    }

    pub(super) fn discovered(&self, defers: bool) -> Value {
        let mut capabilities = self.capabilities(Era::Modern);
        if let (true, Some(fields)) = (defers, capabilities.as_object_mut()) {
            fields.insert("extensions".to_owned(), json!({ task::EXTENSION: {} }));
        }
        json!({
            "supportedVersions": SUPPORTED,
            "capabilities": capabilities,
            "instructions": self.instructions,
            "ttlMs": super::list::TTL_MS,
            "cacheScope": "public",
        })
    }

    pub(super) fn initialized(&self, version: &str) -> Value {
        json!({
            "protocolVersion": version,
            "capabilities": self.capabilities(Era::Legacy),
            "serverInfo": self.info,
            "instructions": self.instructions,
        })
    }

    /// What every modern result carries beside its own fields.
    pub(super) fn stamp(&self, result: &mut Value) {
        if let Some(fields) = result.as_object_mut() {
            fields
                .entry("resultType")
                .or_insert_with(|| json!("complete"));
            if let Some(meta) = fields
                .entry("_meta")
                .or_insert_with(|| json!({}))
                .as_object_mut()
            {
                meta.insert(META_SERVER.to_owned(), self.info.clone());
            }
        }
    }
}
