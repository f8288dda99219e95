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
use super::run::Event;
use super::server::{Host, ListVersions, Server};
use crate::auth::Principal;

const POLL_MS: u64 = 250;
/// A listener is sent home after this many polls, ten minutes; it may come again.
const MAX_POLLS: u32 = 2_400;
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
    resources: Vec<Option<i64>>,
    polls: u32,
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
        let filter = self.honoured(asked);
        let mut listener = Listener {
            server: Rc::clone(self),
            services: Rc::clone(services),
            principal: Rc::clone(&request.principal),
            lists: services.list_versions(),
            resources: Vec::new(),
            id: request.id.clone(),
            filter,
            polls: 0,
        };
        listener.resources = listener.resource_versions().await;
        let hello = listener.acknowledgement();
        let changes = stream::unfold(Some(listener), next).flat_map(stream::iter);
        let first = stream::once(async move { Event::Message(hello) });
        Ok(Answer::Run(first.chain(changes).boxed_local()))
    }

    /// What of `asked` this server can keep its word on.
    fn honoured(&self, asked: Filter) -> Filter {
        let lists = self.watchable.lists;
        let resources = self.watchable.resources;
        Filter {
            tools_list_changed: asked.tools_list_changed && lists,
            prompts_list_changed: asked.prompts_list_changed && lists && !self.prompts.is_empty(),
            resources_list_changed: asked.resources_list_changed
                && lists
                && self.resources.is_some(),
            resource_subscriptions: asked
                .resource_subscriptions
                .into_iter()
                .filter(|_| resources)
                .collect(),
        }
    }
}

/// Waits for one poll's worth of events; ends with the result that closes the stream.
async fn next<S: Host>(listener: Option<Listener<S>>) -> Option<(Vec<Event>, Option<Listener<S>>)> {
    let mut listener = listener?;
    let mut events = Vec::new();
    while events.is_empty() {
        if listener.polls >= MAX_POLLS {
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
            if !self.filter.resource_subscriptions.is_empty() {
                let uris = json!(self.filter.resource_subscriptions);
                fields.insert("resourceSubscriptions".to_owned(), uris);
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
        let resources = self.resource_versions().await;
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
        let watched = self.filter.resource_subscriptions.iter();
        for ((uri, before), now) in watched.zip(&self.resources).zip(&resources) {
            if before != now {
                let params = json!({ "uri": uri });
                messages.push(self.notification("notifications/resources/updated", params));
            }
        }
        self.lists = lists;
        self.resources = resources;
        messages.into_iter().map(Event::Message).collect()
    }

    async fn resource_versions(&self) -> Vec<Option<i64>> {
        let mut versions = Vec::new();
        if let Some(resources) = &self.server.resources {
            for uri in &self.filter.resource_subscriptions {
                let version = resources
                    .version(&self.services, &self.principal, uri)
                    .await;
                versions.push(version);
            }
        }
        versions
    }
}
