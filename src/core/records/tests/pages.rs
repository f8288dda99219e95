use super::*;
use crate::auth::protected_resource::{ProtectedResource, ResourceTraits};
use crate::auth::{AuditLog, Authenticator, RequestInfo};
use crate::http::{Body, Headers, HttpReply};
use crate::llm::scripted::ScriptedHttp;
use crate::oauth::{AuthorizationServer, Settings, WebRequest};
use crate::ports::{Background, Database};
use crate::testing::{FakeBackground, FakeLog};
use sha2::{Digest, Sha256};

const TOKEN: &str = "chitty_key_00112233445566778899aabbccddeeff";
const METADATA: &str = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp";

fn resource() -> ProtectedResource {
    let traits = ResourceTraits {
        name: "test",
        issuer: Some(ORIGIN),
        scopes: Scopes::new([SCOPE]),
    };
    ProtectedResource::new(ORIGIN, &traits)
}

const COOKIE: &str = "ab";

struct Visit {
    world: World,
    server: AuthorizationServer,
}

impl Visit {
    /// Ann has a key and a browser that is signed in, both with these scopes.
    fn new(scopes: &'static str) -> Self {
        let world = World::new();
        let expires = world.base.service.clock.now_ms() + 1_000_000_000;
        for sql in [
            "INSERT INTO api_tokens (token_hash, id, user_id, name, scopes, status, expires_at, \
             created_at) VALUES (?1, 't-1', 'ann', 'test', ?2, 'active', ?3, 1)",
            "INSERT INTO login_sessions (id, user_id, method, scopes, expires_at, created_at) \
             VALUES (?1, 'ann', 'openid', ?2, ?3, 1)",
        ] {
            let secret = if sql.contains("api_tokens") {
                TOKEN.to_owned()
            } else {
                COOKIE.repeat(32)
            };
            let hash = hex::encode(Sha256::digest(secret));
            world.insert(
                sql,
                vec![hash.into(), scopes.into(), Value::Timestamp(expires)],
            );
        }
        // Who came through a provider may do what their roles say now.
        world.insert(
            "INSERT INTO identities (id, roles, created_at, updated_at)
            VALUES ('ann', '[\"reader\"]', 1, 1)",
            Vec::new(),
        );
        let server = server(&world);
        Self { world, server }
    }

    fn ask(&self, path: &str, headers: &[(&str, &str)]) -> (HttpReply, String) {
        let (mut reply, origin) = (None, resource());
        for method in ["HEAD", "GET"] {
            let headers = headers.to_vec();
            let web = web(method, path, &headers);
            let door = Door {
                server: &self.server,
                resource: Some(&origin),
            };
            let records = self.world.records();
            reply = self.world.base.clock.run(records.respond(&web, &door));
        }
        let mut reply = reply.unwrap();
        let Body::Bytes(body) = std::mem::replace(&mut reply.body, Body::Empty) else {
            panic!("no body");
        };
        (reply, String::from_utf8(body).unwrap())
    }

    fn with_token(&self, path: &str) -> (HttpReply, String) {
        let bearer = format!("Bearer {TOKEN}");
        self.ask(
            path,
            &[("authorization", &bearer), ("accept", "application/json")],
        )
    }

    fn at_browser(&self, path: &str) -> (HttpReply, String) {
        let cookie = format!("__Host-chitty-session={}", COOKIE.repeat(32));
        self.ask(path, &[("cookie", &cookie), ("accept", "text/html,*/*")])
    }
}

fn server(world: &World) -> AuthorizationServer {
    let audit = AuditLog {
        queue: Rc::default(),
        database: Rc::clone(&world.base.db) as Rc<dyn Database>,
        clock: Rc::new(world.base.clock.clone()),
        entropy: Rc::new(FakeEntropy::default()),
        background: Rc::new(FakeBackground::default()) as Rc<dyn Background>,
        log: Rc::new(FakeLog::default()),
    };
    AuthorizationServer {
        settings: Rc::default(),
        origin: ORIGIN.to_owned(),
        http: ScriptedHttp::new(&world.base.clock, Vec::new()),
        sealer: sealer(),
        authenticator: Authenticator {
            cache: Rc::default(),
            audit: audit.clone(),
        },
        audit,
        keys: Rc::default(),
        clients: Rc::default(),
        provider: Rc::default(),
    }
}

fn web<'a>(method: &'a str, path: &'a str, headers: &'a Vec<(&'a str, &'a str)>) -> WebRequest<'a> {
    WebRequest {
        method,
        path,
        query: "",
        headers,
        body: &[],
        info: RequestInfo {
            request_id: "request-1".into(),
            ..RequestInfo::default()
        },
    }
}

fn header(reply: &HttpReply, name: &str) -> Option<String> {
    let headers = reply.headers.iter();
    let headers: Vec<_> = headers.map(|(key, value)| (*key, value.as_str())).collect();
    headers.get(name)
}

