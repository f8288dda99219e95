//! Whole requests, from the client's proof of itself to the answer.

mod proofs;
mod userinfo;

use serde_json::json;

use super::*;
use crate::http::{Body, HttpReply};
use crate::oauth::PredefinedClient;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A request to be sent.
struct Call<'a> {
    path: &'a str,
    method: &'a str,
    headers: Vec<(&'a str, String)>,
    form: Vec<(&'static str, String)>,
}

fn post<'a>(path: &'a str, form: Vec<(&'static str, String)>) -> Call<'a> {
    let form_type = "application/x-www-form-urlencoded; charset=utf-8".to_owned();
    Call {
        path,
        method: "POST",
        headers: vec![("content-type", form_type)],
        form,
    }
}

impl Call<'_> {
    /// As `client-1`, which is public.
    fn public(mut self) -> Self {
        self.form.push(("client_id", "client-1".to_owned()));
        self
    }

    /// As `service-1`, which has a secret.
    fn service(mut self) -> Self {
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("service-1:{SECRET}"));
        self.headers
            .push(("authorization", format!("Basic {basic}")));
        self
    }

    fn header(mut self, name: &'static str, value: String) -> Self {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value));
        self
    }

    fn send(self, world: &World) -> (HttpReply, Value) {
        let headers: Vec<(&str, &str)> = self
            .headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let body = encoded(&self.form);
        let mut request = web(&headers);
        (request.method, request.path, request.body) = (self.method, self.path, body.as_bytes());
        let reply = block_on(world.server.answer(&request)).unwrap();
        let body = match &reply.body {
            Body::Bytes(bytes) => serde_json::from_slice(bytes).unwrap(),
            _ => Value::Null,
        };
        (reply, body)
    }
}

fn about<'a>(token: &str, method: &'a str, scheme: &str) -> Call<'a> {
    Call {
        path: "/userinfo",
        method,
        headers: vec![("authorization", format!("{scheme} {token}"))],
        form: Vec::new(),
    }
}

fn served() -> World {
    let predefined = |id: &str, secret: Option<&str>| PredefinedClient {
        id: id.to_owned(),
        name: "A client".to_owned(),
        secret: secret.map(Secret::new),
        auth: secret.map_or(AuthMethod::None, |_| AuthMethod::SecretBasic),
        redirect_uris: vec![REDIRECT.to_owned()],
        grant_types: ["authorization_code", "refresh_token", "client_credentials"]
            .map(str::to_owned)
            .to_vec(),
        scopes: None,
        jwks: None,
        jwks_uri: None,
        pkce_exempt: false,
        default_resource: None,
    };
    let mut world = World::new();
    world.server.settings = Rc::new(Settings {
        predefined: vec![
            predefined("client-1", None),
            predefined("service-1", Some(SECRET)),
        ],
        ..Settings::default()
    });
    world
}

fn granted_to(client_id: &str, scopes: &[&str]) -> NewGrant {
    let mut grant = new_grant("ann");
    grant.client_id = client_id.to_owned();
    grant.scopes = Scopes::new(scopes.iter().copied());
    grant
}

/// Tokens of `service-1` for ann.
fn of_service(world: &World, scopes: &[&str]) -> Value {
    let code = world.code_for(granted_to("service-1", scopes), Some(&challenge()));
    let (reply, body) = post("/token", code_form(&code)).service().send(world);
    assert_eq!(reply.status, 200, "{body}");
    body
}

fn text(body: &Value, name: &str) -> String {
    body[name].as_str().unwrap().to_owned()
}

fn header<'a>(reply: &'a HttpReply, name: &str) -> Option<&'a str> {
    let found = reply.headers.iter().find(|(known, _)| *known == name);
    found.map(|(_, value)| value.as_str())
}

fn token(text: &str) -> Vec<(&'static str, String)> {
    vec![("token", text.to_owned())]
}

#[test]
fn tokens_are_given_under_both_paths_and_never_stored() {
    let world = served();
    for path in ["/token", "/api/v2/oauth/token"] {
        let (reply, body) = post(path, code_form(&world.code())).public().send(&world);
        assert_eq!(reply.status, 200, "{body}");
        assert_eq!(header(&reply, "cache-control"), Some("no-store"));
        assert_eq!(header(&reply, "pragma"), Some("no-cache"));
        assert_eq!(header(&reply, "content-type"), Some("application/json"));
        assert_eq!(header(&reply, "x-request-id"), Some("req-1"));
        let again = refresh_form(&text(&body, "refresh_token"));
        assert_eq!(post(path, again).public().send(&world).0.status, 200);
    }
}

#[test]
fn a_form_of_a_known_client_is_needed() {
    let world = served();
    let code = world.code();
    let form = || post("/token", code_form(&code)).public();
    let twice = {
        let mut call = form();
        call.form.push(("code", code.clone()));
        call
    };
    let json_type = "application/json".to_owned();
    let basic = |text: &str| {
        let encoded = base64::engine::general_purpose::STANDARD.encode(text);
        post("/token", code_form(&code)).header("authorization", format!("Basic {encoded}"))
    };
    for (call, status, error) in [
        (
            form().header("content-type", json_type),
            400,
            "invalid_request",
        ),
        (
            form().header("content-type", String::new()),
            400,
            "invalid_request",
        ),
        (twice, 400, "invalid_request"),
        (basic("service-1:wrong"), 401, "invalid_client"),
        (basic(&format!("nobody:{SECRET}")), 401, "invalid_client"),
        (basic(&format!("client-1:{SECRET}")), 401, "invalid_client"),
        (
            post("/token", code_form(&code)).service(),
            400,
            "invalid_grant",
        ),
    ] {
        let (reply, body) = call.send(&world);
        assert_eq!(
            (reply.status, body["error"].as_str()),
            (status, Some(error)),
            "{body}"
        );
        assert_eq!(header(&reply, "www-authenticate").is_some(), status == 401);
        assert_eq!(header(&reply, "cache-control"), Some("no-store"));
    }
    assert_eq!(form().send(&world).0.status, 200, "the code was not burnt");
}

