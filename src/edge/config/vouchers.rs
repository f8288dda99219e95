use chitty_core::anchoring::Vouchers;
use chitty_core::loopback;
use chitty_core::timestamp::TrustAnchors;
use chitty_core::timestamp::client::Authorities;
use chitty_core::witness::policy::WitnessPolicy;
use worker::url::Url;

use super::settings::environment;
use super::{Environment, Reader};

/// Least time between two anchored checkpoints unless told otherwise, in milliseconds.
const EVERY_MS: u64 = 30_000;
const MAX_EVERY_MS: u64 = 24 * 60 * 60 * 1000;
/// Most time stamping authorities.
const MAX_AUTHORITIES: usize = 8;

/// Who vouches for the log's checkpoints: `WITNESSES`, `TSA_URLS` with `TSA_TRUST_ANCHORS`,
/// `ANCHOR_EVERY_MS`.
pub fn vouchers(reader: &mut Reader<'_>) -> Vouchers {
    let development = environment(reader) == Environment::Development;
    Vouchers {
        witnesses: witnesses(reader, development),
        authorities: authorities(reader, development),
        every_ms: every_ms(reader),
    }
}

fn witnesses(reader: &mut Reader<'_>, development: bool) -> Option<WitnessPolicy> {
    let text = reader.optional("WITNESSES")?;
    let policy: WitnessPolicy = match text.parse() {
        Ok(policy) => policy,
        Err(error) => {
            reader.wrong(
                "WITNESSES",
                &format!("a policy of C2SP tlog-policy: {error}"),
            );
            return None;
        }
    };
    let mut urls = policy.reachable.iter();
    if policy.reachable.is_empty() || !urls.all(|one| is_reachable(&one.url, false, development)) {
        let form = "a policy with an https URL of another machine for each witness to ask";
        reader.wrong("WITNESSES", form);
        return None;
    }
    Some(policy)
}

/// Stamps are signed, so plain HTTP does, and many authorities have nothing else.
fn authorities(reader: &mut Reader<'_>, development: bool) -> Option<Authorities> {
    let urls = reader.list("TSA_URLS");
    if urls.is_empty() {
        return None;
    }
    if urls.len() > MAX_AUTHORITIES || !urls.iter().all(|url| is_reachable(url, true, development))
    {
        let form = "at most 8 http or https URLs of other machines, comma-separated";
        reader.wrong("TSA_URLS", form);
        return None;
    }
    let pem = reader.required("TSA_TRUST_ANCHORS");
    match TrustAnchors::from_pem(&pem) {
        Ok(anchors) => Some(Authorities { urls, anchors }),
        // Where it is not set, that is said already.
        Err(_) if pem.is_empty() => None,
        Err(error) => {
            let form = format!("root certificates of the authorities in PEM: {error}");
            reader.wrong("TSA_TRUST_ANCHORS", &form);
            None
        }
    }
}

fn is_reachable(text: &str, plain: bool, development: bool) -> bool {
    let Ok(url) = Url::parse(text) else {
        return false;
    };
    let scheme = match url.scheme() {
        "https" => true,
        "http" => plain || development,
        _ => false,
    };
    let named = url.host().is_some() && url.username().is_empty() && url.password().is_none();
    scheme && named && (development || !loopback::is_reached_by(&url))
}

fn every_ms(reader: &mut Reader<'_>) -> u64 {
    let Some(text) = reader.optional("ANCHOR_EVERY_MS") else {
        return EVERY_MS;
    };
    let ms = text.parse().ok().filter(|ms| *ms <= MAX_EVERY_MS);
    ms.unwrap_or_else(|| {
        reader.wrong("ANCHOR_EVERY_MS", "milliseconds, at most a day");
        EVERY_MS
    })
}

#[cfg(test)]
mod tests {
    use super::super::{ConfigError, Source};
    use super::*;

