//! A browser that keeps its cookies, against the server over SQLite.

mod account;
mod browser;
mod forged;
mod provider;
mod second_factor;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use sha2::{Digest, Sha256};
use url::form_urlencoded::Serializer;

use crate::auth::Scopes;
use crate::http::{Body, HttpReply};
use crate::oauth::tests::world::{NOW, World, header, settings, web};
use crate::oauth::{
    AuthMethod, AuthorizationRequest, Client, PredefinedClient, Settings, WebRequest,
};
use crate::ports::Database;
use crate::sql::{Row, Statement};
use crate::testing::block_on;

const KEY: &str = "chitty_key_0123456789abcdef0123456789abcdef";
const QUERY: &str = "client_id=app&state=s";

/// A browser. Each call is one request; cookies that come are kept.
struct Visitor<'a> {
    world: &'a World,
    cookies: RefCell<BTreeMap<String, String>>,
    address: Cell<&'static str>,
}

struct Seen {
    status: u16,
    location: Option<String>,
    cookies: Vec<String>,
    html: String,
}

impl Seen {
    /// The ticket of the form that posts to `action`.
    fn ticket(&self, action: &str) -> String {
        let form = self.html.split(&format!("action=\"{action}\"")).nth(1);
        let field = form.and_then(|form| form.split("name=\"ticket\" value=\"").nth(1));
        let ticket = field.and_then(|field| field.split('"').next());
        ticket
            .unwrap_or_else(|| panic!("no {action}: {}", self.html))
            .to_owned()
    }
}

fn visitor(world: &World) -> Visitor<'_> {
    Visitor {
        world,
        cookies: RefCell::default(),
        address: Cell::new("192.0.2.1"),
    }
}

impl Visitor<'_> {
    fn send(
        &self,
        method: &str,
        path: &str,
        query: &str,
        form: &[(&str, &str)],
        more: &[(&'static str, &str)],
    ) -> Seen {
        self.with_request(method, path, query, form, more, |request| {
            block_on(self.world.server.answer(request)).unwrap()
        })
    }

    fn with_request(
        &self,
        method: &str,
        path: &str,
        query: &str,
        form: &[(&str, &str)],
        more: &[(&'static str, &str)],
        answer: impl Fn(&WebRequest<'_>) -> HttpReply,
    ) -> Seen {
        let cookies = self.cookies.borrow().clone();
        let pairs: Vec<_> = cookies.iter().map(|(k, v)| format!("{k}={v}")).collect();
        let cookie = pairs.join("; ");
        let mut headers = vec![("cookie", cookie.as_str())];
        headers.push(("content-type", "application/x-www-form-urlencoded"));
        headers.extend_from_slice(more);
        let body = Serializer::new(String::new()).extend_pairs(form).finish();
        let mut request = web(method, path, query, &headers, body.as_bytes());
        request.info.ip = Some(self.address.get().to_owned());
        let reply = answer(&request);
        self.keep(&reply);
        seen(&reply)
    }

    fn keep(&self, reply: &HttpReply) {
        for cookie in cookies_of(reply) {
            let (name, rest) = cookie.split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            let mut kept = self.cookies.borrow_mut();
            if value.is_empty() {
                kept.remove(name);
            } else {
                kept.insert(name.to_owned(), value.to_owned());
            }
        }
    }

    fn get(&self, path: &str) -> Seen {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        self.send("GET", path, query, &[], &[])
    }

    fn post(&self, path: &str, form: &[(&str, &str)]) -> Seen {
        self.send("POST", path, "", form, &[("sec-fetch-site", "same-origin")])
    }

    /// What the authorization endpoint shows once it has checked the request.
    fn authorize(&self, request: &AuthorizationRequest, query: &str) -> Seen {
        let client = client();
        self.with_request("GET", "/authorize", query, &[], &[], |web| {
            block_on(self.world.server.interact(web, &client, request.clone()))
        })
    }

    fn sign_in(&self, key: &str) -> Seen {
        let page = self.get("/sign-in");
        let ticket = page.ticket("/sign-in");
        self.post("/sign-in", &[("ticket", &ticket), ("key", key)])
    }

    fn cookie(&self, name: &str) -> Option<String> {
        self.cookies
            .borrow()
            .get(&format!("__Host-chitty-{name}"))
            .cloned()
    }
}

fn cookies_of(reply: &HttpReply) -> Vec<String> {
    let set = reply
        .headers
        .iter()
        .filter(|(name, _)| *name == "set-cookie");
    set.map(|(_, value)| value.clone()).collect()
}

fn seen(reply: &HttpReply) -> Seen {
    Seen {
        status: reply.status,
        location: header(reply, "location").map(str::to_owned),
        cookies: cookies_of(reply),
        html: match &reply.body {
            Body::Bytes(bytes) => String::from_utf8(bytes.clone()).unwrap(),
            _ => String::new(),
        },
    }
}

fn client() -> Client {
    let known = predefined();
    Client {
        id: known.id,
        name: known.name,
        source: crate::oauth::ClientSource::Predefined,
        redirect_uris: known.redirect_uris,
        auth: known.auth,
        secret_hash: None,
        jwks: None,
        jwks_uri: None,
        grant_types: known.grant_types,
        scopes: None,
        pkce_exempt: false,
        default_resource: None,
    }
}

fn predefined() -> PredefinedClient {
    PredefinedClient {
        id: "app".into(),
        name: "An <App>".into(),
        secret: None,
        auth: AuthMethod::None,
        redirect_uris: vec!["https://app.test/cb".into()],
        grant_types: vec!["authorization_code".into(), "refresh_token".into()],
        scopes: None,
        jwks: None,
        jwks_uri: None,
        pkce_exempt: false,
        default_resource: None,
    }
}

fn request() -> AuthorizationRequest {
    AuthorizationRequest {
        client_id: "app".into(),
        redirect_uri: "https://app.test/cb".into(),
        scopes: Scopes::new([
            "execution:read",
            "chain:verify",
            "execution:run",
            "admin:*",
            "openid",
            "offline_access",
        ]),
        state: Some("s".into()),
        resource: "https://mcp.example.com/mcp".into(),
        code_challenge: Some("c".repeat(43)),
        nonce: None,
        sign_in_again: false,
        max_age: None,
        dpop_jkt: None,
    }
}

fn world() -> World {
    world_with(settings())
}

/// Where ada has [`KEY`], which may read and run.
fn world_with(settings: Settings) -> World {
    let world = World::with(Settings {
        predefined: vec![predefined()],
        ..settings
    });
    admit(
        &world,
        "TOKEN-ada",
        "ada",
        KEY,
        &["execution:*", "chain:verify"],
    );
    world
}

fn admit(world: &World, id: &str, user: &str, key: &str, scopes: &[&str]) {
    let statement = Statement::new(
        "INSERT INTO api_tokens (id, user_id, token_hash, key_prefix, name, scopes, status, created_at)
         VALUES (?1, ?2, ?3, 'chitty_key_0123', 'Laptop', ?4, 'active', ?5)",
    )
    .bind(id)
    .bind(user)
    .bind(hex::encode(Sha256::digest(key)))
    .bind(serde_json::json!(scopes))
    .timestamp(NOW);
    block_on(world.database.run(statement)).unwrap();
}

fn run(world: &World, sql: &'static str) {
    block_on(world.database.run(Statement::new(sql))).unwrap();
}

fn live_sessions(world: &World) -> Vec<Row> {
    world.rows("SELECT * FROM login_sessions WHERE ended_at IS NULL")
}
