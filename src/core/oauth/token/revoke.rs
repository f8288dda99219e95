//! Revocation (RFC 7009).

use super::super::{AuthorizationServer, OAuthError, WebRequest};
use super::exchange::Noted;
use super::never_stored;
use crate::http::HttpReply;

impl AuthorizationServer {
    /// Either token ends its grant, and so the other one.
    pub(in crate::oauth) async fn revoke(&self, web: &WebRequest<'_>) -> HttpReply {
        match self.revoke_token(web).await {
            Ok(()) => never_stored(HttpReply::empty(200), web),
            Err(error) => self.refusal(&error, web),
        }
    }

    async fn revoke_token(&self, web: &WebRequest<'_>) -> Result<(), OAuthError> {
        let form = web.form()?;
        let client = self.authenticate_client(web, &form).await?;
        // A token that means nothing is as good as revoked (section 2.2).
        let Some(grant) = self.grant_behind(form.require("token")?).await? else {
            return Ok(());
        };
        let noted = Noted {
            action: "oauth_revoke",
            client: &client,
            grant: Some(&grant),
        };
        if grant.client_id != client.id {
            self.note_client(web, &noted, Err("token_of_another_client"));
            return Err(OAuthError::invalid_grant(
                "the token was issued to another client",
            ));
        }
        self.revoke_grant(&grant.id, "revoked_by_client").await?;
        self.note_client(web, &noted, Ok(()));
        Ok(())
    }
}
