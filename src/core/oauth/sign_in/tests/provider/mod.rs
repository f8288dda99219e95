//! Against a provider that can be made to lie.

mod people;
mod tokens;

use std::rc::Rc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;
use serde_json::{Value, json};
use url::Url;

use super::*;
use crate::jose::SigningKey;
use crate::oauth::UpstreamSettings;
use crate::ports::{Http, HttpError, HttpRequest, HttpResponse};
use crate::secret::Secret;

const ISSUER: &str = "https://id.test";
const SECRET: &str = "s:e/c&r+t";

/// What it says, to be changed by a test before the browser comes back.
struct Provider {
    metadata: RefCell<Value>,
    claims: RefCell<Value>,
    user_info: RefCell<Value>,
    key: RefCell<SigningKey>,
    listed: RefCell<Value>,
    asked: RefCell<Vec<HttpRequest>>,
    down: RefCell<Option<&'static str>>,
}

fn key(byte: u8) -> SigningKey {
    SigningKey::from_bytes(&[byte; 32]).unwrap()
}

fn provider() -> Rc<Provider> {
    Rc::new(Provider {
        metadata: RefCell::new(json!({
            "issuer": ISSUER,
            "authorization_endpoint": format!("{ISSUER}/auth?tenant=1"),
            "token_endpoint": format!("{ISSUER}/token"),
            "jwks_uri": format!("{ISSUER}/keys"),
            "userinfo_endpoint": format!("{ISSUER}/me"),
            "authorization_response_iss_parameter_supported": true,
        })),
        claims: RefCell::new(json!({
            "iss": ISSUER, "aud": "chitty", "sub": "42", "email": "ada@example.org",
            "email_verified": true, "name": "Ada \u{202e}<b>", "exp": NOW / 1000 + 300,
            "iat": NOW / 1000,
        })),
        user_info: RefCell::new(json!({"sub": "42", "name": "Ada of userinfo"})),
        listed: RefCell::new(json!({"keys": [key(7).public_jwk()]})),
        key: RefCell::new(key(7)),
        asked: RefCell::default(),
        down: RefCell::default(),
    })
}

impl Provider {
    fn says(&self, path: &str) -> Option<Value> {
        Some(match path {
            "/.well-known/openid-configuration" => self.metadata.borrow().clone(),
            "/keys" => self.listed.borrow().clone(),
            "/me" => self.user_info.borrow().clone(),
            "/token" => {
                let claims = self.claims.borrow().clone();
                let key = self.key.borrow();
                let token = key.sign("JWT", &claims);
                json!({"id_token": token, "access_token": "at", "token_type": "Bearer"})
            }
            _ => return None,
        })
    }

    fn set(&self, claim: &str, value: Value) {
        self.claims.borrow_mut()[claim] = value;
    }
}

#[async_trait(?Send)]
impl Http for Provider {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let url = Url::parse(&request.url).unwrap();
        self.asked.borrow_mut().push(request);
        if *self.down.borrow() == Some(url.path()) {
            return Err(HttpError::Timeout { ms: 8000 });
        }
        let said = self.says(url.path());
        let body = Bytes::from(said.clone().unwrap_or_default().to_string());
        Ok(HttpResponse {
            status: if said.is_some() { 200 } else { 404 },
            headers: Vec::new(),
            body: futures::stream::iter([Ok(body)]).boxed_local(),
        })
    }
}

fn upstream_world(provider: &Rc<Provider>) -> World {
    let mut world = world_with(Settings {
        upstream: Some(UpstreamSettings {
            issuer: ISSUER.into(),
            client_id: "chitty".into(),
            client_secret: Some(Secret::new(SECRET)),
            label: "Acme".into(),
            default_role: "analyst".into(),
            allowed_domains: Vec::new(),
        }),
        ..settings()
    });
    world.server.http = provider.clone();
    world
}

/// Starts, and returns where the browser is sent.
fn leave(browser: &Visitor<'_>) -> Url {
    leave_for(browser, &request())
}

fn leave_for(browser: &Visitor<'_>, request: &AuthorizationRequest) -> Url {
    let page = browser.authorize(request, QUERY);
    let link = page
        .html
        .split("href=\"/sign-in/upstream?ticket=")
        .nth(1)
        .unwrap();
    let ticket = link.split('"').next().unwrap();
    let done = browser.get(&format!("/sign-in/upstream?ticket={ticket}"));
    assert_eq!(done.status, 303, "{}", done.html);
    Url::parse(&done.location.unwrap()).unwrap()
}

