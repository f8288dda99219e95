//! `subscriptions/listen`: a stream of the changes a client asked for.
//!
//! Versions are polled, so that it does not matter which isolate, or which other program on
//! the same database, made the change.

use std::rc::Rc;

use futures::StreamExt;
use futures::stream;
use serde::Deserialize;
use serde_json::{Value, json};

use super::dispatch::{Answer, Request};
use super::era::META_SUBSCRIPTION;
use super::error::RpcError;
use super::resource::VersionUnknown;
use super::run::Event;
use super::server::{Host, ListVersions, Server};
use crate::auth::Principal;

const POLL_MS: u64 = 250;
/// Versions of lists are in memory; those of resources cost a query, so they are read every
/// two seconds.
const POLLS_PER_READ: u32 = 8;
/// A listener is sent home after this many polls, ten minutes; it may come again.
const MAX_POLLS: u32 = 2_400;
/// Or after this many versions read: a request on Workers has 1,000 subrequests.
const MAX_READS: usize = 900;
const MAX_RESOURCES: usize = 32;

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Filter {
    tools_list_changed: bool,
    prompts_list_changed: bool,
    resources_list_changed: bool,
    resource_subscriptions: Vec<String>,
}

struct Listener<S> {
    server: Rc<Server<S>>,
    services: Rc<S>,
    principal: Rc<Principal>,
    filter: Filter,
    id: Value,
    lists: ListVersions,
    watched: Vec<Watched>,
    polls: u32,
    reads: usize,
}

struct Watched {
    uri: String,
    version: Option<i64>,
}

impl<S: Host> Server<S> {
    pub(super) async fn listen(
        self: &Rc<Self>,
        services: &Rc<S>,
        request: &Request<'_>,
    ) -> Result<Answer, RpcError> {
        if !request.streams {
            return Err(RpcError::refused(
                406,
                "listening needs a stream: accept text/event-stream",
            ));
        }
        let asked = request.params.get("notifications").ok_or_else(|| {
            RpcError::invalid_params("\"notifications\" must say what to listen for")
        })?;
        let asked = Filter::deserialize(asked)
            .map_err(|error| RpcError::invalid_params(format!("\"notifications\": {error}")))?;
        if asked.resource_subscriptions.len() > MAX_RESOURCES {
            return Err(RpcError::invalid_params(format!(
                "at most {MAX_RESOURCES} resources can be watched on one stream"
            )));
        }
        let filter = self.honoured(asked, &request.principal);
        let mut listener = Listener {
            server: Rc::clone(self),
            services: Rc::clone(services),
            principal: Rc::clone(&request.principal),
            lists: services.list_versions(),
            watched: Vec::new(),
            id: request.id.clone(),
            filter,
            polls: 0,
            reads: 0,
        };
        listener.watch().await;
        let hello = listener.acknowledgement();
        let changes = stream::unfold(Some(listener), next).flat_map(stream::iter);
        let first = stream::once(async move { Event::Message(hello) });
        Ok(Answer::Run(first.chain(changes).boxed_local()))
    }

    /// What of `asked` this server can keep its word on.
    fn honoured(&self, asked: Filter, principal: &Principal) -> Filter {
        let lists = self.watchable.lists;
        let resources = self.resources.as_ref();
        let resources = resources.filter(|_| self.watchable.resources);
        let allowed = |uri: &String| {
            resources.is_some_and(|all| principal.scopes.require(all.scopes(uri)).is_ok())
        };
        Filter {
            tools_list_changed: asked.tools_list_changed && lists,
            prompts_list_changed: asked.prompts_list_changed && lists && !self.prompts.is_empty(),
            resources_list_changed: asked.resources_list_changed
                && lists
                && self.resources.is_some(),
            resource_subscriptions: asked
                .resource_subscriptions
                .into_iter()
                .filter(allowed)
                .collect(),
        }
    }
}

