//! Redirect URIs: every known way of passing another one off as registered.

use proptest::prelude::*;

use crate::oauth::redirect::{check, is_registered, with_params};

const REGISTERED: &str = "https://client.example.com/callback";

fn fits(registered: &str, asked: &str) -> bool {
    is_registered(&[registered.to_owned()], asked)
}

#[test]
fn only_the_registered_text_fits() {
    assert!(fits(REGISTERED, REGISTERED));
    for asked in [
        "",
        "https://client.example.com",
        "https://client.example.com/",
        "https://client.example.com/callbac",
        "https://client.example.com/callback/",
        "https://client.example.com/callback2",
        "https://client.example.com/callback/../evil",
        "https://client.example.com/./callback",
        "https://client.example.com/x/../callback",
        "https://client.example.com/x/%2e%2e/callback",
        "https://client.example.com//callback",
        "https://client.example.com/%63allback",
        "https://client.example.com%2fcallback",
        "https://client.example.com/callback%2f",
        "https://client.example.com/callback%00",
        "https://client.example.com/Callback",
        "https://client.example.com/callback?",
        "https://client.example.com/callback?next=https://evil.example",
        "https://client.example.com/callback&x=1",
        "https://client.example.com/callback;x=1",
        "https://client.example.com/callback#",
        "https://client.example.com/callback#fragment",
        "https://client.example.com/callback ",
        " https://client.example.com/callback",
        "https://client.example.com/callback\r\nset-cookie: a=b",
        "https://client.example.com/callback%0d%0alocation:evil",
        "https://client.example.com/callback\0",
        "https://client.example.com/callback\\",
        "https://client.example.com\\callback",
        "https:\\\\client.example.com/callback",
        "https:/client.example.com/callback",
        "https:client.example.com/callback",
        "//client.example.com/callback",
        "/callback",
        "http://client.example.com/callback",
        "HTTPS://client.example.com/callback",
        "https://CLIENT.example.com/callback",
        "https://client.example.com:443/callback",
        "https://client.example.com:8443/callback",
        "https://client.example.com:/callback",
        "https://client.example.com./callback",
        "https://user@client.example.com/callback",
        "https://client.example.com@evil.example/callback",
        "https://client.example.com:x@evil.example/callback",
        "https://evil.example/client.example.com/callback",
        "https://evil.example/https://client.example.com/callback",
        "https://client.example.com.evil.example/callback",
        "https://evilclient.example.com/callback",
        "https://sub.client.example.com/callback",
        "https://example.com/callback",
        "https://clіent.example.com/callback",
        "https://client.example.com\u{3002}evil.example/callback",
        "https://client.example.com\u{ff0f}callback",
        "https://*.example.com/callback",
        "javascript://client.example.com/callback",
        "javascript:alert(1)//https://client.example.com/callback",
        "data:text/html,https://client.example.com/callback",
        "blob:https://client.example.com/callback",
        "view-source:https://client.example.com/callback",
        "https://client.example.com/callback,https://evil.example/",
        "https://client.example.com/callback https://evil.example/",
    ] {
        assert!(!fits(REGISTERED, asked), "{asked:?}");
    }
}

