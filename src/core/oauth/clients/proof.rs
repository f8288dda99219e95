//! How a client proves itself at the token, revocation and introspection endpoints: by the one
//! method that it registered (OAuth 2.1 section 2.4).

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::json;
use url::form_urlencoded;

use super::hash;
use crate::auth::throttle::network_of;
use crate::auth::{AuditEvent, Decision};
use crate::jose;
use crate::oauth::{AuthMethod, AuthorizationServer, Client, OAuthError, Params, WebRequest};
use crate::secret::same;

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const MAX_ID_CHARS: usize = 128;
/// Failures of one network in a minute before it is told to wait.
const FAILURES: i64 = 60;
/// Secrets tried by one network for one client in a minute, right or wrong.
const SECRETS: i64 = 300;
const MINUTE_MS: i64 = 60_000;

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What a request proves itself with.
pub(super) enum Presented {
    /// A name only.
    Nothing {
        id: String,
    },
    Secret {
        method: AuthMethod,
        id: String,
        /// The same secret in the forms it may mean.
        readings: Vec<Vec<u8>>,
    },
    Assertion {
        id: String,
        token: String,
    },
}

/// A no: what the client hears, and the word for the audit log.
pub(super) struct Refusal {
    pub error: Box<OAuthError>,
    pub reason: &'static str,
}

impl Refusal {
    pub fn client(reason: &'static str, description: &'static str) -> Self {
        Self {
            error: Box::new(OAuthError::invalid_client(description)),
            reason,
        }
    }

    fn request(description: &'static str) -> Self {
        Self {
            error: Box::new(OAuthError::invalid_request(description)),
            reason: "malformed",
        }
    }
}

impl<E: Into<OAuthError>> From<E> for Refusal {
    fn from(error: E) -> Self {
        let error: Box<OAuthError> = Box::new(error.into());
        let reason = match error.status {
            429 => "throttled",
            500.. => "unavailable",
            _ => "invalid_client",
        };
        Self { error, reason }
    }
}

impl AuthorizationServer {
    /// The client of a request to the token, revocation or introspection endpoint, proven by the
    /// very method it registered.
    pub(in crate::oauth) async fn authenticate_client(
        &self,
        web: &WebRequest<'_>,
        form: &Params,
    ) -> Result<Client, OAuthError> {
        let mut claimed = None;
        match self.prove_client(web, form, &mut claimed).await {
            Ok(client) => Ok(client),
            Err(refusal) => Err(self.client_refused(web, claimed.as_deref(), refusal).await),
        }
    }

    /// `claimed` is set to the client's name as soon as it is read.
    async fn prove_client(
        &self,
        web: &WebRequest<'_>,
        form: &Params,
        claimed: &mut Option<String>,
    ) -> Result<Client, Refusal> {
        let presented = read(web, form)?;
        *claimed = Some(presented.id().chars().take(MAX_ID_CHARS).collect());
        if form.get("client_id").is_some_and(|id| id != presented.id()) {
            return Err(Refusal::request(
                "client_id names another client than the one that authenticates",
            ));
        }
        let client = self.client_asked(presented.id(), &web.info).await?;
        let client = client.ok_or_else(|| {
            Refusal::client(
                "unknown_client",
                "the client is not known here, or its registration has expired; register it again",
            )
        })?;
        if client.auth != presented.method() {
            return Err(Refusal {
                error: Box::new(OAuthError::invalid_client(format!(
                    "this client authenticates by {}",
                    client.auth.name()
                ))),
                reason: "wrong_method",
            });
        }
        match presented {
            Presented::Nothing { .. } => {}
            Presented::Secret { readings, .. } => {
                self.count_secret(web, &client).await?;
                check_secret(&client, &readings)?;
            }
            Presented::Assertion { token, .. } => {
                self.check_assertion(web, &client, &token).await?;
            }
        }
        Ok(client)
    }

    async fn count_secret(&self, web: &WebRequest<'_>, client: &Client) -> Result<(), OAuthError> {
        let network = network_of(web.info.ip.as_deref());
        let id = format!(
            "client_secret:{network}:{}",
            hex::encode(hash(client.id.as_bytes()))
        );
        self.count_client(&id, SECRETS, MINUTE_MS).await
    }

