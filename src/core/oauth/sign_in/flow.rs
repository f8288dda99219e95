//! From a request for authorization to a person who is signed in, and back.

use serde::{Deserialize, Serialize};
use serde_json::json;
use url::form_urlencoded;

use super::browser::{self, Browser};
use super::consent::Question;
use super::session::{self, Candidate, Session};
use super::ticket::TicketKind;
use super::trouble::Trouble;
use crate::auth::Decision;
use crate::auth::throttle::network_of;
use crate::auth::{Attempt, Throttle};
use crate::digest::sha256_hex;
use crate::http::HttpReply;
use crate::oauth::pages::AppShown;
use crate::oauth::pages::forms::{self, SignInView};
use crate::oauth::{AuthorizationRequest, AuthorizationServer, Client, WebRequest};

const ACCOUNT: &str = "/account";
const MARKER: &str = "signed_in";
/// Longer ones cannot be kept in a form or a cookie.
const MAX_PATH_BYTES: usize = 5 * 1024;
const WINDOW_MS: i64 = 5 * 60 * 1000;
const CODES_PER_USER: i64 = 10;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// Tries without end then take years to find a code: there are a million, three of them right at
/// a time.
const CODES_PER_USER_AND_DAY: i64 = 100;
const AGAIN: &str = "The app asks that you sign in again.";

/// Where a sign-in began. Made here and kept sealed, so that it leads to no other site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Back {
    /// `/authorize?…`, `/account` or another page of ours.
    pub path: String,
    pub app: Option<AppShown>,
    /// The request asks for a new sign-in: the way back must tell of it.
    pub again: bool,
}

#[derive(Serialize, Deserialize)]
struct SecondStep {
    candidate: Candidate,
    back: Back,
}

impl Back {
    fn account() -> Self {
        Self {
            path: ACCOUNT.to_owned(),
            app: None,
            again: false,
        }
    }

    /// A page that people open by its address: `path` is that of the request.
    pub(super) fn to_page(path: &str) -> Self {
        // A path of ours has one slash first; two would lead to a host.
        let ours = path.starts_with('/') && !path.starts_with("//");
        let path = if ours && path.len() <= MAX_PATH_BYTES {
            path
        } else {
            ACCOUNT
        };
        Self {
            path: path.to_owned(),
            ..Self::account()
        }
    }

    pub(super) fn marked(&self, marker: &str) -> String {
        format!("{}&{MARKER}={marker}", self.path)
    }
}

/// The parameters of a request for authorization as a path of ours, without our own marker.
fn path_of(sent: &[u8]) -> Result<String, Trouble> {
    let pairs = form_urlencoded::parse(sent).filter(|(name, _)| name != MARKER);
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(pairs)
        .finish();
    if query.len() > MAX_PATH_BYTES {
        return Err(Trouble::new(
            414,
            "The app's request is too long. Tell its makers that it must be shorter than 5 KB.",
        ));
    }
    Ok(format!("/authorize?{query}"))
}

impl AuthorizationServer {
    /// The form of a request for authorization, again as a GET. Browsers hold our cookies back
    /// from a form of another site, and a page that answered it would replace them.
    pub(in crate::oauth) fn by_get(&self, web: &WebRequest<'_>) -> HttpReply {
        let result = path_of(web.body).map(|path| browser::see_other(&path));
        self.settle(web, result)
    }

    /// Sign-in or consent, whichever is next for this browser and this request.
    pub(in crate::oauth) async fn interact(
        &self,
        web: &WebRequest<'_>,
        client: &Client,
        request: AuthorizationRequest,
    ) -> HttpReply {
        let result = self.next_page(web, client, request).await;
        self.settle(web, result)
    }

    async fn next_page(
        &self,
        web: &WebRequest<'_>,
        client: &Client,
        request: AuthorizationRequest,
    ) -> Result<HttpReply, Trouble> {
        let browser = self.browser_or_new(web)?;
        let app = AppShown::of(client, &request);
        let mut back = Back {
            path: path_of(web.query.as_bytes())?,
            app: Some(app.clone()),
            again: request.sign_in_again || request.max_age.is_some(),
        };
        let Some(session) = self.session(web).await? else {
            return self.sign_in_page(&browser, &back, None, None);
        };
        if !self.is_recent(web, &browser, &session, &request, &back) {
            back.again = true;
            return self.sign_in_page(&browser, &back, None, Some(AGAIN));
        }
        if self.settings.require_second_factor && !session.second_factor {
            if self.has_second_factor(&session.user_id).await? {
                return self.sign_in_page(&browser, &back, None, None);
            }
            return Ok(self.page("Set up a second factor", forms::needs_second_factor(), None));
        }
        let question = Question {
            request,
            app,
            path: back.path,
        };
        self.consent_page(&browser, &session, &question, None)
    }

    /// Whether the session is new enough for `prompt=login` and `max_age` (`OpenID` Connect
    /// Core section 3.1.2.1): opened for this request, or within the age.
    fn is_recent(
        &self,
        web: &WebRequest<'_>,
        browser: &Browser,
        session: &Session,
        request: &AuthorizationRequest,
        back: &Back,
    ) -> bool {
        let age_ms = self.audit.clock.now_ms() - session.created_at_ms;
        let too_old = request
            .max_age
            .is_some_and(|max_s| age_ms > max_s.saturating_mul(1000));
        if !request.sign_in_again && !too_old {
            return true;
        }
        let query = web.query().ok();
        let marker = query.as_ref().and_then(|query| query.get(MARKER));
        let opened = self.open_ticket(TicketKind::SignedIn, browser, Some(&session.id), marker);
        opened.is_ok_and(|hash: String| hash == sha256_hex(&back.path))
    }

