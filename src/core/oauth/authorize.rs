//! The authorization endpoint (OAuth 2.1 section 4.1.1): a request is checked whole before a
//! person sees anything of it.

use serde_json::json;

use super::pages::forms::WayBackView;
use super::pages::{Destination, text};
use super::{
    AuthorizationRequest, AuthorizationServer, Client, ClientSource, OAuthError, Params,
    WebRequest, redirect, scope,
};
use crate::auth::{AuditEvent, Decision};
use crate::http::HttpReply;

const MAX_STATE_BYTES: usize = 2048;
const MAX_NONCE_BYTES: usize = 512;
const MAX_HINT_BYTES: usize = 512;
const MAX_AUDITED_ID: usize = 128;
/// A SHA-256 in base64url: a challenge (RFC 7636 section 4.2) or a thumbprint.
const DIGEST_CHARS: usize = 43;

/// Why a request goes no further.
pub(super) enum Refusal {
    /// Who asks is not known, or where to answer: a person is told, and nobody redirected.
    Page(OAuthError),
    /// The client is told.
    Redirect(Back, OAuthError),
}

/// Where an answer goes.
pub(super) struct Back {
    redirect_uri: String,
    state: Option<String>,
    stranger: Option<Stranger>,
}

/// A client that nobody here vouches for, and the site that it wants people sent to.
struct Stranger {
    name: String,
    host: String,
}

impl Stranger {
    /// None where the answer stays on the person's machine.
    fn of(client: &Client, redirect_uri: &str) -> Option<Self> {
        match (client.source, Destination::of(redirect_uri)) {
            (ClientSource::Registered | ClientSource::Document, Destination::Site(host)) => {
                let name = text::shown_name(&client.name);
                Some(Self { name, host })
            }
            _ => None,
        }
    }
}

impl AuthorizationServer {
    pub(super) async fn authorize(&self, web: &WebRequest<'_>) -> HttpReply {
        let params = match web.method {
            "POST" => web.form(),
            _ => web.query(),
        };
        if web.method == "POST" && params.is_ok() {
            return self.by_get(web);
        }
        let checked = match &params {
            Ok(params) => self.checked_request(web, params).await,
            Err(error) => Err(Refusal::Page(error.clone())),
        };
        match checked {
            Ok((client, request)) => self.interact(web, &client, request).await,
            Err(refusal) => {
                let id = params
                    .as_ref()
                    .ok()
                    .and_then(|params| params.get("client_id"));
                self.turn_away(web, id, refusal)
            }
        }
    }

    /// Back to the client with `params`, `state`, and `iss` where the settings say so.
    pub(super) fn redirect_back(
        &self,
        request: &AuthorizationRequest,
        params: &[(&str, &str)],
    ) -> HttpReply {
        self.send_back(&request.redirect_uri, request.state.as_deref(), params)
    }

    fn send_back(&self, uri: &str, state: Option<&str>, params: &[(&str, &str)]) -> HttpReply {
        // 303: a browser must not send a form, perhaps with a key in it, on (RFC 9700
        // section 4.12).
        HttpReply::empty(303)
            .with_header("location", self.answer_uri(uri, state, params))
            .with_header("cache-control", "no-store")
            .with_header("pragma", "no-cache")
    }

    fn answer_uri(&self, uri: &str, state: Option<&str>, params: &[(&str, &str)]) -> String {
        let state = state.map(|state| ("state", state));
        let iss = self
            .settings
            .iss_in_responses
            .then(|| ("iss", self.issuer()));
        let all = params.iter().copied().chain(state).chain(iss);
        redirect::with_params(uri, all)
    }

    fn turn_away(&self, web: &WebRequest<'_>, id: Option<&str>, refusal: Refusal) -> HttpReply {
        let (Refusal::Page(error) | Refusal::Redirect(_, error)) = &refusal;
        let id: Option<String> = id.map(|id| id.chars().take(MAX_AUDITED_ID).collect());
        let event = AuditEvent {
            action: "authorize",
            resource_type: "client",
            resource_id: id.as_deref(),
            decision: Decision::Deny(error.code),
            details: json!({}),
        };
        self.audit.record(event, None, &web.info);
        match refusal {
            Refusal::Page(error) => {
                // A browser would ask for a password on 401.
                let status = if error.status == 401 {
                    400
                } else {
                    error.status
                };
                self.error_page(status, &error.description, web)
            }
            Refusal::Redirect(back, error) => self.told(web, &back, &error),
        }
    }

