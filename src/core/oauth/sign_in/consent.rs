//! What the reader of the consent page decides.

use serde::{Deserialize, Serialize};
use serde_json::json;
use url::Url;

use super::browser::{self, Browser};
use super::session::Session;
use super::ticket::TicketKind;
use super::trouble::Trouble;
use crate::auth::catalogue::{self, IDENTITY_SCOPES};
use crate::auth::{AuditEvent, Decision, Scopes};
use crate::http::HttpReply;
use crate::oauth::pages::AppShown;
use crate::oauth::pages::consent::{self, ConsentView, STAYS};
use crate::oauth::pages::text;
use crate::oauth::settings::{ACCESS_TOKEN_MS, GRANT_MS};
use crate::oauth::store::NewCode;
use crate::oauth::{
    AuthorizationRequest, AuthorizationServer, GrantKind, NewGrant, Params, WebRequest,
};

const MINUTE_MS: i64 = 60 * 1000;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;
const NONE_TICKED: &str = "Nothing is ticked. Tick what it may do, or deny.";

/// The question as it was put.
#[derive(Serialize, Deserialize)]
pub(super) struct Question {
    pub request: AuthorizationRequest,
    pub app: AppShown,
    /// Of the request, to come back to with another account.
    pub path: String,
}

/// What the client asks for and this person may give.
fn offered(request: &AuthorizationRequest, session: &Session) -> Scopes {
    // Said by how long it lasts.
    let asked = request.scopes.iter().filter(|scope| *scope != STAYS);
    let about_you = |scope: &str| IDENTITY_SCOPES.iter().any(|(name, _)| *name == scope);
    let mine = |scope: &str| {
        let grantable = catalogue::find(scope).is_some_and(|info| info.grantable);
        grantable && session.scopes.iter().any(|held| held == scope)
    };
    Scopes::new(asked.filter(|scope| about_you(scope) || mine(scope)))
}

/// What is granted: what is ticked, and that it stays where it asked to.
fn granted(question: &Question, ticked: &Scopes) -> Scopes {
    let asked = |scope: &&str| question.request.scopes.iter().any(|one| one == *scope);
    let stays = Some(STAYS).filter(|scope| question.app.stays && asked(scope));
    Scopes::new(ticked.iter().chain(stays))
}

fn how_long(app: &AppShown) -> String {
    if app.stays {
        return format!("up to {} days", GRANT_MS / DAY_MS);
    }
    format!("{} minutes", ACCESS_TOKEN_MS / MINUTE_MS)
}

fn ticked(offered: &Scopes, form: &Params) -> Scopes {
    let chosen = |scope: &&str| form.get(&consent::field_of(scope)) == Some("yes");
    Scopes::new(offered.iter().filter(chosen))
}

/// `mcp.example.com/mcp`.
fn service_of(resource: &str) -> String {
    Url::parse(resource).map_or_else(
        |_| resource.to_owned(),
        |url| {
            let authority = url.authority();
            format!("{authority}{}", url.path().trim_end_matches('/'))
        },
    )
}

impl AuthorizationServer {
    pub(super) fn consent_page(
        &self,
        browser: &Browser,
        session: &Session,
        question: &Question,
        problem: Option<&str>,
    ) -> Result<HttpReply, Trouble> {
        let id = Some(session.id.as_str());
        let ticket = self.seal_ticket(TicketKind::Consent, browser, id, question)?;
        let switch_ticket = self.seal_ticket(TicketKind::SignOut, browser, id, &question.path)?;
        let view = ConsentView {
            app: &question.app,
            ticket: &ticket,
            switch_ticket: &switch_ticket,
            person: &text::shown_name(&session.name),
            resource: &service_of(&question.request.resource),
            scopes: &offered(&question.request, session),
            problem,
            how_long: &how_long(&question.app),
        };
        let page = self.page(
            "Allow access?",
            consent::consent(&view),
            Some(&question.app),
        );
        Ok(self.keep(browser, page))
    }