#[test]
fn a_token_reads_json() {
    let visit = Visit::new(r#"["execution:read"]"#);
    visit.world.session("a/b", "ann", "Talk", &["hello"]);
    let (reply, body) = visit.with_token("/records/session:a%2Fb");
    assert_eq!(reply.status, 200, "{body}");
    let record: Record = serde_json::from_str(&body).unwrap();
    assert_eq!(record.url, "https://mcp.example.com/records/session:a%2Fb");
    assert_eq!(header(&reply, "cache-control").as_deref(), Some("no-store"));
    for path in [
        "/records/session:none",
        "/records/",
        "/records/%ff",
        "/records/x",
    ] {
        let (reply, body) = visit.with_token(path);
        assert_eq!(reply.status, 404, "{path}");
        assert!(body.contains("RECORD_NOT_FOUND"));
    }
}

#[test]
fn who_is_not_signed_in_is_asked_to_and_led_back() {
    let visit = Visit::new("[]");
    let (reply, body) = visit.ask("/records/session:a", &[("accept", "text/html,*/*")]);
    assert_eq!(reply.status, 401);
    assert!(body.contains("<h1>Sign in") && body.contains("name=\"ticket\""));
    let challenge = header(&reply, "www-authenticate").unwrap();
    assert!(challenge.contains(METADATA), "{challenge}");
    let (reply, body) = visit.ask("/records/session:a", &[]);
    assert_eq!(reply.status, 401);
    assert!(body.contains("MISSING_CREDENTIAL") && body.contains("request-1"));
}

#[test]
fn a_wrong_token_is_refused_whoever_is_signed_in() {
    let visit = Visit::new(r#"["execution:read"]"#);
    let cookie = format!("__Host-chitty-session={}", COOKIE.repeat(32));
    let wrong = "Bearer chitty_key_ff112233445566778899aabbccddeeff";
    let headers = [
        ("authorization", wrong),
        ("cookie", cookie.as_str()),
        ("accept", "text/html"),
    ];
    let (reply, body) = visit.ask("/records/session:a", &headers);
    assert_eq!(reply.status, 401, "{body}");
    assert!(
        header(&reply, "www-authenticate")
            .unwrap()
            .contains("invalid_token")
    );
}

#[test]
fn the_scope_is_asked_for() {
    let visit = Visit::new(r#"["chatgpt:complete"]"#);
    visit.world.session("a", "ann", "Talk", &["hello"]);
    let (reply, body) = visit.with_token("/records/session:a");
    assert_eq!(reply.status, 403);
    assert!(
        header(&reply, "www-authenticate")
            .unwrap()
            .contains("scope=\"execution:read\"")
    );
    assert!(!body.contains("hello"));
    let (reply, body) = visit.at_browser("/records/session:a");
    assert_eq!(reply.status, 403);
    assert!(!body.contains("hello"));
}

#[test]
fn a_person_who_is_signed_in_sees_a_page_where_nothing_runs() {
    let visit = Visit::new(r#"["execution:read"]"#);
    let evil = "<script>alert(1)</script>";
    visit.world.session("a", "ann", evil, &[evil, "second"]);
    visit.world.session("b", "bob", "Talk", &["of bob"]);
    let (reply, body) = visit.at_browser("/records/session:a");
    assert_eq!(reply.status, 200, "{body}");
    assert!(body.contains("&lt;script&gt;") && !body.contains("<script"));
    assert!(body.contains("second"));
    let policy = header(&reply, "content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    let (reply, body) = visit.at_browser("/records/session:b");
    assert_eq!(reply.status, 404);
    assert!(!body.contains("of bob"));
    visit
        .world
        .insert("UPDATE login_sessions SET ended_at = 5", Vec::new());
    let (reply, body) = visit.at_browser("/records/session:a");
    assert_eq!(reply.status, 401);
    assert!(!body.contains("second"));
}

#[test]
fn a_second_factor_that_is_required_is_asked_for() {
    let mut visit = Visit::new(r#"["execution:read"]"#);
    visit.world.session("a", "ann", "Talk", &["hello"]);
    visit.server.settings = Rc::new(Settings {
        require_second_factor: true,
        ..Settings::default()
    });
    let (reply, body) = visit.at_browser("/records/session:a");
    assert_eq!(reply.status, 401);
    assert!(body.contains("second factor") && !body.contains("hello"));
    visit
        .world
        .insert("UPDATE login_sessions SET second_factor = 1", Vec::new());
    assert_eq!(visit.at_browser("/records/session:a").0.status, 200);
}

#[test]
fn only_reading_is_served() {
    let visit = Visit::new("[]");
    let headers = Vec::new();
    let web = web("POST", "/records/session:a", &headers);
    let door = Door {
        server: &visit.server,
        resource: None,
    };
    assert!(block_on(visit.world.records().respond(&web, &door)).is_none());
}
