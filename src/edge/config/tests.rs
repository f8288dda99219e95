use chitty_core::ports::Level;
use chitty_core::usage::{PriceKey, TokenUsage};

use super::*;

struct Values(Vec<(&'static str, &'static str)>);

impl Source for Values {
    fn get(&self, name: &str) -> Option<String> {
        let found = self.0.iter().find(|(key, _)| *key == name)?;
        Some(found.1.to_owned())
    }
}

const KEY: (&str, &str) = ("CHITTY_ENCRYPTION_KEY", "the-key");
const ISSUER: (&str, &str) = ("ISSUER", "https://mcp.example.com");

fn common(values: &[(&'static str, &'static str)]) -> Result<Common, ConfigError> {
    let source = Values(values.to_vec());
    let mut reader = Reader::new(&source);
    let common = Common::read(&mut reader);
    reader.finish(common)
}

fn model_url(environment: &'static str, url: &'static str) -> Result<String, ConfigError> {
    let source = Values(vec![
        ("CHITTY_ENV", environment),
        KEY,
        ISSUER,
        ("OPENAI_BASE_URL", url),
    ]);
    let mut reader = Reader::new(&source);
    let environment = Common::read(&mut reader).environment;
    let model = ModelSettings::read(&mut reader, environment);
    reader.finish(model.base_url.to_string())
}

#[test]
fn reads_what_every_worker_needs() {
    let common = common(&[
        ("CHITTY_ENV", "staging"),
        KEY,
        ISSUER,
        ("ALLOWED_ORIGINS", " https://a.example , ,https://b.example"),
        ("CHITTY_ENCRYPTION_KEYS_OLD", "older"),
    ])
    .unwrap();
    assert_eq!(common.environment, Environment::Staging);
    assert_eq!(common.log_level, Level::Info);
    assert_eq!(
        common.allowed_origins,
        ["https://a.example", "https://b.example"]
    );
    assert!(common.allowed_hosts.is_empty());
    assert_eq!(common.encryption_key.expose(), "the-key");
    assert_eq!(common.old_encryption_keys.len(), 1);
    assert!(!format!("{common:?}").contains("the-key"));
}

#[test]
fn names_everything_that_is_missing_or_wrong_at_once() {
    let source = Values(vec![("LOG_LEVEL", "loud"), ("PGP_PUBLIC_KEY", " ")]);
    let mut reader = Reader::new(&source);
    let settings = (
        Common::read(&mut reader),
        SigningSettings::read(&mut reader),
        ChainSettings::read(&mut reader),
    );
    let error = reader.finish(settings).unwrap_err().to_string();
    for part in [
        "CHITTY_ENCRYPTION_KEY, PGP_PRIVATE_KEY, PGP_PUBLIC_KEY, CHAIN_SIGNING_KEY",
        "npx wrangler secret put",
        "CHITTY_ENV must be development, staging or production",
        "LOG_LEVEL must be",
    ] {
        assert!(error.contains(part), "{error}");
    }
    assert!(!error.contains("loud"));
}

#[test]
fn a_loopback_model_is_for_development() {
    let local = "http://localhost:8000/v1/";
    assert_eq!(
        model_url("development", local).unwrap(),
        "http://localhost:8000/v1"
    );
    for url in [
        local,
        "https://localhost",
        "https://127.0.0.1:8000",
        "https://127.1",
        "https://[::1]",
        "https://[::ffff:127.0.0.1]",
        "https://0.0.0.0",
        "https://api.localhost.",
        "http://model.example",
    ] {
        for environment in ["staging", "production"] {
            let error = model_url(environment, url).unwrap_err().to_string();
            assert!(error.contains("OPENAI_BASE_URL"), "{url}");
        }
    }
    assert!(model_url("production", "https://model.example").is_ok());
}

#[test]
fn urls_are_bare() {
    for url in [
        "model.example",
        "ftp://model.example",
        "https://u:p@model.example",
        "https://model.example/?q",
        "https://model.example/#f",
    ] {
        assert!(model_url("development", url).is_err(), "{url}");
    }
}

#[test]
fn the_model_has_a_default_address_and_may_have_no_key() {
    let source = Values(vec![]);
    let mut reader = Reader::new(&source);
    let model = ModelSettings::read(&mut reader, Environment::Production);
    let model = reader.finish(model).unwrap();
    assert_eq!(model.base_url.as_str(), "https://api.openai.com/v1");
    assert!(model.api_key.is_none());
}

fn priced(overrides: &'static str) -> Result<Option<i64>, ConfigError> {
    let source = Values(vec![("MODEL_PRICES", overrides)]);
    let mut reader = Reader::new(&source);
    let table = prices(&mut reader);
    let key = PriceKey {
        provider: "openai",
        model: "gpt-4",
        tier: None,
        at_ms: 0,
    };
    let usage = TokenUsage {
        prompt: 1,
        ..TokenUsage::default()
    };
    reader
        .finish(table)
        .map(|table| table.cost(key, Some(usage)).nanos())
}

#[test]
fn a_deployment_may_set_prices_of_its_own() {
    assert_eq!(priced(""), Ok(Some(30_000)));
    let own = r#"{"providers":{"openai":[{"model":"gpt-4","prices":[
        {"tier":"default","rates":{"input":"29","output":"60"}}]}]}}"#;
    assert_eq!(priced(own), Ok(Some(29_000)));
    let error = priced(r#"{"providers":{"openai":{}}}"#).unwrap_err();
    assert!(error.to_string().contains("MODEL_PRICES"), "{error}");
}

