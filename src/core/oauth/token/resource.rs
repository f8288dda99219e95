//! Resource indicators at the token endpoint (RFC 8707).

use super::super::{AuthorizationServer, OAuthError, Params};

impl AuthorizationServer {
    /// A grant is for one resource: the one asked for must be it, in any form that
    /// the authorization endpoint takes for it.
    pub(super) fn check_resource(&self, form: &Params, granted: &str) -> Result<(), OAuthError> {
        match self.named_resource(form.all("resource"))? {
            Some(asked) if asked != granted => Err(OAuthError::new(
                "invalid_target",
                "resource: it is not the one that was granted",
            )),
            _ => Ok(()),
        }
    }
}
