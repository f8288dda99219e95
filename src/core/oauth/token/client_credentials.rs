//! A client that acts for itself (RFC 6749 section 4.4).

use super::super::settings::ACCESS_TOKEN_MS;
use super::super::{AuthorizationServer, Client, ClientSource, GrantKind, NewGrant, OAuthError};
use super::Tokens;
use super::exchange::Exchange;
use crate::auth::{Scopes, catalogue};

impl AuthorizationServer {
    /// Each token has a grant of its own, which ends with it: revoking the one ends the other.
    pub(super) async fn by_client_credentials(
        &self,
        exchange: &Exchange<'_>,
    ) -> Result<Tokens, OAuthError> {
        let client = exchange.client;
        // Anybody can register or publish a client. Only the operator can vouch for one that
        // acts without a person.
        if client.is_public() || client.source != ClientSource::Predefined {
            self.note(exchange, None, Err("client_not_vouched_for"));
            return Err(OAuthError::new(
                "unauthorized_client",
                "only clients that the operator has set up with a secret or key may act for themselves",
            ));
        }
        let resource = self.resource_for(client, exchange.form)?;
        let scopes = own_scopes(exchange.form.get("scope"), client)?;
        let new = NewGrant {
            kind: GrantKind::ClientCredentials,
            user_id: format!("client:{}", client.id),
            client_id: client.id.clone(),
            client_name: client.name.clone(),
            resource,
            scopes,
            token_id: None,
            auth_time_ms: None,
            dpop_jkt: None,
        };
        let expires_at_ms = self.audit.clock.now_ms() + ACCESS_TOKEN_MS;
        let grant = self.add_grant(new, expires_at_ms).await?;
        let access = self.access_for(exchange, &grant, &grant.scopes).await?;
        self.note(exchange, Some(&grant), Ok(()));
        Ok(Tokens {
            access,
            bound: exchange.jkt.is_some(),
            scopes: grant.scopes,
            refresh: None,
            id_token: None,
        })
    }
}

/// Within the client's bound, and without scopes about a person: there is none. Asking for
/// nothing gives what is read-only.
fn own_scopes(asked: Option<&str>, client: &Client) -> Result<Scopes, OAuthError> {
    let read_only = catalogue::read_only();
    let bound = client.scopes.as_ref().unwrap_or(&read_only);
    let about_people = |scope: &str| {
        let known = catalogue::IDENTITY_SCOPES.iter();
        known.clone().any(|(name, _)| *name == scope)
    };
    let asked: Vec<&str> = match asked {
        Some(asked) => asked
            .split(' ')
            .filter(|scope| !scope.is_empty() && !about_people(scope))
            .collect(),
        None => read_only
            .iter()
            .filter(|scope| bound.allows(scope))
            .collect(),
    };
    let within = |scope: &&str| catalogue::find(scope).is_some() && bound.allows(scope);
    if asked.is_empty() || !asked.iter().all(within) {
        return Err(OAuthError::new(
            "invalid_scope",
            "scope must name scopes that the operator has given this client",
        ));
    }
    Ok(Scopes::new(asked))
}
