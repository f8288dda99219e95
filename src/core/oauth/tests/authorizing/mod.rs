//! The authorization endpoint, up to where a person is asked.

mod arbitrary;
mod narrowing;
mod strangers;

use crate::auth::Scopes;
use crate::http::HttpReply;
use crate::oauth::tests::world::{NOW, ORIGIN, World, header, settings, web};
use crate::oauth::{AuthMethod, PredefinedClient, Settings};
use crate::secret::Secret;
use crate::testing::block_on;

const CALLBACK: &str = "https://client.example.com/callback?tenant=1";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn predefined(id: &str) -> PredefinedClient {
    PredefinedClient {
        id: id.into(),
        name: "Test".into(),
        secret: Some(Secret::new("x".repeat(32))),
        auth: AuthMethod::SecretBasic,
        redirect_uris: vec![CALLBACK.into()],
        grant_types: vec!["authorization_code".into()],
        scopes: None,
        jwks: None,
        jwks_uri: None,
        pkce_exempt: false,
        default_resource: None,
    }
}

/// Clients `plain`, `exempt`, `public` (exempt on paper only), `two` redirects, `machine`
/// without the code flow, `bound` to one scope, `pointed` at the fortress.
fn world() -> World {
    World::with(with_clients(settings()))
}

fn with_clients(settings: Settings) -> Settings {
    let plain = predefined("plain");
    let exempt = PredefinedClient {
        pkce_exempt: true,
        ..predefined("exempt")
    };
    let public = PredefinedClient {
        pkce_exempt: true,
        auth: AuthMethod::None,
        secret: None,
        ..predefined("public")
    };
    let two = PredefinedClient {
        redirect_uris: vec![CALLBACK.into(), "http://localhost/cb".into()],
        ..predefined("two")
    };
    let machine = PredefinedClient {
        grant_types: vec!["client_credentials".into()],
        ..predefined("machine")
    };
    let bound = PredefinedClient {
        scopes: Some(Scopes::new(["chatgpt:complete"])),
        ..predefined("bound")
    };
    let pointed = PredefinedClient {
        default_resource: Some("https://fortress.example.com/mcp".into()),
        ..predefined("pointed")
    };
    Settings {
        predefined: vec![plain, exempt, public, two, machine, bound, pointed],
        ..settings
    }
}

/// A good request with `changes`: an empty value leaves the parameter out.
fn query(changes: &[(&str, &str)]) -> String {
    let mut params = vec![
        ("response_type", "code"),
        ("client_id", "plain"),
        ("redirect_uri", CALLBACK),
        ("state", "s t&a=te"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
    ];
    for (name, _) in changes {
        params.retain(|(known, _)| known != name);
    }
    params.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
    url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(params)
        .finish()
}

fn ask(world: &World, query: &str) -> HttpReply {
    let headers = Vec::new();
    block_on(
        world
            .server
            .authorize(&web("GET", "/authorize", query, &headers, b"")),
    )
}

/// Parameters of a redirect back to the client.
fn told(reply: &HttpReply) -> Vec<(String, String)> {
    assert_eq!(reply.status, 303);
    assert_eq!(header(reply, "cache-control"), Some("no-store"));
    let location = header(reply, "location").unwrap();
    assert!(location.starts_with(&format!("{CALLBACK}&")), "{location}");
    let url = url::Url::parse(location).unwrap();
    url.query_pairs().into_owned().collect()
}

/// The error that the client is told of, having checked the rest.
fn error(world: &World, changes: &[(&str, &str)]) -> String {
    let told = told(&ask(world, &query(changes)));
    let get = |name: &str| {
        let found = told.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.clone())
    };
    assert_eq!(get("iss").as_deref(), Some(ORIGIN));
    assert_eq!(get("tenant").as_deref(), Some("1"));
    assert_eq!(get("code"), None);
    assert!(get("error_description").is_some_and(|text| text.is_ascii()));
    get("error").unwrap()
}

