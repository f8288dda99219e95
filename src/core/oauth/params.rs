//! Parameters of a query or a form (`application/x-www-form-urlencoded`), each at most once.

use url::form_urlencoded;

use super::OAuthError;

const MAX_PARAMS: usize = 64;
const MAX_NAME_BYTES: usize = 64;
const MAX_VALUE_BYTES: usize = 16 * 1024;

/// Names and values in order. An empty value counts as left out (RFC 6749 section 3.1).
#[derive(Clone, Default)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Refuses a name that comes twice (RFC 6749 section 3.1), but for `resource`, which may
    /// (RFC 8707), and what is longer than any client sends.
    pub fn parse(text: &str) -> Result<Self, OAuthError> {
        let mut found: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            if found.len() >= MAX_PARAMS
                || name.len() > MAX_NAME_BYTES
                || value.len() > MAX_VALUE_BYTES
            {
                return Err(OAuthError::invalid_request(
                    "the parameters are too many or too long",
                ));
            }
            if value.is_empty() {
                continue;
            }
            if name != "resource" && found.iter().any(|(known, _)| *known == name) {
                return Err(OAuthError::invalid_request(format!(
                    "the parameter {name} comes twice; send it once"
                )));
            }
            found.push((name.into_owned(), value.into_owned()));
        }
        Ok(Self(found))
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let found = self.0.iter().filter(move |(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    pub fn require(&self, name: &str) -> Result<&str, OAuthError> {
        self.get(name)
            .ok_or_else(|| OAuthError::invalid_request(format!("the parameter {name} is missing")))
    }
}
