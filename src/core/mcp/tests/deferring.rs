//! Calls that outlive their request.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use super::super::error::{INVALID_PARAMS, METHOD_NOT_FOUND, MISSING_CAPABILITY};
use super::super::task::{EXTENSION, Outcome, Status, Task, Tasks, TasksError};
use super::world::{Answered, Caller, World, ann, modern_headers, principal, request, with_meta};
use crate::ports::Clock;
use crate::testing::block_on;

/// Keeps tasks; a test works on them when it likes.
#[derive(Default)]
pub struct FakeTasks(pub RefCell<HashMap<String, Task>>);

#[async_trait(?Send)]
impl Tasks for FakeTasks {
    async fn create(&self, task: &Task) -> Result<(), TasksError> {
        self.0.borrow_mut().insert(task.id.clone(), task.clone());
        Ok(())
    }

    async fn get(&self, id: &str) -> Result<Option<Task>, TasksError> {
        Ok(self.0.borrow().get(id).cloned())
    }

    async fn answer(&self, id: &str, inputs: &Map<String, Value>) -> Result<(), TasksError> {
        if let Some(task) = self.0.borrow_mut().get_mut(id) {
            task.answer(inputs, 2_000);
        }
        Ok(())
    }

    async fn cancel(&self, id: &str) -> Result<(), TasksError> {
        if let Some(task) = self.0.borrow_mut().get_mut(id) {
            task.cancel(2_000);
        }
        Ok(())
    }
}

fn caller() -> (Caller, Rc<FakeTasks>) {
    let tasks = Rc::new(FakeTasks::default());
    let mut world = World::new();
    Rc::get_mut(&mut world).unwrap().tasks = Some(Rc::clone(&tasks));
    (Caller::at(world), tasks)
}

fn send(caller: &Caller, method: &str, name: &str, params: Value) -> Answered {
    let capabilities = json!({ "elicitation": {}, "extensions": { EXTENSION: {} } });
    let params = with_meta(params, &capabilities);
    caller.post(
        &modern_headers(method, Some(name)),
        &request(method, &params),
    )
}

fn defer(caller: &Caller) -> Answered {
    let params = json!({ "name": "deferring", "arguments": { "word": "hi" } });
    send(caller, "tools/call", "deferring", params)
}

fn follow(caller: &Caller, method: &str, id: &str, inputs: &Value) -> Answered {
    let mut params = json!({ "taskId": id });
    if method == "tasks/update" {
        params["inputResponses"] = inputs.clone();
    }
    send(caller, method, id, params)
}

/// One turn of work, as a host does it.
fn work(caller: &Caller, tasks: &FakeTasks, id: &str) {
    let task = tasks.0.borrow()[id].clone();
    let outcome = block_on(caller.server.work_on(&caller.world, task));
    tasks
        .0
        .borrow_mut()
        .get_mut(id)
        .unwrap()
        .settle(outcome, 3_000);
}

#[test]
fn a_task_is_made_asked_answered_and_completed() {
    let (caller, tasks) = caller();
    let made = defer(&caller);
    assert_eq!(made.result()["resultType"], "task");
    assert_eq!(made.result()["status"], "working");
    assert_eq!(made.result()["createdAt"], "1970-01-01T00:00:01.000Z");
    let id = made.result()["taskId"].as_str().unwrap().to_owned();
    work(&caller, &tasks, &id);
    let asked = follow(&caller, "tasks/get", &id, &Value::Null);
    assert_eq!(asked.result()["status"], "input_required");
    assert_eq!(asked.result()["resultType"], "complete");
    assert_eq!(
        asked.result()["inputRequests"]["name"]["method"],
        "elicitation/create"
    );
    let stranger = json!({ "other": { "action": "accept" } });
    let ignored = follow(&caller, "tasks/update", &id, &stranger);
    assert!(ignored.result().get("status").is_none());
    assert!(!tasks.0.borrow()[&id].is_working());
    let answer = json!({ "name": { "action": "accept", "content": { "name": "Ann" } } });
    follow(&caller, "tasks/update", &id, &answer);
    assert!(tasks.0.borrow()[&id].is_working());
    work(&caller, &tasks, &id);
    let done = follow(&caller, "tasks/get", &id, &Value::Null);
    assert_eq!(done.result()["status"], "completed");
    assert_eq!(
        done.result()["result"]["structuredContent"]["word"],
        "hi Ann"
    );
}

