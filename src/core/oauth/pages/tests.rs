//! Every page with what people will see, and with what attackers would like them to see.
//!
//! With `CHITTY_PAGES` set to a folder, the pages are written there to be looked at.

use maud::Markup;

use super::account::{AccountView, GrantShown, KeyShown, SecondFactorShown, SessionShown, account};
use super::app::AppShown;
use super::consent::{ConsentView, consent};
use super::forms::{self, SignInView};
use super::layout::Page;
use crate::auth::{Scopes, catalogue};
use crate::http::{Body, HttpReply};
use crate::oauth::tests::world::{World, header, web};
use crate::oauth::{AuthMethod, AuthorizationRequest, Client, ClientSource};
use crate::testing::FakeEntropy;

const NOW: i64 = 1_795_262_349_123;
const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x onerror=y>\u{202e}&amp;";

fn client(name: &str, source: ClientSource) -> Client {
    Client {
        id: "https://app.example.net/client.json".into(),
        name: name.into(),
        source,
        redirect_uris: Vec::new(),
        auth: AuthMethod::None,
        secret_hash: None,
        jwks: None,
        jwks_uri: None,
        grant_types: vec!["authorization_code".into(), "refresh_token".into()],
        scopes: None,
        pkce_exempt: false,
        default_resource: None,
    }
}

fn app(name: &str, source: ClientSource, redirect_uri: &str) -> AppShown {
    let request = AuthorizationRequest {
        client_id: "c".into(),
        redirect_uri: redirect_uri.into(),
        scopes: Scopes::default(),
        state: None,
        resource: "https://mcp.example.com/mcp".into(),
        code_challenge: None,
        nonce: None,
        sign_in_again: false,
        max_age: None,
        dpop_jkt: None,
    };
    AppShown::of(&client(name, source), &request)
}

fn sign_in_page(app: Option<&AppShown>, problem: Option<&str>, provider: Option<&str>) -> Markup {
    forms::sign_in(&SignInView {
        app,
        ticket: "v1.0a1b2c3d.AAAA",
        problem,
        reason: None,
        provider,
    })
}

fn consent_page(app: &AppShown, person: &str, scopes: &Scopes) -> Markup {
    consent(&ConsentView {
        app,
        ticket: "v1.0a1b2c3d.AAAA",
        switch_ticket: "v1.0a1b2c3d.BBBB",
        person,
        resource: "mcp.example.com/mcp",
        scopes,
        problem: None,
        how_long: "up to 90 days",
    })
}

fn all_scopes() -> Scopes {
    let grantable = catalogue::SCOPES.iter().filter(|info| info.grantable);
    let about_you = catalogue::IDENTITY_SCOPES.iter().map(|(name, _)| *name);
    let names = grantable.map(|info| info.name).chain(about_you);
    Scopes::new(names.filter(|name| *name != super::consent::STAYS))
}

fn account_view(name: &str, second_factor: SecondFactorShown) -> AccountView {
    AccountView {
        ticket: "v1.0a1b2c3d.AAAA".into(),
        sign_out_ticket: "v1.0a1b2c3d.BBBB".into(),
        person: super::text::shown_name(name),
        user_id: "USER-0190b3c2-7a11-7c3e-9d8f-3f1e2a4b5c6d".into(),
        email: Some("ada@example.org".into()),
        chitty_id: None,
        notice: Some("The app may not use your account any more."),
        grants: vec![GrantShown {
            id: "0190b3c2-7a11-7c3e-9d8f-3f1e2a4b5c6d".into(),
            client: super::text::shown_name(name),
            resource: "https://mcp.example.com/mcp".into(),
            scopes: catalogue::read_only(),
            since_ms: NOW,
            until_ms: NOW + 90 * 86_400_000,
            last_used_ms: Some(NOW),
        }],
        keys: vec![
            key(name, true, Scopes::new(["admin:*"])),
            key("Laptop", false, catalogue::read_only()),
        ],
        manages_keys: true,
        sessions: vec![session(true), session(false)],
        second_factor,
        locked: false,
    }
}

