//! The order of the checks at the door, and the routes behind it.

mod actions;
mod entering;
mod paths;
mod rest;
mod routes;

use std::cell::Cell;

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::*;
use crate::auth::protected_resource::{ProtectedResource, ResourceTraits};
use crate::auth::{AuditLog, Authenticator, PrincipalKind, Scopes};
use crate::mcp::types::Implementation;
use crate::mcp::{About, Call, Hints, Registry, Reply, Tool, ToolError};
use crate::oauth::WebRequest;
use crate::ports::{Background, Clock, Database, Log};
use crate::rest::Rest;
use crate::secret::Secret;
use crate::services::{Blame, Platform, Services};
use crate::sql::{SqliteDatabase, Statement};
use crate::testing::{FakeBackground, FakeClock, FakeEntropy, FakeLog, block_on};

const NOW: i64 = 1_795_262_349_123;
const TOKEN: &str = "Bearer chitty_key_00112233445566778899aabbccddeeff";
const CALL: &str = r#"{"tool":"who_am_i","arguments":{}}"#;

/// What the worker of these tests depends on.
struct Parts {
    up: Cell<bool>,
}

#[async_trait(?Send)]
impl Dependencies for Parts {
    async fn check(&self) -> Vec<(&'static str, bool)> {
        vec![("part", self.up.get())]
    }
}

/// Each path answers with what it was asked.
#[async_trait(?Send)]
impl Routes for Parts {
    fn access(&self, path: &str) -> Option<Access> {
        match path {
            "/open" | "/api/v1/open" | "/bodiless" => Some(Access::Open),
            "/public" => Some(Access::Public),
            "/own" | "/worded" => Some(Access::Own),
            _ => None,
        }
    }

    fn body_limit(&self, path: &str) -> usize {
        if path == "/bodiless" {
            0
        } else {
            crate::oauth::MAX_BODY
        }
    }

    fn refusal(&self, path: &str, status: u16, message: &str) -> Option<HttpReply> {
        let said = json!({ "worded": { "message": message } });
        (path == "/worded").then(|| HttpReply::json(status, said.to_string().into_bytes()))
    }

    async fn respond(&self, platform: &Platform, web: &WebRequest<'_>) -> Option<HttpReply> {
        if web.method == "DELETE" {
            return None;
        }
        let said = json!({
            "method": web.method,
            "query": web.query,
            "body": String::from_utf8_lossy(web.body),
            "origin": platform.resource.as_ref().unwrap().origin,
            "ip": web.info.ip,
        });
        Some(HttpReply::json(200, said.to_string().into_bytes()))
    }
}

#[derive(Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Serialize, JsonSchema)]
struct Who {
    user_id: String,
}

struct WhoAmI;

#[async_trait(?Send)]
impl Tool<Services<Parts>> for WhoAmI {
    type Input = Nothing;
    type Output = Who;

    const ABOUT: About = About {
        name: "who_am_i",
        title: "Who am I",
        description: "Names the caller.",
        scopes: &["chitty:read"],
        hints: Hints::READ,
        icon: None,
    };
    const REST: Option<Rest> = Some(Rest::get("/api/v1/me"));

    async fn call(_: &Services<Parts>, call: &Call, _: Nothing) -> Result<Reply<Who>, ToolError> {
        let user_id = call.principal.user_id.clone();
        Ok(Reply::Structured(Who { user_id }))
    }
}

#[derive(Deserialize, JsonSchema, Validate)]
struct Times {
    #[garde(skip)]
    times: usize,
}

#[derive(Serialize, JsonSchema)]
struct Said {
    text: String,
}

struct Repeat;

#[async_trait(?Send)]
impl Tool<Services<Parts>> for Repeat {
    type Input = Times;
    type Output = Said;

    const ABOUT: About = About {
        name: "repeat",
        title: "Repeat",
        description: "Says much.",
        ..WhoAmI::ABOUT
    };
    const REST: Option<Rest> = Some(Rest::create("/api/v1/repeats/{times}"));

    async fn call(_: &Services<Parts>, _: &Call, input: Times) -> Result<Reply<Said>, ToolError> {
        let text = "x".repeat(input.times);
        Ok(Reply::Structured(Said { text }))
    }
}

/// A request, and whether its body was read.
struct Sent {
    method: &'static str,
    scheme: &'static str,
    host: &'static str,
    path: &'static str,
    query: &'static str,
    headers: Vec<(&'static str, String)>,
    body: Result<&'static str, BodyFault>,
    body_read: Cell<bool>,
}

impl Headers for Vec<(&'static str, String)> {
    fn get(&self, name: &str) -> Option<String> {
        self.iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.clone())
    }
}

#[async_trait(?Send)]
impl Incoming for Sent {
    fn method(&self) -> String {
        self.method.to_owned()
    }

    fn host(&self) -> String {
        self.host.to_owned()
    }

    fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.host)
    }

    fn path(&self) -> String {
        self.path.to_owned()
    }

    fn query(&self) -> String {
        self.query.to_owned()
    }

    fn headers(&self) -> &dyn Headers {
        &self.headers
    }

    async fn body(&self, limit: usize) -> Result<Vec<u8>, BodyFault> {
        let of_tools = ["/mcp", "/gpt/", "/api/v1/"];
        let calls_tools = of_tools.iter().any(|path| self.path.starts_with(path));
        let expected = if calls_tools {
            MAX_BODY
        } else {
            crate::oauth::MAX_BODY
        };
        assert_eq!(limit, expected);
        self.body_read.set(true);
        self.body.clone().map(|body| body.as_bytes().to_vec())
    }
}