/// Waits for one poll's worth of events; ends with the result that closes the stream.
async fn next<S: Host>(listener: Option<Listener<S>>) -> Option<(Vec<Event>, Option<Listener<S>>)> {
    let mut listener = listener?;
    let mut events = Vec::new();
    while events.is_empty() {
        if listener.polls >= MAX_POLLS || listener.reads >= MAX_READS {
            let meta = json!({ META_SUBSCRIPTION: listener.id });
            return Some((vec![Event::Done(Ok(json!({ "_meta": meta })))], None));
        }
        listener.polls += 1;
        listener.services.clock().sleep(POLL_MS).await;
        events = listener.changes().await;
    }
    Some((events, Some(listener)))
}

impl<S: Host> Listener<S> {
    fn acknowledgement(&self) -> Value {
        let mut honoured = json!({});
        if let Some(fields) = honoured.as_object_mut() {
            for (key, wanted) in [
                ("toolsListChanged", self.filter.tools_list_changed),
                ("promptsListChanged", self.filter.prompts_list_changed),
                ("resourcesListChanged", self.filter.resources_list_changed),
            ] {
                if wanted {
                    fields.insert(key.to_owned(), json!(true));
                }
            }
            if !self.watched.is_empty() {
                let uris: Vec<&str> = self.watched.iter().map(|one| one.uri.as_str()).collect();
                fields.insert("resourceSubscriptions".to_owned(), json!(uris));
            }
        }
        self.notification(
            "notifications/subscriptions/acknowledged",
            json!({ "notifications": honoured }),
        )
    }

    fn notification(&self, method: &str, mut params: Value) -> Value {
        if let Some(fields) = params.as_object_mut() {
            fields.insert("_meta".to_owned(), json!({ META_SUBSCRIPTION: self.id }));
        }
        json!({ "jsonrpc": "2.0", "method": method, "params": params })
    }

    async fn changes(&mut self) -> Vec<Event> {
        let lists = self.services.list_versions();
        let mut messages = Vec::new();
        for (wanted, changed, method) in [
            (
                self.filter.tools_list_changed,
                lists.tools != self.lists.tools,
                "notifications/tools/list_changed",
            ),
            (
                self.filter.prompts_list_changed,
                lists.prompts != self.lists.prompts,
                "notifications/prompts/list_changed",
            ),
            (
                self.filter.resources_list_changed,
                lists.resources != self.lists.resources,
                "notifications/resources/list_changed",
            ),
        ] {
            if wanted && changed {
                messages.push(self.notification(method, json!({})));
            }
        }
        self.lists = lists;
        if self.polls.is_multiple_of(POLLS_PER_READ) {
            for uri in self.updated().await {
                let params = json!({ "uri": uri });
                messages.push(self.notification("notifications/resources/updated", params));
            }
        }
        messages.into_iter().map(Event::Message).collect()
    }

    /// Watches what has a version now. The rest is not acknowledged.
    async fn watch(&mut self) {
        for uri in std::mem::take(&mut self.filter.resource_subscriptions) {
            if let Ok(Some(version)) = self.version(&uri).await {
                let version = Some(version);
                self.watched.push(Watched { uri, version });
            }
        }
    }

    /// The resources whose version is another one. A version that cannot be read keeps its
    /// last value: the next reading tells.
    async fn updated(&mut self) -> Vec<String> {
        let mut updated = Vec::new();
        let mut watched = std::mem::take(&mut self.watched);
        for one in &mut watched {
            if let Ok(version) = self.version(&one.uri).await
                && version != one.version
            {
                one.version = version;
                updated.push(one.uri.clone());
            }
        }
        self.watched = watched;
        updated
    }

    async fn version(&mut self, uri: &str) -> Result<Option<i64>, VersionUnknown> {
        let Some(resources) = &self.server.resources else {
            return Ok(None);
        };
        self.reads += 1;
        resources
            .version(&self.services, &self.principal, uri)
            .await
    }
}
