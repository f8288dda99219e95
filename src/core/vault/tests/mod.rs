//! The verbs over the real tables, a provider that repeats what it is sent, and a database
//! that repeats what it is given.

mod auditing;
mod in_use;
mod leaks;
mod sealing;
mod upkeep;
mod verbs;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream;
use serde_json::{Value as Json, json};

use super::*;
use crate::auth::keys::Asking;
use crate::auth::{AuditLog, Principal, PrincipalKind, RequestInfo, Scopes};
use crate::llm::{BaseUrl, Dialect};
use crate::ports::{Database, Http, HttpError, HttpRequest, HttpResponse};
use crate::seal::Sealer;
use crate::secret::Secret;
use crate::sql::{DatabaseError, Outcome, SqliteDatabase, Statement};
use crate::testing::{FakeBackground, FakeClock, FakeEntropy, FakeLog, block_on};

const NOW: i64 = 1_795_262_349_123;
const KEY: &str = "sk-proj-Zq3vT9mXw7LbN2cRk5HdYs8e";
const NEW_KEY: &str = "sk-proj-Ju6pGf1AoV4tEy0iMx8KnBz2";

/// What the provider does next.
#[derive(Clone, Copy)]
enum Does {
    Answer(u16),
    TimeOut,
    HangUp,
}

struct EchoingProvider {
    does: Cell<Does>,
    seen: RefCell<Vec<HttpRequest>>,
}

#[async_trait(?Send)]
impl Http for EchoingProvider {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let echo = format!("{:?}", request.headers);
        self.seen.borrow_mut().push(request);
        match self.does.get() {
            Does::Answer(status) => Ok(HttpResponse {
                status,
                headers: vec![("x-request-id", echo.clone())],
                body: Box::pin(stream::iter([Ok(Bytes::from(echo))])),
            }),
            Does::TimeOut => Err(HttpError::Timeout { ms: 5_000 }),
            Does::HangUp => Err(HttpError::Unreachable(echo)),
        }
    }
}

/// Fails the statement or batch that comes after `sound` others, with the values it was given.
struct EchoingDatabase {
    inner: SqliteDatabase,
    sound: Cell<Option<u32>>,
    /// Done by somebody else just before the next batch or new key.
    meanwhile: RefCell<Option<Statement>>,
}

impl EchoingDatabase {
    fn fault(&self, given: &[Statement]) -> Result<(), DatabaseError> {
        match self.sound.get() {
            Some(0) => Err(DatabaseError::Unavailable(format!("{given:?}"))),
            Some(left) => {
                self.sound.set(Some(left - 1));
                Ok(())
            }
            None => Ok(()),
        }
    }

    async fn let_others(&self) -> Result<(), DatabaseError> {
        let meanwhile = self.meanwhile.borrow_mut().take();
        if let Some(statement) = meanwhile {
            self.inner.run(statement).await?;
        }
        Ok(())
    }
}

#[async_trait(?Send)]
impl Database for EchoingDatabase {
    async fn run(&self, statement: Statement) -> Result<Outcome, DatabaseError> {
        self.fault(std::slice::from_ref(&statement))?;
        if statement.sql.starts_with("INSERT INTO api_keys") {
            self.let_others().await?;
        }
        self.inner.run(statement).await
    }

    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Outcome>, DatabaseError> {
        self.fault(&statements)?;
        self.let_others().await?;
        self.inner.batch(statements).await
    }
}

struct World {
    clock: FakeClock,
    database: Rc<EchoingDatabase>,
    provider: Rc<EchoingProvider>,
    background: Rc<FakeBackground>,
    log: Rc<FakeLog>,
    vault: Vault,
}

fn master(byte: &str) -> Secret {
    Secret::new(byte.repeat(32))
}

fn sealer(primary: &str, olds: &[&str]) -> Rc<Sealer> {
    let olds: Vec<Secret> = olds.iter().map(|old| master(old)).collect();
    Rc::new(Sealer::new(&master(primary), &olds).unwrap())
}

fn upstream(name: &str, base_url: &str, dialect: Dialect) -> Upstream {
    Upstream {
        name: name.to_owned(),
        base_url: BaseUrl::parse(base_url, false).unwrap(),
        dialect,
    }
}