#[test]
fn a_cancelled_task_stays_cancelled() {
    let (caller, tasks) = caller();
    let made = defer(&caller);
    let id = made.result()["taskId"].as_str().unwrap().to_owned();
    let acknowledged = follow(&caller, "tasks/cancel", &id, &Value::Null);
    assert!(acknowledged.result().get("status").is_none());
    work(&caller, &tasks, &id);
    assert_eq!(tasks.0.borrow()[&id].status, Status::Cancelled);
    assert!(
        follow(&caller, "tasks/cancel", &id, &Value::Null)
            .result()
            .is_object()
    );
}

#[test]
fn a_protocol_error_fails_the_task_and_a_tool_error_completes_it() {
    let (caller, tasks) = caller();
    let made = defer(&caller);
    let id = made.result()["taskId"].as_str().unwrap().to_owned();
    tasks.0.borrow_mut().get_mut(&id).unwrap().tool = "nonsense".to_owned();
    work(&caller, &tasks, &id);
    let failed = follow(&caller, "tasks/get", &id, &Value::Null);
    assert_eq!(failed.result()["status"], "failed");
    assert_eq!(failed.result()["error"]["code"], INVALID_PARAMS);
    let made = defer(&caller);
    let id = made.result()["taskId"].as_str().unwrap().to_owned();
    tasks.0.borrow_mut().get_mut(&id).unwrap().arguments = json!({});
    work(&caller, &tasks, &id);
    let refused = follow(&caller, "tasks/get", &id, &Value::Null);
    assert_eq!(refused.result()["status"], "completed");
    assert_eq!(refused.result()["result"]["isError"], true);
}

#[test]
fn a_task_is_its_makers_until_it_expires() {
    let (mut caller, _tasks) = caller();
    let made = defer(&caller);
    let id = made.result()["taskId"].as_str().unwrap().to_owned();
    let ttl_ms = made.result()["ttlMs"].as_i64().unwrap();
    caller.principal = principal("bob", &["tests:*"]);
    for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
        assert_eq!(
            follow(&caller, method, &id, &json!({})).code(),
            INVALID_PARAMS
        );
    }
    caller.principal = ann();
    assert_eq!(
        follow(&caller, "tasks/get", "nobody's", &Value::Null).code(),
        INVALID_PARAMS
    );
    caller.world.clock.now.advance(ttl_ms - 1);
    assert_eq!(
        follow(&caller, "tasks/get", &id, &Value::Null).result()["taskId"],
        id.as_str()
    );
    caller.world.clock.now.advance(1);
    assert_eq!(
        follow(&caller, "tasks/get", &id, &Value::Null).code(),
        INVALID_PARAMS
    );
    assert!(caller.world.clock.now_ms() > ttl_ms);
}

#[test]
fn who_did_not_declare_the_extension_gets_no_task() {
    let (caller, tasks) = caller();
    let params = json!({ "name": "deferring", "arguments": { "word": "hi" } });
    let refused = caller.modern("tools/call", params.clone());
    assert_eq!((refused.status, refused.code()), (400, MISSING_CAPABILITY));
    let needed = &refused.last()["error"]["data"]["requiredCapabilities"];
    assert_eq!(*needed, json!({ "extensions": { EXTENSION: {} } }));
    assert_eq!(
        caller.legacy("tools/call", &params).code(),
        MISSING_CAPABILITY
    );
    let headers = modern_headers("tasks/get", Some("x"));
    let asked = with_meta(json!({ "taskId": "x" }), &json!({}));
    let refused = caller.post(&headers, &request("tasks/get", &asked));
    assert_eq!((refused.status, refused.code()), (400, MISSING_CAPABILITY));
    assert!(tasks.0.borrow().is_empty());
}

#[test]
fn a_host_without_tasks_does_not_speak_of_them() {
    let caller = Caller::new();
    let discovered = caller.modern("server/discover", json!({}));
    assert!(
        discovered.result()["capabilities"]
            .get("extensions")
            .is_none()
    );
    let unknown = follow(&caller, "tasks/get", "x", &Value::Null);
    assert_eq!((unknown.status, unknown.code()), (404, METHOD_NOT_FOUND));
    let (with, _tasks) = self::caller();
    let discovered = with.modern("server/discover", json!({}));
    assert!(discovered.result()["capabilities"]["extensions"][EXTENSION].is_object());
}

#[test]
fn a_task_survives_storage() {
    let (caller, tasks) = caller();
    defer(&caller);
    for task in tasks.0.borrow_mut().values_mut() {
        for outcome in [
            Outcome::Ask(super::super::InputRequired::default().ask("k", "roots/list", &json!({}))),
            Outcome::Done(json!({ "content": [] })),
        ] {
            task.settle(outcome, 2_000);
            let text = serde_json::to_string(task).unwrap();
            assert_eq!(serde_json::from_str::<Task>(&text).unwrap(), *task);
        }
    }
}
