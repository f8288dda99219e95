//! Which worker a token is for (RFC 8707).

use url::Url;

use super::clients::authority;
use super::{AuthorizationServer, Client, OAuthError, Params};
use crate::loopback;

const MAX_BYTES: usize = 512;

impl AuthorizationServer {
    /// What tokens are for: the resource that is asked for, else the client's own, else the
    /// coordinator.
    pub(super) fn resource_for(
        &self,
        client: &Client,
        params: &Params,
    ) -> Result<String, OAuthError> {
        if let Some(named) = self.named_resource(params.all("resource"))? {
            return Ok(named);
        }
        let own = self.named_resource(client.default_resource.as_deref().into_iter())?;
        Ok(own.unwrap_or_else(|| self.own_resource()))
    }

    /// The one resource that a request names, in its canonical form: that of the settings, no
    /// slash at the end. None if it names none. A resource's bare origin means the resource, if
    /// it is the only one there: some programs send where they connect to instead of what the
    /// resource's metadata says.
    pub(super) fn named_resource<'a>(
        &self,
        asked: impl Iterator<Item = &'a str>,
    ) -> Result<Option<String>, OAuthError> {
        let mut found: Option<String> = None;
        for text in asked {
            let resource = self.known_resource(text)?;
            if found.as_ref().is_some_and(|other| *other != resource) {
                return Err(target("a token is for one resource; ask for one at a time"));
            }
            found = Some(resource);
        }
        Ok(found)
    }

    fn known_resource(&self, text: &str) -> Result<String, OAuthError> {
        let url = absolute(text).ok_or_else(|| {
            target("resource must be an absolute URL without fragment, user name or password")
        })?;
        let asked = canonical(&url);
        // A deployment may have other names than its issuer's.
        let own = [self.own_resource(), format!("{}/mcp", self.issuer())];
        let listed = self.settings.resources.iter().chain(&own);
        let mut known: Vec<String> = listed
            .filter_map(|listed| absolute(listed).map(|listed| canonical(&listed)))
            .collect();
        known.sort();
        known.dedup();
        if known.contains(&asked) || self.is_local_worker(&url) {
            return Ok(asked);
        }
        let is_there = |resource: &&String| origin_of(resource).as_ref() == Some(&asked);
        let mut there = known.iter().filter(is_there);
        match (there.next(), there.next()) {
            (Some(only), None) => Ok(only.clone()),
            _ => Err(target(
                "this server gives no tokens for that resource; send the `resource` of its \
                 protected resource metadata",
            )),
        }
    }

    /// In development workers stand on ports that nobody configures.
    fn is_local_worker(&self, url: &Url) -> bool {
        self.settings.development
            && loopback::is_named_by(url)
            && matches!(url.path(), "/mcp" | "/mcp/")
            && url.query().is_none()
    }
}

/// Scheme and host may come in any case; anything that reads in two ways is refused.
fn absolute(text: &str) -> Option<Url> {
    let plain = text.bytes().all(|byte| byte.is_ascii_graphic())
        && !text.contains(['\\', '#'])
        && !authority(text).contains('@');
    if !plain || text.len() > MAX_BYTES {
        return None;
    }
    let url = Url::parse(text).ok()?;
    matches!(url.scheme(), "http" | "https").then_some(url)
}

fn canonical(url: &Url) -> String {
    let text = url.as_str();
    text.strip_suffix('/').unwrap_or(text).to_owned()
}

fn origin_of(resource: &str) -> Option<String> {
    let url = Url::parse(resource).ok()?;
    Some(url.origin().ascii_serialization())
}

fn target(description: &'static str) -> OAuthError {
    OAuthError::new("invalid_target", description)
}
