//! Tasks, each kept and worked on in a Durable Object of its own.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chitty_core::mcp::RpcError;
use chitty_core::mcp::task::{Outcome, Task, Tasks, TasksError};
use chitty_core::ports::{Clock, Http, HttpError, HttpRequest};
use futures::future::{AbortHandle, LocalBoxFuture, abortable};
use serde_json::{Map, Value};
use wasm_bindgen_futures::spawn_local;
use worker::{Method, ObjectNamespace, Request, Response, State};

use crate::clock::SystemClock;
use crate::http::ObjectHttp;

const TIMEOUT_MS: u64 = 10_000;
/// Largest stored task, in bytes: a value of the object's storage holds 2 MiB.
const MAX_TASK: usize = 2_000_000;
const KEY: &str = "task";

/// [`Tasks`] over a namespace of objects that run [`TaskBox`].
#[derive(Debug, Clone)]
pub struct ObjectTasks(pub ObjectNamespace);

#[async_trait(?Send)]
impl Tasks for ObjectTasks {
    async fn create(&self, task: &Task) -> Result<(), TasksError> {
        let body = serde_json::to_vec(task).map_err(|error| TasksError(error.to_string()))?;
        self.tell(&task.id, "PUT", body).await
    }

    async fn get(&self, id: &str) -> Result<Option<Task>, TasksError> {
        match self.send(id, "GET", Vec::new()).await? {
            (200, body) => serde_json::from_slice(&body)
                .map(Some)
                .map_err(|error| TasksError(error.to_string())),
            (404, _) => Ok(None),
            (status, _) => Err(TasksError(format!("status {status}"))),
        }
    }

    async fn answer(&self, id: &str, inputs: &Map<String, Value>) -> Result<(), TasksError> {
        let body = serde_json::to_vec(inputs).map_err(|error| TasksError(error.to_string()))?;
        self.tell(id, "POST", body).await
    }

    async fn cancel(&self, id: &str) -> Result<(), TasksError> {
        self.tell(id, "DELETE", Vec::new()).await
    }
}

impl ObjectTasks {
    async fn tell(&self, id: &str, method: &'static str, body: Vec<u8>) -> Result<(), TasksError> {
        match self.send(id, method, body).await? {
            (204, _) => Ok(()),
            (status, _) => Err(TasksError(format!("status {status}"))),
        }
    }

    async fn send(
        &self,
        id: &str,
        method: &'static str,
        body: Vec<u8>,
    ) -> Result<(u16, Vec<u8>), TasksError> {
        let stub = self
            .0
            .get_by_name(id)
            .map_err(|error| TasksError(error.to_string()))?;
        let request = HttpRequest {
            method,
            url: "https://tasks.internal/".to_owned(),
            headers: Vec::new(),
            body: Bytes::from(body),
            timeout_ms: TIMEOUT_MS,
            want_headers: &[],
        };
        let unreachable = |error: HttpError| TasksError(error.to_string());
        let response = ObjectHttp::new(stub).send(request).await;
        let response = response.map_err(unreachable)?;
        let status = response.status;
        let body = response.bytes(MAX_TASK).await.map_err(unreachable)?;
        Ok((status, body))
    }
}

/// One turn of work on a task.
pub type Work = Rc<dyn Fn(Task) -> LocalBoxFuture<'static, Outcome>>;

/// The inside of the object, to be wrapped as [`crate::mailbox::MailboxBox`] is.
pub struct TaskBox(Rc<Inner>);

struct Inner {
    state: State,
    work: Work,
    running: RefCell<Option<AbortHandle>>,
    /// Work was begun in this life of the object.
    begun: Cell<bool>,
}

impl TaskBox {
    pub fn new(state: State, work: Work) -> Self {
        Self(Rc::new(Inner {
            state,
            work,
            running: RefCell::default(),
            begun: Cell::new(false),
        }))
    }

    /// `PUT /` a task, `GET /` it, `POST /` answers, `DELETE /` to cancel.
    pub async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        let inner = &self.0;
        let method = request.method();
        if method == Method::Put {
            let text = request.text().await?;
            if text.len() > MAX_TASK {
                return Response::error("the task is too large", 413);
            }
            let task: Task = serde_json::from_str(&text)?;
            inner.state.storage().set_alarm(until_expiry(&task)).await?;
            inner.begun.set(true);
            inner.store(&task).await?;
            inner.start(task);
            return done();
        }
        let Some(mut task) = inner.load().await? else {
            return Response::error("no such task", 404);
        };
        match method {
            Method::Get => return Response::ok(serde_json::to_string(&task)?),
            Method::Post => {
                let answers: Map<String, Value> = request.json().await?;
                let goes_on = task.answer(&answers, SystemClock.now_ms());
                inner.begun.set(inner.begun.get() || goes_on);
                inner.store(&task).await?;
                if goes_on {
                    inner.start(task);
                }
            }
            _ => {
                task.cancel(SystemClock.now_ms());
                inner.store(&task).await?;
                inner.stop();
            }
        }
        done()
    }

    /// Throws the expired task away.
    pub async fn alarm(&self) -> worker::Result<Response> {
        self.0.stop();
        self.0.state.storage().delete_all().await?;
        done()
    }
}

impl Inner {
    /// The task as it is now. One whose work died with its object is given up here: its
    /// tool may have done half of the work, so that is not begun anew.
    async fn load(&self) -> worker::Result<Option<Task>> {
        let stored = self.state.storage().get::<String>(KEY).await?;
        let Some(text) = stored else { return Ok(None) };
        let mut task: Task = serde_json::from_str(&text)?;
        if task.is_working() && !self.begun.get() {
            task.settle(Outcome::Failed(interrupted()), SystemClock.now_ms());
            self.store(&task).await?;
        }
        Ok(Some(task))
    }

    async fn store(&self, task: &Task) -> worker::Result<()> {
        let text = serde_json::to_string(task)?;
        self.state.storage().put(KEY, text).await
    }

    /// Goes on after the request that started it: the object lives as long as it works.
    fn start(self: &Rc<Self>, task: Task) {
        let (work, handle) = abortable((self.work)(task));
        self.running.replace(Some(handle));
        let inner = Rc::clone(self);
        spawn_local(async move {
            let Ok(outcome) = work.await else { return };
            inner.running.replace(None);
            if let Err(error) = inner.settle(outcome).await {
                worker::console_error!("a task's outcome could not be stored: {error}");
            }
        });
    }

    fn stop(&self) {
        if let Some(running) = self.running.take() {
            running.abort();
        }
    }

    async fn settle(&self, outcome: Outcome) -> worker::Result<()> {
        if let Some(mut task) = self.load().await? {
            task.settle(outcome, SystemClock.now_ms());
            self.store(&task).await?;
        }
        Ok(())
    }
}

fn until_expiry(task: &Task) -> Duration {
    let left_ms = task.expires_at_ms() - SystemClock.now_ms();
    Duration::from_millis(u64::try_from(left_ms).unwrap_or(0))
}

fn interrupted() -> RpcError {
    RpcError {
        message: "the work was interrupted by the platform: look at what it left, then call again"
            .to_owned(),
        ..RpcError::internal()
    }
}

fn done() -> worker::Result<Response> {
    Ok(Response::empty()?.with_status(204))
}