    /// Back to the client, before a person was asked. To the site of a stranger they go by a link
    /// of a page alone: else anybody who registers could make our address lead to theirs (RFC 9700
    /// section 4.11.2). A frame shows neither our pages nor our address, and silent sign-in, which
    /// takes place in one, waits for its answer there.
    fn told(&self, web: &WebRequest<'_>, back: &Back, error: &OAuthError) -> HttpReply {
        let description = error.plain_description();
        let params = [("error", error.code), ("error_description", &*description)];
        let state = back.state.as_deref();
        let framed = web.headers.get("sec-fetch-dest").as_deref() == Some("iframe");
        match &back.stranger {
            Some(stranger) if !framed => self.way_back_page(
                web,
                &WayBackView {
                    app: &stranger.name,
                    host: &stranger.host,
                    problem: &error.description,
                    uri: &self.answer_uri(&back.redirect_uri, state, &params),
                },
            ),
            _ => self.send_back(&back.redirect_uri, state, &params),
        }
    }

    pub(super) async fn checked_request(
        &self,
        web: &WebRequest<'_>,
        params: &Params,
    ) -> Result<(Client, AuthorizationRequest), Refusal> {
        let client = self
            .named_client(web, params)
            .await
            .map_err(Refusal::Page)?;
        let redirect_uri = redirect_uri(&client, params).map_err(Refusal::Page)?;
        let state = params.get("state").map(str::to_owned);
        let fits = state
            .as_ref()
            .is_none_or(|state| state.len() <= MAX_STATE_BYTES);
        let back = Back {
            stranger: Stranger::of(&client, &redirect_uri),
            redirect_uri,
            state: state.filter(|_| fits),
        };
        if !fits {
            let error = OAuthError::invalid_request("state may have up to 2048 bytes");
            return Err(Refusal::Redirect(back, error));
        }
        match self.read_request(&client, params, &back) {
            Ok(request) => Ok((client, request)),
            Err(error) => Err(Refusal::Redirect(back, error)),
        }
    }

    async fn named_client(
        &self,
        web: &WebRequest<'_>,
        params: &Params,
    ) -> Result<Client, OAuthError> {
        let id = params.require("client_id")?;
        let client = self.client_asked(id, &web.info).await?;
        client.ok_or_else(|| {
            OAuthError::invalid_client(
                "the program that sent you is not known here, or its registration has expired; \
                 remove the connection in it and connect again",
            )
        })
    }

    fn read_request(
        &self,
        client: &Client,
        params: &Params,
        back: &Back,
    ) -> Result<AuthorizationRequest, OAuthError> {
        check_kind(client, params)?;
        let code_challenge = code_challenge(client, params)?;
        let prompt = Prompt::read(params)?;
        let resource = self.resource_for(client, params)?;
        let request = AuthorizationRequest {
            client_id: client.id.clone(),
            redirect_uri: back.redirect_uri.clone(),
            scopes: scope::asked(client, params.get("scope"))?,
            state: back.state.clone(),
            resource,
            code_challenge,
            nonce: bounded(params, "nonce", MAX_NONCE_BYTES)?.map(str::to_owned),
            sign_in_again: prompt.sign_in_again,
            max_age: max_age(params)?,
            dpop_jkt: dpop_jkt(params)?,
        };
        bounded(params, "login_hint", MAX_HINT_BYTES)?;
        if prompt.silent {
            return Err(nobody_asked());
        }
        Ok(request)
    }
}

/// The registered URI that is meant: the only one, if none is sent (OAuth 2.1 section 4.1.1).
fn redirect_uri(client: &Client, params: &Params) -> Result<String, OAuthError> {
    match (params.get("redirect_uri"), client.redirect_uris.as_slice()) {
        (Some(asked), registered) if redirect::is_registered(registered, asked) => {
            Ok(asked.to_owned())
        }
        (None, [only]) => Ok(only.clone()),
        (None, _) => Err(OAuthError::invalid_request(
            "the program that sent you did not say where to return to (redirect_uri)",
        )),
        _ => Err(OAuthError::invalid_request(
            "the program that sent you asks to return to an address that it has not registered \
             (redirect_uri); if you did not start this yourself, close this page",
        )),
    }
}

