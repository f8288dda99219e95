//! The seven steps against the real tables, with the time standing still.

mod access_tokens;
mod auditing;
mod dpop;
mod guessing;
mod keys;
mod records;
mod rest;

use std::cell::Cell;
use std::rc::Rc;

use async_trait::async_trait;
use sha2::{Digest, Sha256};

use super::*;
use crate::ports::Database;
use crate::sql::{DatabaseError, Outcome, SqliteDatabase, Statement};
use crate::testing::{FakeBackground, FakeClock, FakeEntropy, FakeLog, block_on};

const NOW: i64 = 1_795_262_349_123;
const DAY: i64 = 24 * 60 * 60 * 1000;
const USER_TOKEN: &str = "chitty_key_00112233445566778899aabbccddeeff";
const SERVICE_TOKEN: &str = "chittyid_service_00112233445566778899aabbccddeeff";

/// Counts statements, and fails while `down`.
struct Counting {
    inner: SqliteDatabase,
    look_ups: Cell<u32>,
    batches: Cell<u32>,
    down: Cell<bool>,
}

impl Counting {
    fn refuse(&self) -> Result<(), DatabaseError> {
        if self.down.get() {
            return Err(DatabaseError::Unavailable("down on purpose".into()));
        }
        Ok(())
    }
}

#[async_trait(?Send)]
impl Database for Counting {
    async fn run(&self, statement: Statement) -> Result<Outcome, DatabaseError> {
        self.refuse()?;
        if statement.sql.contains("FROM api_tokens") {
            self.look_ups.set(self.look_ups.get() + 1);
        }
        self.inner.run(statement).await
    }

    async fn batch(&self, statements: Vec<Statement>) -> Result<Vec<Outcome>, DatabaseError> {
        self.refuse()?;
        self.batches.set(self.batches.get() + 1);
        self.inner.batch(statements).await
    }
}

struct Setup {
    clock: FakeClock,
    database: Rc<Counting>,
    background: Rc<FakeBackground>,
    log: Rc<FakeLog>,
    auth: Authenticator,
}

struct Token<'a> {
    text: &'a str,
    status: Option<&'a str>,
    scopes: Option<&'a str>,
    expires_at: Option<i64>,
    user_id: Option<&'a str>,
}

impl Default for Token<'_> {
    fn default() -> Self {
        Self {
            text: USER_TOKEN,
            status: Some("active"),
            scopes: Some(r#"["chatgpt:complete"]"#),
            expires_at: Some(NOW + DAY),
            user_id: Some("ann"),
        }
    }
}

impl Setup {
    fn new() -> Self {
        let clock = FakeClock::at(NOW);
        let database = Rc::new(Counting {
            inner: SqliteDatabase::with_schema(),
            look_ups: Cell::new(0),
            batches: Cell::new(0),
            down: Cell::new(false),
        });
        let background = Rc::new(FakeBackground::default());
        let log = Rc::new(FakeLog::default());
        let auth = Authenticator {
            cache: Rc::default(),
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
            background,
            log,
            auth,
        }
    }

    fn with(token: &Token<'_>) -> Self {
        let setup = Self::new();
        setup.store(token);
        setup
    }

    fn store(&self, token: &Token<'_>) {
        let insert = "INSERT INTO api_tokens (id, user_id, token_hash, name, scopes, status,
            expires_at, created_at) VALUES (?1, ?2, ?3, 'test', ?4, ?5, ?6, ?7)";
        let statement = Statement::new(insert)
            .bind(format!("id-{}", token.text.len()))
            .bind(token.user_id)
            .bind(hex::encode(Sha256::digest(token.text)))
            .bind(token.scopes)
            .bind(token.status)
            .timestamp(token.expires_at)
            .timestamp(NOW - DAY);
        block_on(self.database.run(statement)).unwrap();
    }

    fn request() -> RequestInfo {
        RequestInfo {
            request_id: "req-1".into(),
            ip: Some("192.0.2.1".into()),
            user_agent: Some("agent ".repeat(100)),
            service: "chatgpt",
        }
    }

    fn call(&self, token: &str) -> Result<Principal, AuthError> {
        let header = format!("Bearer {token}");
        block_on(self.auth.authenticate(Some(&header), &Self::request()))
    }

    /// `outcome/reason/token id` of each audit row.
    fn audited(&self) -> Vec<String> {
        self.background.run_all();
        let select = "SELECT * FROM audit_logs ORDER BY id";
        let rows = block_on(self.database.run(Statement::new(select)))
            .unwrap()
            .rows;
        let word = |row: &crate::sql::Row, column| {
            row.opt_text(column).unwrap().unwrap_or_else(|| "-".into())
        };
        for row in &rows {
            assert_eq!(row.text("request_id").unwrap(), "req-1");
            assert!(row.text("user_agent").unwrap().len() <= 256);
            assert_eq!(row.timestamp("created_at").unwrap(), self.clock_at_write());
        }
        rows.iter()
            .map(|row| {
                let words = ["outcome", "reason", "token_id"].map(|column| word(row, column));
                words.join("/")
            })
            .collect()
    }

    fn clock_at_write(&self) -> i64 {
        use crate::ports::Clock;
        self.clock.now_ms()
    }
}