/// What a person would be asked, by the request that went through.
fn accepted(world: &World, changes: &[(&str, &str)]) -> crate::oauth::AuthorizationRequest {
    let params = crate::oauth::Params::parse(&query(changes)).unwrap();
    let headers = Vec::new();
    let web = web("GET", "/authorize", "", &headers, b"");
    let checked = block_on(world.server.checked_request(&web, &params));
    checked.ok().map(|(_, request)| request).unwrap()
}

#[test]
fn a_good_request_reaches_the_person() {
    let world = world();
    let reply = ask(&world, &query(&[]));
    assert_eq!(header(&reply, "location"), None);
    assert_ne!(reply.status, 400);
    let request = accepted(
        &world,
        &[
            ("scope", "openid chatgpt:complete unknown:thing admin:*"),
            ("nonce", "n"),
            ("max_age", "60"),
            ("prompt", "login consent"),
            ("dpop_jkt", CHALLENGE),
            ("login_hint", "ann"),
            ("ui_locales", "en"),
            ("access_type", "offline"),
        ],
    );
    assert_eq!(request.client_id, "plain");
    assert_eq!(request.redirect_uri, CALLBACK);
    assert_eq!(request.state.as_deref(), Some("s t&a=te"));
    assert_eq!(request.resource, format!("{ORIGIN}/mcp"));
    assert_eq!(request.code_challenge.as_deref(), Some(CHALLENGE));
    assert_eq!(request.nonce.as_deref(), Some("n"));
    assert_eq!(request.max_age, Some(60));
    assert!(request.sign_in_again);
    assert_eq!(request.dpop_jkt.as_deref(), Some(CHALLENGE));
    assert_eq!(request.scopes, Scopes::new(["openid", "chatgpt:complete"]));
    assert_eq!(world.refusals(), [""; 0]);
}

#[test]
fn a_form_is_asked_again_as_a_query() {
    let world = world();
    let body = query(&[("scope", "openid"), ("signed_in", "planted")]);
    let form = vec![("content-type", "application/x-www-form-urlencoded")];
    let post = |body: &str| {
        let request = web("POST", "/authorize", "", &form, body.as_bytes());
        block_on(world.server.authorize(&request))
    };
    let reply = post(&body);
    let path = header(&reply, "location").unwrap();
    let asked = path.strip_prefix("/authorize?").unwrap();
    assert_eq!(asked, query(&[("scope", "openid")]));
    assert_eq!((reply.status, ask(&world, asked).status), (303, 200));
    assert_eq!(header(&reply, "set-cookie"), None, "browsers keep theirs");
    let long = query(&[("login_hint", &"x".repeat(6 * 1024))]);
    let twice = format!("{body}&scope=openid");
    for (body, status) in [(&long, 414), (&twice, 400)] {
        let reply = post(body);
        assert_eq!((reply.status, header(&reply, "location")), (status, None));
    }
    let plain = vec![("content-type", "text/plain")];
    let request = web("POST", "/authorize", "", &plain, body.as_bytes());
    let reply = block_on(world.server.authorize(&request));
    assert_eq!((reply.status, header(&reply, "location")), (400, None));
}

