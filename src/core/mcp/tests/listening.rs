//! `subscriptions/listen`.

use std::rc::Rc;

use async_trait::async_trait;
use serde_json::json;

use super::super::era::META_SUBSCRIPTION;
use super::super::error::{INVALID_PARAMS, INVALID_REQUEST};
use super::super::resource::{ResourceReply, Resources};
use super::super::server::{ListVersions, Watchable};
use super::super::types::ResourceDefinition;
use super::super::{Call, Registry, RpcError, Server};
use super::tools::Echo;
use super::world::{Caller, World, ann, info, modern_headers, request, with_meta};
use crate::auth::Principal;

/// One resource, whose version is that of the clock.
struct Watched;

#[async_trait(?Send)]
impl Resources<World> for Watched {
    fn list(&self) -> Vec<ResourceDefinition> {
        Vec::new()
    }

    async fn read(&self, _: &World, _: &Call, _: &str) -> Result<Option<ResourceReply>, RpcError> {
        Ok(None)
    }

    async fn version(&self, world: &World, _: &Principal, uri: &str) -> Option<i64> {
        if uri == "test://moving" {
            world.clock.now.advance(1);
            return Some(crate::ports::Clock::now_ms(&world.clock));
        }
        None
    }
}

fn caller(versions: Vec<ListVersions>) -> Caller {
    let world = World::new();
    world.versions.replace(versions);
    let watchable = Watchable {
        lists: true,
        resources: true,
    };
    let server = Server::new(&info(), "", Registry::new().with::<Echo>());
    Caller {
        server: Rc::new(server.with_resources(Watched, watchable)),
        world,
        principal: ann(),
    }
}

fn at(tools: i64) -> ListVersions {
    ListVersions {
        tools,
        ..ListVersions::default()
    }
}

#[test]
fn what_was_asked_for_is_acknowledged_and_told_under_the_request() {
    let caller = caller(vec![at(0), at(0), at(0), at(1)]);
    let asked = json!({ "toolsListChanged": true, "promptsListChanged": true });
    let answered = caller.modern("subscriptions/listen", json!({ "notifications": asked }));
    assert!(answered.streamed);
    assert_eq!(
        answered.methods(),
        [
            "notifications/subscriptions/acknowledged",
            "notifications/tools/list_changed",
        ]
    );
    // There are no prompts to listen for.
    assert_eq!(
        answered.messages[0]["params"]["notifications"],
        json!({ "toolsListChanged": true })
    );
    for message in &answered.messages[..2] {
        assert_eq!(message["params"]["_meta"][META_SUBSCRIPTION], 7);
    }
    // After its time the listener is sent home with a result.
    assert_eq!(answered.result()["_meta"][META_SUBSCRIPTION], 7);
}

#[test]
fn changes_nobody_asked_for_are_not_told() {
    let caller = caller(vec![at(0), at(0), at(1)]);
    let asked = json!({ "resourcesListChanged": true });
    let answered = caller.modern("subscriptions/listen", json!({ "notifications": asked }));
    assert_eq!(
        answered.methods(),
        ["notifications/subscriptions/acknowledged"]
    );
}

#[test]
fn a_resource_is_watched_by_its_version() {
    let caller = caller(Vec::new());
    let asked = json!({ "resourceSubscriptions": ["test://still", "test://moving"] });
    let answered = caller.modern("subscriptions/listen", json!({ "notifications": asked }));
    assert_eq!(answered.methods()[1], "notifications/resources/updated");
    let updates = &answered.messages[1..answered.messages.len() - 1];
    assert!(
        updates
            .iter()
            .all(|update| update["params"]["uri"] == "test://moving")
    );
}

#[test]
fn a_listener_says_for_what_and_reads_streams() {
    let caller = caller(Vec::new());
    let refused = caller.modern("subscriptions/listen", json!({}));
    assert_eq!(refused.code(), INVALID_PARAMS);
    let many: Vec<_> = (0..33).map(|n| format!("test://{n}")).collect();
    let asked = json!({ "notifications": { "resourceSubscriptions": many } });
    assert_eq!(
        caller.modern("subscriptions/listen", asked).code(),
        INVALID_PARAMS
    );
    let mut headers = modern_headers("subscriptions/listen", None);
    headers[1] = ("accept", "application/json");
    let params = with_meta(json!({ "notifications": {} }), &json!({}));
    let deaf = caller.post(&headers, &request("subscriptions/listen", &params));
    assert_eq!((deaf.status, deaf.code()), (406, INVALID_REQUEST));
}
