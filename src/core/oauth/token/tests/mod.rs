//! The token endpoint over SQLite, with the time standing still.

mod client_credentials;
mod code;
mod endpoints;
mod faults;
mod refresh;
mod schedules;
mod shaky;
mod store;

use std::rc::Rc;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::future::LocalBoxFuture;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::super::store::NewCode;
use super::super::{
    AuthMethod, AuthorizationServer, Client, ClientSource, GrantKind, NewGrant, OAuthError, Params,
    Settings, WebRequest,
};
use super::exchange::Exchange;
use super::{REFRESH_TOKEN, Tokens, known_grant_type};
use crate::auth::{AuditLog, Authenticator, RequestInfo, Scopes};
use crate::ports::{Background, Database, Http, HttpError, HttpRequest, HttpResponse};
use crate::seal::Sealer;
use crate::secret::Secret;
use crate::sql::{Outcome, Statement};
use crate::testing::{FakeBackground, FakeClock, FakeEntropy, FakeLog, block_on};
use shaky::Shaky;

const NOW: i64 = 1_795_262_349_123;
const SECOND: i64 = 1000;
const DAY: i64 = 24 * 60 * 60 * SECOND;
const ORIGIN: &str = "https://mcp.example.com";
const RESOURCE: &str = "https://mcp.example.com/mcp";
const REDIRECT: &str = "https://client.example/callback";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

/// A server, and all that it stands on.
struct World {
    clock: FakeClock,
    database: Rc<Shaky>,
    background: Rc<FakeBackground>,
    server: AuthorizationServer,
}

struct NoHttp;

#[async_trait(?Send)]
impl Http for NoHttp {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        Err(HttpError::Unreachable(request.url))
    }
}

struct Forgetful;

impl Background for Forgetful {
    fn spawn(&self, _work: LocalBoxFuture<'static, ()>) {}
}

fn sealer(digit: &str) -> Rc<Sealer> {
    Rc::new(Sealer::new(&Secret::new(digit.repeat(64)), &[]).unwrap())
}

fn client(id: &str) -> Client {
    Client {
        id: id.to_owned(),
        name: "A client".to_owned(),
        source: ClientSource::Registered,
        redirect_uris: vec![REDIRECT.to_owned()],
        auth: AuthMethod::None,
        secret_hash: None,
        jwks: None,
        jwks_uri: None,
        grant_types: vec!["authorization_code".to_owned(), "refresh_token".to_owned()],
        scopes: None,
        pkce_exempt: false,
        default_resource: None,
    }
}

fn new_grant(user_id: &str) -> NewGrant {
    NewGrant {
        kind: GrantKind::Code,
        user_id: user_id.to_owned(),
        client_id: "client-1".to_owned(),
        client_name: "A client".to_owned(),
        resource: RESOURCE.to_owned(),
        scopes: Scopes::new([
            "chain:verify",
            "execution:read",
            "fortress:*",
            "offline_access",
        ]),
        token_id: None,
        auth_time_ms: Some(NOW),
        dpop_jkt: None,
    }
}

fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER))
}

fn code_form(code: &str) -> Vec<(&'static str, String)> {
    vec![
        ("grant_type", "authorization_code".to_owned()),
        ("code", code.to_owned()),
        ("redirect_uri", REDIRECT.to_owned()),
        ("code_verifier", VERIFIER.to_owned()),
    ]
}

fn refresh_form(token: &str) -> Vec<(&'static str, String)> {
    vec![
        ("grant_type", "refresh_token".to_owned()),
        ("refresh_token", token.to_owned()),
    ]
}