#[test]
fn unknown_clients_and_redirects_never_redirect() {
    let world = world();
    let good = query(&[]);
    let twice = |name: &str, value: &str| format!("{good}&{name}={value}");
    for query in [
        String::new(),
        query(&[("client_id", "")]),
        query(&[("client_id", "nobody")]),
        query(&[("client_id", "PLAIN")]),
        query(&[("client_id", "plain ")]),
        query(&[("client_id", "https://127.0.0.1/client.json")]),
        query(&[("client_id", "https://nowhere.example.com/client.json")]),
        query(&[("client_id", "two"), ("redirect_uri", "")]),
        query(&[("redirect_uri", "https://evil.example/")]),
        query(&[("redirect_uri", "https://client.example.com/callback")]),
        query(&[(
            "redirect_uri",
            "https://client.example.com/callback?tenant=2",
        )]),
        query(&[(
            "redirect_uri",
            "https://client.example.com/callback?tenant=1&x",
        )]),
        query(&[(
            "redirect_uri",
            "https://client.example.com/callback?tenant=1#x",
        )]),
        query(&[("redirect_uri", "javascript:alert(1)")]),
        query(&[
            ("client_id", "two"),
            ("redirect_uri", "http://localhost.evil.example/cb"),
        ]),
        twice("redirect_uri", "https://evil.example/"),
        twice("client_id", "exempt"),
        twice("state", "other"),
        twice("response_type", "code"),
        twice("code_challenge", CHALLENGE),
        twice("code_challenge_method", "plain"),
    ] {
        let reply = ask(&world, &query);
        assert_eq!(header(&reply, "location"), None, "{query}");
        assert!(matches!(reply.status, 400 | 503), "{query}");
    }
    let refusals = world.refusals();
    assert_eq!(refusals.len(), 21);
    assert!(refusals.iter().all(|row| row.starts_with("authorize ")));
}

#[test]
fn the_only_redirect_may_be_left_out_and_loopback_ports_vary() {
    let world = world();
    let request = accepted(&world, &[("redirect_uri", "")]);
    assert_eq!(request.redirect_uri, CALLBACK);
    let local = "http://localhost:49152/cb";
    let request = accepted(&world, &[("client_id", "two"), ("redirect_uri", local)]);
    assert_eq!(request.redirect_uri, local);
}

#[test]
fn proof_keys_cannot_be_avoided_or_weakened() {
    let world = world();
    let short = &CHALLENGE[1..];
    let long = format!("{CHALLENGE}a");
    let padded = format!("{short}=");
    let standard = format!("{short}+");
    for client in ["plain", "two", "public", "exempt"] {
        let mut cases = vec![
            vec![("code_challenge_method", "")],
            vec![("code_challenge_method", "plain")],
            vec![("code_challenge_method", "s256")],
            vec![("code_challenge_method", "S512")],
            vec![("code_challenge_method", "S256 plain")],
            vec![("code_challenge", short)],
            vec![("code_challenge", &long)],
            vec![("code_challenge", &padded)],
            vec![("code_challenge", &standard)],
            vec![("code_challenge", "")],
        ];
        if client != "exempt" {
            cases.push(vec![("code_challenge", ""), ("code_challenge_method", "")]);
        }
        for mut changes in cases {
            changes.push(("client_id", client));
            assert_eq!(error(&world, &changes), "invalid_request", "{changes:?}");
        }
    }
    let bare = [
        ("client_id", "exempt"),
        ("code_challenge", ""),
        ("code_challenge_method", ""),
    ];
    assert_eq!(accepted(&world, &bare).code_challenge, None);
    let kept = accepted(&world, &[("client_id", "exempt")]);
    assert_eq!(kept.code_challenge.as_deref(), Some(CHALLENGE));
}