    pub(super) fn sign_in_to_account(&self, web: &WebRequest<'_>) -> Result<HttpReply, Trouble> {
        let browser = self.browser_or_new(web)?;
        self.sign_in_page(&browser, &Back::account(), None, None)
    }

    pub(super) fn sign_in_page(
        &self,
        browser: &Browser,
        back: &Back,
        problem: Option<&str>,
        reason: Option<&str>,
    ) -> Result<HttpReply, Trouble> {
        let ticket = self.seal_ticket(TicketKind::SignIn, browser, None, back)?;
        let upstream = self.settings.upstream.as_ref();
        let view = SignInView {
            app: back.app.as_ref(),
            ticket: &ticket,
            problem,
            reason,
            provider: upstream.map(|upstream| upstream.label.as_str()),
        };
        let page = self.page("Sign in", forms::sign_in(&view), back.app.as_ref());
        Ok(self.keep(browser, page))
    }

    /// The key, or the code after it.
    pub(super) async fn sign_in_step(&self, web: &WebRequest<'_>) -> Result<HttpReply, Trouble> {
        self.refuse_foreign(web)?;
        let browser = self.browser(web)?;
        let form = web.form()?;
        let ticket = form.get("ticket");
        if let Some(code) = form.get("code") {
            return self.with_code(web, &browser, ticket, code).await;
        }
        let back = self.open_ticket(TicketKind::SignIn, &browser, None, ticket)?;
        let key = form.get("key").unwrap_or_default();
        self.with_key(web, &browser, &back, key).await
    }

    /// After the first proof: the second factor where there is one, else a session.
    pub(super) async fn proceed(
        &self,
        web: &WebRequest<'_>,
        browser: &Browser,
        candidate: Candidate,
        back: Back,
    ) -> Result<HttpReply, Trouble> {
        if !self.has_second_factor(&candidate.user_id).await? {
            return self.open_session(web, browser, &candidate, &back).await;
        }
        let app = back.app.clone();
        let step = SecondStep { candidate, back };
        let ticket = self.seal_ticket(TicketKind::SecondFactor, browser, None, &step)?;
        let body = forms::second_factor(&ticket, None);
        Ok(self.keep(browser, self.page("Enter your code", body, app.as_ref())))
    }

    async fn with_code(
        &self,
        web: &WebRequest<'_>,
        browser: &Browser,
        ticket: Option<&str>,
        code: &str,
    ) -> Result<HttpReply, Trouble> {
        let step: SecondStep = self.open_ticket(TicketKind::SecondFactor, browser, None, ticket)?;
        let mut candidate = step.candidate;
        let Some(problem) = self.take_code(web, &candidate, code).await? else {
            candidate.second_factor = true;
            let open = self.open_session(web, browser, &candidate, &step.back);
            return open.await;
        };
        let body = forms::second_factor(ticket.unwrap_or_default(), Some(&problem));
        let mut page = self.page("Enter your code", body, step.back.app.as_ref());
        page.status = 403;
        Ok(self.keep(browser, page))
    }

    /// None where the code counts, else why not.
    async fn take_code(
        &self,
        web: &WebRequest<'_>,
        candidate: &Candidate,
        code: &str,
    ) -> Result<Option<String>, Trouble> {
        let user_id = &candidate.user_id;
        let (reason, problem) = if let Some(wait) = self.code_wait(user_id).await? {
            ("throttled", wait)
        } else if self.use_code(user_id, code).await? {
            return Ok(None);
        } else {
            let problem = "That code was not accepted. Enter the one that your app shows now; each counts once.";
            ("wrong_code", problem.to_owned())
        };
        let token_id = candidate.token_id.as_deref();
        let who = session::principal(user_id, token_id, &candidate.scopes);
        let decision = Decision::Deny(reason);
        self.record(web, "sign_in", None, decision, json!({}), Some(&who));
        Ok(Some(problem))
    }

    /// Counts a try at a code of this user. One that has to wait a few minutes is none of the
    /// day's.
    pub(super) async fn code_wait(&self, user_id: &str) -> Result<Option<String>, Trouble> {
        let id = format!("second_factor:{user_id}");
        if let Some(wait) = self.wait(&id, CODES_PER_USER, WINDOW_MS).await? {
            return Ok(Some(wait));
        }
        let id = format!("second_factor_day:{user_id}");
        self.wait(&id, CODES_PER_USER_AND_DAY, DAY_MS).await
    }

    /// Counts a try of this kind from this address.
    pub(super) async fn address_wait(
        &self,
        web: &WebRequest<'_>,
        kind: &str,
        most: i64,
    ) -> Result<Option<String>, Trouble> {
        let network = network_of(web.info.ip.as_deref());
        self.wait(&format!("{kind}:{network}"), most, WINDOW_MS)
            .await
    }

    /// How long to wait, in words, once `most` tries were made in a window.
    async fn wait(&self, id: &str, most: i64, window_ms: i64) -> Result<Option<String>, Trouble> {
        let throttle = Throttle {
            database: self.audit.database.clone(),
            clock: self.audit.clock.clone(),
        };
        match throttle.attempt(id, most, window_ms).await? {
            Attempt::Allowed => Ok(None),
            Attempt::Refused { retry_after_s } => Ok(Some(format!(
                "Too many tries. Wait {} and try again.",
                in_words(retry_after_s)
            ))),
        }
    }
}

fn in_words(seconds: i64) -> String {
    let whole = |unit_s: i64| seconds.saturating_add(unit_s - 1).div_euclid(unit_s);
    match whole(60) {
        minutes if minutes > 120 => format!("{} hours", whole(60 * 60)),
        1 => "a minute".to_owned(),
        minutes => format!("{minutes} minutes"),
    }
}
