//! Keys and the export over plain HTTP.

use futures::StreamExt;
use serde_json::{Value, json};

use super::*;
use crate::auth::rest::{self, TokenApi};
use crate::http::{Body, HttpReply};
use crate::oauth::WebRequest;
use crate::seal::Sealer;
use crate::secret::Secret;
use crate::services::Platform;

struct Got {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

impl Got {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| value.as_str())
    }
}

impl Setup {
    fn with_scopes(scopes: &str) -> Self {
        Self::with(&Token {
            scopes: Some(scopes),
            ..Token::default()
        })
    }

    fn send(&self, method: &str, path: &str, body: &str) -> Option<Got> {
        self.send_as(Some(USER_TOKEN), method, path, body)
    }

    fn send_as(&self, token: Option<&str>, method: &str, path: &str, body: &str) -> Option<Got> {
        let platform = self.platform();
        let authorization = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<(&str, &str)> = authorization
            .iter()
            .map(|value| ("authorization", value.as_str()))
            .collect();
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let web = WebRequest {
            method,
            path,
            query,
            headers: &headers,
            body: body.as_bytes(),
            info: Self::request(),
        };
        let api = TokenApi {
            platform: &platform,
        };
        block_on(api.answer(&web)).map(got)
    }

    fn platform(&self) -> Platform {
        let audit = &self.auth.audit;
        Platform {
            clock: audit.clock.clone(),
            entropy: audit.entropy.clone(),
            database: audit.database.clone(),
            log: audit.log.clone(),
            sealer: Rc::new(Sealer::new(&Secret::new("01".repeat(32)), &[]).unwrap()),
            background: audit.background.clone(),
            authenticator: self.auth.clone(),
            keys: Rc::default(),
            resource: None,
            service: "coordinator",
        }
    }

    fn refused(&self, method: &str, path: &str, body: &str, status: u16, code: &str) {
        let got = self.send(method, path, body).unwrap();
        assert_eq!(got.status, status, "{method} {path} {body}: {}", got.json());
        let error = &got.json()["error"];
        assert_eq!(error["code"], code);
        assert_eq!(error["request_id"], "req-1");
        assert!(error["message"].as_str().unwrap().len() > 20);
        assert_eq!(got.header("cache-control"), Some("no-store"));
    }
}

fn got(reply: HttpReply) -> Got {
    let body = match reply.body {
        Body::Empty => Vec::new(),
        Body::Bytes(bytes) => bytes,
        Body::Stream(chunks) => block_on(chunks.collect::<Vec<_>>()).concat(),
        other @ Body::Upgraded(_) => panic!("{other:?}"),
    };
    Got {
        status: reply.status,
        headers: reply.headers,
        body,
    }
}