#[test]
fn other_flows_and_forms_are_refused_by_name() {
    let world = world();
    let long = "n".repeat(513);
    for (changes, code) in [
        (vec![("response_type", "")], "invalid_request"),
        (
            vec![("response_type", "token")],
            "unsupported_response_type",
        ),
        (
            vec![("response_type", "id_token")],
            "unsupported_response_type",
        ),
        (
            vec![("response_type", "code token")],
            "unsupported_response_type",
        ),
        (
            vec![("response_type", "code id_token")],
            "unsupported_response_type",
        ),
        (vec![("response_type", "none")], "unsupported_response_type"),
        (vec![("response_type", "CODE")], "unsupported_response_type"),
        (vec![("response_mode", "fragment")], "invalid_request"),
        (vec![("response_mode", "form_post")], "invalid_request"),
        (vec![("response_mode", "query.jwt")], "invalid_request"),
        (vec![("request", "eyJ.eyJ.x")], "request_not_supported"),
        (
            vec![("request_uri", "https://evil.example/")],
            "request_uri_not_supported",
        ),
        (vec![("registration", "{}")], "registration_not_supported"),
        (vec![("client_id", "machine")], "unauthorized_client"),
        (vec![("prompt", "none")], "login_required"),
        (vec![("prompt", "none login")], "invalid_request"),
        (vec![("prompt", "create")], "invalid_request"),
        (vec![("max_age", "-1")], "invalid_request"),
        (vec![("max_age", "soon")], "invalid_request"),
        (vec![("max_age", "+1")], "invalid_request"),
        (vec![("max_age", "99999999999")], "invalid_request"),
        (vec![("nonce", &*long)], "invalid_request"),
        (vec![("login_hint", &*long)], "invalid_request"),
        (vec![("dpop_jkt", "short")], "invalid_request"),
        (vec![("scope", "nonsense")], "invalid_scope"),
        (vec![("scope", "admin:* delegation:act")], "invalid_scope"),
        (
            vec![("client_id", "bound"), ("scope", "execution:run")],
            "invalid_scope",
        ),
        (vec![("client_id", "bound")], "invalid_scope"),
    ] {
        assert_eq!(error(&world, &changes), code, "{changes:?}");
    }
    assert_eq!(
        accepted(&world, &[("response_mode", "query")]).client_id,
        "plain"
    );
    let headers = vec![("cookie", "a=b; __Host-chitty-session=x")];
    let silent = query(&[("prompt", "none")]);
    let request = web("GET", "/authorize", &silent, &headers, b"");
    let told = told(&block_on(world.server.authorize(&request)));
    assert!(told.contains(&("error".to_owned(), "login_required".to_owned())));
}

#[test]
fn state_comes_back_whole_or_not_at_all() {
    let world = world();
    let hostile = "\r\nset-cookie: a=b&code=stolen#\u{0}\"<script>é";
    let reply = ask(
        &world,
        &query(&[("state", hostile), ("response_type", "token")]),
    );
    let pairs = told(&reply);
    assert!(pairs.contains(&("state".to_owned(), hostile.to_owned())));
    assert!(pairs.iter().all(|(name, _)| name != "code"));
    let location = header(&reply, "location").unwrap();
    assert!(location.bytes().all(|byte| byte.is_ascii_graphic()));
    let long = "s".repeat(2049);
    let pairs = told(&ask(&world, &query(&[("state", &long)])));
    assert!(pairs.iter().all(|(name, _)| name != "state"));
    assert!(pairs.contains(&("error".to_owned(), "invalid_request".to_owned())));
}

#[test]
fn the_issuer_is_named_where_the_settings_say_so() {
    let world = World::with(Settings {
        iss_in_responses: false,
        ..with_clients(settings())
    });
    let told = told(&ask(&world, &query(&[("response_type", "token")])));
    assert!(told.iter().all(|(name, _)| name != "iss"));
}

#[test]
fn a_registered_client_gets_through() {
    let world = world();
    let headers = vec![("content-type", "application/json")];
    let body =
        serde_json::json!({"redirect_uris": [CALLBACK], "token_endpoint_auth_method": "none"});
    let body = body.to_string();
    let request = web("POST", "/register", "", &headers, body.as_bytes());
    let answer = crate::oauth::tests::world::json(&block_on(world.server.register(&request)));
    let id = answer["client_id"].as_str().unwrap();
    assert_eq!(accepted(&world, &[("client_id", id)]).client_id, id);
    world.clock.advance(90 * 24 * 60 * 60 * 1000);
    assert_eq!(ask(&world, &query(&[("client_id", id)])).status, 400);
    assert_eq!(answer["client_id_issued_at"], NOW / 1000);
}
