//! Access tokens at a resource: whose they are, for what, for how long, and with which key.

mod bound;
mod ending;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::dpop::{key, proof};
use super::*;
use crate::auth::access_token::LEEWAY_MS;
use crate::auth::protected_resource::{ProtectedResource, ResourceTraits};
use crate::jose::SigningKey;
use crate::signing_keys::SigningKeys;

const ISSUER: &str = "https://auth.example.com";
const ORIGIN: &str = "https://mcp.example.com";
const AUDIENCE: &str = "https://mcp.example.com/mcp";
const HOUR: i64 = 60 * 60 * 1000;

fn resource(origin: &str, issuer: Option<&str>) -> ProtectedResource {
    let traits = ResourceTraits {
        name: "Test",
        issuer,
        scopes: Scopes::new(["chatgpt:complete"]),
    };
    ProtectedResource::new(origin, &traits)
}

/// A worker at [`AUDIENCE`], and the issuer's key 1 and grant `g-1`.
struct World {
    setup: Setup,
    keys: SigningKeys,
    resource: ProtectedResource,
}

impl World {
    fn new() -> Self {
        let world = Self {
            setup: Setup::new(),
            keys: SigningKeys::default(),
            resource: resource(ORIGIN, Some(ISSUER)),
        };
        world.list(&key(1));
        world.grant("");
        world.sql(
            "INSERT INTO identities (id, roles, created_at, updated_at)
            VALUES ('ann', '[\"admin\"]', 0, 0)",
        );
        world
    }

    fn sql(&self, sql: &str) {
        block_on(self.setup.database.run(Statement::new(sql.to_owned()))).unwrap();
    }

    fn list(&self, key: &SigningKey) {
        let insert = "INSERT INTO signing_keys (id, number, public_jwk, private_key, created_at,
            signs_from, signs_until, listed_until) VALUES (?1, 1, ?2, 'sealed', 0, 0, ?3, ?3)";
        let statement = Statement::new(insert)
            .bind(key.kid())
            .bind(key.public_jwk())
            .timestamp(NOW + 100 * DAY);
        block_on(self.setup.database.run(statement)).unwrap();
    }

    /// `g-1` of ann, with more columns set as in an UPDATE.
    fn grant(&self, set: &str) {
        self.sql("DELETE FROM oauth_grants");
        self.sql(&format!(
            "INSERT INTO oauth_grants (id, kind, user_id, client_id, client_name, resource,
                scopes, created_at, expires_at)
            VALUES ('g-1', 'code', 'ann', 'client-1', 'Client', '{AUDIENCE}',
                '[\"chatgpt:complete\",\"openid\"]', 0, {})",
            NOW + 30 * DAY
        ));
        if !set.is_empty() {
            self.sql(&format!("UPDATE oauth_grants SET {set}"));
        }
    }

    fn send(&self, authorization: &str, proof: Option<&str>) -> Result<Rc<Principal>, AuthError> {
        self.send_to(&self.resource, "/mcp", authorization, proof)
    }

    fn send_to(
        &self,
        resource: &ProtectedResource,
        path: &str,
        authorization: &str,
        proof: Option<&str>,
    ) -> Result<Rc<Principal>, AuthError> {
        let credential = Credential {
            authorization: Some(authorization),
            proof,
            method: "POST",
            path,
        };
        let keys = &self.keys;
        let domain = Some(Domain { resource, keys });
        block_on(self.setup.auth.admit(credential, domain, &Setup::request()))
    }

    fn bearer(&self, token: &str) -> Result<Rc<Principal>, AuthError> {
        self.send(&format!("Bearer {token}"), None)
    }

    fn refused(&self, token: &str) -> AuthError {
        self.bearer(token).unwrap_err()
    }
}