/// A POST of the older call form, with these headers.
fn post(headers: &[(&'static str, &str)]) -> Sent {
    let mut all = vec![("content-type", "application/json".to_owned())];
    all.extend(
        headers
            .iter()
            .map(|(key, value)| (*key, (*value).to_owned())),
    );
    Sent {
        method: "POST",
        scheme: "http",
        host: "localhost:8787",
        path: "/mcp",
        query: "",
        headers: all,
        body: Ok(CALL),
        body_read: Cell::new(false),
    }
}

fn get(method: &'static str, path: &'static str) -> Sent {
    Sent {
        method,
        path,
        ..post(&[])
    }
}

struct World {
    clock: FakeClock,
    log: Rc<FakeLog>,
    origins: OriginPolicy,
    health: HealthCache,
    server: Rc<Server<Services<Parts>>>,
    services: Rc<Services<Parts>>,
    apps_challenge: Option<&'static str>,
}

struct Got {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Got {
    fn header(&self, name: &str) -> Option<String> {
        self.headers.get(name)
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

fn sealer() -> Rc<Sealer> {
    Rc::new(Sealer::new(&Secret::new("01".repeat(32)), &[]).unwrap())
}

impl World {
    fn new() -> Self {
        let clock = FakeClock::at(NOW);
        let database = Rc::new(SqliteDatabase::with_schema());
        store_token(&database);
        let log = Rc::new(FakeLog::default());
        let platform = platform(&clock, &log, database);
        let info: Implementation =
            serde_json::from_value(json!({"name": "test", "version": "1"})).unwrap();
        let tools = Registry::new().with::<WhoAmI>().with::<Repeat>();
        Self {
            clock,
            log,
            health: HealthCache::default(),
            origins: OriginPolicy {
                origins: vec!["https://chatgpt.com".into()],
                hosts: Vec::new(),
                development: true,
            },
            server: Rc::new(Server::new(&info, "", tools)),
            services: Rc::new(Services {
                platform,
                domain: Parts {
                    up: Cell::new(true),
                },
            }),
            apps_challenge: None,
        }
    }

    fn send(&self, sent: &Sent) -> Got {
        let front = Front {
            name: "cloudflare-fortress-mcp",
            origins: &self.origins,
            statement: statement(&sent.headers, "fortress", self.clock.now_ms(), &sealer()),
            server: &self.server,
            services: &self.services,
            health: &self.health,
            apps_challenge: self.apps_challenge,
            request_id: "request-1",
        };
        let reply = block_on(front.answer(sent));
        let body = match reply.body {
            Body::Empty => Vec::new(),
            Body::Bytes(bytes) => bytes,
            other => panic!("{other:?}"),
        };
        Got {
            status: reply.status,
            headers: reply.headers,
            body: String::from_utf8(body).unwrap(),
        }
    }

    /// Refused with this status, an error that has a sentence and the request id, and the
    /// body unread.
    fn refuses(&self, sent: &Sent, status: u16) -> Got {
        let got = self.send(sent);
        assert_eq!(got.status, status, "{}", got.body);
        assert!(got.json()["error"]["message"].as_str().unwrap().len() > 20);
        assert_eq!(got.header("x-request-id").as_deref(), Some("request-1"));
        assert!(!sent.body_read.get(), "the body was read");
        got
    }
}

fn platform(clock: &FakeClock, log: &Rc<FakeLog>, database: Rc<SqliteDatabase>) -> Platform {
    let audit = AuditLog {
        queue: Rc::default(),
        database: Rc::clone(&database) as Rc<dyn Database>,
        clock: Rc::new(clock.clone()),
        entropy: Rc::new(FakeEntropy::default()),
        background: Rc::new(FakeBackground::default()) as Rc<dyn Background>,
        log: Rc::clone(log) as Rc<dyn Log>,
    };
    Platform {
        clock: Rc::clone(&audit.clock),
        entropy: Rc::clone(&audit.entropy),
        database,
        log: Rc::clone(&audit.log),
        sealer: sealer(),
        background: Rc::clone(&audit.background),
        authenticator: Authenticator {
            cache: Rc::default(),
            audit,
        },
        keys: Rc::default(),
        resource: Some(Rc::new(resource())),
        service: "fortress",
    }
}

fn resource() -> ProtectedResource {
    let traits = ResourceTraits {
        name: "Test",
        issuer: Some("https://auth.example"),
        scopes: Scopes::new(["fortress:verify", "fortress:execute"]),
    };
    ProtectedResource::new("http://localhost:8787", &traits)
}

fn store_token(database: &SqliteDatabase) {
    let token = TOKEN.strip_prefix("Bearer ").unwrap();
    let insert = Statement::new(
        "INSERT INTO api_tokens (id, user_id, token_hash, name, scopes, status, expires_at, \
         created_at) VALUES ('t-1', 'ann', ?1, 'test', '[\"chitty:read\"]', 'active', ?2, ?3)",
    )
    .bind(hex::encode(Sha256::digest(token)))
    .timestamp(NOW + 1_000_000)
    .timestamp(NOW - 1);
    block_on(database.run(insert)).unwrap();
}

/// What another worker of ours sends with its calls.
fn said(audience: &str, scopes: &[&str]) -> String {
    let principal = Principal {
        user_id: "bob".into(),
        name: "key".into(),
        kind: PrincipalKind::User,
        scopes: Scopes::new(scopes.iter().copied()),
        token_id: "t".into(),
        client_id: None,
    };
    assertion::issue(&principal, audience, "request-1", NOW, &sealer()).unwrap()
}