impl World {
    fn new() -> Self {
        let clock = FakeClock::at(NOW);
        let database = Rc::new(EchoingDatabase {
            inner: SqliteDatabase::with_schema(),
            sound: Cell::new(None),
            meanwhile: RefCell::default(),
        });
        let provider = Rc::new(EchoingProvider {
            does: Cell::new(Does::Answer(200)),
            seen: RefCell::default(),
        });
        let background = Rc::new(FakeBackground::default());
        let log = Rc::new(FakeLog::default());
        let vault = Vault {
            keyless: Rc::default(),
            upstreams: Rc::from([
                upstream(
                    "openai",
                    "https://api.openai.com/v1",
                    Dialect::ChatCompletions,
                ),
                upstream(
                    "anthropic",
                    "https://api.anthropic.com/v1/",
                    Dialect::AnthropicMessages,
                ),
            ]),
            sealer: sealer("a1", &[]),
            http: provider.clone(),
            audit: AuditLog {
                queue: Rc::default(),
                database: database.clone(),
                clock: Rc::new(clock.clone()),
                entropy: Rc::new(FakeEntropy::default()),
                background: background.clone(),
                log: log.clone(),
            },
        };
        Self {
            clock,
            database,
            provider,
            background,
            log,
            vault,
        }
    }

    /// Under another encryption key from now on.
    fn rekey(&mut self, primary: &str, olds: &[&str]) {
        self.vault.sealer = sealer(primary, olds);
    }

    fn add(&self, who: &str, input: Json) -> Result<KeyView, VaultError> {
        let (principal, request) = (caller(who, &[]), RequestInfo::default());
        let input: AddInput = serde_json::from_value(input).unwrap();
        let asking = Asking {
            principal: &principal,
            request: &request,
        };
        block_on(self.vault.add(asking, &input)).map(|done| done.key)
    }

    /// A key named `name` of `who` at `openai`.
    fn added(&self, who: &str, name: &str, key: &str) -> KeyView {
        self.add(who, json!({ "name": name, "api_key": key }))
            .unwrap()
    }

    fn rotate(&self, who: &str, id: &str, key: &str) -> Result<RotateOutput, VaultError> {
        self.rotate_with(who, json!({ "id": id, "api_key": key }))
    }

    fn rotate_with(&self, who: &str, input: Json) -> Result<RotateOutput, VaultError> {
        let (principal, request) = (caller(who, &[]), RequestInfo::default());
        let input: RotateInput = serde_json::from_value(input).unwrap();
        let asking = Asking {
            principal: &principal,
            request: &request,
        };
        block_on(self.vault.rotate(asking, &input))
    }

    fn revoke(&self, who: &str, id: &str) -> Result<RevokeOutput, VaultError> {
        let (principal, request) = (caller(who, &[]), RequestInfo::default());
        let input = RevokeInput { id: id.to_owned() };
        let asking = Asking {
            principal: &principal,
            request: &request,
        };
        block_on(self.vault.revoke(asking, &input))
    }

    fn list(&self, who: &str, include_ended: bool) -> Result<Vec<KeyView>, VaultError> {
        let (principal, request) = (caller(who, &[]), RequestInfo::default());
        let input = ListInput {
            user_id: None,
            include_ended,
        };
        let asking = Asking {
            principal: &principal,
            request: &request,
        };
        block_on(self.vault.list(asking, &input)).map(|done| done.keys)
    }

    fn states(&self, who: &str) -> Vec<KeyState> {
        let keys = self.list(who, true).unwrap();
        keys.iter().map(|key| key.state).collect()
    }

    /// What a call would be made with, as text.
    fn used(&self, who: &str) -> Option<String> {
        let key = block_on(self.vault.active_key(who, "openai")).unwrap();
        key.map(|key| key.secret.expose().to_owned())
    }

    fn sql(&self, sql: &'static str) -> Outcome {
        block_on(self.database.inner.run(Statement::new(sql))).unwrap()
    }

    fn column(&self, id: &str, column: &'static str) -> String {
        let find = Statement::new("SELECT * FROM api_keys WHERE id = ?1").bind(id);
        let found = block_on(self.database.inner.run(find)).unwrap();
        found.first().unwrap().text(column).unwrap()
    }

    fn set_text(&self, id: &str, text: &str) {
        let set = Statement::new("UPDATE api_keys SET key_hash = ?1 WHERE id = ?2");
        block_on(self.database.inner.run(set.bind(text).bind(id))).unwrap();
    }
}

fn caller(who: &str, scopes: &[&str]) -> Principal {
    Principal {
        user_id: who.into(),
        name: "key".into(),
        kind: PrincipalKind::User,
        scopes: Scopes::new(scopes.iter().copied()),
        token_id: "t".into(),
        client_id: None,
    }
}