fn claims() -> Value {
    json!({
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": "ann",
        "client_id": "client-1",
        "scope": "chatgpt:complete openid",
        "gid": "g-1",
        "iat": NOW / 1000,
        "exp": (NOW + HOUR) / 1000,
        "jti": "j-1",
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn token(claims: &Value) -> String {
    key(1).sign("at+jwt", claims)
}

fn good() -> String {
    token(&claims())
}

/// The token with another header, its signature as it was.
fn with_header(token: &str, header: &Value) -> String {
    let (_, rest) = token.split_once('.').unwrap();
    format!("{}.{rest}", URL_SAFE_NO_PAD.encode(header.to_string()))
}

#[test]
fn a_good_token_is_its_grant_s_user_through_its_client() {
    let world = World::new();
    let principal = world.bearer(&good()).unwrap();
    let expected = Principal {
        user_id: "ann".into(),
        name: "Client".into(),
        kind: PrincipalKind::User,
        scopes: Scopes::new(["chatgpt:complete", "openid"]),
        token_id: "g-1".into(),
        client_id: Some("client-1".into()),
    };
    assert_eq!(*principal, expected);
    assert_eq!(world.setup.audited(), ["allow/-/g-1"]);
    let select = Statement::new("SELECT last_used_at FROM oauth_grants");
    let outcome = block_on(world.setup.database.run(select)).unwrap();
    assert_eq!(outcome.rows[0].timestamp("last_used_at").unwrap(), NOW);
}

#[test]
fn a_token_for_another_resource_or_issuer_is_refused() {
    let world = World::new();
    for audience in [
        json!("https://fortress.example.com/mcp"),
        json!("https://mcp.example.com/mcp/"),
        json!("https://mcp.example.com"),
        json!("https://MCP.example.com/mcp"),
        json!(""),
    ] {
        let refused = world.refused(&token(&with("aud", audience.clone())));
        assert_eq!(refused, AuthError::WrongAudience, "{audience}");
    }
    // More than one audience is none.
    let list = json!([AUDIENCE, "https://fortress.example.com/mcp"]);
    for audience in [list, json!([AUDIENCE]), Value::Null, json!(7)] {
        let refused = world.refused(&token(&with("aud", audience.clone())));
        assert_eq!(refused, AuthError::Malformed, "{audience}");
    }
    for issuer in [
        json!("https://auth.example.com/"),
        json!("https://evil.example"),
        json!(7),
    ] {
        let refused = world.refused(&token(&with("iss", issuer.clone())));
        assert_eq!(refused, AuthError::Unknown, "{issuer}");
    }
    let elsewhere = world.send_to(
        &resource("https://fortress.example.com", Some(ISSUER)),
        "/mcp",
        &format!("Bearer {}", good()),
        None,
    );
    assert_eq!(elsewhere, Err(AuthError::WrongAudience));
    let nobody = resource(ORIGIN, None);
    let refused = world.send_to(&nobody, "/mcp", &format!("Bearer {}", good()), None);
    assert_eq!(refused, Err(AuthError::Malformed));
}

#[test]
fn what_is_known_of_a_token_here_is_worth_nothing_at_another_resource() {
    let world = World::new();
    assert!(world.bearer(&good()).is_ok());
    for other in [
        resource("https://fortress.example.com", Some(ISSUER)),
        resource(ORIGIN, Some("https://evil.example")),
        resource(ORIGIN, None),
    ] {
        let refused = world.send_to(&other, "/mcp", &format!("Bearer {}", good()), None);
        assert!(
            matches!(refused, Err(AuthError::WrongAudience | AuthError::Unknown)),
            "{refused:?}"
        );
    }
    // And the other way round: a refusal there takes nothing away here.
    assert!(world.bearer(&good()).is_ok());
}

#[test]
fn only_the_issuer_s_own_signature_of_the_one_kind_counts() {
    let world = World::new();
    let good = good();
    let kid = key(1).kid().to_owned();
    let header = |alg: &str, typ: &str| json!({ "alg": alg, "typ": typ, "kid": kid });
    for header in [
        header("none", "at+jwt"),
        header("None", "at+jwt"),
        header("HS256", "at+jwt"),
        header("RS256", "at+jwt"),
        header("es256", "at+jwt"),
        header("ES256", "JWT"),
        header("ES256", "dpop+jwt"),
        header("ES256", "application/at+jwt"),
        json!({ "alg": "ES256", "typ": "at+jwt" }),
        json!({ "alg": "ES256", "kid": kid }),
        json!({ "alg": "ES256", "typ": "at+jwt", "kid": kid, "crit": ["exp"] }),
    ] {
        let refused = world.refused(&with_header(&good, &header));
        assert_eq!(refused, AuthError::Malformed, "{header}");
    }
    for typ in ["JWT", "dpop+jwt", "oauth-id-jag+jwt"] {
        let refused = world.refused(&key(1).sign(typ, &claims()));
        assert_eq!(refused, AuthError::Malformed, "{typ}");
    }
    let (signed, _) = good.rsplit_once('.').unwrap();
    assert_eq!(world.refused(&format!("{signed}.")), AuthError::Malformed);
    // A key of nobody, a listed key's name with another's signature, a key in the header.
    assert_eq!(
        world.refused(&key(2).sign("at+jwt", &claims())),
        AuthError::Unknown
    );
    let forged = key(2).sign("at+jwt", &claims());
    let named = json!({ "alg": "ES256", "typ": "at+jwt", "kid": kid });
    assert_eq!(
        world.refused(&with_header(&forged, &named)),
        AuthError::Unknown
    );
    let own = json!({
        "alg": "ES256", "typ": "at+jwt", "kid": kid, "jwk": key(2).public_jwk(),
        "jku": "https://evil.example/jwks.json",
    });
    assert_eq!(
        world.refused(&with_header(&forged, &own)),
        AuthError::Unknown
    );
    for changed in ["admin:*", "chatgpt:complete openid chain:verify"] {
        let (header, rest) = good.split_once('.').unwrap();
        let (_, signature) = rest.split_once('.').unwrap();
        let body = URL_SAFE_NO_PAD.encode(with("scope", json!(changed)).to_string());
        let refused = world.refused(&format!("{header}.{body}.{signature}"));
        assert_eq!(refused, AuthError::Unknown);
    }
}

#[test]
fn every_claim_must_be_there() {
    let world = World::new();
    for name in ["aud", "sub", "client_id", "gid", "scope", "iat", "exp"] {
        for value in [Value::Null, json!({})] {
            let refused = world.refused(&token(&with(name, value)));
            assert_eq!(refused, AuthError::Malformed, "{name}");
        }
    }
    let timeless = with("nbf", json!("soon"));
    assert_eq!(world.refused(&token(&timeless)), AuthError::Malformed);
    let unknown_bond = with("cnf", json!({ "x5t#S256": "abc" }));
    assert_eq!(world.refused(&token(&unknown_bond)), AuthError::Malformed);
}

#[test]
fn it_lives_from_its_time_to_its_end_give_or_take_a_minute() {
    let world = World::new();
    let seconds = |ms: i64| json!((NOW + ms) / 1000);
    for (name, ms) in [
        ("exp", -LEEWAY_MS - 2_000),
        ("exp", -HOUR),
        ("iat", LEEWAY_MS + 2_000),
        ("iat", HOUR),
        ("nbf", LEEWAY_MS + 2_000),
    ] {
        let refused = world.refused(&token(&with(name, seconds(ms))));
        assert_eq!(refused, AuthError::Expired, "{name} {ms}");
    }
    for (name, ms) in [
        ("exp", -LEEWAY_MS + 2_000),
        ("iat", LEEWAY_MS - 2_000),
        ("nbf", LEEWAY_MS - 2_000),
    ] {
        let token = token(&with(name, seconds(ms)));
        assert!(world.bearer(&token).is_ok(), "{name} {ms}");
    }
    // Also when it is known.
    let good = good();
    assert!(world.bearer(&good).is_ok());
    world.setup.clock.advance(HOUR + LEEWAY_MS);
    assert_eq!(world.refused(&good), AuthError::Expired);
    world.setup.clock.advance(-HOUR - LEEWAY_MS - DAY);
    assert_eq!(world.refused(&good), AuthError::Expired);
}

#[test]
fn a_client_for_itself_is_a_service() {
    let world = World::new();
    world.grant("kind = 'client_credentials', user_id = 'client:client-1'");
    let own = token(&with("sub", json!("client:client-1")));
    assert_eq!(world.bearer(&own).unwrap().kind, PrincipalKind::Service);
    assert_eq!(world.refused(&good()), AuthError::Unknown);
}

#[test]
fn access_tokens_sign_nobody_in_and_are_no_guesses() {
    let world = World::new();
    let header = format!("Bearer {}", good());
    let request = Setup::request();
    let by_key_alone = block_on(world.setup.auth.authenticate(Some(&header), &request));
    assert_eq!(by_key_alone, Err(AuthError::Malformed));
    let forged = key(2).sign("at+jwt", &claims());
    for _ in 0..100 {
        assert_eq!(world.refused(&forged), AuthError::Unknown);
    }
}

#[test]
fn no_access_token_is_printed_logged_or_audited() {
    let world = World::new();
    let good = good();
    world.bearer(&good).unwrap();
    let forged = key(2).sign("at+jwt", &claims());
    let refused = world.refused(&forged);
    world.setup.database.down.set(true);
    world.setup.clock.advance(cache::FRESH_MS);
    let down = world.refused(&good);
    world.setup.background.run_all();
    let shown = format!("{:?} {refused:?} {down:?}", world.setup.log.0.borrow());
    assert!(
        shown.contains("unavailable"),
        "the probe sees what is written"
    );
    for token in [&good, &forged] {
        for part in token.split('.').skip(1) {
            assert!(!shown.contains(part));
        }
    }
}
