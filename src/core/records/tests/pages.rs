use super::*;
use crate::auth::protected_resource::{ProtectedResource, ResourceTraits};
use crate::auth::{AuditLog, Authenticator, RequestInfo};
use crate::http::{Body, Headers, HttpReply};
use crate::oauth::WebRequest;
use crate::ports::{Background, Database};
use crate::signing_keys::SigningKeys;
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

struct Door {
    world: World,
    authenticator: Authenticator,
}

impl Door {
    fn new(scopes: &'static str) -> Self {
        let world = World::new();
        let clock = Rc::new(world.base.clock.clone());
        let expires = world.base.service.clock.now_ms() + 1_000_000_000;
        world.insert(
            "INSERT INTO api_tokens (id, user_id, token_hash, name, scopes, status, expires_at, \
             created_at) VALUES ('t-1', 'ann', ?1, 'test', ?2, 'active', ?3, 1)",
            vec![
                hex::encode(Sha256::digest(TOKEN)).into(),
                scopes.into(),
                Value::Timestamp(expires),
            ],
        );
        let audit = AuditLog {
            queue: Rc::default(),
            database: Rc::clone(&world.base.db) as Rc<dyn Database>,
            clock,
            entropy: Rc::new(FakeEntropy::default()),
            background: Rc::new(FakeBackground::default()) as Rc<dyn Background>,
            log: Rc::new(FakeLog::default()),
        };
        let authenticator = Authenticator {
            cache: Rc::default(),
            audit,
        };
        Self {
            world,
            authenticator,
        }
    }

    fn ask(
        &self,
        path: &str,
        headers: &[(&str, &str)],
        who: Option<Principal>,
    ) -> (HttpReply, String) {
        let headers = headers.to_vec();
        let web = WebRequest {
            method: "GET",
            path,
            query: "",
            headers: &headers,
            body: &[],
            info: RequestInfo {
                request_id: "request-1".into(),
                ..RequestInfo::default()
            },
        };
        let visitor = Visitor {
            authenticator: &self.authenticator,
            keys: &SigningKeys::default(),
            resource: Some(&resource()),
            signed_in: who,
        };
        let records = self.world.records();
        let mut reply = self
            .world
            .base
            .clock
            .run(records.respond(&web, visitor))
            .unwrap();
        let Body::Bytes(body) = std::mem::replace(&mut reply.body, Body::Empty) else {
            panic!("no body");
        };
        (reply, String::from_utf8(body).unwrap())
    }
}

fn header(reply: &HttpReply, name: &str) -> Option<String> {
    let headers: Vec<(&str, &str)> = reply
        .headers
        .iter()
        .map(|(key, value)| (*key, value.as_str()))
        .collect();
    headers.get(name)
}

#[test]
fn a_token_reads_json() {
    let door = Door::new(r#"["execution:read"]"#);
    door.world.session("a/b", "ann", "Talk", &["hello"]);
    let bearer = format!("Bearer {TOKEN}");
    let headers = [
        ("authorization", bearer.as_str()),
        ("accept", "application/json"),
    ];
    let (reply, body) = door.ask("/records/session:a%2Fb", &headers, None);
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
        let (reply, body) = door.ask(path, &headers, None);
        assert_eq!(reply.status, 404, "{path}");
        assert!(body.contains("RECORD_NOT_FOUND"));
    }
}

#[test]
fn who_is_not_signed_in_is_told_how() {
    let door = Door::new("[]");
    let (reply, body) = door.ask("/records/session:a", &[("accept", "text/html,*/*")], None);
    assert_eq!(reply.status, 401);
    assert!(body.contains("/account") && body.contains("<h1>Sign in"));
    let challenge = header(&reply, "www-authenticate").unwrap();
    assert!(challenge.contains(METADATA), "{challenge}");
    let (reply, body) = door.ask("/records/session:a", &[], None);
    assert_eq!(reply.status, 401);
    assert!(body.contains("MISSING_CREDENTIAL") && body.contains("request-1"));
    let wrong = [(
        "authorization",
        "Bearer chitty_key_ff112233445566778899aabbccddeeff",
    )];
    // A wrong token is refused, whoever is signed in.
    let (reply, _) = door.ask("/records/session:a", &wrong, Some(ann()));
    assert_eq!(reply.status, 401);
}

#[test]
fn the_scope_is_asked_for() {
    let door = Door::new(r#"["chatgpt:complete"]"#);
    door.world.session("a", "ann", "Talk", &["hello"]);
    let bearer = format!("Bearer {TOKEN}");
    let (reply, _) = door.ask("/records/session:a", &[("authorization", &bearer)], None);
    assert_eq!(reply.status, 403);
    assert!(
        header(&reply, "www-authenticate")
            .unwrap()
            .contains("scope=\"execution:read\"")
    );
    let accept = [("accept", "text/html")];
    let (reply, body) = door.ask("/records/session:a", &accept, Some(caller("ann", &[])));
    assert_eq!(reply.status, 403);
    assert!(!body.contains("hello"));
}

#[test]
fn a_person_who_is_signed_in_sees_a_page_where_nothing_runs() {
    let door = Door::new("[]");
    let evil = "<script>alert(1)</script>";
    door.world.session("a", "ann", evil, &[evil, "second"]);
    let accept = [("accept", "text/html,application/xhtml+xml")];
    let (reply, body) = door.ask("/records/session:a", &accept, Some(ann()));
    assert_eq!(reply.status, 200);
    assert!(body.contains("&lt;script&gt;") && !body.contains("<script"));
    assert!(body.contains("second"));
    let policy = header(&reply, "content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
    let bob = Some(caller("bob", &[SCOPE]));
    let (reply, body) = door.ask("/records/session:a", &accept, bob);
    assert_eq!(reply.status, 404);
    assert!(!body.contains("second"));
}

#[test]
fn only_reading_is_served() {
    let door = Door::new("[]");
    let headers: Vec<(&str, &str)> = Vec::new();
    let web = WebRequest {
        method: "POST",
        path: "/records/session:a",
        query: "",
        headers: &headers,
        body: &[],
        info: RequestInfo::default(),
    };
    let visitor = Visitor {
        authenticator: &door.authenticator,
        keys: &SigningKeys::default(),
        resource: None,
        signed_in: Some(ann()),
    };
    assert!(block_on(door.world.records().respond(&web, visitor)).is_none());
}
