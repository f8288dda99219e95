use std::rc::Rc;

use chitty_core::budget::Limits;
use chitty_core::llm::{BaseUrl, Dialect, Provider};
use chitty_core::loopback;
use chitty_core::ports::Level;
use chitty_core::secret::Secret;
use chitty_core::usage::PriceTable;
use worker::url::Url;

use super::Reader;

/// The name of the deployment, `CHITTY_ENV`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Environment {
    Development,
    Staging,
    Production,
}

/// What every worker needs.
#[derive(Debug, Clone)]
pub struct Common {
    pub environment: Environment,
    pub log_level: Level,
    /// Browser origins that may call, as in the `Origin` header.
    pub allowed_origins: Vec<String>,
    /// Hosts that the worker answers for, as in the `Host` header; empty where the
    /// platform's routes decide.
    pub allowed_hosts: Vec<String>,
    /// Public base URL of the authorization server, the coordinator, without a slash at the end.
    pub issuer: Option<String>,
    /// What OpenAI's app directory wants to read at `/.well-known/openai-apps-challenge`.
    pub apps_challenge: Option<String>,
    /// 32 bytes in base64 or hex, and older ones that still open.
    pub encryption_key: Secret,
    pub old_encryption_keys: Vec<Secret>,
}

impl Common {
    pub fn read(reader: &mut Reader<'_>) -> Self {
        let environment = environment(reader);
        let old_keys = reader.list("CHITTY_ENCRYPTION_KEYS_OLD");
        Self {
            environment,
            log_level: log_level(reader, environment),
            allowed_origins: reader.list("ALLOWED_ORIGINS"),
            allowed_hosts: reader.list("ALLOWED_HOSTS"),
            issuer: issuer(reader, environment),
            apps_challenge: reader.optional("OPENAI_APPS_CHALLENGE"),
            encryption_key: reader.required_secret("CHITTY_ENCRYPTION_KEY"),
            old_encryption_keys: old_keys.into_iter().map(Secret::new).collect(),
        }
    }
}

/// The model provider. Without a key, tools that need a model say so.
#[derive(Debug, Clone)]
pub struct ModelSettings {
    pub base_url: BaseUrl,
    pub api_key: Option<Secret>,
}

impl ModelSettings {
    pub fn read(reader: &mut Reader<'_>, environment: Environment) -> Self {
        let base_url = base_url(reader, "OPENAI_BASE_URL", environment);
        Self {
            base_url: base_url.unwrap_or_default(),
            api_key: reader.optional_secret("OPENAI_API_KEY"),
        }
    }

    /// OpenAI, or whoever answers for it.
    pub fn provider(self) -> Rc<Provider> {
        Rc::new(Provider {
            name: "openai".to_owned(),
            dialect: Dialect::ChatCompletions,
            base_url: self.base_url,
            key: self.api_key,
            key_name: "OPENAI_API_KEY".to_owned(),
        })
    }
}

/// Limits of users who have none of their own: those of `RATE_LIMITS`, and the standard ones
/// for what it leaves out.
pub fn limits(reader: &mut Reader<'_>) -> Limits {
    let standard = Limits::standard();
    let Some(json) = reader.optional("RATE_LIMITS") else {
        return standard;
    };
    if let Ok(limits) = serde_json::from_str::<Limits>(&json) {
        return limits.or(&standard);
    }
    let form = "limits as docs/MONEY.md shows: {\"requests_per_minute\": 60, …}";
    reader.wrong("RATE_LIMITS", form);
    standard
}

/// The prices shipped, with those of `MODEL_PRICES` (same shape) in place of their own.
pub fn prices(reader: &mut Reader<'_>) -> PriceTable {
    let overrides = reader.optional("MODEL_PRICES");
    let table = PriceTable::built_in().and_then(|table| match &overrides {
        Some(json) => table.with_overrides(json),
        None => Ok(table),
    });
    table.unwrap_or_else(|error| {
        reader.wrong(
            "MODEL_PRICES",
            &format!("prices as docs/MONEY.md shows: {error}"),
        );
        PriceTable::default()
    })
}

/// The OpenPGP keys of executions, armored.
#[derive(Debug, Clone)]
pub struct SigningSettings {
    pub private_key: Secret,
    pub public_key: String,
    /// What the next rotation may take instead of making a key.
    pub next_private_key: Option<Secret>,
    /// Fingerprint or key id that the keys are expected to have.
    pub key_id: Option<String>,
}

