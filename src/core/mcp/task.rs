//! Tasks (extension `io.modelcontextprotocol/tasks`, SEP-2663): calls that outlive their
//! request. A tool that will take long says [`super::Reply::Later`]; it is then called again
//! where the host keeps tasks, and the client asks for the outcome when it likes.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::call::InputRequired;
use super::error::RpcError;
use crate::auth::Principal;
use crate::time::to_rfc3339;

pub const EXTENSION: &str = "io.modelcontextprotocol/tasks";
/// A task is kept this long after it was made, in milliseconds.
const TTL_MS: i64 = 3_600_000;
/// How often a client is told to ask, in milliseconds.
const POLL_MS: u64 = 1_000;

/// A task as it is stored: the call, and how far it has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    pub id: String,
    /// Only this caller may look at it, answer its questions or cancel it.
    pub principal: Principal,
    pub request_id: String,
    pub tool: String,
    pub arguments: Value,
    pub capabilities: Value,
    /// Answers to what the tool asked, and the state it wanted back with them.
    pub inputs: Map<String, Value>,
    pub state: Option<Value>,
    pub created_at_ms: i64,
    pub updated_at_ms: i64,
    pub status: Status,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Status {
    Working,
    /// Questions that are still open.
    InputRequired {
        requests: Map<String, Value>,
    },
    Completed {
        result: Value,
    },
    /// An error of the protocol. A tool that says no has completed.
    Failed {
        code: i32,
        message: String,
    },
    Cancelled,
}

/// What one turn of work on a task came to.
#[derive(Debug)]
pub enum Outcome {
    Done(Value),
    Ask(InputRequired),
    Failed(RpcError),
}

/// Where tasks are kept and worked on.
#[async_trait(?Send)]
pub trait Tasks {
    /// Stores the task, and only then returns; the work goes on without the caller.
    async fn create(&self, task: &Task) -> Result<(), TasksError>;
    async fn get(&self, id: &str) -> Result<Option<Task>, TasksError>;
    /// Hands in answers (see [`Task::answer`]).
    async fn answer(&self, id: &str, inputs: &Map<String, Value>) -> Result<(), TasksError>;
    /// Stops the work. A task that is over stays as it is.
    async fn cancel(&self, id: &str) -> Result<(), TasksError>;
}

#[derive(Debug, Clone, thiserror::Error)]
#[error("the place where tasks are kept could not be reached: {0}")]
pub struct TasksError(pub String);

impl Task {
    pub fn is_over(&self) -> bool {
        !matches!(self.status, Status::Working | Status::InputRequired { .. })
    }

    pub fn is_working(&self) -> bool {
        self.status == Status::Working
    }

    pub fn expires_at_ms(&self) -> i64 {
        self.created_at_ms + TTL_MS
    }

    /// Takes in what a turn came to. What arrives after the end changes nothing.
    pub fn settle(&mut self, outcome: Outcome, now_ms: i64) {
        if self.is_over() {
            return;
        }
        let status = match outcome {
            Outcome::Done(result) => Status::Completed { result },
            Outcome::Failed(error) => Status::Failed {
                code: error.code,
                message: error.message,
            },
            Outcome::Ask(wanted) => {
                self.inputs.clear();
                self.state = wanted.state;
                Status::InputRequired {
                    requests: wanted.requests,
                }
            }
        };
        self.change(status, now_ms);
    }

    /// Takes in answers to open questions; others are ignored. True if none is left open,
    /// so that the work can go on.
    pub fn answer(&mut self, inputs: &Map<String, Value>, now_ms: i64) -> bool {
        let Status::InputRequired { requests } = &mut self.status else {
            return false;
        };
        for (key, answer) in inputs {
            if requests.remove(key).is_some() {
                self.inputs.insert(key.clone(), answer.clone());
            }
        }
        let goes_on = requests.is_empty();
        self.updated_at_ms = now_ms;
        if goes_on {
            self.status = Status::Working;
        }
        goes_on
    }

    pub fn cancel(&mut self, now_ms: i64) {
        if !self.is_over() {
            self.change(Status::Cancelled, now_ms);
        }
    }

    fn change(&mut self, status: Status, now_ms: i64) {
        self.status = status;
        self.updated_at_ms = now_ms;
    }

    /// The result of the call that made the task (`CreateTaskResult`).
    pub(super) fn created(&self) -> Value {
        let mut created = self.wire();
        insert(&mut created, "resultType", json!("task"));
        created
    }

    /// The result of `tasks/get` (`DetailedTask`).
    pub(super) fn detailed(&self) -> Value {
        let mut detailed = self.wire();
        match &self.status {
            Status::Working | Status::Cancelled => {}
            Status::InputRequired { requests } => {
                insert(&mut detailed, "inputRequests", json!(requests));
            }
            Status::Completed { result } => insert(&mut detailed, "result", result.clone()),
            Status::Failed { code, message } => {
                let error = json!({ "code": code, "message": message });
                insert(&mut detailed, "error", error);
            }
        }
        detailed
    }

    fn wire(&self) -> Value {
        let status = match self.status {
            Status::Working => "working",
            Status::InputRequired { .. } => "input_required",
            Status::Completed { .. } => "completed",
            Status::Failed { .. } => "failed",
            Status::Cancelled => "cancelled",
        };
        json!({
            "taskId": self.id,
            "status": status,
            "createdAt": to_rfc3339(self.created_at_ms),
            "lastUpdatedAt": to_rfc3339(self.updated_at_ms),
            "ttlMs": TTL_MS,
            "pollIntervalMs": POLL_MS,
        })
    }
}

fn insert(object: &mut Value, key: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.insert(key.to_owned(), value);
    }
}
