//! What a client asks for, narrowed to what may be asked.

use super::{Client, OAuthError};
use crate::auth::{Scopes, catalogue};

const MAX_SCOPES: usize = 64;
/// Signs a person in; alone it asks for nothing else.
const SIGN_IN: &str = "openid";

/// One of the scopes that a client may ask a person for.
pub(super) fn may_be_asked(name: &str) -> bool {
    is_identity(name) || catalogue::find(name).is_some_and(|scope| scope.grantable)
}

fn is_identity(name: &str) -> bool {
    catalogue::IDENTITY_SCOPES
        .iter()
        .any(|(known, _)| *known == name)
}

/// The scopes of a request (RFC 6749 section 3.3), without those that are unknown, not for
/// clients, or beyond what this client may have: programs ask for what they know from
/// elsewhere. Who asks for no action at all, such as with `offline_access` alone, gets the
/// read-only ones; but to sign somebody in takes no action.
pub(super) fn asked(client: &Client, text: Option<&str>) -> Result<Scopes, OAuthError> {
    let names: Vec<&str> = text.unwrap_or_default().split_ascii_whitespace().collect();
    if names.len() > MAX_SCOPES {
        return Err(invalid("scope names more than 64 scopes"));
    }
    let may = |name: &str| {
        let bound = client.scopes.as_ref();
        may_be_asked(name) && (is_identity(name) || bound.is_none_or(|bound| bound.allows(name)))
    };
    let usable: Vec<&str> = names.iter().copied().filter(|name| may(name)).collect();
    if usable.is_empty() && !names.is_empty() {
        return Err(invalid(
            "none of the scopes can be granted to this client; scopes_supported in this server's \
             metadata names those that there are",
        ));
    }
    if usable.contains(&SIGN_IN) || usable.iter().any(|name| !is_identity(name)) {
        return Ok(Scopes::new(usable));
    }
    let defaults = catalogue::read_only();
    let defaults: Vec<&str> = defaults.iter().filter(|name| may(name)).collect();
    if defaults.is_empty() && usable.is_empty() {
        return Err(invalid("this client must name the scopes that it needs"));
    }
    Ok(Scopes::new(usable.into_iter().chain(defaults)))
}

fn invalid(description: &'static str) -> OAuthError {
    OAuthError::new("invalid_scope", description)
}
