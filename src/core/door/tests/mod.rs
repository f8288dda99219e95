mod completions;
mod once;
mod refusals;

use std::cell::Cell;
use std::rc::Rc;

use futures::FutureExt;
use serde_json::{Value, json};

use super::Door;
use crate::auth::{AuditLog, Authenticator, RequestInfo};
use crate::gateway::tests::{self as gateway, LocalLedger};
use crate::gateway::{Gateway, Routes};
use crate::http::{Body, HttpReply};
use crate::llm::Dialect;
use crate::llm::scripted::{JumpClock, START_MS, ScriptedHttp, Step, provider};
use crate::oauth::WebRequest;
use crate::ports::{Background, Clock, Database, Entropy, Log};
use crate::seal::Sealer;
use crate::secret::Secret;
use crate::services::Platform;
use crate::sql::{SqliteDatabase, Statement};
use crate::testing::{FakeBackground, FakeEntropy, FakeLog, block_on};

const KEY: &str = "chitty_key_0123456789abcdef0123456789abcdef";

struct World {
    clock: JumpClock,
    http: Rc<ScriptedHttp>,
    ledger: Rc<LocalLedger>,
    database: Rc<SqliteDatabase>,
    background: Rc<FakeBackground>,
    platform: Platform,
    gateway: Rc<Gateway>,
    /// Sent with each request.
    idempotency_key: Cell<Option<&'static str>>,
}

impl World {
    fn new(steps: Vec<Step>) -> Self {
        Self::of(Dialect::ChatCompletions, steps)
    }

    fn of(dialect: Dialect, steps: Vec<Step>) -> Self {
        let clock = JumpClock::at(START_MS);
        let http = ScriptedHttp::new(&clock, steps);
        let database = Rc::new(SqliteDatabase::with_schema());
        let background = Rc::new(FakeBackground::default());
        let log = Rc::new(FakeLog::default());
        let port = Rc::new(clock.clone()) as Rc<dyn Clock>;
        let entropy = Rc::new(FakeEntropy::default()) as Rc<dyn Entropy>;
        let audit = AuditLog {
            queue: Rc::default(),
            database: Rc::clone(&database) as Rc<dyn Database>,
            clock: Rc::clone(&port),
            entropy: Rc::clone(&entropy),
            background: Rc::clone(&background) as Rc<dyn Background>,
            log: Rc::clone(&log) as Rc<dyn Log>,
        };
        let sealer = Sealer::new(&Secret::new("ab".repeat(32)), &[]).unwrap();
        let platform = Platform {
            clock: Rc::clone(&port),
            entropy,
            database: Rc::clone(&database) as Rc<dyn Database>,
            log: Rc::clone(&log) as Rc<dyn Log>,
            sealer: Rc::new(sealer),
            background: Rc::clone(&background) as Rc<dyn Background>,
            authenticator: Authenticator {
                cache: Rc::default(),
                audit,
            },
            keys: Rc::default(),
            resource: None,
            service: "chatgpt",
        };
        let (db, told) = (Rc::clone(&database) as _, Rc::clone(&log) as _);
        let (mut gateway, ledger) = gateway::over(&clock, &http, &db, &told);
        gateway.routes = Rc::new(Routes {
            providers: vec![provider(dialect)],
            ..Routes::default()
        });
        let world = Self {
            clock,
            http,
            ledger,
            database,
            background,
            platform,
            gateway: Rc::new(gateway),
            idempotency_key: Cell::default(),
        };
        world.admit("chatgpt:complete");
        world
    }

    /// Gives the key a scope.
    fn admit(&self, scope: &str) {
        let hash = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(KEY));
        let insert = "INSERT OR REPLACE INTO api_tokens (id, user_id, token_hash, name, scopes, \
            status, created_at) VALUES ('k-1', 'u-1', ?1, 'test', ?2, 'active', ?3)";
        let statement = Statement::new(insert)
            .bind(hash)
            .bind(json!([scope]))
            .timestamp(START_MS);
        block_on(self.database.run(statement)).unwrap();
    }

    fn send(&self, method: &str, path: &str, key: Option<&str>, body: &[u8]) -> HttpReply {
        let bearer = key.map(|key| format!("Bearer {key}"));
        let key = self.idempotency_key.get();
        let headers: Vec<(&str, &str)> = bearer
            .iter()
            .map(|text| ("authorization", text.as_str()))
            .chain(key.map(|key| ("idempotency-key", key)))
            .collect();
        let web = WebRequest {
            method,
            path,
            query: "",
            headers: &headers,
            body,
            info: RequestInfo {
                request_id: "r-1".to_owned(),
                service: "chatgpt",
                ..RequestInfo::default()
            },
        };
        let door = Door {
            platform: &self.platform,
            gateway: &self.gateway,
        };
        self.clock.run(self.background.beside(door.answer(&web)))
    }

    /// Asks until the model was asked; then the program dies.
    fn begin_and_die(&self, body: &[u8]) {
        let bearer = format!("Bearer {KEY}");
        let key = self.idempotency_key.get().unwrap();
        let headers = vec![("authorization", bearer.as_str()), ("idempotency-key", key)];
        let web = WebRequest {
            method: "POST",
            path: "/v1/chat/completions",
            query: "",
            headers: &headers,
            body,
            info: RequestInfo::default(),
        };
        let door = Door {
            platform: &self.platform,
            gateway: &self.gateway,
        };
        let mut call = Box::pin(self.background.beside(door.answer(&web)));
        while self.http.seen.borrow().is_empty() {
            assert!((&mut call).now_or_never().is_none());
        }
        drop(call);
        self.background.lose();
    }

    fn complete(&self, body: &Value) -> HttpReply {
        let body = body.to_string();
        self.send("POST", "/v1/chat/completions", Some(KEY), body.as_bytes())
    }

    /// The whole body, whatever form it has.
    fn body(&self, reply: HttpReply) -> String {
        use futures::StreamExt;
        let bytes = match reply.body {
            Body::Empty => Vec::new(),
            Body::Bytes(bytes) => bytes,
            Body::Stream(chunks) => {
                let all = chunks.collect::<Vec<_>>();
                self.clock.run(self.background.beside(all)).concat()
            }
            other @ Body::Upgraded(_) => panic!("{other:?}"),
        };
        String::from_utf8(bytes).unwrap()
    }

    fn json(&self, reply: HttpReply) -> Value {
        serde_json::from_str(&self.body(reply)).unwrap()
    }
}

fn header<'a>(reply: &'a HttpReply, name: &str) -> Option<&'a str> {
    let found = reply.headers.iter().find(|(key, _)| *key == name);
    found.map(|(_, value)| value.as_str())
}

fn question() -> Value {
    json!({
        "model": "gpt-4", "max_tokens": 100,
        "messages": [{"role": "user", "content": "What is a tort?"}],
    })
}

/// The chunks of an event stream, and whether it ended with `[DONE]`.
fn chunks(text: &str) -> (Vec<Value>, bool) {
    let data = text
        .split("\n\n")
        .filter_map(|event| event.strip_prefix("data: "));
    let (mut chunks, mut done) = (Vec::new(), false);
    for data in data {
        assert!(!done, "something follows [DONE]");
        match data {
            "[DONE]" => done = true,
            json => chunks.push(serde_json::from_str(json).unwrap()),
        }
    }
    (chunks, done)
}