fn oauth(
    values: &[(&'static str, &'static str)],
) -> Result<chitty_core::oauth::Settings, ConfigError> {
    let source = Values([&[("CHITTY_ENV", "development"), KEY], values].concat());
    let mut reader = Reader::new(&source);
    let common = Common::read(&mut reader);
    let settings = super::oauth::read(&mut reader, &common);
    reader.finish(settings)
}

#[test]
fn the_issuer_is_named_outside_development() {
    assert!(common(&[("CHITTY_ENV", "development"), KEY]).is_ok());
    let unnamed = common(&[("CHITTY_ENV", "production"), KEY]).unwrap_err();
    assert!(unnamed.to_string().contains("ISSUER"), "{unnamed}");
    let open = [
        ("CHITTY_ENV", "production"),
        KEY,
        ("ISSUER", "http://mcp.example.com"),
    ];
    assert!(common(&open).is_err());
}

#[test]
fn predefined_clients_are_read_whole_or_refused() {
    let secret = "0123456789abcdef0123456789abcdef";
    let entry = |fields: &str| -> &'static str {
        let text = format!(r#"[{{"client_id":"gpt","client_name":"GPT",{fields}}}]"#);
        Box::leak(text.into_boxed_str())
    };
    let good = entry(&format!(
        r#""token_endpoint_auth_method":"client_secret_post","client_secret":"{secret}","pkce_exempt":true,"scope":"execution:read""#
    ));
    let settings = oauth(&[("OAUTH_CLIENTS", good)]).unwrap();
    assert!(settings.predefined[0].pkce_exempt);
    assert!(!format!("{settings:?}").contains(secret));
    for bad in [
        entry(r#""token_endpoint_auth_method":"none","pkce_exempt":true"#),
        entry(r#""token_endpoint_auth_method":"client_secret_post""#),
        entry(r#""token_endpoint_auth_method":"client_secret_post","client_secret":"short""#),
        entry(r#""token_endpoint_auth_method":"private_key_jwt""#),
        entry(r#""token_endpoint_auth_method":"implicit""#),
        entry(r#""token_endpoint_auth_method":"none","unknown":1"#),
        entry(r#""token_endpoint_auth_method":"none","scope":"execution:raed""#),
        entry(r#""token_endpoint_auth_method":"none","grant_types":["implicit"]"#),
        entry(r#""token_endpoint_auth_method":"none","redirect_uris":["http://a.example/"]"#),
        "{}",
    ] {
        assert!(oauth(&[("OAUTH_CLIENTS", bad)]).is_err(), "{bad}");
    }
}

#[test]
fn a_provider_needs_a_client_id() {
    assert!(oauth(&[]).unwrap().upstream.is_none());
    let issuer = ("OPENID_ISSUER", "http://127.0.0.1:9/");
    assert!(oauth(&[issuer]).is_err());
    let upstream = oauth(&[issuer, ("OPENID_CLIENT_ID", "chitty")])
        .unwrap()
        .upstream;
    assert_eq!(upstream.unwrap().default_role, "reader");
}

#[test]
fn a_provider_gives_no_role_of_power_and_domains_are_domains() {
    let read = |name, value| {
        oauth(&[
            ("OPENID_ISSUER", "http://127.0.0.1:9/"),
            ("OPENID_CLIENT_ID", "chitty"),
            (name, value),
        ])
        .map(|settings| settings.upstream.unwrap())
    };
    let role = |value| read("OPENID_DEFAULT_ROLE", value).map(|upstream| upstream.default_role);
    assert_eq!(role("counsel").unwrap(), "counsel");
    for bad in ["admin", "service", "Reader", "owner"] {
        assert!(role(bad).is_err(), "{bad}");
    }
    let domains =
        |value| read("OPENID_ALLOWED_DOMAINS", value).map(|upstream| upstream.allowed_domains);
    let two = domains("Example.com, law.example").unwrap();
    assert_eq!(two, ["example.com", "law.example"]);
    for bad in [",", "*", "@example.com", "example", "a..example"] {
        assert!(domains(bad).is_err(), "{bad}");
    }
}

fn fortress_api(values: &[(&'static str, &'static str)]) -> Result<Option<String>, ConfigError> {
    let source = Values(values.to_vec());
    let mut reader = Reader::new(&source);
    let environment = settings::environment(&mut reader);
    let api = FortressApiSettings::read(&mut reader, environment);
    reader.finish(api.map(|api| format!("{} {}", api.url, api.key.expose())))
}

#[test]
fn a_fortress_api_is_asked_by_https_with_a_key_and_never_here_outside_development() {
    const PRODUCTION: (&str, &str) = ("CHITTY_ENV", "production");
    const KEY: (&str, &str) = ("FORTRESS_API_KEY", "api-key");
    const NAME: &str = "FORTRESS_API_URL";
    assert_eq!(fortress_api(&[PRODUCTION, KEY]).unwrap(), None);
    let public = (NAME, "https://fortress.example.org/");
    let api = fortress_api(&[PRODUCTION, KEY, public]).unwrap();
    assert_eq!(api.unwrap(), "https://fortress.example.org api-key");
    let error = fortress_api(&[PRODUCTION, public]).unwrap_err();
    assert!(error.to_string().contains("FORTRESS_API_KEY"), "{error}");
    for url in [
        "http://fortress.example.org",
        "https://localhost:8000",
        "https://127.0.0.1",
        "fortress.example.org",
    ] {
        let error = fortress_api(&[PRODUCTION, KEY, (NAME, url)]).unwrap_err();
        assert!(error.to_string().contains(NAME), "{url}: {error}");
    }
    let local = (NAME, "http://127.0.0.1:8000");
    let api = fortress_api(&[("CHITTY_ENV", "development"), KEY, local]);
    assert_eq!(api.unwrap().unwrap(), "http://127.0.0.1:8000 api-key");
}
