//! The account page: what it shows, and what may be done there.

use serde_json::json;

use super::browser::{self, Browser};
use super::credentials::Credential;
use super::session::Session;
use super::ticket::TicketKind;
use super::totp;
use super::trouble::Trouble;
use crate::auth::Decision;
use crate::auth::keys::MANAGE_SCOPE;
use crate::http::HttpReply;
use crate::oauth::pages::account::{
    self as page, AccountView, GrantShown, SecondFactorShown, SessionShown,
};
use crate::oauth::pages::text;
use crate::oauth::{AuthorizationServer, Grant, Params, WebRequest};

const SIGN_IN: &str = "/sign-in";

/// What was done, by the word in the address.
fn notice_of(done: Option<&str>) -> Option<&'static str> {
    Some(match done? {
        "revoke_grant" => "The app may not use your account any more.",
        "revoke_key" => "The key is revoked.",
        "end_session" => "That browser is signed out.",
        "confirm_totp" => "The second factor is on. You will be asked for a code when you sign in.",
        "remove_totp" => "The second factor is off.",
        _ => return None,
    })
}

impl AuthorizationServer {
    pub(super) async fn show_account(&self, web: &WebRequest<'_>) -> Result<HttpReply, Trouble> {
        let browser = self.browser_or_new(web)?;
        let Some(session) = self.session(web).await? else {
            return self.sign_in_to_account(web);
        };
        let query = web.query()?;
        let view = self
            .account_view(web, &browser, &session, notice_of(query.get("done")))
            .await?;
        let shown = self.wide_page("Your account", page::account(&view));
        Ok(self.keep(&browser, shown))
    }

    async fn account_view(
        &self,
        web: &WebRequest<'_>,
        browser: &Browser,
        session: &Session,
        notice: Option<&'static str>,
    ) -> Result<AccountView, Trouble> {
        let user_id = &session.user_id;
        let id = Some(session.id.as_str());
        let credential = self.credential(user_id).await?;
        let locked = self.settings.require_second_factor && !session.second_factor;
        let person = self.person(user_id).await?;
        let mut view = AccountView {
            ticket: self.seal_ticket(TicketKind::Account, browser, id, &())?,
            sign_out_ticket: self.seal_ticket(TicketKind::SignOut, browser, id, &SIGN_IN)?,
            person: text::shown_name(&session.name),
            user_id: user_id.clone(),
            email: person.as_ref().and_then(|person| person.email.clone()),
            chitty_id: person.and_then(|person| person.chitty_id),
            notice,
            grants: Vec::new(),
            keys: Vec::new(),
            manages_keys: session.scopes.allows(MANAGE_SCOPE),
            sessions: Vec::new(),
            second_factor: self.second_factor_of(user_id, credential.as_ref())?,
            locked,
        };
        if !locked {
            let grants = self.grants_of(user_id).await?;
            view.grants = grants.into_iter().map(grant_shown).collect();
            view.keys = self.keys_of(web, session).await?;
            let sessions = self.sessions_of(user_id).await?;
            view.sessions = sessions
                .into_iter()
                .map(|other| session_shown(other, session))
                .collect();
        }
        Ok(view)
    }

    fn second_factor_of(
        &self,
        user_id: &str,
        credential: Option<&Credential>,
    ) -> Result<SecondFactorShown, Trouble> {
        let Some(credential) = credential else {
            return Ok(SecondFactorShown::Off);
        };
        if let Some(since_ms) = credential.confirmed_at_ms {
            return Ok(SecondFactorShown::On { since_ms });
        }
        let secret = self.secret_of(user_id, credential)?;
        let host = text::host_of(self.base()).unwrap_or_default();
        Ok(SecondFactorShown::Pending {
            url: totp::url(&secret, &host, user_id),
            secret: totp::readable(&secret),
        })
    }

