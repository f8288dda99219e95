//! Calls out: to the internet, over service bindings, to Durable Objects.

mod body;
mod exchange;

use std::rc::Rc;

use async_trait::async_trait;
use chitty_core::budget::Objects;
use chitty_core::ports::{Http, HttpError, HttpRequest, HttpResponse};
use futures::{StreamExt, stream};
use wasm_bindgen::JsValue;
use web_sys::WorkerGlobalScope;

use crate::clock::within;
use crate::web::Ticket;

pub(crate) use body::BodyStream;
use exchange::exchange;

/// The global `fetch`. Redirects are not followed: what was asked is what answers.
#[derive(Debug, Clone, Copy, Default)]
pub struct FetchHttp;

#[async_trait(?Send)]
impl Http for FetchHttp {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        exchange(&crate::global(), request, None).await
    }

    async fn ask(&self, request: HttpRequest, limit: usize) -> Result<HttpResponse, HttpError> {
        exchange(&crate::global(), request, Some(limit)).await
    }
}

/// Another worker, whatever host the URL names.
pub struct BindingHttp(WorkerGlobalScope);

impl BindingHttp {
    pub fn new(fetcher: worker::Fetcher) -> Self {
        // Of the global scope only `fetch` is called, which the binding has too.
        Self(fetcher.into_rpc())
    }
}

#[async_trait(?Send)]
impl Http for BindingHttp {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        exchange(&self.0, request, None).await
    }

    async fn get(
        &self,
        url: &str,
        limit: usize,
        timeout_ms: u64,
    ) -> Result<(u16, Vec<u8>), HttpError> {
        let (status, body) = told(timeout_ms, Ticket::get(&self.0, url, limit)).await?;
        if body.len() > limit {
            return Err(HttpError::TooLarge { limit });
        }
        Ok((status, body))
    }
}

/// One Durable Object, whatever host the URL names.
pub struct ObjectHttp(WorkerGlobalScope);

impl ObjectHttp {
    pub fn new(stub: worker::Stub) -> Self {
        Self(stub.into_rpc())
    }
}

#[async_trait(?Send)]
impl Http for ObjectHttp {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        exchange(&self.0, request, None).await
    }
}

/// The Durable Object of a name. Unlike a stub, which belongs to one request and breaks with its
/// object, it may be kept.
pub struct NamedObject {
    pub namespace: worker::ObjectNamespace,
    pub name: &'static str,
}

#[async_trait(?Send)]
impl Http for NamedObject {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let stub = self.namespace.get_by_name(self.name);
        let stub = stub.map_err(|error| HttpError::Unreachable(error.to_string()))?;
        ObjectHttp::new(stub).send(request).await
    }
}

/// Objects of one kind, each by its name, that take commands.
pub struct NamedObjects(pub worker::ObjectNamespace);

impl Objects for NamedObjects {
    fn named(&self, name: &str) -> Result<Rc<dyn Http>, String> {
        let stub = self
            .0
            .get_by_name(name)
            .map_err(|error| error.to_string())?;
        Ok(Rc::new(Commands(stub.into_rpc())))
    }
}

/// One object that takes what is posted to it and answers at once with something short: all in
/// one crossing, without a stream to read.
struct Commands(JsValue);

#[async_trait(?Send)]
impl Http for Commands {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let ticket = Ticket::command(&self.0, &request.url, &request.body);
        let (status, body) = told(request.timeout_ms, ticket).await?;
        Ok(HttpResponse {
            status,
            headers: Vec::new(),
            body: stream::iter([Ok(body.into())]).boxed_local(),
        })
    }
}

/// Status and body of an answer that is told in one piece.
async fn told(ms: u64, ticket: Ticket) -> Result<(u16, Vec<u8>), HttpError> {
    let told = within(ms, ticket).await.ok_or(HttpError::Timeout { ms })?;
    let mut answer = told
        .bytes
        .ok_or_else(|| HttpError::Unreachable(told.fault.unwrap_or_default()))?;
    let body = answer.split_off(answer.len().min(2));
    let status = answer
        .iter()
        .fold(0, |status, byte| status << 8 | u16::from(*byte));
    Ok((status, body))
}
