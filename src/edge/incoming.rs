use std::cell::RefCell;
use std::rc::Rc;

use async_trait::async_trait;
use chitty_core::front::{BodyFault, Incoming};
use chitty_core::http::Headers;
use worker::url::Url;

use crate::request::{Head, read_body};

thread_local! {
    /// The place of the last request: most come to the same one, and a URL is long to parse.
    static LAST: RefCell<Rc<Place>> = RefCell::default();
}

/// Where a request goes.
#[derive(Default)]
struct Place {
    url: String,
    /// With the port where it is not the scheme's own.
    host: String,
    origin: String,
    path: String,
    query: String,
}

impl Place {
    fn of(url: &str) -> Rc<Self> {
        LAST.with_borrow_mut(|last| {
            if last.url == url {
                return Rc::clone(last);
            }
            let place = Rc::new(Self::parse(url));
            // A query may hold a code or a state: it does not outlive its request.
            if place.query.is_empty() {
                *last = Rc::clone(&place);
            }
            place
        })
    }

    fn parse(text: &str) -> Self {
        let Ok(url) = Url::parse(text) else {
            return Self::default();
        };
        let host = match (url.host_str(), url.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (Some(host), None) => host.to_owned(),
            (None, _) => String::new(),
        };
        Self {
            url: text.to_owned(),
            host,
            origin: url.origin().ascii_serialization(),
            path: url.path().to_owned(),
            query: url.query().unwrap_or_default().to_owned(),
        }
    }
}

/// A `fetch` event's request.
pub struct WebRequest {
    request: web_sys::Request,
    head: Head,
    place: Rc<Place>,
}

impl WebRequest {
    pub fn new(request: web_sys::Request) -> Self {
        let head = Head::of(&request);
        Self {
            place: Place::of(head.url()),
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
        self.place.host.clone()
    }

    fn origin(&self) -> String {
        self.place.origin.clone()
    }

    fn query(&self) -> String {
        self.place.query.clone()
    }

    fn path(&self) -> String {
        self.place.path.clone()
    }

    fn headers(&self) -> &dyn Headers {
        &self.head
    }

    async fn body(&self, limit: usize) -> Result<Vec<u8>, BodyFault> {
        read_body(&self.request, &self.head, limit).await
    }
}
