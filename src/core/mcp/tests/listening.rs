//! `subscriptions/listen`.

use std::cell::Cell;
use std::rc::Rc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::super::era::META_SUBSCRIPTION;
use super::super::error::{INVALID_PARAMS, INVALID_REQUEST};
use super::super::resource::{ResourceReply, Resources, VersionUnknown};
use super::super::server::{ListVersions, Watchable};
use super::super::types::ResourceDefinition;
use super::super::{Call, Registry, RpcError, Server};
use super::tools::Echo;
use super::world::{
    Answered, Caller, World, ann, info, modern_headers, principal, request, with_meta,
};
use crate::auth::Principal;

/// Resources by what becomes of their versions.
#[derive(Default)]
struct Watched {
    reads: Rc<Cell<usize>>,
}

#[async_trait(?Send)]
impl Resources<World> for Watched {
    fn list(&self) -> Vec<ResourceDefinition> {
        Vec::new()
    }

    async fn read(
        &self,
        _: &World,
        _: &Call,
        uri: &str,
    ) -> Result<Option<ResourceReply>, RpcError> {
        Ok((uri == "test://secret").then(|| ResourceReply::Done(Vec::new())))
    }

    fn scopes(&self, uri: &str) -> &'static [&'static str] {
        match uri {
            "test://secret" => &["secrets:read"],
            _ => &[],
        }
    }

    async fn version(
        &self,
        world: &World,
        _: &Principal,
        uri: &str,
    ) -> Result<Option<i64>, VersionUnknown> {
        self.reads.set(self.reads.get() + 1);
        match uri {
            "test://moving" => {
                world.clock.now.advance(1);
                Ok(Some(crate::ports::Clock::now_ms(&world.clock)))
            }
            "test://flaky" if self.reads.get().is_multiple_of(2) => Err(VersionUnknown),
            "test://down" => Err(VersionUnknown),
            "test://flaky" | "test://secret" => Ok(Some(1)),
            _ if uri.starts_with("test://many/") => Ok(Some(1)),
            _ => Ok(None),
        }
    }
}

fn caller(versions: Vec<ListVersions>) -> Caller {
    caller_reading(versions, Watched::default())
}

fn caller_reading(versions: Vec<ListVersions>, resources: Watched) -> Caller {
    let world = World::new();
    world.versions.replace(versions);
    let watchable = Watchable {
        lists: true,
        resources: true,
    };
    let server = Server::new(&info(), "", Registry::new().with::<Echo>());
    Caller {
        server: Rc::new(server.with_resources(resources, watchable)),
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
    assert_eq!(acknowledged(&answered), json!(["test://moving"]));
    assert_eq!(answered.methods()[1], "notifications/resources/updated");
    let updates = &answered.messages[1..answered.messages.len() - 1];
    assert!(
        updates
            .iter()
            .all(|update| update["params"]["uri"] == "test://moving")
    );
}

fn acknowledged(answered: &Answered) -> Value {
    answered.messages[0]["params"]["notifications"]["resourceSubscriptions"].clone()
}

#[test]
fn a_version_that_cannot_be_read_is_no_change() {
    let asked = json!({ "resourceSubscriptions": ["test://flaky", "test://down"] });
    let answered =
        caller(Vec::new()).modern("subscriptions/listen", json!({ "notifications": asked }));
    assert_eq!(acknowledged(&answered), json!(["test://flaky"]));
    assert_eq!(
        answered.methods(),
        ["notifications/subscriptions/acknowledged"]
    );
}

#[test]
fn who_lacks_a_scope_watches_nothing_behind_it() {
    let asked = json!({ "resourceSubscriptions": ["test://secret"] });
    let reads = Rc::default();
    let resources = Watched {
        reads: Rc::clone(&reads),
    };
    let mut caller = caller_reading(Vec::new(), resources);
    let listen =
        |caller: &Caller| caller.modern("subscriptions/listen", json!({ "notifications": asked }));
    assert_eq!(acknowledged(&listen(&caller)), Value::Null);
    assert_eq!(reads.get(), 0);
    caller.principal = principal("ann", &["secrets:read"]);
    assert_eq!(acknowledged(&listen(&caller)), json!(["test://secret"]));
}

#[test]
fn who_lacks_a_scope_finds_no_resource_behind_it() {
    let mut caller = caller(Vec::new());
    let uri = json!({ "uri": "test://secret" });
    let read = |caller: &Caller| caller.legacy("resources/read", &uri);
    assert_eq!(read(&caller).code(), INVALID_PARAMS);
    caller.principal = principal("ann", &["secrets:read"]);
    assert_eq!(read(&caller).result()["contents"], json!([]));
}

#[test]
fn the_reads_of_a_stream_are_bounded() {
    let reads = Rc::default();
    let resources = Watched {
        reads: Rc::clone(&reads),
    };
    let caller = caller_reading(Vec::new(), resources);
    let many: Vec<_> = (0..32).map(|n| format!("test://many/{n}")).collect();
    let asked = json!({ "resourceSubscriptions": many });
    let answered = caller.modern("subscriptions/listen", json!({ "notifications": asked }));
    assert!((900..950).contains(&reads.get()), "{}", reads.get());
    assert_eq!(answered.result()["_meta"][META_SUBSCRIPTION], 7);
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
