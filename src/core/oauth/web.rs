//! A request to one of the server's paths, read whole.

use super::{OAuthError, Params};
use crate::auth::RequestInfo;
use crate::http::Headers;

pub const MAX_BODY: usize = 64 * 1024;

pub struct WebRequest<'a> {
    pub method: &'a str,
    pub path: &'a str,
    /// Without the question mark, still encoded.
    pub query: &'a str,
    pub headers: &'a dyn Headers,
    pub body: &'a [u8],
    pub info: RequestInfo,
}

impl WebRequest<'_> {
    pub fn query(&self) -> Result<Params, OAuthError> {
        Params::parse(self.query)
    }

    /// The body of a form. Any other type is refused: a page of another origin can send some
    /// without asking.
    pub fn form(&self) -> Result<Params, OAuthError> {
        let stated = self.headers.get("content-type").unwrap_or_default();
        let essence = stated.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
            return Err(OAuthError::invalid_request(
                "send the parameters as application/x-www-form-urlencoded",
            ));
        }
        let text = std::str::from_utf8(self.body)
            .map_err(|_| OAuthError::invalid_request("the body is not UTF-8"))?;
        Params::parse(text)
    }

    pub fn cookie(&self, name: &str) -> Option<String> {
        let cookies = self.headers.get("cookie")?;
        cookies.split(';').find_map(|pair| {
            let (key, value) = pair.trim().split_once('=')?;
            (key == name).then(|| value.to_owned())
        })
    }
}
