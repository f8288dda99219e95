use chitty_core::auth::roles::Role;
use chitty_core::auth::{Scopes, catalogue};
use chitty_core::oauth::{
    AuthMethod, GRANT_TYPES, PredefinedClient, Settings, UpstreamSettings, check_redirect_uri,
};
use chitty_core::secret::Secret;
use serde::Deserialize;

use super::settings::url;
use super::{Common, Environment, Reader};

/// A client in `OAUTH_CLIENTS`, a JSON array of these.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClientEntry {
    client_id: String,
    client_name: String,
    #[serde(default)]
    client_secret: Option<String>,
    token_endpoint_auth_method: String,
    #[serde(default)]
    redirect_uris: Vec<String>,
    #[serde(default = "code_and_refresh")]
    grant_types: Vec<String>,
    /// Space-separated; the most the client may be granted.
    #[serde(default)]
    scope: Option<String>,
    #[serde(default)]
    jwks: Option<serde_json::Value>,
    #[serde(default)]
    jwks_uri: Option<String>,
    #[serde(default)]
    pkce_exempt: bool,
    #[serde(default)]
    default_resource: Option<String>,
}

fn code_and_refresh() -> Vec<String> {
    ["authorization_code", "refresh_token"]
        .map(str::to_owned)
        .into()
}

/// Settings of the authorization server, which lives in the coordinator.
pub fn read(reader: &mut Reader<'_>, common: &Common) -> Settings {
    let environment = common.environment;
    Settings {
        issuer: common.issuer.clone(),
        resources: reader.list("OAUTH_RESOURCES"),
        iss_in_responses: flag(reader, "OAUTH_ISS_IN_RESPONSES", true),
        registration: flag(reader, "OAUTH_REGISTRATION", true),
        predefined: predefined(reader),
        upstream: upstream(reader, environment),
        require_second_factor: flag(reader, "REQUIRE_SECOND_FACTOR", false),
        development: environment == Environment::Development,
    }
}

fn flag(reader: &mut Reader<'_>, name: &'static str, unset: bool) -> bool {
    match reader.optional(name).as_deref() {
        None => unset,
        Some("true") => true,
        Some("false") => false,
        Some(_) => {
            reader.wrong(name, "true or false");
            unset
        }
    }
}

fn upstream(reader: &mut Reader<'_>, environment: Environment) -> Option<UpstreamSettings> {
    url(reader, "OPENID_ISSUER", environment)?;
    Some(UpstreamSettings {
        // As written: providers compare it byte for byte, some with a slash at the end.
        issuer: reader.optional("OPENID_ISSUER")?,
        client_id: reader.required("OPENID_CLIENT_ID"),
        client_secret: reader.optional_secret("OPENID_CLIENT_SECRET"),
        label: reader
            .optional("OPENID_LABEL")
            .unwrap_or_else(|| "your organisation".to_owned()),
        default_role: default_role(reader).name().to_owned(),
        allowed_domains: allowed_domains(reader),
    })
}

/// Never one that is for programs, or may do everything: anybody the provider knows gets it.
fn default_role(reader: &mut Reader<'_>) -> Role {
    const NAME: &str = "OPENID_DEFAULT_ROLE";
    let Some(name) = reader.optional(NAME) else {
        return Role::Reader;
    };
    match Role::named(&name) {
        Some(role) if !matches!(role, Role::Admin | Role::Service) => role,
        _ => {
            reader.wrong(NAME, "reader, analyst, counsel or operator");
            Role::Reader
        }
    }
}

fn allowed_domains(reader: &mut Reader<'_>) -> Vec<String> {
    const NAME: &str = "OPENID_ALLOWED_DOMAINS";
    let domains = reader.list(NAME);
    let is_set = reader.optional(NAME).is_some();
    if (is_set && domains.is_empty()) || !domains.iter().all(|domain| is_domain(domain)) {
        reader.wrong(NAME, "domains such as example.com, separated by commas");
    }
    let domains = domains.iter();
    domains.map(|domain| domain.to_ascii_lowercase()).collect()
}

fn is_domain(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    text.contains('.') && text.split('.').all(is_label)
}

fn predefined(reader: &mut Reader<'_>) -> Vec<PredefinedClient> {
    let Some(text) = reader.optional("OAUTH_CLIENTS") else {
        return Vec::new();
    };
    let entries = serde_json::from_str::<Vec<ClientEntry>>(&text).ok();
    let clients = entries.map(|entries| entries.into_iter().map(client).collect());
    if let Some(Some(clients)) = clients {
        return clients;
    }
    reader.wrong(
        "OAUTH_CLIENTS",
        "a JSON array of clients as docs/CLIENTS.md shows: a known auth method, a secret of 32 \
         characters or more where the method has one, pkce_exempt only with a secret, redirect \
         URIs that could be registered, and known scopes and grant types",
    );
    Vec::new()
}

/// None for a client that could not prove itself, or is exempt without doing so.
fn client(entry: ClientEntry) -> Option<PredefinedClient> {
    let auth = AuthMethod::of_name(&entry.token_endpoint_auth_method)?;
    let by_secret = matches!(auth, AuthMethod::SecretBasic | AuthMethod::SecretPost);
    let strong = entry
        .client_secret
        .as_ref()
        .is_some_and(|secret| secret.len() >= MIN_SECRET_CHARS);
    if by_secret != strong || (entry.pkce_exempt && !by_secret) {
        return None;
    }
    if auth == AuthMethod::PrivateKeyJwt && entry.jwks.is_none() && entry.jwks_uri.is_none() {
        return None;
    }
    if !is_sound(&entry) {
        return None;
    }
    Some(PredefinedClient {
        id: entry.client_id,
        name: entry.client_name,
        secret: entry.client_secret.map(Secret::new),
        auth,
        redirect_uris: entry.redirect_uris,
        grant_types: entry.grant_types,
        scopes: entry
            .scope
            .map(|scope| Scopes::new(scope.split_ascii_whitespace())),
        jwks: entry.jwks,
        jwks_uri: entry.jwks_uri,
        pkce_exempt: entry.pkce_exempt,
        default_resource: entry.default_resource,
    })
}

/// What a client that registers itself would be refused for is a slip here too.
fn is_sound(entry: &ClientEntry) -> bool {
    let mut uris = entry.redirect_uris.iter();
    let mut grant_types = entry.grant_types.iter();
    let scope = entry.scope.as_deref().unwrap_or_default();
    uris.all(|uri| check_redirect_uri(uri).is_ok())
        && grant_types.all(|name| GRANT_TYPES.contains(&name.as_str()))
        && scope.split_ascii_whitespace().all(catalogue::is_known)
}

const MIN_SECRET_CHARS: usize = 32;
