//! Where a model is asked.

use std::fmt;
use std::rc::Rc;

use url::Url;

use super::Dialect;
use crate::oauth::is_public_name;
use crate::secret::Secret;

/// Longer than any provider's address.
const MAX_URL_BYTES: usize = 512;

/// One account at one provider.
#[derive(Debug, Clone)]
pub struct Provider {
    /// As prices know it: `openai`, `anthropic`, …
    pub name: String,
    pub dialect: Dialect,
    pub base_url: BaseUrl,
    /// Without one, every call is [`super::ModelError::NotConfigured`].
    pub key: Option<Secret>,
    /// What to set or replace when the key is missing or refused, such as `OPENAI_API_KEY`.
    pub key_name: String,
}

impl Provider {
    /// `model` at this provider, for [`super::Models`].
    pub fn serving(self: &Rc<Self>, model: &str) -> Target {
        Target {
            provider: Rc::clone(self),
            model: model.to_owned(),
        }
    }

    /// It has a key.
    pub fn is_ready(&self) -> bool {
        self.key().is_some()
    }

    /// As people write its name.
    pub(super) fn title(&self) -> &str {
        match self.name.as_str() {
            "openai" => "OpenAI",
            "anthropic" => "Anthropic",
            other => other,
        }
    }

    pub(super) fn key(&self) -> Option<&str> {
        let key = self.key.as_ref().filter(|key| !key.is_empty());
        key.map(Secret::expose)
    }
}

/// A model of a provider, to be asked by itself or after others.
#[derive(Debug, Clone)]
pub struct Target {
    pub provider: Rc<Provider>,
    pub model: String,
}

/// An address that keys and prompts may be sent to: https, of a public host, without
/// credentials, query or fragment, and without a slash at the end. In development also http,
/// and this machine. The path holds the version: `https://api.openai.com/v1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the base URL {0}")]
pub struct BaseUrlError(&'static str);

impl Default for BaseUrl {
    /// OpenAI's.
    fn default() -> Self {
        Self("https://api.openai.com/v1".to_owned())
    }
}

impl BaseUrl {
    /// For addresses that an operator set. Those of users go through [`AllowList::find`].
    pub fn parse(raw: &str, development: bool) -> Result<Self, BaseUrlError> {
        if raw.len() > MAX_URL_BYTES {
            return Err(BaseUrlError("is longer than 512 characters"));
        }
        let url = Url::parse(raw).map_err(|_| BaseUrlError("is no URL"))?;
        if !url.username().is_empty() || url.password().is_some() || raw.contains('@') {
            return Err(BaseUrlError("has a user name or password"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(BaseUrlError("has a query or a fragment"));
        }
        if url.scheme() != "https" && !(development && url.scheme() == "http") {
            return Err(BaseUrlError("does not start with https://"));
        }
        // Addresses in digits are not public: no provider is known by one.
        if !development && !url.domain().is_some_and(is_public_name) {
            return Err(BaseUrlError("is not at a public host name"));
        }
        Ok(Self(url.as_str().trim_end_matches('/').to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The base URLs that users may send their own keys to. A URL of anyone's choice would read
/// what only this server can reach, or collect prompts.
#[derive(Debug, Clone, Default)]
pub struct AllowList(Vec<BaseUrl>);

impl AllowList {
    pub fn new(urls: Vec<BaseUrl>) -> Self {
        Self(urls)
    }

    /// The URL on the list that `raw` spells, in whatever way. Nothing of `raw` itself is used.
    pub fn find(&self, raw: &str) -> Result<BaseUrl, BaseUrlError> {
        let asked = BaseUrl::parse(raw, true)?;
        let listed = self.0.iter().find(|listed| **listed == asked);
        listed.cloned().ok_or(BaseUrlError(
            "is not on this server's list: its operator must add it",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls_outside_development_are_public_and_bare() {
        for (good, normal) in [
            ("https://api.openai.com/v1", "https://api.openai.com/v1"),
            (
                "https://API.openai.com:443/v1/",
                "https://api.openai.com/v1",
            ),
            ("https://model.example", "https://model.example"),
        ] {
            assert_eq!(BaseUrl::parse(good, false).unwrap().as_str(), normal);
        }
        for bad in [
            "",
            "api.openai.com/v1",
            "http://api.openai.com/v1",
            "ftp://api.openai.com/v1",
            "https://key@api.openai.com/v1",
            "https://u:p@api.openai.com/v1",
            "https://@api.openai.com/v1",
            "https://api.openai.com/v1?key=1",
            "https://api.openai.com/v1#x",
            "https://localhost/v1",
            "https://a.localhost/v1",
            "https://127.0.0.1/v1",
            "https://0x7f.1/v1",
            "https://2130706433/v1",
            "https://[::1]/v1",
            "https://169.254.169.254/latest",
            "https://metadata.google.internal/v1",
            "https://intranet/v1",
            "https://printer.local./v1",
        ] {
            assert!(BaseUrl::parse(bad, false).is_err(), "{bad}");
        }
        let long = format!("https://model.example/{}", "x".repeat(512));
        assert!(BaseUrl::parse(&long, false).is_err());
        assert!(BaseUrl::parse("http://127.0.0.1:9099/v1", true).is_ok());
        assert!(BaseUrl::parse("http://u:p@127.0.0.1:9099/v1", true).is_err());
    }

    #[test]
    fn users_choose_from_the_list_only() {
        let listed = |url| BaseUrl::parse(url, true).unwrap();
        let list = AllowList::new(vec![
            listed("https://api.groq.example/openai/v1"),
            listed("http://127.0.0.1:9099/v1"),
        ]);
        for good in [
            "https://api.groq.example/openai/v1",
            "https://API.groq.example:443/openai/./v1/",
        ] {
            let found = list.find(good).unwrap();
            assert_eq!(found.as_str(), "https://api.groq.example/openai/v1");
        }
        for bad in [
            "https://api.groq.example",
            "https://api.groq.example/openai/v1/more",
            "https://api.groq.example.evil.example/openai/v1",
            "https://api.groq.example@evil.example/openai/v1",
            "https://api.groq.example:8443/openai/v1",
            "http://api.groq.example/openai/v1",
            "http://127.0.0.1:9098/v1",
        ] {
            assert!(list.find(bad).is_err(), "{bad}");
        }
        assert!(
            AllowList::default()
                .find("https://api.openai.com/v1")
                .is_err()
        );
    }

    #[test]
    fn a_provider_does_not_print_its_key() {
        let provider = Provider {
            name: "openai".into(),
            dialect: Dialect::ChatCompletions,
            base_url: BaseUrl::parse("https://api.openai.com/v1", false).unwrap(),
            key: Some(Secret::new("sk-very-secret")),
            key_name: "OPENAI_API_KEY".into(),
        };
        assert!(!format!("{provider:?}").contains("very"));
    }
}