#[test]
fn a_valid_token_is_its_principal_and_a_row() {
    let setup = Setup::with(&Token::default());
    let principal = setup.call(USER_TOKEN).unwrap();
    assert_eq!(principal.user_id, "ann");
    assert_eq!(principal.kind, PrincipalKind::User);
    assert!(principal.scopes.allows("chatgpt:complete"));
    assert_eq!(setup.audited(), ["allow/-/id-43"]);
    let select = Statement::new("SELECT last_used_at FROM api_tokens");
    let outcome = block_on(setup.database.run(select)).unwrap();
    assert_eq!(outcome.rows[0].timestamp("last_used_at").unwrap(), NOW);
}

#[test]
fn each_step_refuses_with_its_reason_and_a_row() {
    let ended = Some(NOW);
    let cases = [
        (
            Token {
                status: None,
                ..Token::default()
            },
            AuthError::Inactive,
            "inactive",
        ),
        (
            Token {
                status: Some("revoked"),
                ..Token::default()
            },
            AuthError::Inactive,
            "inactive",
        ),
        (
            Token {
                status: Some("Active"),
                ..Token::default()
            },
            AuthError::Inactive,
            "inactive",
        ),
        (
            Token {
                scopes: None,
                ..Token::default()
            },
            AuthError::Inactive,
            "inactive",
        ),
        (
            Token {
                scopes: Some("[1]"),
                ..Token::default()
            },
            AuthError::Inactive,
            "inactive",
        ),
        (
            Token {
                expires_at: ended,
                ..Token::default()
            },
            AuthError::Expired,
            "expired",
        ),
    ];
    for (token, error, reason) in cases {
        let setup = Setup::with(&token);
        assert_eq!(setup.call(USER_TOKEN), Err(error));
        assert_eq!(setup.audited(), [format!("deny/{reason}/id-43")]);
    }
}

#[test]
fn unknown_malformed_and_missing_credentials_are_rows_without_a_token() {
    let setup = Setup::new();
    assert_eq!(setup.call(USER_TOKEN), Err(AuthError::Unknown));
    assert_eq!(setup.call("secret-looking"), Err(AuthError::Malformed));
    let nothing = block_on(setup.auth.authenticate(None, &Setup::request()));
    assert_eq!(nothing, Err(AuthError::Missing));
    let mut rows = setup.audited();
    rows.sort();
    assert_eq!(
        rows,
        ["deny/malformed/-", "deny/missing/-", "deny/unknown/-"]
    );
}

#[test]
fn a_service_token_ends_after_90_days_and_must_say_when() {
    let service = |expires_at| Token {
        text: SERVICE_TOKEN,
        expires_at,
        user_id: None,
        ..Token::default()
    };
    let setup = Setup::with(&service(None));
    assert_eq!(setup.call(SERVICE_TOKEN), Err(AuthError::Expired));

    let setup = Setup::with(&service(Some(NOW + 1000 * DAY)));
    let principal = setup.call(SERVICE_TOKEN).unwrap();
    assert_eq!(principal.kind, PrincipalKind::Service);
    assert_eq!(principal.user_id, format!("token:{}", principal.token_id));
    setup.clock.advance(89 * DAY);
    assert_eq!(setup.call(SERVICE_TOKEN), Err(AuthError::Expired));

    let user = Setup::with(&Token {
        expires_at: None,
        ..Token::default()
    });
    assert!(user.call(USER_TOKEN).is_ok());
}

#[test]
fn a_time_of_revocation_ends_a_token_whatever_its_status() {
    let setup = Setup::with(&Token::default());
    let revoke = Statement::new("UPDATE api_tokens SET revoked_at = 1");
    block_on(setup.database.run(revoke)).unwrap();
    assert_eq!(setup.call(USER_TOKEN), Err(AuthError::Inactive));
}

#[test]
fn a_found_token_is_asked_for_once_in_ten_seconds() {
    let setup = Setup::with(&Token::default());
    for _ in 0..5 {
        setup.call(USER_TOKEN).unwrap();
    }
    assert_eq!(setup.database.look_ups.get(), 1);
    let revoke = Statement::new("UPDATE api_tokens SET status = 'revoked'");
    block_on(setup.database.run(revoke)).unwrap();
    setup.clock.advance(cache::FRESH_MS);
    assert_eq!(setup.call(USER_TOKEN), Err(AuthError::Inactive));
    assert_eq!(setup.database.look_ups.get(), 2);
}

#[test]
fn the_cache_does_not_outlive_the_token() {
    let soon = Token {
        expires_at: Some(NOW + 3),
        ..Token::default()
    };
    let setup = Setup::with(&soon);
    setup.call(USER_TOKEN).unwrap();
    setup.clock.advance(2);
    setup.call(USER_TOKEN).unwrap();
    setup.clock.advance(1);
    assert_eq!(setup.call(USER_TOKEN), Err(AuthError::Expired));
}

#[test]
fn a_refusal_is_not_remembered() {
    let setup = Setup::new();
    assert_eq!(setup.call(USER_TOKEN), Err(AuthError::Unknown));
    setup.store(&Token::default());
    assert!(setup.call(USER_TOKEN).is_ok());
}
