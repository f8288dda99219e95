//! A person's keys, as their account page shows and ends them.

use super::session::Session;
use super::trouble::Trouble;
use crate::auth::keys::{
    Asking, KeyError, KeyService, KeyView, ListInput, MANAGE_SCOPE, RevokeInput,
};
use crate::auth::{Principal, Scopes};
use crate::oauth::pages::account::KeyShown;
use crate::oauth::pages::text;
use crate::oauth::{AuthorizationServer, WebRequest};
use crate::time::from_rfc3339;

impl AuthorizationServer {
    /// Everybody may see the keys that are theirs.
    pub(super) async fn keys_of(
        &self,
        web: &WebRequest<'_>,
        session: &Session,
    ) -> Result<Vec<KeyShown>, Trouble> {
        let who = manager(session);
        let asking = Asking {
            principal: &who,
            request: &web.info,
        };
        let service = KeyService { audit: &self.audit };
        let listed = service.list(asking, &ListInput::default()).await;
        let keys = listed
            .map_err(|error| Trouble::ours(error.to_string()))?
            .keys;
        let own = session.token_id.as_deref();
        Ok(keys.into_iter().map(|key| shown(key, own)).collect())
    }

    /// The key that the session was opened with, or any of the user's where it may.
    pub(super) async fn revoke_key(
        &self,
        web: &WebRequest<'_>,
        session: &Session,
        id: &str,
    ) -> Result<bool, Trouble> {
        let own = session.token_id.as_deref() == Some(id);
        let who = if own {
            manager(session)
        } else {
            session.principal()
        };
        let asking = Asking {
            principal: &who,
            request: &web.info,
        };
        let input = RevokeInput {
            id: id.to_owned(),
            ..RevokeInput::default()
        };
        let service = KeyService { audit: &self.audit };
        match service.revoke(asking, &input).await {
            Ok(done) => Ok(done.revoked > 0),
            Err(KeyError::NotFound | KeyError::Scope(_)) => Ok(false),
            Err(error) => Err(Trouble::ours(error.to_string())),
        }
    }
}

fn manager(session: &Session) -> Principal {
    Principal {
        scopes: Scopes::new([MANAGE_SCOPE]),
        ..session.principal()
    }
}

fn shown(key: KeyView, own: Option<&str>) -> KeyShown {
    let ms = |time: Option<String>| time.and_then(|time| from_rfc3339(&time).ok());
    KeyShown {
        own: own == Some(key.id.as_str()),
        id: key.id,
        name: text::shown_name(&key.name),
        prefix: key.prefix.unwrap_or_default(),
        scopes: Scopes::new(key.scopes),
        last_used_ms: ms(key.last_used_at),
        expires_ms: ms(key.expires_at),
    }
}
