//! Signing in through an `OpenID` provider (`OpenID` Connect Core section 3.1), with PKCE,
//! `state`, `nonce` and, where the provider gives it, `iss` (RFC 9207).

mod discovery;
mod exchange;
mod id_token;

pub use discovery::ProviderCache;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};
use url::Url;

use super::browser::{self, Browser};
use super::flow::Back;
use super::identities::Claimed;
use super::session::{self, Candidate, Method, usable_of};
use super::ticket::{TICKET_MS, TicketKind};
use super::trouble::Trouble;
use crate::auth::{Decision, Scopes, roles};
use crate::http::HttpReply;
use crate::oauth::pages::text;
use crate::oauth::settings::UpstreamSettings;
use crate::oauth::{AuthorizationServer, Params, WebRequest};
use crate::secret::same;
use discovery::Metadata;

const COOKIE: &str = "provider";
/// Browsers drop longer cookies.
const MAX_COOKIE_BYTES: usize = 3800;
const CALLBACKS_PER_ADDRESS: i64 = 60;
const NOT_SET_UP: &str = "No provider is set up here. Sign in with a key.";
const NOT_SIGNED_IN: &str = "The provider did not sign you in. Try again, or use a key.";
/// The audit log's word for it.
const NOT_RECENT: &str = "sign_in_not_recent";
const SIGN_IN_NOT_RECENT: &str = "The app asks that you sign in again, and the provider did not say that you just did. Sign out there and try again, or use a key.";
const SUSPENDED: &str = "This account is suspended. Ask the operator of this service.";

/// What must hold when the browser comes back.
#[derive(Serialize, Deserialize)]
struct Journey {
    state: String,
    nonce: String,
    verifier: String,
    /// When the browser left.
    left_ms: i64,
    back: Back,
}

impl AuthorizationServer {
    fn upstream(&self) -> Result<&UpstreamSettings, Trouble> {
        let upstream = self.settings.upstream.as_ref();
        upstream.ok_or_else(|| Trouble::new(404, NOT_SET_UP))
    }

    fn callback_url(&self) -> String {
        format!("{}/sign-in/callback", self.base())
    }

    /// To the provider. A link rather than a form, whose `form-action` would have to know
    /// every host that the provider sends people through.
    pub(super) async fn on_to_provider(&self, web: &WebRequest<'_>) -> Result<HttpReply, Trouble> {
        self.refuse_foreign(web)?;
        let upstream = self.upstream()?;
        let browser = self.browser(web)?;
        let sent = match web.method {
            "POST" => web.form()?,
            _ => web.query()?,
        };
        let ticket = sent.get("ticket");
        let back: Back = self.open_ticket(TicketKind::SignIn, &browser, None, ticket)?;
        let metadata = self.provider_metadata(upstream).await?;
        let journey = Journey {
            state: self.random()?,
            nonce: self.random()?,
            verifier: self.random()?,
            left_ms: self.audit.clock.now_ms(),
            back,
        };
        let cookie = self.seal_ticket(TicketKind::Provider, &browser, None, &journey)?;
        if cookie.len() > MAX_COOKIE_BYTES {
            return Err(Trouble::new(
                414,
                "The app's request is too long to sign in through the provider. Use a key.",
            ));
        }
        let location = self.authorization_url(upstream, &metadata, &journey)?;
        let cookie = self.set_cookie(COOKIE, &cookie, TICKET_MS / 1000);
        Ok(browser::see_other(&location).with_header("set-cookie", cookie))
    }

