//! Resource indicators at the token endpoint (RFC 8707).

use url::Url;

use super::super::{AuthorizationServer, OAuthError, Params};

impl AuthorizationServer {
    /// The one resource asked for, or `default`; it must be among ours.
    pub(super) fn resource_asked(
        &self,
        form: &Params,
        default: Option<&str>,
    ) -> Result<String, OAuthError> {
        let issuer = self.settings.issuer.as_ref().unwrap_or(&self.origin);
        let own = format!("{issuer}/mcp");
        let asked = single(form)?.or(default).unwrap_or(&own);
        let known = self.settings.resources.iter().chain([&own]);
        known
            .into_iter()
            .find(|known| same_resource(known, asked))
            .map(|known| known.trim_end_matches('/').to_owned())
            .ok_or_else(|| invalid_target("it is none of this server's resources"))
    }
}

/// A grant is for one resource: the one asked for must be it.
pub(super) fn check(form: &Params, granted: &str) -> Result<(), OAuthError> {
    match single(form)? {
        Some(asked) if !same_resource(asked, granted) => {
            Err(invalid_target("it is not the one that was granted"))
        }
        _ => Ok(()),
    }
}

fn single(form: &Params) -> Result<Option<&str>, OAuthError> {
    let mut asked = form.all("resource");
    let first = asked.next();
    if asked.next().is_some() {
        return Err(invalid_target("a token is for one of them; send one"));
    }
    Ok(first)
}

/// Up to a slash at the end and what URLs leave open, such as the case of the host.
fn same_resource(left: &str, right: &str) -> bool {
    let canonical = |text: &str| {
        let url = Url::parse(text).ok()?;
        let plain =
            url.fragment().is_none() && url.username().is_empty() && url.password().is_none();
        plain.then(|| url.as_str().trim_end_matches('/').to_owned())
    };
    matches!((canonical(left), canonical(right)), (Some(left), Some(right)) if left == right)
}

fn invalid_target(why: &str) -> OAuthError {
    OAuthError::new("invalid_target", format!("resource: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resource_is_itself_up_to_a_slash_and_the_case_of_its_host() {
        let known = "https://mcp.example.com/mcp";
        for (other, same) in [
            ("https://mcp.example.com/mcp", true),
            ("https://mcp.example.com/mcp/", true),
            ("https://MCP.example.com:443/mcp", true),
            ("https://mcp.example.com/MCP", false),
            ("https://mcp.example.com/mcp#x", false),
            ("https://mcp.example.com/mcp?x", false),
            ("https://mcp.example.com", false),
            ("http://mcp.example.com/mcp", false),
            ("https://a@mcp.example.com/mcp", false),
            ("https://mcp.example.com.evil.example/mcp", false),
            ("mcp", false),
        ] {
            assert_eq!(same_resource(known, other), same, "{other}");
        }
    }
}
