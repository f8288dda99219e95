//! What the ways to tokens have in common.

use serde_json::json;

use super::super::{AuthorizationServer, Client, Grant, OAuthError, Params, WebRequest};
use super::AccessToken;
use crate::auth::dpop::Proof;
use crate::auth::{AuditEvent, Decision, Principal, PrincipalKind, Scopes};

/// A request of a client that has proven itself.
pub(super) struct Exchange<'a> {
    pub web: &'a WebRequest<'a>,
    pub client: &'a Client,
    pub form: &'a Params,
    pub grant_type: &'static str,
    /// Of the key that the request proved to hold; not used up yet.
    pub proof: Option<Proof>,
}

impl Exchange<'_> {
    /// Thumbprint of the key that the request proved to hold.
    pub fn jkt(&self) -> Option<&str> {
        self.proof.as_ref().map(|proof| proof.jkt.as_str())
    }
}

/// What a client did or tried, for the audit log.
pub(super) struct Noted<'a> {
    pub action: &'static str,
    pub client: &'a Client,
    pub grant: Option<&'a Grant>,
}

impl AuthorizationServer {
    /// An access token, bound to the key that this request proved to hold, if any.
    pub(super) async fn access_for(
        &self,
        exchange: &Exchange<'_>,
        grant: &Grant,
        scopes: &Scopes,
    ) -> Result<AccessToken, OAuthError> {
        let bound = Grant {
            dpop_jkt: exchange.jkt().map(str::to_owned),
            ..grant.clone()
        };
        self.access_token(&bound, scopes).await
    }

    pub(super) fn note(
        &self,
        exchange: &Exchange<'_>,
        grant: Option<&Grant>,
        result: Result<(), &'static str>,
    ) {
        let noted = Noted {
            action: exchange.grant_type,
            client: exchange.client,
            grant,
        };
        self.note_client(exchange.web, &noted, result);
    }

    /// An audit row.
    pub(super) fn note_client(
        &self,
        web: &WebRequest<'_>,
        noted: &Noted<'_>,
        result: Result<(), &'static str>,
    ) {
        let who = noted.grant.map(holder);
        let event = AuditEvent {
            action: noted.action,
            resource_type: "grant",
            resource_id: noted.grant.map(|grant| grant.id.as_str()),
            decision: result.map_or_else(Decision::Deny, |()| Decision::Allow),
            details: json!({"client_id": noted.client.id}),
        };
        self.audit.record(event, who.as_ref(), &web.info);
    }

    /// `invalid_grant`. The client hears the same whatever `reason` is; the audit log knows.
    pub(super) fn refuse(
        &self,
        exchange: &Exchange<'_>,
        grant: Option<&Grant>,
        reason: &'static str,
    ) -> OAuthError {
        self.note(exchange, grant, Err(reason));
        OAuthError::invalid_grant(if exchange.grant_type == super::CODE {
            "the code is unknown, used or expired, or was given for another client, redirect_uri, \
             code_verifier or key; send the user to the authorization endpoint again"
        } else {
            "the refresh token is unknown, used, expired or revoked, or was given to another \
             client or key; send the user to the authorization endpoint again"
        })
    }
}

/// The one for whom a grant was made, as the audit log names it.
fn holder(grant: &Grant) -> Principal {
    Principal {
        user_id: grant.user_id.clone(),
        name: grant.client_name.clone(),
        kind: PrincipalKind::User,
        scopes: grant.scopes.clone(),
        token_id: grant.id.clone(),
        client_id: Some(grant.client_id.clone()),
    }
}
