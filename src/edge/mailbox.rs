//! Answers of legacy clients, kept in a Durable Object named by their ticket until the
//! request that asked fetches them.

use std::cell::RefCell;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chitty_core::mcp::mailbox::{Mailbox, MailboxError};
use chitty_core::ports::{Http, HttpRequest};
use futures::channel::oneshot;
use serde_json::Value;
use worker::{Method, ObjectNamespace, Request, Response, State};

use crate::clock::within;
use crate::http::ObjectHttp;

/// Largest message, in bytes.
const MAX_MESSAGE: usize = 1_048_576;
/// How long one look into the mailbox waits, in milliseconds.
const WAIT_MS: u64 = 20_000;
/// For the way to the object and back, in milliseconds.
const GRACE_MS: u64 = 5_000;
/// A message nobody fetches is thrown away after this time.
const KEPT: Duration = Duration::from_mins(5);
const KEY: &str = "message";

/// [`Mailbox`] over a namespace of objects that run [`MailboxBox`].
#[derive(Debug, Clone)]
pub struct ObjectMailbox(pub ObjectNamespace);

#[async_trait(?Send)]
impl Mailbox for ObjectMailbox {
    async fn take(&self, ticket: &str, timeout_ms: u64) -> Result<Value, MailboxError> {
        let mut left_ms = timeout_ms;
        while left_ms > 0 {
            let wait_ms = left_ms.min(WAIT_MS);
            let (status, body) = self.send(ticket, "GET", Bytes::new(), wait_ms).await?;
            if status == 200 {
                let message = serde_json::from_slice(&body);
                return message.map_err(|error| MailboxError::Unavailable(error.to_string()));
            }
            left_ms -= wait_ms;
        }
        Err(MailboxError::Timeout { ms: timeout_ms })
    }

    async fn put(&self, ticket: &str, message: &Value) -> Result<(), MailboxError> {
        let body = Bytes::from(message.to_string());
        match self.send(ticket, "PUT", body, 0).await? {
            (204, _) => Ok(()),
            (status, _) => Err(MailboxError::Unavailable(format!("status {status}"))),
        }
    }
}

impl ObjectMailbox {
    async fn send(
        &self,
        ticket: &str,
        method: &'static str,
        body: Bytes,
        wait_ms: u64,
    ) -> Result<(u16, Vec<u8>), MailboxError> {
        let stub = self
            .0
            .get_by_name(ticket)
            .map_err(|error| MailboxError::Unavailable(error.to_string()))?;
        let request = HttpRequest {
            method,
            url: format!("https://mailbox.internal/?wait={wait_ms}"),
            headers: Vec::new(),
            body,
            timeout_ms: wait_ms + GRACE_MS,
            want_headers: &[],
        };
        let unavailable =
            |error: chitty_core::ports::HttpError| MailboxError::Unavailable(error.to_string());
        let response = ObjectHttp::new(stub)
            .send(request)
            .await
            .map_err(unavailable)?;
        let status = response.status;
        let body = response.bytes(MAX_MESSAGE).await.map_err(unavailable)?;
        Ok((status, body))
    }
}

/// The inside of the object. A worker crate wraps it in a struct of its own, since the
/// platform wants the class in the script that binds it.
pub struct MailboxBox {
    state: State,
    /// Those who wait for the message now.
    waiting: RefCell<Vec<oneshot::Sender<()>>>,
}

impl MailboxBox {
    pub fn new(state: State) -> Self {
        Self {
            state,
            waiting: RefCell::default(),
        }
    }

    /// `PUT /` leaves the message. `GET /?wait={ms}` fetches it and clears the box; 404 if
    /// none came.
    pub async fn fetch(&self, mut request: Request) -> worker::Result<Response> {
        match request.method() {
            Method::Put => self.put(request.text().await?).await,
            Method::Get => self.take(wait_ms(&request)?).await,
            _ => Response::error("PUT or GET", 405),
        }
    }

    /// Clears the box of a message that nobody fetched.
    pub async fn alarm(&self) -> worker::Result<Response> {
        self.state.storage().delete_all().await?;
        Response::empty()
    }

    async fn put(&self, message: String) -> worker::Result<Response> {
        if message.len() > MAX_MESSAGE {
            return Response::error("the message is too large", 413);
        }
        let storage = self.state.storage();
        storage.set_alarm(KEPT).await?;
        storage.put(KEY, message).await?;
        for waiting in self.waiting.take() {
            // Gone in the meantime; the message stays for whoever comes next.
            let _gone = waiting.send(());
        }
        Ok(Response::empty()?.with_status(204))
    }

    async fn take(&self, wait_ms: u64) -> worker::Result<Response> {
        let (sender, arrived) = oneshot::channel();
        self.waiting.borrow_mut().push(sender);
        if let Some(message) = self.fetch_stored().await? {
            return Response::ok(message);
        }
        let _timed_out = within(wait_ms.min(WAIT_MS), arrived).await;
        match self.fetch_stored().await? {
            Some(message) => Response::ok(message),
            None => Response::error("no message yet", 404),
        }
    }

    async fn fetch_stored(&self) -> worker::Result<Option<String>> {
        let storage = self.state.storage();
        let message = storage.get::<String>(KEY).await?;
        if message.is_some() {
            storage.delete_alarm().await?;
            storage.delete_all().await?;
        }
        self.waiting
            .borrow_mut()
            .retain(|waiting| !waiting.is_canceled());
        Ok(message)
    }
}

fn wait_ms(request: &Request) -> worker::Result<u64> {
    let url = request.url()?;
    let wait = url.query_pairs().find(|(name, _)| name == "wait");
    Ok(wait.and_then(|(_, ms)| ms.parse().ok()).unwrap_or(0))
}
