//! A host of fakes, and requests of both eras.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use async_trait::async_trait;
use futures::StreamExt;
use futures::future::LocalBoxFuture;
use serde_json::{Value, json};
use tower_mcp_types::protocol::Implementation;

use super::super::era::{META_CAPABILITIES, META_VERSION, MODERN};
use super::super::http::Post;
use super::super::mailbox::{Mailbox, MailboxError};
use super::super::server::ListVersions;
use super::super::task::Tasks;
use super::super::{Host, Registry, Server};
use super::deferring::FakeTasks;
use super::tools::{Asking, Chatty, Deferring, Echo, Endless, Panicking};
use crate::auth::{Principal, PrincipalKind, Scopes};
use crate::http::{Body, HttpReply};
use crate::ports::{Clock, Entropy};
use crate::seal::Sealer;
use crate::secret::Secret;
use crate::testing::{FakeClock, FakeEntropy, block_on};

/// Sleeps in no time, or for ever.
pub struct WorldClock {
    pub now: FakeClock,
    pub stuck: Cell<bool>,
}

impl Clock for WorldClock {
    fn now_ms(&self) -> i64 {
        self.now.now_ms()
    }

    fn sleep(&self, ms: u64) -> LocalBoxFuture<'static, ()> {
        if self.stuck.get() {
            return Box::pin(std::future::pending());
        }
        self.now.sleep(ms)
    }
}

pub struct World {
    pub clock: WorldClock,
    pub entropy: FakeEntropy,
    sealer: Sealer,
    pub mailbox: Option<Rc<FakeMailbox>>,
    pub tasks: Option<Rc<FakeTasks>>,
    /// What each look at the versions finds, the last one for ever.
    pub versions: RefCell<Vec<ListVersions>>,
    pub reports: RefCell<Vec<String>>,
    pub dropped: Rc<Cell<u32>>,
}

impl World {
    pub fn new() -> Rc<Self> {
        Self::with_mailbox(None)
    }

    pub fn with_mailbox(mailbox: Option<Rc<FakeMailbox>>) -> Rc<Self> {
        Rc::new(Self {
            clock: WorldClock {
                now: FakeClock::at(1_000),
                stuck: Cell::new(false),
            },
            entropy: FakeEntropy::default(),
            sealer: Sealer::new(&Secret::new("11".repeat(32)), &[]).unwrap(),
            mailbox,
            tasks: None,
            versions: RefCell::default(),
            reports: RefCell::default(),
            dropped: Rc::default(),
        })
    }
}

impl Host for World {
    fn clock(&self) -> &dyn Clock {
        &self.clock
    }

    fn entropy(&self) -> &dyn Entropy {
        &self.entropy
    }

    fn sealer(&self) -> &Sealer {
        &self.sealer
    }

    fn mailbox(&self) -> Option<Rc<dyn Mailbox>> {
        let mailbox = self.mailbox.clone()?;
        Some(mailbox)
    }

    fn tasks(&self) -> Option<Rc<dyn Tasks>> {
        let tasks = self.tasks.clone()?;
        Some(tasks)
    }

    fn list_versions(&self) -> ListVersions {
        let mut versions = self.versions.borrow_mut();
        if versions.len() > 1 {
            return versions.remove(0);
        }
        versions.first().copied().unwrap_or_default()
    }

    fn report(&self, _request_id: &str, cause: &str) {
        self.reports.borrow_mut().push(cause.to_owned());
    }
}

/// Answers each ticket with the next of its messages, or says that nobody answered.
#[derive(Default)]
pub struct FakeMailbox {
    pub answers: RefCell<Vec<Value>>,
    pub put: RefCell<HashMap<String, Value>>,
}

#[async_trait(?Send)]
impl Mailbox for FakeMailbox {
    async fn take(&self, _ticket: &str, timeout_ms: u64) -> Result<Value, MailboxError> {
        let mut answers = self.answers.borrow_mut();
        if answers.is_empty() {
            return Err(MailboxError::Timeout { ms: timeout_ms });
        }
        Ok(answers.remove(0))
    }

    async fn put(&self, ticket: &str, message: &Value) -> Result<(), MailboxError> {
        let mut put = self.put.borrow_mut();
        put.insert(ticket.to_owned(), message.clone());
        Ok(())
    }
}

pub fn server() -> Rc<Server<World>> {
    let tools = Registry::new()
        .with::<Echo>()
        .with::<Chatty>()
        .with::<Asking>()
        .with::<Endless>()
        .with::<Deferring>()
        .with::<Panicking>();
    Rc::new(Server::new(&info(), "Call a tool.", tools))
}

pub fn info() -> Implementation {
    serde_json::from_value(json!({ "name": "world", "version": "1" })).unwrap()
}