    const WITNESS: &str =
        "witness.example/w1+617b09ba+BNp08QaB/YrElJGYTFXdkgxrrLGUI5SwuLdjB5Gib/4Q";
    const ROOT: &str = "\
-----BEGIN CERTIFICATE-----
MIIBhTCCASugAwIBAgIUCl9Alb1Uua+e7NHztI1fiAY6M8swCgYIKoZIzj0EAwIw
FzEVMBMGA1UEAwwMRXhhbXBsZSByb290MCAXDTI2MTEyMjAxNTYyNFoYDzIwNTQw
NDA5MDE1NjI0WjAXMRUwEwYDVQQDDAxFeGFtcGxlIHJvb3QwWTATBgcqhkjOPQIB
BggqhkjOPQMBBwNCAARCWxSwOIxkukPGKb34p2yaZ2DlPRYres1+urVj8Vu1NaRb
0OtHbvquduvDJECbg+gZqWOsyj6B/Q4+Skps8UDHo1MwUTAdBgNVHQ4EFgQUQoUt
LvPFdCaKOhXziH8OMWOBRXcwHwYDVR0jBBgwFoAUQoUtLvPFdCaKOhXziH8OMWOB
RXcwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiEA+McJKMp2xUTI
SxHSsAlTK6Vf52AJ6hUmp2U5QY9UyLACICCy7W22Yd79u6COy8+ABneV3TIatgyP
LuiITogkrBxt
-----END CERTIFICATE-----
";

    struct Values(Vec<(&'static str, String)>);

    impl Source for Values {
        fn get(&self, name: &str) -> Option<String> {
            let found = self.0.iter().find(|(key, _)| *key == name)?;
            Some(found.1.clone())
        }
    }

    fn read(environment: &str, values: &[(&'static str, &str)]) -> Result<Vouchers, ConfigError> {
        let mut all = vec![("CHITTY_ENV", environment.to_owned())];
        all.extend(
            values
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned())),
        );
        let source = Values(all);
        let mut reader = Reader::new(&source);
        let vouchers = vouchers(&mut reader);
        reader.finish(vouchers)
    }

    fn policy(url: &str) -> String {
        format!("witness w {WITNESS} {url}\nquorum w\n")
    }

    #[test]
    fn nobody_is_asked_unless_named() {
        let vouchers = read("production", &[]).unwrap();
        assert!(vouchers.is_nobody());
        assert_eq!(vouchers.every_ms, 30_000);
    }

    #[test]
    fn witnesses_and_authorities_are_read() {
        let policy = policy("https://w.example/");
        let vouchers = read(
            "production",
            &[
                ("WITNESSES", &policy),
                ("TSA_URLS", "http://a.example, https://b.example/tsr"),
                ("TSA_TRUST_ANCHORS", ROOT),
                ("ANCHOR_EVERY_MS", "60000"),
            ],
        )
        .unwrap();
        let reachable = vouchers.witnesses.unwrap().reachable;
        assert_eq!(reachable.len(), 1);
        assert_eq!(reachable.first().unwrap().url, "https://w.example");
        assert_eq!(vouchers.authorities.unwrap().urls.len(), 2);
        assert_eq!(vouchers.every_ms, 60_000);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let [local, plain, unnamed] = ["https://127.0.0.1", "http://w.example", ""].map(policy);
        for (name, value) in [
            ("WITNESSES", "quorum"),
            ("WITNESSES", "quorum none"),
            ("WITNESSES", &local),
            ("WITNESSES", &plain),
            ("WITNESSES", &unnamed),
            ("TSA_URLS", "ftp://a.example"),
            ("TSA_URLS", "http://localhost/tsr"),
            ("ANCHOR_EVERY_MS", "soon"),
        ] {
            let values = [(name, value), ("TSA_TRUST_ANCHORS", ROOT)];
            let error = read("production", &values).unwrap_err().to_string();
            assert!(
                error.contains(&format!("{name} must be")),
                "{value}: {error}"
            );
        }
        // On one's own machine both may be on it.
        let values = [
            ("WITNESSES", plain.as_str()),
            ("TSA_URLS", "http://localhost"),
        ];
        let values = [&values[..], &[("TSA_TRUST_ANCHORS", ROOT)]].concat();
        assert!(read("development", &values).is_ok());
    }

    #[test]
    fn an_authority_needs_its_root() {
        let urls = ("TSA_URLS", "http://a.example");
        let error = read("production", &[urls]).unwrap_err().to_string();
        assert!(error.contains("not set: TSA_TRUST_ANCHORS"), "{error}");
        let broken = ("TSA_TRUST_ANCHORS", "-----BEGIN");
        let error = read("production", &[urls, broken]).unwrap_err().to_string();
        assert!(error.contains("TSA_TRUST_ANCHORS must be"), "{error}");
    }
}