#[test]
fn a_client_acts_for_itself() {
    let world = served();
    let form = || vec![("grant_type", "client_credentials".to_owned())];
    let (reply, body) = post("/token", form()).service().send(&world);
    assert_eq!(reply.status, 200, "{body}");
    assert_eq!(
        body["scope"],
        "chain:verify chatgpt:read execution:read fortress:verify"
    );
    let (reply, body) = post("/token", form()).public().send(&world);
    assert_eq!(
        (reply.status, body["error"].as_str()),
        (400, Some("unauthorized_client"))
    );
}

#[test]
fn either_token_is_revoked_with_its_grant() {
    for (which, path) in [
        ("access_token", "/revoke"),
        ("refresh_token", "/api/v2/oauth/revoke"),
    ] {
        let world = served();
        let tokens = of_service(&world, &["openid"]);
        let form = token(&text(&tokens, which));
        let (reply, _) = post(path, form).service().send(&world);
        assert_eq!(reply.status, 200);
        assert_eq!(world.revoke_reason().as_deref(), Some("revoked_by_client"));
        let again = refresh_form(&text(&tokens, "refresh_token"));
        let (_, body) = post("/token", again).service().send(&world);
        assert_eq!(body["error"], "invalid_grant");
        let access = text(&tokens, "access_token");
        assert_eq!(about(&access, "GET", "Bearer").send(&world).0.status, 401);
    }
}

#[test]
fn nobody_revokes_what_is_not_his() {
    let world = served();
    let tokens = of_service(&world, &["openid"]);
    for which in ["access_token", "refresh_token"] {
        let (reply, body) = post("/revoke", token(&text(&tokens, which)))
            .public()
            .send(&world);
        assert_eq!(
            (reply.status, body["error"].as_str()),
            (400, Some("invalid_grant"))
        );
    }
    let stranger = post("/revoke", token(&text(&tokens, "access_token")));
    assert!(stranger.send(&world).0.status >= 400);
    assert_eq!(world.revoke_reason(), None);
}

#[test]
fn what_means_nothing_is_as_good_as_revoked() {
    let world = served();
    let tokens = of_service(&world, &["openid"]);
    let mut forged = text(&tokens, "access_token");
    forged.truncate(forged.len() - 4);
    for nothing in [
        "x",
        "a.b.c",
        &forged,
        "chitty_key_00112233445566778899aabbccddeeff",
        &format!("chitty_refresh_{}", "0".repeat(64)),
        &"x".repeat(16_000),
    ] {
        let (reply, _) = post("/revoke", token(nothing)).service().send(&world);
        assert_eq!(reply.status, 200, "{nothing}");
    }
    assert_eq!(world.revoke_reason(), None);
    let (reply, body) = post("/revoke", vec![]).service().send(&world);
    assert_eq!(
        (reply.status, body["error"].as_str()),
        (400, Some("invalid_request"))
    );
}

#[test]
fn a_client_looks_into_its_own_tokens() {
    let world = served();
    let tokens = of_service(&world, &["chain:verify", "openid"]);
    let look = |which: &str| {
        let form = token(&text(&tokens, which));
        post("/introspect", form).service().send(&world).1
    };
    let access = look("access_token");
    let seconds = NOW.div_euclid(1000);
    assert_eq!(
        access,
        json!({
            "active": true, "token_type": "Bearer", "scope": "chain:verify openid",
            "client_id": "service-1", "sub": "ann", "aud": RESOURCE, "iss": ORIGIN,
            "iat": seconds, "exp": seconds + 3600,
        })
    );
    let refresh = look("refresh_token");
    assert_eq!(
        (&refresh["active"], &refresh["sub"]),
        (&json!(true), &json!("ann"))
    );
    assert_eq!(refresh["exp"], seconds + 30 * DAY / 1000);
    let next = refresh_form(&text(&tokens, "refresh_token"));
    post("/token", next).service().send(&world);
    assert_eq!(look("refresh_token"), json!({"active": false}), "replaced");
    world.clock.advance(2 * 3600 * SECOND);
    assert_eq!(look("access_token"), json!({"active": false}), "expired");
}

#[test]
fn it_learns_nothing_of_others_tokens_or_of_what_has_ended() {
    let world = served();
    let (_, others) = post("/token", code_form(&world.code()))
        .public()
        .send(&world);
    let tokens = of_service(&world, &["openid"]);
    for nothing in [
        text(&others, "access_token"),
        text(&others, "refresh_token"),
        text(&tokens, "id_token"),
        "chitty_key_00112233445566778899aabbccddeeff".to_owned(),
        "x".to_owned(),
    ] {
        let (reply, body) = post("/introspect", token(&nothing)).service().send(&world);
        assert_eq!((reply.status, body), (200, json!({"active": false})));
    }
    let access = text(&tokens, "access_token");
    post("/revoke", token(&access)).service().send(&world);
    let (_, body) = post("/introspect", token(&access)).service().send(&world);
    assert_eq!(body, json!({"active": false}));
    let own = token(&text(&others, "access_token"));
    let (reply, body) = post("/introspect", own).public().send(&world);
    assert_eq!(
        (reply.status, body["error"].as_str()),
        (401, Some("invalid_client"))
    );
}
