use std::collections::BTreeMap;
use std::rc::Rc;

use chitty_core::gateway::Routes;
use chitty_core::llm::{BaseUrl, Dialect, Provider};
use serde::Deserialize;

use super::settings::ModelSettings;
use super::{Environment, Reader};

const ANTHROPIC: &str = "https://api.anthropic.com/v1";
const FORM: &str =
    "a JSON list of {\"name\", \"base_url\", \"dialect\", \"key\"} as docs/OPERATIONS.md shows";
const MAX_PROVIDERS: usize = 32;

/// A provider of `MODEL_PROVIDERS`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    name: String,
    base_url: String,
    #[serde(default)]
    dialect: Spoken,
    /// Name of the secret that holds its key.
    key: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Spoken {
    #[default]
    ChatCompletions,
    Responses,
    AnthropicMessages,
}

impl From<Spoken> for Dialect {
    fn from(spoken: Spoken) -> Self {
        match spoken {
            Spoken::ChatCompletions => Self::ChatCompletions,
            Spoken::Responses => Self::Responses,
            Spoken::AnthropicMessages => Self::AnthropicMessages,
        }
    }
}

/// OpenAI, Anthropic, and what `MODEL_PROVIDERS` adds; `MODEL_FALLBACKS` says what is asked
/// after a model that gave no answer.
pub fn routes(reader: &mut Reader<'_>, environment: Environment) -> Routes {
    let mut providers = vec![ModelSettings::read(reader, environment).provider()];
    let base_url = reader.optional("ANTHROPIC_BASE_URL");
    let anthropic = Listed {
        name: "anthropic".to_owned(),
        base_url: base_url.unwrap_or_else(|| ANTHROPIC.to_owned()),
        dialect: Spoken::AnthropicMessages,
        key: "ANTHROPIC_API_KEY".to_owned(),
    };
    match provider(reader, anthropic, environment) {
        Ok(provider) => providers.push(provider),
        Err(fault) => reader.wrong("ANTHROPIC_BASE_URL", &fault),
    }
    for listed in json::<Vec<Listed>>(reader, "MODEL_PROVIDERS", FORM) {
        let taken = providers.iter().any(|known| known.name == listed.name);
        match provider(reader, listed, environment) {
            Ok(_) if taken => reader.wrong("MODEL_PROVIDERS", "a list of different names"),
            Ok(provider) => providers.push(provider),
            Err(fault) => reader.wrong("MODEL_PROVIDERS", &fault),
        }
    }
    if providers.len() > MAX_PROVIDERS {
        reader.wrong("MODEL_PROVIDERS", "a list of at most 30");
    }
    let form = "a JSON object that lists models by model, as {\"gpt-4o\": [\"gpt-4o-mini\"]}";
    Routes {
        providers,
        fallbacks: json::<BTreeMap<String, Vec<String>>>(reader, "MODEL_FALLBACKS", form),
    }
}

fn provider(
    reader: &Reader<'_>,
    listed: Listed,
    environment: Environment,
) -> Result<Rc<Provider>, String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if listed.name.is_empty() || !listed.name.bytes().all(plain) {
        return Err("of names with a-z, 0-9 and - only".to_owned());
    }
    let development = environment == Environment::Development;
    let base_url = BaseUrl::parse(&listed.base_url, development)
        .map_err(|error| format!("right: {}: {error}", listed.name))?;
    Ok(Rc::new(Provider {
        key: reader.optional_secret(&listed.key),
        name: listed.name,
        dialect: listed.dialect.into(),
        base_url,
        key_name: listed.key,
    }))
}

fn json<T: Default + for<'a> Deserialize<'a>>(
    reader: &mut Reader<'_>,
    name: &str,
    form: &str,
) -> T {
    let Some(text) = reader.optional(name) else {
        return T::default();
    };
    serde_json::from_str(&text).unwrap_or_else(|_| {
        reader.wrong(name, form);
        T::default()
    })
}