#[test]
fn a_key_goes_through_its_life() {
    let setup = Setup::with_scopes(r#"["token:manage","execution:read"]"#);
    let body = json!({"name": "laptop", "platform": "cursor"}).to_string();
    let made = setup.send("POST", "/api/v2/tokens/mint", &body).unwrap();
    assert_eq!(made.status, 201);
    assert_eq!(made.header("cache-control"), Some("no-store"));
    let made = made.json();
    let token = made["token"].as_str().unwrap();
    assert!(setup.call(token).is_ok());
    assert_eq!(made["key"]["scopes"], json!(["execution:read"]));
    let id = made["key"]["id"].as_str().unwrap();

    let listed = setup.send("GET", "/api/v2/tokens", "").unwrap();
    assert_eq!(listed.status, 200);
    assert_eq!(listed.json()["keys"].as_array().unwrap().len(), 2);
    assert!(!String::from_utf8(listed.body).unwrap().contains(token));

    let path = format!("/api/v2/tokens/{id}/rotate");
    let next = setup.send("POST", &path, r#"{"overlap_hours":1}"#).unwrap();
    assert_eq!(next.status, 201);
    assert_eq!(next.json()["replaced"]["id"], id);
    let next_id = next.json()["key"]["id"].as_str().unwrap().to_owned();

    let path = format!("/api/v2/tokens/{next_id}/revoke");
    for revoked in [1, 0] {
        let got = setup.send("POST", &path, "").unwrap();
        assert_eq!((got.status, &got.json()["revoked"]), (200, &json!(revoked)));
    }
    let all = setup
        .send("GET", "/api/v2/tokens?include_ended=true", "")
        .unwrap();
    assert_eq!(all.json()["keys"].as_array().unwrap().len(), 3);
}

#[test]
fn what_is_wrong_is_named_in_the_common_form() {
    let setup = Setup::with_scopes(r#"["token:manage","execution:read"]"#);
    let mint = "/api/v2/tokens/mint";
    for body in [
        "",
        "[]",
        "{",
        r#"{"name":""}"#,
        r#"{"name":"a","unknown":1}"#,
        r#"{"name":"a","expires_in_days":0}"#,
        r#"{"name":"a","expires_in_days":366}"#,
        r#"{"name":"a","platform":"No Such"}"#,
        r#"{"name":"a\nb"}"#,
        r#"{"name":"a","scopes":[]}"#,
        r#"{"name":"a","scopes":["nothing:here"]}"#,
        r#"{"name":"a","kind":"admin"}"#,
    ] {
        setup.refused("POST", mint, body, 400, "INVALID_ARGUMENTS");
    }
    let admin = r#"{"name":"a","scopes":["admin:*"]}"#;
    setup.refused("POST", mint, admin, 403, "INSUFFICIENT_SCOPE");
    let other = r#"{"name":"a","user_id":"bob"}"#;
    setup.refused("POST", mint, other, 403, "USER_ID_REFUSED");
    let revoke = "/api/v2/tokens/none/revoke";
    setup.refused("POST", revoke, "", 404, "KEY_NOT_FOUND");
    let rotate = "/api/v2/tokens/id-43/rotate";
    let far = r#"{"overlap_hours":25}"#;
    setup.refused("POST", rotate, far, 400, "INVALID_ARGUMENTS");
    setup.refused("POST", rotate, "", 409, "KEY_NOT_ACTIVE");
    let list = "/api/v2/tokens?include_ended=1";
    setup.refused("GET", list, "", 400, "INVALID_ARGUMENTS");
    setup.refused("GET", "/api/v2/audit/export", "", 403, "INSUFFICIENT_SCOPE");
    setup.database.down.set(true);
    setup.refused("GET", "/api/v2/tokens", "", 503, "DATABASE_UNAVAILABLE");
}

#[test]
fn nobody_comes_in_without_a_token() {
    let setup = Setup::new();
    for (method, path) in [
        ("POST", "/api/v2/tokens/mint"),
        ("GET", "/api/v2/tokens"),
        ("POST", "/api/v2/tokens/a/rotate"),
        ("POST", "/api/v2/tokens/a/revoke"),
        ("GET", "/api/v2/audit/export"),
    ] {
        assert!(rest::knows(path));
        let got = setup.send_as(None, method, path, "{}").unwrap();
        assert_eq!(got.status, 401);
        assert_eq!(got.json()["error"]["code"], "MISSING_CREDENTIAL");
        assert!(
            got.header("www-authenticate")
                .unwrap()
                .starts_with("Bearer")
        );
        let other = if method == "GET" { "POST" } else { "GET" };
        assert!(setup.send(other, path, "").is_none());
    }
}

#[test]
fn who_lacks_the_scope_hears_nothing_of_the_rest() {
    let setup = Setup::with_scopes(r#"["execution:read"]"#);
    for (method, path) in [
        ("POST", "/api/v2/tokens/mint"),
        ("GET", "/api/v2/tokens?include_ended=1"),
        ("POST", "/api/v2/tokens/none/rotate"),
        ("POST", "/api/v2/tokens/id-43/revoke"),
        ("GET", "/api/v2/audit/export?from=today"),
    ] {
        setup.refused(method, path, "{", 403, "INSUFFICIENT_SCOPE");
    }
}

#[test]
fn only_its_own_paths_are_answered() {
    for path in [
        "/api/v2/token",
        "/api/v2/tokens/",
        "/api/v2/tokens/mint/",
        "/api/v2/tokensx",
        "/api/v2/tokens/a",
        "/api/v2/tokens//revoke",
        "/api/v2/tokens/a/b/revoke",
        "/api/v2/tokens/a%2Fb/revoke",
        "/api/v2/audit",
        "/api/v2/oauth/token",
    ] {
        assert!(!rest::knows(path), "{path}");
    }
    let long = format!("/api/v2/tokens/{}/revoke", "a".repeat(129));
    assert!(!rest::knows(&long));
}

#[test]
fn the_audit_log_is_exported_as_lines() {
    let setup = Setup::with_scopes(r#"["audit:read"]"#);
    setup.row_at("a", NOW - 5, "sign_in", Some("unknown"));
    let path = "/api/v2/audit/export?from=2026-11-21T00:00:00Z&format=ndjson";
    let got = setup.send("GET", path, "").unwrap();
    assert_eq!(got.status, 200);
    assert_eq!(got.header("content-type"), Some("application/x-ndjson"));
    let found = super::records::lines(got.body);
    assert_eq!(found.len(), 2);
    assert_eq!(found[0]["reason"], "unknown");
    let wrong = "/api/v2/audit/export?from=today";
    setup.refused("GET", wrong, "", 400, "INVALID_ARGUMENTS");
    setup.background.run_all();
    let select = Statement::new("SELECT 1 AS x FROM audit_logs WHERE action = 'audit_export'");
    let noted = block_on(setup.database.run(select)).unwrap().rows;
    // Two scope decisions and what was exported.
    assert_eq!(noted.len(), 3);
}