    pub(super) async fn act_on_account(&self, web: &WebRequest<'_>) -> Result<HttpReply, Trouble> {
        self.refuse_foreign(web)?;
        let browser = self.browser(web)?;
        let session = self.session(web).await?.ok_or_else(Trouble::stale)?;
        let form = web.form()?;
        let id = Some(session.id.as_str());
        self.open_ticket::<()>(TicketKind::Account, &browser, id, form.get("ticket"))?;
        let action = form.get("action").unwrap_or_default();
        let about_factor = matches!(action, "start_totp" | "confirm_totp" | "remove_totp");
        let locked = self.settings.require_second_factor && !session.second_factor;
        if locked && !about_factor {
            return Err(Trouble::stale());
        }
        let done = self.act(web, action, &session, &form).await?;
        // A grant ends together with the row that says so.
        if !(done && action == "revoke_grant") {
            self.record_action(web, action, &session, &form, done);
        }
        if !done {
            return Err(not_done(action));
        }
        Ok(browser::see_other(&format!("/account?done={action}")))
    }

    async fn act(
        &self,
        web: &WebRequest<'_>,
        action: &str,
        session: &Session,
        form: &Params,
    ) -> Result<bool, Trouble> {
        let id = form.get("id").unwrap_or_default();
        let code = form.get("code").unwrap_or_default();
        let user_id = &session.user_id;
        Ok(match action {
            "revoke_grant" => self.revoke_own_grant(web, session, id).await?,
            "revoke_key" => self.revoke_key(web, session, id).await?,
            "end_session" => self.end_session(id, user_id).await?,
            "start_totp" => self.start_totp(user_id).await?,
            "confirm_totp" | "remove_totp" => {
                if let Some(wait) = self.code_wait(user_id).await? {
                    return Err(Trouble::new(429, wait));
                }
                if action == "confirm_totp" {
                    self.confirm_totp(user_id, &session.id, code).await?
                } else {
                    self.remove_totp(user_id, code).await?
                }
            }
            _ => return Err(Trouble::stale()),
        })
    }

    async fn revoke_own_grant(
        &self,
        web: &WebRequest<'_>,
        session: &Session,
        id: &str,
    ) -> Result<bool, Trouble> {
        let grant = self.grant(id).await?;
        let live = |grant: &Grant| grant.revoked_at_ms.is_none();
        if !grant.is_some_and(|grant| grant.user_id == session.user_id && live(&grant)) {
            return Ok(false);
        }
        let user = session.principal();
        Ok(self.revoke_grant_for(&user, id, &web.info).await?)
    }

    fn record_action(
        &self,
        web: &WebRequest<'_>,
        action: &str,
        session: &Session,
        form: &Params,
        done: bool,
    ) {
        let decision = if done {
            Decision::Allow
        } else {
            Decision::Deny("not_done")
        };
        let id = form.get("id").map(|id| text::shown(id, 80));
        let who = session.principal();
        let action = format!("account_{action}");
        self.record(web, &action, id.as_deref(), decision, json!({}), Some(&who));
    }
}

fn not_done(action: &str) -> Trouble {
    match action {
        "confirm_totp" | "remove_totp" => Trouble::new(
            403,
            "That code was not accepted. Go back and enter the one that your app shows now; each counts once.",
        ),
        "start_totp" => Trouble::new(
            409,
            "A second factor is on already. Go back to your account.",
        ),
        _ => Trouble::new(
            404,
            "There is nothing of that kind left to end. Go back to your account, which shows what there is.",
        ),
    }
}

fn grant_shown(grant: Grant) -> GrantShown {
    GrantShown {
        client: text::shown_name(&grant.client_name),
        resource: text::shown(&grant.resource, 120),
        id: grant.id,
        scopes: grant.scopes,
        since_ms: grant.created_at_ms,
        until_ms: grant.expires_at_ms,
        last_used_ms: grant.last_used_at_ms,
    }
}

fn session_shown(session: Session, own: &Session) -> SessionShown {
    let method = if session.by_key { "key" } else { "provider" };
    let factor = if session.second_factor {
        " and code"
    } else {
        ""
    };
    SessionShown {
        own: session.id == own.id,
        id: session.id,
        since_ms: session.created_at_ms,
        until_ms: session.expires_at_ms,
        method: format!("{method}{factor}"),
    }
}