#[test]
fn a_loopback_address_may_vary_in_its_port_only() {
    let registered = "http://127.0.0.1:3000/callback?a=1";
    for asked in [
        registered,
        "http://127.0.0.1:1/callback?a=1",
        "http://127.0.0.1:65535/callback?a=1",
        "http://127.0.0.1/callback?a=1",
    ] {
        assert!(fits(registered, asked), "{asked:?}");
    }
    for asked in [
        "https://127.0.0.1:3000/callback?a=1",
        "http://localhost:3000/callback?a=1",
        "http://[::1]:3000/callback?a=1",
        "http://127.0.0.1:3000/callback",
        "http://127.0.0.1:3000/callback?a=2",
        "http://127.0.0.1:3000/callback?a=1&b=2",
        "http://127.0.0.1:3000/callback?a=1#x",
        "http://127.0.0.1:3000/",
        "http://127.0.0.1:3000/x/../callback?a=1",
        "http://127.0.0.1:0/callback?a=1",
        "http://127.0.0.1:/callback?a=1",
        "http://127.0.0.1:00080/callback?a=1",
        "http://127.0.0.1:65536/callback?a=1",
        "http://127.0.0.1:-1/callback?a=1",
        "http://127.0.0.1:+80/callback?a=1",
        "http://127.0.0.1:80:80/callback?a=1",
        "http://127.0.0.1:80@evil.example/callback?a=1",
        "http://127.0.0.1@evil.example/callback?a=1",
        "http://evil.example@127.0.0.1/callback?a=1",
        "http://127.0.0.1.evil.example/callback?a=1",
        "http://127.0.0.1.evil.example:3000/callback?a=1",
        "http://127.0.0.1%2eevil.example/callback?a=1",
        "http://127.0.0.1\\@evil.example/callback?a=1",
        "http://127.0.0.1:3000\\evil/callback?a=1",
        "http://127.0.0.2:3000/callback?a=1",
        "http://127.1:3000/callback?a=1",
        "http://2130706433:3000/callback?a=1",
        "http://0x7f.0.0.1:3000/callback?a=1",
        "http://0177.0.0.1:3000/callback?a=1",
        "http://[::ffff:127.0.0.1]:3000/callback?a=1",
        "http://0.0.0.0:3000/callback?a=1",
    ] {
        assert!(!fits(registered, asked), "{asked:?}");
    }
    let named = "http://localhost/callback";
    assert!(fits(named, "http://localhost:49152/callback"));
    assert!(fits("http://[::1]/callback", "http://[::1]:49152/callback"));
    for asked in [
        "http://localhost.evil.example/callback",
        "http://localhost.:1/callback",
        "http://localhost:1.evil.example/callback",
        "http://LOCALHOST:1/callback",
        "http://localhostevil:1/callback",
        "http://127.0.0.1:1/callback",
    ] {
        assert!(!fits(named, asked), "{asked:?}");
    }
}

#[test]
fn what_clients_in_use_register_is_taken() {
    for uri in [
        "https://chatgpt.com/connector_platform_oauth_redirect",
        "https://chatgpt.com/connector/oauth/abc-123_X",
        "https://platform.openai.com/apps-manage/oauth",
        "https://chat.openai.com/aip/g-0123456789abcdef/oauth/callback",
        "https://claude.ai/api/mcp/auth_callback",
        "https://claude.com/api/mcp/auth_callback",
        "http://localhost:54321/callback",
        "http://localhost/callback",
        "http://127.0.0.1:33418/",
        "http://127.0.0.1:33418",
        "http://[::1]:8080/callback",
        "https://vscode.dev/redirect",
        "https://www.perplexity.ai/rest/connections/oauth_callback",
        "cursor://anysphere.cursor-mcp/oauth/callback",
        "vscode://vendor.extension/callback",
        "vscode-insiders://vendor.extension/callback",
        "windsurf://oauth/callback",
        "com.example.app:/oauth2redirect",
        "com.example.app://callback",
        "https://client.example.com",
        "https://client.example.com?tenant=1",
        "https://client.example.com/callback?tenant=1",
        "https://client.example.com:8443/callback",
    ] {
        assert_eq!(check(uri), Ok(()), "{uri}");
        assert!(fits(uri, uri), "{uri}");
    }
}

