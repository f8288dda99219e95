//! Signing in with a key of one's own.

use serde_json::json;

use super::browser::Browser;
use super::flow::Back;
use super::session::{Candidate, Method, usable_of};
use super::trouble::Trouble;
use crate::auth::{AuthError, Decision, Principal, PrincipalKind};
use crate::http::HttpReply;
use crate::oauth::{AuthorizationServer, WebRequest};
use crate::sql::Statement;

/// Wrong keys of one address before it is told to wait.
const WRONG_KEYS: i64 = 10;
const NOT_ACCEPTED: &str = "That key was not accepted. Check that you copied all of it, that it has not ended, \
    and that it is a key of yours: services' keys, and those that somebody but an administrator made for you, cannot sign in.";

/// Finds a key in whose line one was made by anything but a key of the same person: by somebody
/// who acts for others, or by a client. They have seen it, so it does not prove who comes.
/// Administrators, who may do everything anyway, make keys for people who have none yet.
const MADE_BY_OTHERS: &str = "WITH RECURSIVE line (id, owner, maker) AS (
        SELECT id, COALESCE(user_id, identity_id, ''), created_by FROM api_tokens WHERE id = ?1
        UNION
        SELECT k.id, COALESCE(k.user_id, k.identity_id, ''), k.created_by
        FROM line JOIN api_tokens k ON k.id = line.maker)
    SELECT line.id FROM line LEFT JOIN api_tokens k ON k.id = line.maker
    WHERE line.maker IS NOT NULL
        AND (k.id IS NULL OR (COALESCE(k.user_id, k.identity_id, '') <> line.owner
            AND CAST(k.scopes AS TEXT) NOT LIKE '%admin:*%'))
    LIMIT 1";

impl AuthorizationServer {
    pub(super) async fn with_key(
        &self,
        web: &WebRequest<'_>,
        browser: &Browser,
        back: &Back,
        key: &str,
    ) -> Result<HttpReply, Trouble> {
        let Some(principal) = self.owner_of(web, key.trim()).await? else {
            return self.wrong_key(web, browser, back).await;
        };
        if let Some(reason) = self.why_not(&principal).await? {
            let decision = Decision::Deny(reason);
            self.record(web, "sign_in", None, decision, json!({}), Some(&principal));
            return self.wrong_key(web, browser, back).await;
        }
        let candidate = Candidate {
            scopes: usable_of(&principal.scopes),
            user_id: principal.user_id,
            token_id: Some(principal.token_id),
            method: Method::Key,
            second_factor: false,
        };
        self.proceed(web, browser, candidate, back.clone()).await
    }

    pub(super) fn not_signed_in(
        &self,
        browser: &Browser,
        back: &Back,
        status: u16,
        problem: &str,
    ) -> Result<HttpReply, Trouble> {
        let mut page = self.sign_in_page(browser, back, Some(problem), None)?;
        page.status = status;
        Ok(page)
    }

    /// Counts a wrong key against where it came from. A good one is never refused for it:
    /// others may sit behind the same address, and a key cannot be guessed.
    async fn wrong_key(
        &self,
        web: &WebRequest<'_>,
        browser: &Browser,
        back: &Back,
    ) -> Result<HttpReply, Trouble> {
        let Some(wait) = self.address_wait(web, "sign_in", WRONG_KEYS).await? else {
            return self.not_signed_in(browser, back, 403, NOT_ACCEPTED);
        };
        let decision = Decision::Deny("throttled");
        self.record(web, "sign_in", None, decision, json!({}), None);
        self.not_signed_in(browser, back, 429, &wait)
    }

    /// Whose key it is. A token that a client was given (it has dots) is no key.
    async fn owner_of(
        &self,
        web: &WebRequest<'_>,
        key: &str,
    ) -> Result<Option<Principal>, Trouble> {
        let shaped = key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
        if !shaped || key.is_empty() {
            self.record(
                web,
                "sign_in",
                None,
                Decision::Deny("malformed"),
                json!({}),
                None,
            );
            return Ok(None);
        }
        let header = format!("Bearer {key}");
        let checked = self.authenticator.authenticate(Some(&header), &web.info);
        match checked.await {
            Ok(principal) => Ok(Some(principal)),
            Err(AuthError::Unavailable) => Err(Trouble::ours("the key could not be looked up")),
            Err(_) => Ok(None),
        }
    }

    async fn why_not(&self, principal: &Principal) -> Result<Option<&'static str>, Trouble> {
        if principal.kind != PrincipalKind::User {
            return Ok(Some("service_key"));
        }
        let line = Statement::new(MADE_BY_OTHERS).bind(&principal.token_id);
        if self.audit.database.run(line).await?.first().is_some() {
            return Ok(Some("made_by_others"));
        }
        let person = self.person(&principal.user_id).await?;
        Ok(person.and_then(|person| (!person.active).then_some("suspended")))
    }
}