fn key(name: &str, own: bool, scopes: Scopes) -> KeyShown {
    KeyShown {
        id: "TOKEN-1".into(),
        name: super::text::shown_name(name),
        prefix: "chitty_key_0123".into(),
        scopes,
        last_used_ms: own.then_some(NOW),
        expires_ms: (!own).then_some(NOW),
        own,
    }
}

fn session(own: bool) -> SessionShown {
    SessionShown {
        id: "ab".repeat(32),
        since_ms: NOW,
        until_ms: NOW + 43_200_000,
        method: "key and code".into(),
        own,
    }
}

fn pending() -> SecondFactorShown {
    let secret = b"12345678901234567890";
    SecondFactorShown::Pending {
        secret: "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ".into(),
        url: format!("otpauth://totp/ChittyMCP?secret={}", hex::encode(secret)),
    }
}

/// Name, body, whether it is wide.
fn gallery(name: &str) -> Vec<(&'static str, Markup, bool)> {
    let shown = super::text::shown_name(name);
    let hosted = app(name, ClientSource::Document, "https://claude.ai/api/cb");
    let local = app(name, ClientSource::Registered, "http://localhost:3334/cb");
    let scheme = app(name, ClientSource::Registered, "cursor://anysphere/cb");
    let operators = app(name, ClientSource::Predefined, "https://chatgpt.com/cb");
    let few = catalogue::read_only();
    vec![
        (
            "sign-in",
            sign_in_page(Some(&hosted), None, Some("Acme ID")),
            false,
        ),
        ("sign-in-plain", sign_in_page(None, None, None), false),
        (
            "sign-in-wrong",
            sign_in_page(Some(&local), Some(&shown), None),
            false,
        ),
        (
            "code",
            forms::second_factor("v1.x", Some("That code was not accepted.")),
            false,
        ),
        ("needs-code", forms::needs_second_factor(), false),
        (
            "consent",
            consent_page(&hosted, &shown, &all_scopes()),
            false,
        ),
        ("consent-local", consent_page(&local, &shown, &few), false),
        ("consent-scheme", consent_page(&scheme, &shown, &few), false),
        (
            "consent-operator",
            consent_page(&operators, &shown, &few),
            false,
        ),
        (
            "consent-nothing",
            consent_page(&local, &shown, &Scopes::default()),
            false,
        ),
        (
            "account",
            account(&account_view(name, SecondFactorShown::Off)),
            true,
        ),
        (
            "account-enrol",
            account(&account_view(name, pending())),
            true,
        ),
        (
            "account-on",
            account(&account_view(name, SecondFactorShown::On { since_ms: NOW })),
            true,
        ),
        (
            "error",
            forms::error(&shown, "0190b3c2-7a11-7c3e-9d8f"),
            false,
        ),
    ]
}

fn sent(title: &str, body: Markup, wide: bool) -> HttpReply {
    let page = Page {
        origin: "https://mcp.example.com",
        title,
        body,
        form_targets: "https:",
        wide,
    };
    page.reply(200)
}