pub fn principal(user: &str, scopes: &[&str]) -> Rc<Principal> {
    Rc::new(Principal {
        user_id: user.to_owned(),
        name: user.to_owned(),
        kind: PrincipalKind::User,
        scopes: Scopes::new(scopes.iter().copied()),
        token_id: format!("token of {user}"),
        client_id: None,
    })
}

pub fn ann() -> Rc<Principal> {
    principal("ann", &["tests:*"])
}

pub type HeaderList<'a> = Vec<(&'a str, &'a str)>;

pub fn modern_headers<'a>(method: &'a str, name: Option<&'a str>) -> HeaderList<'a> {
    let mut headers = legacy_headers();
    headers.extend([("mcp-protocol-version", MODERN), ("mcp-method", method)]);
    headers.extend(name.map(|name| ("mcp-name", name)));
    headers
}

pub fn legacy_headers<'a>() -> HeaderList<'a> {
    vec![
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
    ]
}

/// `params` with the metadata of a modern request.
pub fn with_meta(mut params: Value, capabilities: &Value) -> Value {
    let meta = json!({ META_VERSION: MODERN, META_CAPABILITIES: capabilities });
    let fields = params.as_object_mut().unwrap();
    let given = fields.entry("_meta").or_insert_with(|| json!({}));
    given
        .as_object_mut()
        .unwrap()
        .extend(meta.as_object().unwrap().clone());
    params
}

/// One caller at one server.
pub struct Caller {
    pub server: Rc<Server<World>>,
    pub world: Rc<World>,
    pub principal: Rc<Principal>,
}

impl Caller {
    pub fn new() -> Self {
        Self::at(World::new())
    }

    pub fn at(world: Rc<World>) -> Self {
        Self {
            server: server(),
            world,
            principal: ann(),
        }
    }

    pub async fn send(&self, headers: &HeaderList<'_>, body: &Value) -> HttpReply {
        let body = body.to_string();
        let post = Post {
            headers,
            body: body.as_bytes(),
            principal: Rc::clone(&self.principal),
            request_id: "r1".to_owned(),
        };
        self.server.post(&self.world, post).await
    }

    pub fn post(&self, headers: &HeaderList<'_>, body: &Value) -> Answered {
        Answered::read(block_on(self.send(headers, body)))
    }

    pub fn modern(&self, method: &str, params: Value) -> Answered {
        let params = with_meta(params, &json!({ "elicitation": {} }));
        let body = request(method, &params);
        let name = params.get("name").and_then(Value::as_str);
        self.post(&modern_headers(method, name), &body)
    }

    pub fn legacy(&self, method: &str, params: &Value) -> Answered {
        self.post(&legacy_headers(), &request(method, params))
    }
}

pub fn request(method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params })
}

/// A reply, read to its end.
pub struct Answered {
    pub status: u16,
    pub streamed: bool,
    /// `WWW-Authenticate`.
    pub challenge: Option<String>,
    /// Messages in the order they came; the response is the last.
    pub messages: Vec<Value>,
}

impl Answered {
    fn read(reply: HttpReply) -> Self {
        let (streamed, text) = match reply.body {
            Body::Empty => (false, String::new()),
            Body::Bytes(bytes) => (false, String::from_utf8(bytes).unwrap()),
            Body::Stream(chunks) => {
                let chunks = block_on(chunks.collect::<Vec<_>>());
                (true, String::from_utf8(chunks.concat()).unwrap())
            }
            other @ Body::Upgraded(_) => panic!("{other:?}"),
        };
        let messages = if streamed {
            let data = text.lines().filter_map(|line| line.strip_prefix("data: "));
            data.map(|data| serde_json::from_str(data).unwrap())
                .collect()
        } else {
            serde_json::from_str(&text).into_iter().collect()
        };
        let mut headers = reply.headers.into_iter();
        let challenge = headers.find(|(name, _)| *name == "www-authenticate");
        Self {
            status: reply.status,
            streamed,
            challenge: challenge.map(|(_, value)| value),
            messages,
        }
    }

    pub fn last(&self) -> &Value {
        self.messages.last().unwrap()
    }

    pub fn result(&self) -> &Value {
        let result = &self.last()["result"];
        assert!(result.is_object(), "{}", self.last());
        result
    }

    pub fn code(&self) -> i32 {
        let code = self.last()["error"]["code"].as_i64();
        let code = code.and_then(|code| i32::try_from(code).ok());
        code.unwrap_or_else(|| panic!("no error: {}", self.last()))
    }

    pub fn methods(&self) -> Vec<&str> {
        let methods = self
            .messages
            .iter()
            .filter_map(|message| message["method"].as_str());
        methods.collect()
    }
}
