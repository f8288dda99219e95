use async_trait::async_trait;
use chitty_core::front::{BodyFault, Incoming};
use chitty_core::http::Headers;
use worker::url::Url;

use crate::request::{Head, read_body};

/// A `fetch` event's request.
pub struct WebRequest {
    request: web_sys::Request,
    head: Head,
    url: Option<Url>,
}

impl WebRequest {
    pub fn new(request: web_sys::Request) -> Self {
        let head = Head::of(&request);
        Self {
            url: Url::parse(head.url()).ok(),
            head,
            request,
        }
    }
}

#[async_trait(?Send)]
impl Incoming for WebRequest {
    fn method(&self) -> String {
        self.head.method().to_owned()
    }

    fn host(&self) -> String {
        let Some(url) = &self.url else {
            return String::new();
        };
        match (url.host_str(), url.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (Some(host), None) => host.to_owned(),
            (None, _) => String::new(),
        }
    }

    fn origin(&self) -> String {
        let origin = self.url.as_ref().map(Url::origin);
        origin.map_or_else(String::new, |origin| origin.ascii_serialization())
    }

    fn query(&self) -> String {
        let query = self.url.as_ref().and_then(Url::query);
        query.unwrap_or_default().to_owned()
    }

    fn path(&self) -> String {
        let path = self.url.as_ref().map(Url::path);
        path.unwrap_or_default().to_owned()
    }

    fn headers(&self) -> &dyn Headers {
        &self.head
    }

    async fn body(&self, limit: usize) -> Result<Vec<u8>, BodyFault> {
        read_body(&self.request, &self.head, limit).await
    }
}