#[test]
fn what_could_run_or_be_misread_is_not_registered() {
    let long = format!("https://client.example.com/{}", "a".repeat(2048));
    for uri in [
        "",
        "callback",
        "/callback",
        "//client.example.com/callback",
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "java\tscript:alert(1)",
        "javascript://client.example.com/%0aalert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "blob:https://client.example.com/x",
        "about:blank",
        "https://*.example.com/callback",
        "ftp://client.example.com/",
        "ws://client.example.com/",
        "intent://x#Intent;end",
        "mailto:a@example.com",
        "tel:1",
        "urn:ietf:wg:oauth:2.0:oob",
        "myapp://callback",
        "Cursor://anysphere.cursor-mcp/x",
        "cursor:",
        "cursor://user@anysphere/x",
        ".com://x",
        "com.:/x",
        "com..example:/x",
        "com.1example:/x",
        "http://client.example.com/callback",
        "http://127.0.0.2/callback",
        "http://192.168.0.1/callback",
        "http://0.0.0.0/callback",
        "http://localhost.evil.example/callback",
        "http://localhost./callback",
        "http://127.1/callback",
        "http://2130706433/callback",
        "http://0x7f000001/callback",
        "https://",
        "https:///callback",
        "https:client.example.com/callback",
        "https:/client.example.com/callback",
        "https://client.example.com/callback#fragment",
        "https://client.example.com/callback#",
        "https://user:pass@client.example.com/callback",
        "https://@client.example.com/callback",
        "https://Client.example.com/callback",
        "https://client.example.com:443/callback",
        "https://client.example.com./callback",
        "https://client.example.com/a/../b",
        "https://client.example.com/a/%2e%2e/b",
        "https://client.example.com\\@evil.example/",
        "https://client.example.com/ callback",
        "https://client.example.com/callback\r\nx: y",
        "https://client.example.com/callback\n",
        "https://client.example.com/\u{202e}",
        "https://clіent.example.com/callback",
        "https://*.example.com/callback?<x>",
        "https://client.example.com/callback?code=stolen",
        "https://client.example.com/callback?a=1&state=x",
        "https://client.example.com/callback?%73tate=x",
        "https://client.example.com/callback?iss=https://evil.example",
        &long,
    ] {
        assert!(check(uri).is_err(), "{uri:?}");
    }
}

#[test]
fn parameters_join_the_uri_s_own() {
    let params = [("code", "a b&c"), ("state", "x=\r\n#")];
    for (uri, expected) in [
        ("https://a.example/", "https://a.example/?"),
        ("https://a.example/?", "https://a.example/?"),
        ("https://a.example/?t=1", "https://a.example/?t=1&"),
        ("https://a.example/?t=1&", "https://a.example/?t=1&"),
        ("com.example:/cb", "com.example:/cb?"),
    ] {
        let whole = format!("{expected}code=a+b%26c&state=x%3D%0D%0A%23");
        assert_eq!(with_params(uri, params), whole);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Nothing fits an https URI but itself.
    #[test]
    fn any_text_beside_a_registered_one(text in "\\PC{0,80}", tail in "[ -~]{0,20}") {
        let longer = format!("{REGISTERED}{tail}");
        prop_assert_eq!(fits(REGISTERED, &text), text == REGISTERED);
        prop_assert_eq!(fits(REGISTERED, &longer), tail.is_empty());
    }

    /// Whatever fits a loopback URI leads to the loopback host with the same path.
    #[test]
    fn any_text_after_a_loopback_host(middle in "[ -~]{0,24}") {
        let asked = format!("http://127.0.0.1{middle}/callback");
        if fits("http://127.0.0.1/callback", &asked) {
            let url = url::Url::parse(&asked).unwrap();
            prop_assert_eq!(url.host_str(), Some("127.0.0.1"));
            prop_assert_eq!(url.path(), "/callback");
            prop_assert!(url.query().is_none());
        }
    }

    /// Whatever may be registered is what a browser makes of it.
    #[test]
    fn any_registrable_text(text in "(https?|com\\.example|cursor|javascript):[ -~]{0,40}") {
        if check(&text).is_ok() {
            let url = url::Url::parse(&text).unwrap();
            let escaped = text.len().abs_diff(url.as_str().len()) > 1;
            prop_assert!(!escaped, "{}", url);
            prop_assert!(url.username().is_empty() && url.fragment().is_none());
            prop_assert!(url.scheme() != "javascript");
        }
    }
}
