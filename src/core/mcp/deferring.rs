//! The server's side of [`super::task`]: making tasks, working on them, and the methods by
//! which a client follows one.

use std::rc::Rc;

use futures::channel::mpsc;
use serde_json::{Map, Value, json};

use super::call::{Call, Context};
use super::dispatch::{Request, inputs, require_str};
use super::era::{Era, META_CAPABILITIES};
use super::error::RpcError;
use super::run::{Target, Turn, caught, lacking};
use super::server::{Host, Server};
use super::task::{EXTENSION, Outcome, Status, Task, Tasks, TasksError};
use crate::ids;

/// Whether the client declared the extension in this request.
pub(super) fn declared(capabilities: Option<&Value>) -> bool {
    let extensions = capabilities.and_then(|capabilities| capabilities.get("extensions"));
    extensions.is_some_and(|extensions| extensions.get(EXTENSION).is_some())
}

fn undeclared() -> RpcError {
    RpcError::missing_capability(&json!({ "extensions": { EXTENSION: {} } }))
}

fn unreachable(error: &TasksError) -> RpcError {
    RpcError::internal_because(error)
}

/// Makes a task of a call whose tool wants to answer later.
pub(super) async fn defer<S: Host>(
    services: &S,
    call: Call,
    target: Target,
) -> Result<Value, RpcError> {
    let (Some(tasks), Target::Tool { name, arguments }) = (services.tasks(), target) else {
        return Err(RpcError::internal_because(
            &"only tools of a host with tasks may defer",
        ));
    };
    if !call.may_defer() {
        return Err(undeclared());
    }
    let now_ms = services.clock().now_ms();
    let id = ids::prefixed("TASK", services.clock(), services.entropy())
        .map_err(|error| RpcError::internal_because(&error))?;
    let task = Task {
        id,
        principal: (*call.principal).clone(),
        request_id: call.request_id.clone(),
        tool: name,
        arguments,
        capabilities: call.capabilities,
        inputs: call.inputs,
        state: call.state,
        created_at_ms: now_ms,
        updated_at_ms: now_ms,
        status: Status::Working,
    };
    tasks
        .create(&task)
        .await
        .map_err(|error| unreachable(&error))?;
    Ok(task.created())
}

impl<S: Host> Server<S> {
    /// One turn of work on a task, where the host keeps it.
    pub async fn work_on(&self, services: &S, task: Task) -> Outcome {
        let (outbox, _nobody_listens) = mpsc::unbounded();
        let context = Context {
            principal: Rc::new(task.principal),
            request_id: task.request_id,
            era: Era::Modern,
            capabilities: task.capabilities,
            progress_token: None,
            log_level: None,
            streams: false,
            knows_links: true,
            defers: false,
            outbox,
        };
        let call = Call::new(context, task.inputs, task.state).into_task();
        let target = Target::Tool {
            name: task.tool,
            arguments: task.arguments,
        };
        match caught(self.turn(services, &call, &target)).await {
            Ok(Turn::Done(result)) => Outcome::Done(result),
            Ok(Turn::Ask(wanted)) => match lacking(&call, &wanted) {
                Ok(()) if wanted.requests.is_empty() => Outcome::Failed(RpcError::internal()),
                Ok(()) => Outcome::Ask(wanted),
                Err(error) => Outcome::Failed(error),
            },
            Ok(Turn::Later) => Outcome::Failed(RpcError::internal()),
            Err(error) => {
                if let Some(cause) = &error.cause {
                    services.report(&call.request_id, cause);
                }
                Outcome::Failed(error)
            }
        }
    }

    /// `tasks/get`, `tasks/update` and `tasks/cancel`.
    pub(super) async fn follow_task(
        &self,
        services: &S,
        tasks: &dyn Tasks,
        request: &Request<'_>,
    ) -> Result<Value, RpcError> {
        let meta = request.params.get("_meta");
        if !declared(meta.and_then(|meta| meta.get(META_CAPABILITIES))) {
            return Err(undeclared());
        }
        let id = require_str(&request.params, "taskId")?;
        let unknown = || {
            RpcError::invalid_params(format!(
                "there is no task {id:?} of yours: it may have expired"
            ))
        };
        let task = tasks.get(id).await.map_err(|error| unreachable(&error))?;
        let task = task
            .filter(|task| {
                let (owner, caller) = (&task.principal, &request.principal);
                owner.user_id == caller.user_id && owner.token_id == caller.token_id
            })
            .filter(|task| task.expires_at_ms() > services.clock().now_ms())
            .ok_or_else(unknown)?;
        match request.method {
            "tasks/get" => return Ok(task.detailed()),
            "tasks/update" => {
                let answers: Map<String, Value> = inputs(&request.params)?;
                tasks
                    .answer(id, &answers)
                    .await
                    .map_err(|error| unreachable(&error))?;
            }
            _ => tasks
                .cancel(id)
                .await
                .map_err(|error| unreachable(&error))?,
        }
        Ok(json!({}))
    }
}