fn sent(url: &Url, name: &str) -> String {
    let found = url.query_pairs().find(|(known, _)| known == name);
    found
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

/// All the way, with what the provider says now.
fn come_back(provider: &Provider, browser: &Visitor<'_>) -> Seen {
    come_back_from(provider, browser, &leave(browser))
}

fn come_back_from(provider: &Provider, browser: &Visitor<'_>, url: &Url) -> Seen {
    if provider.claims.borrow()["nonce"].is_null() {
        provider.set("nonce", json!(sent(url, "nonce")));
    }
    let state = sent(url, "state");
    browser.get(&format!(
        "/sign-in/callback?state={state}&code=abc&iss={ISSUER}"
    ))
}

#[test]
fn the_provider_is_asked_as_openid_connect_says() {
    let provider = provider();
    let world = upstream_world(&provider);
    let browser = visitor(&world);
    let url = leave(&browser);
    assert!(url.as_str().starts_with("https://id.test/auth?tenant=1&"));
    assert_eq!(sent(&url, "response_type"), "code");
    assert_eq!(sent(&url, "scope"), "openid email profile");
    assert_eq!(sent(&url, "code_challenge_method"), "S256");
    let callback = "https://mcp.example.com/sign-in/callback";
    assert_eq!(sent(&url, "redirect_uri"), callback);
    let secrets = ["state", "nonce", "code_challenge"].map(|name| sent(&url, name));
    assert!(secrets.iter().all(|secret| secret.len() >= 43));
    provider.set("nonce", json!(sent(&url, "nonce")));
    let back = format!(
        "/sign-in/callback?state={}&code=a%20c&iss={ISSUER}",
        sent(&url, "state")
    );
    let done = browser.get(&back);
    assert_eq!(
        done.location.as_deref(),
        Some("/authorize?client_id=app&state=s")
    );
    assert_eq!(browser.cookie("provider"), None);
    let asked = provider.asked.borrow();
    let exchange = asked
        .iter()
        .find(|request| request.method == "POST")
        .unwrap();
    let basic = exchange
        .headers
        .iter()
        .find(|(name, _)| *name == "authorization");
    // chitty:s%3Ae%2Fc%26r%2Bt
    assert_eq!(basic.unwrap().1, "Basic Y2hpdHR5OnMlM0FlJTJGYyUyNnIlMkJ0");
    let body = String::from_utf8(exchange.body.to_vec()).unwrap();
    assert!(body.contains("code=a+c") && !body.contains("client_secret"));
    let verifier = body.split("code_verifier=").nth(1).unwrap();
    let challenge = {
        use base64::Engine;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
    };
    assert_eq!(challenge, sent(&url, "code_challenge"));
    drop(asked);
    assert_eq!(browser.get(&back).status, 400, "once");
}

#[test]
fn the_answer_is_of_this_browser_state_and_issuer() {
    type Answer = fn(&str) -> String;
    let answers: [(&str, Answer); 5] = [
        ("state", |_| {
            format!("state={}&code=abc&iss={ISSUER}", "0".repeat(64))
        }),
        ("state", |_| format!("code=abc&iss={ISSUER}")),
        ("iss", |state| format!("state={state}&code=abc")),
        ("iss", |state| {
            format!("state={state}&code=abc&iss=https://evil.test")
        }),
        ("code", |state| {
            format!("state={state}&error=access_denied&iss={ISSUER}")
        }),
    ];
    for (what, answer) in answers {
        let provider = provider();
        let world = upstream_world(&provider);
        let browser = visitor(&world);
        let url = leave(&browser);
        provider.set("nonce", json!(sent(&url, "nonce")));
        let query = answer(&sent(&url, "state"));
        let page = browser.get(&format!("/sign-in/callback?{query}"));
        assert_eq!(page.status, 403, "{what}");
        assert!(page.html.contains("An &lt;App&gt;"), "signing in goes on");
        assert!(
            provider
                .asked
                .borrow()
                .iter()
                .all(|request| request.method == "GET")
        );
        assert!(live_sessions(&world).is_empty());
    }
    let provider = provider();
    let world = upstream_world(&provider);
    let (ada, eve) = (visitor(&world), visitor(&world));
    let url = leave(&eve);
    let query = format!("state={}&code=abc&iss={ISSUER}", sent(&url, "state"));
    assert_eq!(ada.get(&format!("/sign-in/callback?{query}")).status, 400);
    leave(&ada);
    assert_eq!(ada.get(&format!("/sign-in/callback?{query}")).status, 403);
    let planted = eve.cookie("provider").unwrap();
    ada.cookies
        .borrow_mut()
        .insert("__Host-chitty-provider".into(), planted);
    assert_eq!(
        ada.get(&format!("/sign-in/callback?{query}")).status,
        400,
        "another's cookie"
    );
}

#[test]
fn a_provider_that_fails_is_said_so_and_keys_still_work() {
    for path in ["/keys", "/token"] {
        let provider = provider();
        let world = upstream_world(&provider);
        provider.down.replace(Some(path));
        let browser = visitor(&world);
        let page = come_back(&provider, &browser);
        assert_eq!(page.status, 403, "{path}");
        let ticket = page.ticket("/sign-in");
        let done = browser.post("/sign-in", &[("ticket", &ticket), ("key", KEY)]);
        assert_eq!(
            done.location.as_deref(),
            Some("/authorize?client_id=app&state=s")
        );
    }
    let wrong = [
        ("issuer", json!("https://id.test/other")),
        ("token_endpoint", json!("http://id.test/token")),
        ("authorization_endpoint", json!("javascript:alert(1)")),
        ("jwks_uri", json!(5)),
    ];
    for (name, value) in wrong {
        let provider = provider();
        let world = upstream_world(&provider);
        provider.metadata.borrow_mut()[name] = value;
        let browser = visitor(&world);
        let page = browser.get("/sign-in");
        let link = page.html.split("ticket=").nth(1).unwrap();
        let ticket = link.split('"').next().unwrap();
        let reply = browser.get(&format!("/sign-in/upstream?ticket={ticket}"));
        assert_eq!(reply.status, 503, "{name}");
    }
}

#[test]
fn other_sites_cannot_start_it_and_without_a_provider_there_is_none() {
    let provider = provider();
    let world = upstream_world(&provider);
    let browser = visitor(&world);
    let ticket = browser.get("/sign-in").ticket("/sign-in");
    let query = format!("ticket={ticket}");
    let header = [("sec-fetch-site", "cross-site")];
    let reply = browser.send("GET", "/sign-in/upstream", &query, &[], &header);
    assert_eq!(reply.status, 403);
    assert_eq!(browser.get("/sign-in/upstream?ticket=x").status, 400);
    let world = super::world();
    assert_eq!(
        visitor(&world).get("/sign-in/upstream?ticket=x").status,
        404
    );
    assert_eq!(visitor(&world).get("/sign-in/callback?state=x").status, 404);
}
