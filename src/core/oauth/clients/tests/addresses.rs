use proptest::prelude::*;

use super::super::address::fetchable;

#[test]
fn addresses_in_use_are_fetched() {
    for address in [
        "https://chatgpt.com/oauth/client.json",
        "https://chatgpt.com/oauth/abc_DEF-123/client.json",
        "https://chatgpt.com/oauth/jwks.json",
        "https://claude.ai/oauth/mcp-oauth-client-metadata",
        "https://claude.ai/oauth/claude-code-client-metadata",
        "https://grok.com/oauth/mcp-client.json",
        "https://xn--bcher-kva.example.com/client.json",
        "https://client.example.com/keys?version=2",
        "https://client.example.com/a//b/c;d=1",
    ] {
        let url = fetchable(address, false);
        assert_eq!(url.map(String::from).as_deref(), Ok(address));
    }
}

fn none_is_fetched(addresses: &[&str]) {
    for address in addresses {
        assert!(fetchable(address, false).is_err(), "{address:?}");
    }
}

#[test]
fn only_https_is_fetched() {
    none_is_fetched(&[
        "",
        "client.example.com/x",
        "//client.example.com/x",
        "http://client.example.com/x",
        "ftp://client.example.com/x",
        "file:///etc/passwd",
        "data:application/json,{}",
        "gopher://client.example.com/x",
        "HTTPS://client.example.com/x",
        "https:client.example.com/x",
        "https:/client.example.com/x",
        "https:\\\\client.example.com\\x",
    ]);
}

#[test]
fn no_address_of_numbers_is_fetched_in_any_spelling() {
    none_is_fetched(&[
        "https://localhost/x",
        "https://localhost./x",
        "https://LOCALHOST/x",
        "https://foo.localhost/x",
        "https://127.0.0.1/x",
        "https://127.0.0.1./x",
        "https://127.1/x",
        "https://127.0.1/x",
        "https://2130706433/x",
        "https://0x7f000001/x",
        "https://0x7f.0.0.1/x",
        "https://0177.0.0.1/x",
        "https://017700000001/x",
        "https://0/x",
        "https://0.0.0.0/x",
        "https://10.0.0.1/x",
        "https://172.16.0.1/x",
        "https://192.168.1.1/x",
        "https://169.254.169.254/latest/meta-data",
        "https://100.64.0.1/x",
        "https://224.0.0.1/x",
        "https://255.255.255.255/x",
        "https://8.8.8.8/x",
        "https://[::]/x",
        "https://[::1]/x",
        "https://[0:0:0:0:0:0:0:1]/x",
        "https://[::ffff:127.0.0.1]/x",
        "https://[::ffff:7f00:1]/x",
        "https://[::127.0.0.1]/x",
        "https://[64:ff9b::7f00:1]/x",
        "https://[fe80::1]/x",
        "https://[fe80::1%25eth0]/x",
        "https://[fd00::1]/x",
        "https://[2001:db8::1]/x",
        "https://①②⑦.⓪.⓪.①/x",
        "https://１２７.0.0.1/x",
        "https://127。0。0。1/x",
    ]);
}

#[test]
fn names_that_are_not_public_are_not_fetched() {
    none_is_fetched(&[
        "https://intranet/x",
        "https://metadata/x",
        "https://metadata.google.internal/x",
        "https://printer.local/x",
        "https://router.lan/x",
        "https://nas.home/x",
        "https://router.home.arpa/x",
        "https://1.0.0.127.in-addr.arpa/x",
        "https://wiki.corp/x",
        "https://wiki.intranet/x",
        "https://hidden.onion/x",
        "https://a.test/x",
        "https://a.invalid/x",
        "https://client.example.com./x",
        "https://.example.com/x",
        "https://client..example.com/x",
        "https://-client.example.com/x",
        "https://client_.example.com/x",
        "https://client.example.123/x",
        "https:///x",
    ]);
}

#[test]
fn nothing_that_reads_in_two_ways_is_fetched() {
    let long = format!("https://client.example.com/{}", "a".repeat(512));
    none_is_fetched(&[
        "https://user@client.example.com/x",
        "https://user:secret@client.example.com/x",
        "https://@client.example.com/x",
        "https://:@client.example.com/x",
        "https://client.example.com@127.0.0.1/x",
        "https://127.0.0.1\\@client.example.com/x",
        "https://client.example.com\\@127.0.0.1/x",
        "https://client.example.com#@127.0.0.1/x",
        "https://client.example.com/x#fragment",
        "https://client.example.com/x#",
        "https://client.example.com:443/x",
        "https://client.example.com:/x",
        "https://client.example.com:22/x",
        "https://client.example.com:6379/x",
        "https://client.example.com:8443/x",
        "https://Client.example.com/x",
        "https://bücher.example.com/x",
        "https://client.example.com/a/../x",
        "https://client.example.com/./x",
        "https://client.example.com/%2e%2e/x",
        "https://client.example.com/%2E/x",
        "https://client.example.com/..%2fx",
        "https://client.example.com/a%5cx",
        "https://client.example.com/a\\x",
        "https://client.example.com/a b",
        "https://client.example.com/a\tb",
        "https://client.example.com/x\r\nhost: evil",
        " https://client.example.com/x",
        "https://client.example.com/x ",
        "https://client.example.com/é",
        "https://client.example.com",
        "https://client.example.com/",
        "https://client.example.com/?x",
        &long,
    ]);
}

#[test]
fn development_knows_this_machine_too_and_nothing_else() {
    for address in [
        "http://localhost:4000/client.json",
        "http://127.0.0.1:4000/client.json",
        "http://[::1]:4000/client.json",
        "https://client.example.com/client.json",
    ] {
        assert!(fetchable(address, true).is_ok(), "{address}");
    }
    for address in [
        "http://client.example.com/x",
        "http://192.168.1.1/x",
        "http://127.0.0.2/x",
        "http://localhost.example.com/x",
        "http://user@localhost/x",
        "http://localhost:4000/a/../x",
        "https://client.example.com:8443/x",
    ] {
        assert!(fetchable(address, true).is_err(), "{address}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    /// What is fetched is what is written, at a name with a letter in its last label.
    #[test]
    fn any_text(text in "https://[ -~]{1,40}/\\PC{0,10}") {
        if let Ok(url) = fetchable(&text, false) {
            prop_assert_eq!(url.as_str(), &text);
            prop_assert!(matches!(url.host(), Some(url::Host::Domain(_))));
            prop_assert!(url.port().is_none() && url.username().is_empty());
        }
    }

    #[test]
    fn any_address_of_four_numbers(address in any::<u32>()) {
        let four = std::net::Ipv4Addr::from(address);
        let six = four.to_ipv6_mapped();
        for text in [format!("{four}"), format!("{address}"), format!("{address:#x}"), format!("[{six}]")] {
            let url = format!("https://{text}/x");
            prop_assert!(fetchable(&url, false).is_err(), "{}", url);
        }
    }
}