    /// The audit row, and what the client hears: to wait, if it fails too often.
    async fn client_refused(
        &self,
        web: &WebRequest<'_>,
        claimed: Option<&str>,
        refusal: Refusal,
    ) -> OAuthError {
        let event = AuditEvent {
            action: "client_authenticate",
            resource_type: "client",
            resource_id: claimed,
            decision: Decision::Deny(refusal.reason),
            details: json!({"path": web.path}),
        };
        self.audit.record(event, None, &web.info);
        if refusal.error.status >= 429 {
            return *refusal.error;
        }
        let id = format!("client_failed:{}", network_of(web.info.ip.as_deref()));
        match self.count_client(&id, FAILURES, MINUTE_MS).await {
            Ok(()) => *refusal.error,
            Err(error) => error,
        }
    }
}

impl Presented {
    fn id(&self) -> &str {
        match self {
            Self::Nothing { id } | Self::Secret { id, .. } | Self::Assertion { id, .. } => id,
        }
    }

    fn method(&self) -> AuthMethod {
        match self {
            Self::Nothing { .. } => AuthMethod::None,
            Self::Secret { method, .. } => *method,
            Self::Assertion { .. } => AuthMethod::PrivateKeyJwt,
        }
    }
}

/// More than one way at once is refused (RFC 6749 section 2.3).
fn read(web: &WebRequest<'_>, form: &Params) -> Result<Presented, Refusal> {
    let header = web.headers.get("authorization");
    let secret = form.get("client_secret");
    let assertion = form.get("client_assertion");
    match (header, secret, assertion) {
        (Some(header), None, None) => basic(&header),
        (None, Some(secret), None) => Ok(Presented::Secret {
            method: AuthMethod::SecretPost,
            id: named(form)?,
            readings: vec![secret.as_bytes().to_vec()],
        }),
        (None, None, Some(token)) => by_assertion(form, token),
        (None, None, None) => Ok(Presented::Nothing { id: named(form)? }),
        _ => Err(Refusal::request(
            "send one of the Authorization header, client_secret and client_assertion",
        )),
    }
}

fn named(form: &Params) -> Result<String, Refusal> {
    form.get("client_id").map(str::to_owned).ok_or_else(|| {
        Refusal::client(
            "missing",
            "no client is named; send client_id and its proof",
        )
    })
}

fn by_assertion(form: &Params, token: &str) -> Result<Presented, Refusal> {
    if form.get("client_assertion_type") != Some(JWT_BEARER) {
        return Err(Refusal::request(
            "client_assertion_type must be \
             urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ));
    }
    let claims = jose::peek(token).ok().map(|token| token.claims);
    let subject = claims
        .as_ref()
        .and_then(|claims| claims.get("sub")?.as_str());
    let id = subject.ok_or_else(|| {
        Refusal::client(
            "malformed_assertion",
            "client_assertion is no JSON Web Token with a `sub`",
        )
    })?;
    Ok(Presented::Assertion {
        id: id.to_owned(),
        token: token.to_owned(),
    })
}

/// RFC 6749 section 2.3.1: name and secret are form-encoded before they are joined. Programs
/// that skip this are understood too, where it makes a difference to the secret.
fn basic(header: &str) -> Result<Presented, Refusal> {
    let wrong = || {
        Refusal::client(
            "malformed",
            "the Authorization header must be Basic with client_id:client_secret in base64",
        )
    };
    let (scheme, encoded) = header.trim().split_once(' ').ok_or_else(wrong)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(wrong());
    }
    let bytes = BASE64.decode(encoded.trim()).map_err(|_| wrong())?;
    let text = String::from_utf8(bytes).map_err(|_| wrong())?;
    let (id, secret) = text.split_once(':').ok_or_else(wrong)?;
    let id = decoded(id);
    if id.is_empty() {
        return Err(wrong());
    }
    // A public client has an empty password.
    if secret.is_empty() {
        return Ok(Presented::Nothing { id });
    }
    Ok(Presented::Secret {
        method: AuthMethod::SecretBasic,
        id,
        readings: vec![decoded(secret).into_bytes(), secret.as_bytes().to_vec()],
    })
}

fn decoded(text: &str) -> String {
    let with_equals_escaped = text.replace('&', "%26").replace('=', "%3D");
    let mut pairs = form_urlencoded::parse(with_equals_escaped.as_bytes());
    pairs
        .next()
        .map(|(name, _)| name.into_owned())
        .unwrap_or_default()
}

fn check_secret(client: &Client, readings: &[Vec<u8>]) -> Result<(), Refusal> {
    let known = client.secret_hash.as_ref();
    let fits = known.is_some_and(|known| {
        // Each reading is compared, whatever the others gave.
        let fitting = readings.iter().filter(|secret| same(&hash(secret), known));
        fitting.count() > 0
    });
    fits.then_some(())
        .ok_or_else(|| Refusal::client("wrong_secret", "the client's secret is wrong"))
}