fn text(reply: &HttpReply) -> String {
    match &reply.body {
        Body::Bytes(bytes) => String::from_utf8(bytes.clone()).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn nothing_that_others_wrote_becomes_markup() {
    for (page, body, wide) in gallery(HOSTILE) {
        let html = text(&sent("Page", body, wide));
        assert!(
            html.contains("&lt;script&gt;")
                || page.starts_with("code")
                || page.ends_with("plain")
                || page == "needs-code",
            "{page}"
        );
        for bad in ["<script", "<img", "\u{202e}", "javascript:", " onerror=y>"] {
            let escaped = html.replace("onerror=y&gt;", "");
            assert!(!escaped.contains(bad), "{page}: {bad}");
        }
    }
}

#[test]
fn pages_need_no_script_no_style_attribute_and_nothing_from_elsewhere() {
    let folder = std::env::var_os("CHITTY_PAGES").map(std::path::PathBuf::from);
    for (page, body, wide) in gallery("Claude") {
        let html = text(&sent("Page", body, wide));
        for bad in [" style=", "<script", " src=", " on", "@import", "url("] {
            let tags: Vec<_> = html.split('<').map(|part| part.split('>').next()).collect();
            assert!(
                !tags.iter().flatten().any(|tag| tag.contains(bad)),
                "{page}: {bad}"
            );
        }
        assert_eq!(html.matches("<h1").count(), 1, "{page}");
        let forms = html.matches("<form ").count();
        assert_eq!(html.matches("name=\"ticket\"").count(), forms, "{page}");
        assert_eq!(html.matches("method=\"post\"").count(), forms, "{page}");
        if let Some(folder) = &folder {
            std::fs::write(folder.join(format!("{page}.html")), &html).unwrap();
        }
    }
}

#[test]
fn the_policy_lets_only_the_style_in_and_forms_only_where_they_belong() {
    let reply = sent("Page", maud::html! {}, false);
    let policy = header(&reply, "content-security-policy").unwrap();
    let html = text(&reply);
    let style = html.split("<style>").nth(1).unwrap();
    let style = style.split("</style>").next().unwrap();
    let hash = {
        use base64::Engine;
        use sha2::Digest;
        base64::engine::general_purpose::STANDARD.encode(sha2::Sha256::digest(style))
    };
    assert_eq!(
        policy,
        format!(
            "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; base-uri 'none'; \
             frame-ancestors 'none'; form-action 'self' https:"
        )
    );
    assert_eq!(header(&reply, "x-frame-options"), Some("DENY"));
    assert_eq!(header(&reply, "cache-control"), Some("no-store"));
    assert_eq!(header(&reply, "cross-origin-opener-policy"), None);
    assert!(!style.contains('<'));
}

#[test]
fn consent_names_the_app_its_destination_and_each_scope() {
    let local = app("Tool", ClientSource::Registered, "http://localhost:3334/cb");
    let html = consent_page(&local, "ada", &all_scopes()).into_string();
    for wanted in [
        "Allow Tool to use your account?",
        "Unverified",
        "a program on this computer (localhost:3334)",
        "Allow it only if you have just started",
        "mcp.example.com/mcp",
        "up to 90 days",
        "Use another account",
        "Spend your money",
        "value=\"deny\"",
        "value=\"allow\"",
    ] {
        assert!(html.contains(wanted), "{wanted}");
    }
    for scope in all_scopes().iter() {
        assert!(html.contains(&format!("name=\"allow:{scope}\" value=\"yes\" checked")));
    }
    let nothing = consent_page(&local, "ada", &Scopes::default()).into_string();
    assert!(!nothing.contains("value=\"allow\""));
    let document = app("Tool", ClientSource::Document, "https://app.example.net/cb");
    let html = consent_page(&document, "ada", &all_scopes()).into_string();
    assert!(html.contains("From app.example.net"));
    assert!(!html.contains("on this computer"));
}

#[test]
fn an_error_page_names_the_request_and_redirects_nowhere() {
    let world = World::new();
    let headers = vec![];
    let request = web("GET", "/authorize", "", &headers, b"");
    let reply = world.server.error_page(400, HOSTILE, &request);
    assert_eq!(reply.status, 400);
    assert_eq!(header(&reply, "location"), None);
    assert_eq!(header(&reply, "x-request-id"), Some("req-1"));
    let html = text(&reply);
    assert!(html.contains("req-1") && !html.contains("<script"));
    assert!(html.contains("mcp.example.com"));
}

#[test]
fn entropy_is_not_needed_to_say_what_is_wrong() {
    let mut world = World::new();
    world.server.audit.entropy = std::rc::Rc::new(FakeEntropy::broken());
    let headers = vec![];
    let request = web("GET", "/sign-in", "", &headers, b"");
    let reply = crate::testing::block_on(world.server.answer(&request)).unwrap();
    assert_eq!(reply.status, 503);
    assert!(text(&reply).contains("Wait a few seconds"));
}
