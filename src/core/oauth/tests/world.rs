//! An authorization server over SQLite, with an internet of fixed answers.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;

use crate::auth::{AuditLog, Authenticator, RequestInfo};
use crate::http::{Body, HttpReply};
use crate::oauth::{AuthorizationServer, Settings, WebRequest};
use crate::ports::{Http, HttpError, HttpRequest, HttpResponse};
use crate::seal::Sealer;
use crate::secret::Secret;
use crate::sql::{Row, SqliteDatabase, Statement};
use crate::testing::{FakeBackground, FakeClock, FakeEntropy, FakeLog, block_on};

pub(in crate::oauth) const NOW: i64 = 1_795_262_349_123;
pub(in crate::oauth) const ORIGIN: &str = "https://mcp.example.com";

/// What a host answers.
#[derive(Clone)]
pub(in crate::oauth) enum Answer {
    Reply {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
    },
    /// Never answers.
    Silent,
    /// Answers headers, then never a body.
    Stuck,
    Unreachable,
}

impl Answer {
    pub fn json(body: &serde_json::Value) -> Self {
        Self::Reply {
            status: 200,
            headers: vec![("content-type", "application/json".to_owned())],
            body: body.to_string().into_bytes(),
        }
    }

    pub fn with_header(mut self, name: &'static str, value: &str) -> Self {
        if let Self::Reply { headers, .. } = &mut self {
            headers.retain(|(known, _)| *known != name);
            headers.push((name, value.to_owned()));
        }
        self
    }

    pub fn status(code: u16) -> Self {
        Self::Reply {
            status: code,
            headers: Vec::new(),
            body: Vec::new(),
        }
    }
}

/// Answers by URL; a URL without an answer is unreachable.
#[derive(Default)]
pub(in crate::oauth) struct Internet {
    pub answers: RefCell<HashMap<String, Answer>>,
    pub asked: RefCell<Vec<String>>,
}

#[async_trait(?Send)]
impl Http for Internet {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.asked.borrow_mut().push(request.url.clone());
        let answer = self.answers.borrow().get(&request.url).cloned();
        let stuck = |status, headers| HttpResponse {
            status,
            headers,
            body: futures::stream::pending().boxed_local(),
        };
        match answer.unwrap_or(Answer::Unreachable) {
            Answer::Reply {
                status,
                headers,
                body,
            } => {
                let chunks: Vec<_> = body
                    .chunks(1000)
                    .map(|chunk| Ok(Bytes::copy_from_slice(chunk)))
                    .collect();
                Ok(HttpResponse {
                    body: futures::stream::iter(chunks).boxed_local(),
                    ..stuck(status, headers)
                })
            }
            Answer::Stuck => Ok(stuck(
                200,
                vec![("content-type", "application/json".to_owned())],
            )),
            Answer::Silent => std::future::pending().await,
            Answer::Unreachable => Err(HttpError::Unreachable("no such host".into())),
        }
    }
}

pub(in crate::oauth) struct World {
    pub clock: FakeClock,
    pub database: Rc<SqliteDatabase>,
    pub background: Rc<FakeBackground>,
    pub internet: Rc<Internet>,
    pub server: AuthorizationServer,
}

/// As an operator would run it in production.
pub(in crate::oauth) fn settings() -> Settings {
    Settings {
        issuer: Some(ORIGIN.to_owned()),
        resources: vec!["https://fortress.example.com/mcp".to_owned()],
        iss_in_responses: true,
        registration: true,
        ..Settings::default()
    }
}

impl World {
    pub fn new() -> Self {
        Self::with(settings())
    }

    pub fn with(settings: Settings) -> Self {
        let clock = FakeClock::at(NOW);
        let database = Rc::new(SqliteDatabase::with_schema());
        let background = Rc::new(FakeBackground::default());
        let internet = Rc::new(Internet::default());
        let audit = AuditLog {
            queue: Rc::default(),
            database: database.clone(),
            clock: Rc::new(clock.clone()),
            entropy: Rc::new(FakeEntropy::default()),
            background: background.clone(),
            log: Rc::new(FakeLog::default()),
        };
        let key = Secret::new("ab".repeat(32));
        let server = AuthorizationServer {
            settings: Rc::new(settings),
            origin: ORIGIN.to_owned(),
            http: internet.clone(),
            sealer: Rc::new(Sealer::new(&key, &[]).unwrap()),
            authenticator: Authenticator {
                cache: Rc::default(),
                audit: audit.clone(),
            },
            audit,
            keys: Rc::default(),
            clients: Rc::default(),
            provider: Rc::default(),
        };
        Self {
            clock,
            database,
            background,
            internet,
            server,
        }
    }

    pub fn answer(&self, url: &str, answer: Answer) {
        self.internet
            .answers
            .borrow_mut()
            .insert(url.to_owned(), answer);
    }

    /// How often a URL was fetched.
    pub fn fetches(&self, url: &str) -> usize {
        let asked = self.internet.asked.borrow();
        asked.iter().filter(|known| *known == url).count()
    }

    pub fn rows(&self, sql: &'static str) -> Vec<Row> {
        block_on(crate::ports::Database::run(
            &*self.database,
            Statement::new(sql),
        ))
        .unwrap()
        .rows
    }

    /// `action reason` of each refusal that was recorded.
    pub fn refusals(&self) -> Vec<String> {
        self.background.run_all();
        let rows = self.rows("SELECT * FROM audit_logs WHERE outcome = 'deny' ORDER BY rowid");
        rows.iter()
            .map(|row| {
                let word = |column| row.text(column).unwrap();
                format!("{} {}", word("action"), word("reason"))
            })
            .collect()
    }
}

/// A request with these headers and this body.
pub(in crate::oauth) fn web<'a>(
    method: &'a str,
    path: &'a str,
    query: &'a str,
    headers: &'a Vec<(&'a str, &'a str)>,
    body: &'a [u8],
) -> WebRequest<'a> {
    WebRequest {
        method,
        path,
        query,
        headers,
        body,
        info: RequestInfo {
            request_id: "req-1".into(),
            ip: Some("192.0.2.1".into()),
            user_agent: None,
            service: "coordinator",
        },
    }
}

pub(in crate::oauth) fn header<'a>(reply: &'a HttpReply, name: &str) -> Option<&'a str> {
    let found = reply.headers.iter().find(|(key, _)| *key == name);
    found.map(|(_, value)| value.as_str())
}

pub(in crate::oauth) fn json(reply: &HttpReply) -> serde_json::Value {
    match &reply.body {
        Body::Bytes(bytes) => serde_json::from_slice(bytes).unwrap(),
        other => panic!("{other:?}"),
    }
}