    fn authorization_url(
        &self,
        upstream: &UpstreamSettings,
        metadata: &Metadata,
        journey: &Journey,
    ) -> Result<String, Trouble> {
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&journey.verifier));
        let mut url = Url::parse(&metadata.authorization_endpoint)
            .map_err(|error| Trouble::ours(error.to_string()))?;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &upstream.client_id)
            .append_pair("redirect_uri", &self.callback_url())
            .append_pair("scope", "openid email profile")
            .append_pair("state", &journey.state)
            .append_pair("nonce", &journey.nonce)
            .append_pair("code_challenge", &challenge)
            .append_pair("code_challenge_method", "S256");
        if journey.back.again {
            // Without a `max_age` the token need not say when (section 2, `auth_time`).
            url.query_pairs_mut()
                .append_pair("prompt", "login")
                .append_pair("max_age", "0");
        }
        Ok(url.into())
    }

    /// Back from the provider. The cookie goes whatever came of it.
    pub(super) async fn back_from_provider(
        &self,
        web: &WebRequest<'_>,
    ) -> Result<HttpReply, Trouble> {
        let upstream = self.upstream()?;
        let browser = self.browser(web)?;
        let sealed = web.cookie(&self.cookie_name(COOKIE));
        let journey: Journey =
            self.open_ticket(TicketKind::Provider, &browser, None, sealed.as_deref())?;
        if let Some(wait) = self
            .address_wait(web, "provider", CALLBACKS_PER_ADDRESS)
            .await?
        {
            return self.not_signed_in(&browser, &journey.back, 429, &wait);
        }
        let reply = match self.claimed(web, upstream, &journey).await {
            Ok(claimed) => {
                self.arrive(web, &browser, upstream, &claimed, journey.back)
                    .await?
            }
            Err(refused) => {
                self.note_trouble(web, &refused.trouble());
                let decision = Decision::Deny(refused.reason);
                self.record(
                    web,
                    "sign_in",
                    None,
                    decision,
                    json!({"method": "openid"}),
                    None,
                );
                self.not_signed_in(&browser, &journey.back, 403, refused.words())?
            }
        };
        Ok(reply.with_header("set-cookie", self.set_cookie(COOKIE, "", 0)))
    }

    /// Who the provider says is there.
    async fn claimed(
        &self,
        web: &WebRequest<'_>,
        upstream: &UpstreamSettings,
        journey: &Journey,
    ) -> Result<Claimed, Refused> {
        let query = web
            .query()
            .map_err(|_| Refused::because("malformed_answer", "parameters"))?;
        let state = query.get("state").unwrap_or_default();
        if !same(state.as_bytes(), journey.state.as_bytes()) {
            return Err(Refused::because("wrong_state", "state"));
        }
        let metadata = self.provider_metadata(upstream).await?;
        check_issuer(&query, &metadata)?;
        let Some(code) = query.get("code") else {
            let error = text::shown(query.get("error").unwrap_or("no code"), 80);
            return Err(Refused::because("provider_refused", error));
        };
        let tokens = self
            .exchange(upstream, &metadata, code, &journey.verifier)
            .await?;
        let claimed = self.who(upstream, &metadata, &tokens, journey).await?;
        if upstream.admits(claimed.email.as_deref(), claimed.email_verified) {
            return Ok(claimed);
        }
        Err(Refused::because("domain_not_allowed", "email"))
    }

    async fn arrive(
        &self,
        web: &WebRequest<'_>,
        browser: &Browser,
        upstream: &UpstreamSettings,
        claimed: &Claimed,
        back: Back,
    ) -> Result<HttpReply, Trouble> {
        let person = self
            .know(&upstream.issuer, claimed, &upstream.default_role)
            .await?;
        if !person.active {
            let who = session::principal(&person.id, None, &Scopes::default());
            let decision = Decision::Deny("suspended");
            self.record(web, "sign_in", None, decision, json!({}), Some(&who));
            return self.not_signed_in(browser, &back, 403, SUSPENDED);
        }
        let candidate = Candidate {
            scopes: usable_of(&roles::scopes_of(&person.roles)),
            user_id: person.id,
            token_id: None,
            method: Method::OpenId,
            second_factor: claimed.second_factor,
        };
        self.proceed(web, browser, candidate, back).await
    }
}

/// RFC 9207: an answer of another provider is not for us.
fn check_issuer(query: &Params, metadata: &Metadata) -> Result<(), Refused> {
    match query.get("iss") {
        Some(issuer) if issuer == metadata.issuer => Ok(()),
        None if !metadata.authorization_response_iss_parameter_supported => Ok(()),
        _ => Err(Refused::because("wrong_issuer", "iss")),
    }
}

/// Why the provider's answer does not count.
#[derive(Debug)]
struct Refused {
    /// For the audit log, a constant word.
    reason: &'static str,
    /// For the log.
    cause: String,
}

impl Refused {
    fn because(reason: &'static str, cause: impl Into<String>) -> Self {
        Self {
            reason,
            cause: cause.into(),
        }
    }

    /// For the person.
    fn words(&self) -> &'static str {
        if self.reason == NOT_RECENT {
            SIGN_IN_NOT_RECENT
        } else {
            NOT_SIGNED_IN
        }
    }

    fn trouble(&self) -> Trouble {
        Trouble::ours(format!("{}: {}", self.reason, self.cause))
    }
}

impl From<Trouble> for Refused {
    fn from(trouble: Trouble) -> Self {
        Self::because("provider_unavailable", trouble.cause.unwrap_or_default())
    }
}