/// `form` with one parameter replaced, or left out where `value` is empty.
fn with(
    mut form: Vec<(&'static str, String)>,
    name: &'static str,
    value: &str,
) -> Vec<(&'static str, String)> {
    form.retain(|(known, _)| *known != name);
    form.push((name, value.to_owned()));
    form
}

impl World {
    fn new() -> Self {
        Self::over(Rc::new(Shaky::default()), Rc::new(FakeEntropy::default()))
    }

    /// Without an audit log.
    fn unheard(database: Rc<Shaky>, entropy: Rc<FakeEntropy>) -> Self {
        let mut world = Self::over(database, entropy);
        world.server.audit.background = Rc::new(Forgetful);
        world
    }

    fn over(database: Rc<Shaky>, entropy: Rc<FakeEntropy>) -> Self {
        let (clock, background) = (FakeClock::at(NOW), Rc::new(FakeBackground::default()));
        let audit = AuditLog {
            queue: Rc::default(),
            database: database.clone(),
            clock: Rc::new(clock.clone()),
            entropy,
            background: Rc::clone(&background) as Rc<dyn Background>,
            log: Rc::new(FakeLog::default()),
        };
        let server = AuthorizationServer {
            settings: Rc::new(Settings::default()),
            origin: ORIGIN.to_owned(),
            http: Rc::new(NoHttp),
            sealer: sealer("a"),
            authenticator: Authenticator {
                cache: Rc::default(),
                audit: audit.clone(),
            },
            audit,
            keys: Rc::default(),
            clients: Rc::default(),
            provider: Rc::default(),
        };
        let world = Self {
            clock,
            database,
            background,
            server,
        };
        world.sql(
            "INSERT INTO identities (id, roles, created_at, updated_at)
            VALUES ('ann', '[\"admin\"]', 0, 0) ON CONFLICT DO NOTHING",
        );
        world
    }

    /// A code of `client-1`, with PKCE.
    fn code(&self) -> String {
        self.code_for(new_grant("ann"), Some(&challenge()))
    }

    fn code_for(&self, grant: NewGrant, code_challenge: Option<&str>) -> String {
        let code = NewCode {
            redirect_uri: REDIRECT,
            code_challenge,
            nonce: Some("n-1"),
        };
        block_on(self.server.grant_code(grant, code)).unwrap()
    }

    fn first_refresh(&self) -> String {
        let tokens = self.post(&client("client-1"), &code_form(&self.code()));
        tokens.unwrap().refresh.unwrap()
    }

    fn refresh(&self, token: &str) -> Result<String, &'static str> {
        let result = self.post(&client("client-1"), &refresh_form(token));
        result
            .map(|tokens| tokens.refresh.unwrap())
            .map_err(|error| error.code)
    }

    fn post(&self, client: &Client, form: &[(&str, String)]) -> Result<Tokens, OAuthError> {
        block_on(self.exchange(client.clone(), encoded(form)))
    }

    /// All that is stored and consumed for a code or refresh token, in the same order, but
    /// without the signatures, which take longer than everything else.
    async fn unsigned(&self, client: Client, form: String) -> Result<String, OAuthError> {
        let (form, headers) = (Params::parse(&form)?, Vec::new());
        let exchange = Exchange {
            web: &web(&headers),
            client: &client,
            form: &form,
            grant_type: known_grant_type(&form)?,
            proof: None,
        };
        let server = &self.server;
        if exchange.grant_type == REFRESH_TOKEN {
            let token = form.require("refresh_token")?;
            let stored = server.checked_refresh(&exchange, token).await?;
            return server.replaced(&exchange, token, &stored).await;
        }
        let stored = server.checked_code(&exchange).await?;
        let grant = server.started(&exchange, &stored);
        let refresh = server.redeemed(&exchange, &stored, &grant).await?;
        Ok(refresh.unwrap())
    }

    /// A request of a client that has proven itself.
    async fn exchange(&self, client: Client, form: String) -> Result<Tokens, OAuthError> {
        let headers = Vec::new();
        let form = Params::parse(&form)?;
        let exchange = Exchange {
            web: &web(&headers),
            client: &client,
            form: &form,
            grant_type: known_grant_type(&form)?,
            proof: None,
        };
        self.server.tokens_for(&exchange).await
    }

    fn sql(&self, sql: &str) -> Outcome {
        block_on(self.database.inner.run(Statement::new(sql.to_owned()))).unwrap()
    }

    fn count(&self, what: &str) -> i64 {
        let outcome = self.sql(&format!("SELECT count(*) AS n FROM {what}"));
        outcome.first().unwrap().int("n").unwrap()
    }

    /// `outcome/reason` of each audit row, in order.
    fn audited(&self) -> Vec<String> {
        self.background.run_all();
        let outcome = self.sql("SELECT outcome, reason FROM audit_logs ORDER BY id");
        let told = outcome.rows.iter().map(|row| {
            let reason = row.opt_text("reason").unwrap().unwrap_or_default();
            format!("{}/{reason}", row.text("outcome").unwrap())
        });
        told.collect()
    }

    fn revoke_reason(&self) -> Option<String> {
        let outcome = self.sql("SELECT revoke_reason FROM oauth_grants");
        outcome.first().unwrap().opt_text("revoke_reason").unwrap()
    }
}

fn web<'a>(headers: &'a Vec<(&'a str, &'a str)>) -> WebRequest<'a> {
    WebRequest {
        method: "POST",
        path: "/token",
        query: "",
        headers,
        body: &[],
        info: RequestInfo {
            request_id: "req-1".into(),
            service: "coordinator",
            ..RequestInfo::default()
        },
    }
}

fn encoded(form: &[(&str, String)]) -> String {
    let mut text = url::form_urlencoded::Serializer::new(String::new());
    text.extend_pairs(form).finish()
}

fn body(tokens: &Tokens) -> Value {
    match tokens.reply().body {
        crate::http::Body::Bytes(bytes) => serde_json::from_slice(&bytes).unwrap(),
        other => panic!("{other:?}"),
    }
}