/// The code flow, answered in the query, with plain parameters.
fn check_kind(client: &Client, params: &Params) -> Result<(), OAuthError> {
    for (name, code) in [
        ("request", "request_not_supported"),
        ("request_uri", "request_uri_not_supported"),
        ("registration", "registration_not_supported"),
    ] {
        if params.get(name).is_some() {
            let description = format!("{name} is not taken; send plain parameters");
            return Err(OAuthError::new(code, description));
        }
    }
    if params.require("response_type")? != "code" {
        let description = "response_type must be code; tokens are never in a redirect";
        return Err(OAuthError::new("unsupported_response_type", description));
    }
    if params
        .get("response_mode")
        .is_some_and(|mode| mode != "query")
    {
        return Err(OAuthError::invalid_request("response_mode must be query"));
    }
    if !client.may("authorization_code") {
        let description = "this client may not use the authorization code flow";
        return Err(OAuthError::new("unauthorized_client", description));
    }
    Ok(())
}

/// S256 alone: without a method RFC 7636 would mean `plain`, which shows the verifier.
fn code_challenge(client: &Client, params: &Params) -> Result<Option<String>, OAuthError> {
    let exempt = client.pkce_exempt && !client.is_public();
    match (
        params.get("code_challenge"),
        params.get("code_challenge_method"),
    ) {
        (None, None) if exempt => Ok(None),
        (None, _) => Err(OAuthError::invalid_request(
            "code_challenge is missing; send one with code_challenge_method S256 (PKCE)",
        )),
        (Some(challenge), Some("S256")) if is_digest(challenge) => Ok(Some(challenge.to_owned())),
        (Some(_), Some("S256")) => Err(OAuthError::invalid_request(
            "code_challenge must be a SHA-256 in base64url, 43 characters",
        )),
        (Some(_), _) => Err(OAuthError::invalid_request(
            "code_challenge_method must be S256",
        )),
    }
}

/// `prompt` (`OpenID` Connect Core section 3.1.2.1). Consent is asked for each request anyway.
#[derive(Default)]
struct Prompt {
    silent: bool,
    sign_in_again: bool,
}

impl Prompt {
    fn read(params: &Params) -> Result<Self, OAuthError> {
        let words = params.get("prompt").unwrap_or_default();
        let mut prompt = Self::default();
        for word in words.split_ascii_whitespace() {
            match word {
                "none" => prompt.silent = true,
                "login" | "select_account" => prompt.sign_in_again = true,
                "consent" => {}
                _ => {
                    return Err(OAuthError::invalid_request(
                        "prompt must be none, login, consent or select_account",
                    ));
                }
            }
        }
        if prompt.silent && words.split_ascii_whitespace().nth(1).is_some() {
            return Err(OAuthError::invalid_request("prompt none must stand alone"));
        }
        Ok(prompt)
    }
}

/// The answer to `prompt=none`: nothing is granted here without a person's yes. The same whether
/// somebody is signed in or not, which is no client's to learn this way.
fn nobody_asked() -> OAuthError {
    OAuthError::new(
        "login_required",
        "a person must be asked; send no prompt=none",
    )
}

fn max_age(params: &Params) -> Result<Option<i64>, OAuthError> {
    let Some(text) = params.get("max_age") else {
        return Ok(None);
    };
    let digits = text.len() <= 10 && text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = text.parse().ok().filter(|_| digits);
    seconds
        .map(Some)
        .ok_or_else(|| OAuthError::invalid_request("max_age must be a number of seconds"))
}

fn dpop_jkt(params: &Params) -> Result<Option<String>, OAuthError> {
    match params.get("dpop_jkt") {
        None => Ok(None),
        Some(jkt) if is_digest(jkt) => Ok(Some(jkt.to_owned())),
        Some(_) => Err(OAuthError::invalid_request(
            "dpop_jkt must be a SHA-256 in base64url, 43 characters",
        )),
    }
}

fn bounded<'a>(
    params: &'a Params,
    name: &'static str,
    limit: usize,
) -> Result<Option<&'a str>, OAuthError> {
    match params.get(name) {
        Some(value) if value.len() > limit => Err(OAuthError::invalid_request(format!(
            "{name} may have up to {limit} bytes"
        ))),
        value => Ok(value),
    }
}

fn is_digest(text: &str) -> bool {
    text.len() == DIGEST_CHARS
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}