    /// Allow or deny, by the very browser and session that were asked.
    pub(super) async fn decide(&self, web: &WebRequest<'_>) -> Result<HttpReply, Trouble> {
        self.refuse_foreign(web)?;
        let browser = self.browser(web)?;
        let session = self.session(web).await?.ok_or_else(Trouble::stale)?;
        let form = web.form()?;
        let id = Some(session.id.as_str());
        let question: Question =
            self.open_ticket(TicketKind::Consent, &browser, id, form.get("ticket"))?;
        match form.get("decision") {
            Some("allow") => self.allow(web, &browser, &session, question, &form).await,
            Some("deny") => Ok(self.deny(web, &session, &question.request)),
            _ => Err(Trouble::stale()),
        }
    }

    async fn allow(
        &self,
        web: &WebRequest<'_>,
        browser: &Browser,
        session: &Session,
        question: Question,
        form: &Params,
    ) -> Result<HttpReply, Trouble> {
        let request = &question.request;
        if self.settings.require_second_factor && !session.second_factor {
            return Err(Trouble::stale());
        }
        let client = self.client(&request.client_id).await?;
        let client = client.ok_or_else(|| {
            Trouble::new(
                400,
                "The app is not registered here any more. Start again from the app.",
            )
        })?;
        let ticked = ticked(&offered(request, session), form);
        if ticked.iter().next().is_none() {
            return self.consent_page(browser, session, &question, Some(NONE_TICKED));
        }
        let scopes = granted(&question, &ticked);
        let details = json!({ "scopes": scopes, "resource": request.resource });
        let grant = NewGrant {
            kind: GrantKind::Code,
            user_id: session.user_id.clone(),
            client_id: client.id,
            client_name: question.app.name.clone(),
            resource: request.resource.clone(),
            scopes,
            token_id: session.token_id.clone(),
            auth_time_ms: Some(session.created_at_ms),
            dpop_jkt: request.dpop_jkt.clone(),
        };
        let bound = NewCode {
            redirect_uri: &request.redirect_uri,
            code_challenge: request.code_challenge.as_deref(),
            nonce: request.nonce.as_deref(),
        };
        let code = self.grant_code(grant, bound).await?;
        self.record_consent(web, session, request, Decision::Allow, details);
        Ok(self.redirect_back(request, &[("code", &code)]))
    }

    fn deny(
        &self,
        web: &WebRequest<'_>,
        session: &Session,
        request: &AuthorizationRequest,
    ) -> HttpReply {
        let decision = Decision::Deny("denied_by_user");
        self.record_consent(web, session, request, decision, json!({}));
        let params = [
            ("error", "access_denied"),
            ("error_description", "the user denied the request"),
        ];
        self.redirect_back(request, &params)
    }

    fn record_consent(
        &self,
        web: &WebRequest<'_>,
        session: &Session,
        request: &AuthorizationRequest,
        decision: Decision,
        details: serde_json::Value,
    ) {
        let event = AuditEvent {
            action: "consent",
            resource_type: "client",
            resource_id: Some(&request.client_id),
            decision,
            details,
        };
        self.audit
            .record(event, Some(&session.principal()), &web.info);
    }

    /// Signs out, and back to the request with another account where there was one.
    pub(super) async fn end_own_session(&self, web: &WebRequest<'_>) -> Result<HttpReply, Trouble> {
        self.refuse_foreign(web)?;
        let browser = self.browser(web)?;
        let form = web.form()?;
        let session = self.session(web).await?.ok_or_else(Trouble::stale)?;
        let id = Some(session.id.as_str());
        let path: String =
            self.open_ticket(TicketKind::SignOut, &browser, id, form.get("ticket"))?;
        self.end_session(&session.id, &session.user_id).await?;
        let who = session.principal();
        self.record(web, "sign_out", id, Decision::Allow, json!({}), Some(&who));
        Ok(browser::see_other(&path).with_header("set-cookie", self.forget_session_cookie()))
    }
}