impl SigningSettings {
    pub fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            private_key: reader.required_secret("PGP_PRIVATE_KEY"),
            public_key: reader.required("PGP_PUBLIC_KEY"),
            next_private_key: reader.optional_secret("PGP_NEXT_PRIVATE_KEY"),
            key_id: reader.optional("PGP_KEY_ID"),
        }
    }
}

/// A Fortress API that runs are given to, instead of asking the model from here.
#[derive(Debug, Clone)]
pub struct FortressApiSettings {
    pub url: BaseUrl,
    pub key: Secret,
}

impl FortressApiSettings {
    /// None where `FORTRESS_API_URL` is not set.
    pub fn read(reader: &mut Reader<'_>, environment: Environment) -> Option<Self> {
        reader.optional("FORTRESS_API_URL")?;
        let key = reader.required_secret("FORTRESS_API_KEY");
        let url = base_url(reader, "FORTRESS_API_URL", environment)?;
        Some(Self { url, key })
    }
}

/// The key of the log's checkpoints, one line (C2SP signed-note).
#[derive(Debug, Clone)]
pub struct ChainSettings {
    pub signing_key: Secret,
    /// Least time from one round of the log to the next, in milliseconds.
    pub round_ms: u64,
}

/// R2 takes about one write of the same key, the checkpoint's, a second.
const ROUND_MS: u64 = 750;
const MAX_ROUND_MS: u64 = 5_000;

impl ChainSettings {
    pub fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            signing_key: reader.required_secret("CHAIN_SIGNING_KEY"),
            round_ms: round_ms(reader),
        }
    }
}

/// None where it is not set, or wrong, which is named.
fn base_url(reader: &mut Reader<'_>, name: &str, environment: Environment) -> Option<BaseUrl> {
    let text = reader.optional(name)?;
    let url = BaseUrl::parse(&text, environment == Environment::Development);
    if url.is_err() {
        let form = "an https URL of a public host without user, query or fragment \
                    (in development also http, and this machine)";
        reader.wrong(name, form);
    }
    url.ok()
}

fn round_ms(reader: &mut Reader<'_>) -> u64 {
    let Some(text) = reader.optional("CHAIN_ROUND_MS") else {
        return ROUND_MS;
    };
    let ms = text.parse().ok().filter(|ms| *ms <= MAX_ROUND_MS);
    ms.unwrap_or_else(|| {
        reader.wrong("CHAIN_ROUND_MS", "milliseconds, at most 5000");
        ROUND_MS
    })
}

pub(super) fn environment(reader: &mut Reader<'_>) -> Environment {
    match reader.optional("CHITTY_ENV").as_deref() {
        Some("development") => Environment::Development,
        Some("staging") => Environment::Staging,
        Some("production") => Environment::Production,
        _ => {
            reader.wrong("CHITTY_ENV", "development, staging or production");
            Environment::Production
        }
    }
}

fn log_level(reader: &mut Reader<'_>, environment: Environment) -> Level {
    match reader.optional("LOG_LEVEL").as_deref() {
        Some("debug") => Level::Debug,
        Some("info") => Level::Info,
        Some("warn") => Level::Warn,
        Some("error") => Level::Error,
        None => match environment {
            Environment::Development => Level::Debug,
            Environment::Staging => Level::Info,
            Environment::Production => Level::Warn,
        },
        Some(_) => {
            reader.wrong("LOG_LEVEL", "debug, info, warn or error");
            Level::Info
        }
    }
}

/// Named outside development: an issuer taken from a request would be whatever host it came by.
fn issuer(reader: &mut Reader<'_>, environment: Environment) -> Option<String> {
    let issuer = url(reader, "ISSUER", environment);
    if issuer.is_none() && environment != Environment::Development {
        reader.required("ISSUER");
    }
    issuer
}

/// A base URL to call out to. What is sent there is confidential, so outside development
/// it goes over TLS and not to the machine itself.
pub(super) fn url(reader: &mut Reader<'_>, name: &str, environment: Environment) -> Option<String> {
    let text = reader.optional(name)?;
    let Some(url) = Url::parse(&text).ok().filter(is_base) else {
        reader.wrong(name, "an http or https URL without user, query or fragment");
        return None;
    };
    let open = url.scheme() != "https" || loopback::is_reached_by(&url);
    if open && environment != Environment::Development {
        reader.wrong(name, "an https URL of another machine outside development");
        return None;
    }
    Some(url.as_str().trim_end_matches('/').to_owned())
}

fn is_base(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https")
        && url.host().is_some()
        && url.username().is_empty()
        && url.password().is_none()
        && url.query().is_none()
        && url.fragment().is_none()
}
