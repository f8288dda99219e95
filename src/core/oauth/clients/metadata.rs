//! What a client says of itself, when it registers or in its document (RFC 7591 section 2).

use serde_json::{Map, Value};
use url::Url;

use super::address;
use crate::jose;
use crate::oauth::pages::text;
use crate::oauth::{AuthMethod, OAuthError, redirect};

const MAX_NAME_CHARS: usize = 100;
const MAX_LINK_BYTES: usize = 2048;
const MAX_KEYS: usize = 16;
const MAX_REDIRECTS: usize = 10;
/// `grant_type`s that a client may take for itself; the others are given by configuration.
const GRANT_TYPES: [&str; 2] = ["authorization_code", "refresh_token"];
/// Pages about the client.
pub(super) const LINKS: [&str; 4] = ["client_uri", "logo_uri", "tos_uri", "policy_uri"];

/// Checked and cleaned.
pub(super) struct Metadata {
    pub name: Option<String>,
    pub redirect_uris: Vec<String>,
    pub auth: Option<AuthMethod>,
    pub grant_types: Vec<String>,
    pub jwks: Option<Value>,
    pub jwks_uri: Option<String>,
}

impl Metadata {
    pub fn read(json: &Map<String, Value>, development: bool) -> Result<Self, OAuthError> {
        check_response_types(json)?;
        let metadata = Self {
            name: json
                .get("client_name")
                .and_then(Value::as_str)
                .and_then(clean),
            redirect_uris: redirect_uris(json)?,
            auth: auth(json)?,
            grant_types: grant_types(json)?,
            jwks: json.get("jwks").map(public_keys).transpose()?,
            jwks_uri: jwks_uri(json, development)?,
        };
        if metadata.jwks.is_some() && metadata.jwks_uri.is_some() {
            return Err(invalid("send jwks or jwks_uri, not both"));
        }
        let keyless = metadata.jwks.is_none() && metadata.jwks_uri.is_none();
        if metadata.auth == Some(AuthMethod::PrivateKeyJwt) && keyless {
            return Err(invalid("private_key_jwt needs jwks or jwks_uri"));
        }
        Ok(metadata)
    }
}

pub(super) fn invalid(description: impl Into<std::borrow::Cow<'static, str>>) -> OAuthError {
    OAuthError::new("invalid_client_metadata", description)
}

fn redirect_uris(json: &Map<String, Value>) -> Result<Vec<String>, OAuthError> {
    let wrong = |why: String| OAuthError::new("invalid_redirect_uri", why);
    let uris = texts(json.get("redirect_uris"))
        .filter(|uris| (1..=MAX_REDIRECTS).contains(&uris.len()))
        .ok_or_else(|| wrong("redirect_uris must be an array of 1 to 10 URIs".to_owned()))?;
    for (index, uri) in uris.iter().enumerate() {
        redirect::check(uri)
            .map_err(|why| wrong(format!("the redirect URI number {} {why}", index + 1)))?;
    }
    Ok(uris)
}

fn auth(json: &Map<String, Value>) -> Result<Option<AuthMethod>, OAuthError> {
    let Some(value) = json.get("token_endpoint_auth_method") else {
        return Ok(None);
    };
    let method = value.as_str().and_then(AuthMethod::of_name);
    method.map(Some).ok_or_else(|| {
        invalid(
            "token_endpoint_auth_method must be none, client_secret_basic, client_secret_post or \
             private_key_jwt",
        )
    })
}

/// Without unknown ones. Who names none gets both: programs that leave it out refresh all the
/// same, and RFC 7591 section 3.2.1 lets the server choose.
fn grant_types(json: &Map<String, Value>) -> Result<Vec<String>, OAuthError> {
    let Some(value) = json.get("grant_types") else {
        return Ok(GRANT_TYPES.map(str::to_owned).into());
    };
    let asked =
        texts(Some(value)).ok_or_else(|| invalid("grant_types must be an array of texts"))?;
    if !asked.iter().any(|grant| grant == "authorization_code") {
        return Err(invalid("grant_types must hold authorization_code"));
    }
    let known = GRANT_TYPES.into_iter().map(str::to_owned);
    Ok(known.filter(|grant| asked.contains(grant)).collect())
}

fn check_response_types(json: &Map<String, Value>) -> Result<(), OAuthError> {
    let Some(value) = json.get("response_types") else {
        return Ok(());
    };
    let fits = texts(Some(value)).is_some_and(|types| types.iter().any(|name| name == "code"));
    fits.then_some(())
        .ok_or_else(|| invalid("response_types must hold code"))
}

fn jwks_uri(json: &Map<String, Value>, development: bool) -> Result<Option<String>, OAuthError> {
    let Some(value) = json.get("jwks_uri") else {
        return Ok(None);
    };
    let uri = value
        .as_str()
        .ok_or_else(|| invalid("jwks_uri must be a text"))?;
    address::fetchable(uri, development).map_err(|why| invalid(format!("jwks_uri {why}")))?;
    Ok(Some(uri.to_owned()))
}

/// A JWK set of public keys only.
pub(super) fn public_keys(jwks: &Value) -> Result<Value, OAuthError> {
    let keys = jwks.get("keys").and_then(Value::as_array);
    let keys = keys
        .filter(|keys| (1..=MAX_KEYS).contains(&keys.len()))
        .ok_or_else(|| invalid("jwks must hold an array `keys` of 1 to 16 keys"))?;
    // A set is judged as one, so nothing beside the keys may hide in it.
    let set = serde_json::json!({ "keys": keys });
    if keys.iter().all(Value::is_object) && jose::public_only(&set).is_ok() {
        return Ok(set);
    }
    Err(invalid("jwks must hold public keys only"))
}

/// A page's address that may stand behind a link; anything else is dropped.
pub(super) fn link(value: Option<&Value>) -> Option<String> {
    let text = value?
        .as_str()
        .filter(|text| text.len() <= MAX_LINK_BYTES)?;
    let url = Url::parse(text).ok()?;
    matches!(url.scheme(), "http" | "https").then(|| url.into())
}

fn texts(value: Option<&Value>) -> Option<Vec<String>> {
    let items = value?.as_array()?.iter();
    items.map(|item| item.as_str().map(str::to_owned)).collect()
}

/// A name as it may be shown; none where nothing of it can be seen.
fn clean(name: &str) -> Option<String> {
    let seen = text::shown(name, MAX_NAME_CHARS);
    (!seen.is_empty()).then_some(seen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_line_of_what_can_be_seen() {
        assert_eq!(clean(" My\n  App\t\u{0} ").as_deref(), Some("My App"));
        assert_eq!(
            clean("\u{202e}gpj.exe\u{2066}\u{200b}\u{feff}").as_deref(),
            Some("gpj.exe")
        );
        assert_eq!(clean("\u{1b}[31mred").as_deref(), Some("[31mred"));
        assert_eq!(clean("漢字 ñ é").as_deref(), Some("漢字 ñ é"));
        assert_eq!(clean("\u{200b}\n \u{e0041}"), None);
        assert_eq!(clean(&"é".repeat(200)).unwrap().chars().count(), 100);
    }

    #[test]
    fn links_lead_to_pages_only() {
        let link = |text: &str| link(Some(&Value::from(text)));
        assert!(link("https://example.com/a").is_some());
        assert!(link("http://example.com/a").is_some());
        for text in [
            "javascript:alert(1)",
            "data:text/html,x",
            " java\nscript:alert(1)",
            "file:///etc/passwd",
            "//example.com",
            "",
        ] {
            assert_eq!(link(text), None, "{text}");
        }
    }
}
