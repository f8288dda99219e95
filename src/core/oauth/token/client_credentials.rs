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
        self.spend_proof(exchange.proof.as_ref()).await?;
        let expires_at_ms = self.audit.clock.now_ms() + ACCESS_TOKEN_MS;
        let grant = self.add_grant(new, expires_at_ms).await?;
        let access = self.access_for(exchange, &grant, &grant.scopes).await?;
        self.note(exchange, Some(&grant), Ok(()));
        Ok(Tokens {
            access,
            bound: exchange.proof.is_some(),
            scopes: grant.scopes,
            refresh: None,
            id_token: None,
        })
    }
}

/// What is asked for within the client's bound, as at the authorization endpoint: programs ask for
/// all that a challenge names. Asking for nothing gives all of the bound that a person could
/// give; the rest, such as `admin:*`, must be named. Scopes about a person are left out: there
/// is none.
fn own_scopes(asked: Option<&str>, client: &Client) -> Result<Scopes, OAuthError> {
    let read_only = catalogue::read_only();
    let bound = client.scopes.as_ref().unwrap_or(&read_only);
    let known = catalogue::SCOPES.iter();
    let wanted = known.filter(|scope| match asked {
        Some(asked) => asked.split(' ').any(|name| name == scope.name),
        None => scope.grantable,
    });
    let names = wanted.map(|scope| scope.name);
    let granted: Vec<&str> = names.filter(|name| bound.allows(name)).collect();
    if granted.is_empty() {
        return Err(OAuthError::new(
            "invalid_scope",
            "scope must name scopes that the operator has given this client",
        ));
    }
    Ok(Scopes::new(granted))
}
