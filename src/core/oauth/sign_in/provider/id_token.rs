//! Who signed in (`OpenID` Connect Core sections 3.1.3.7 and 5.3).

use serde_json::{Map, Value};

use super::super::identities::Claimed;
use super::discovery::{self, Metadata};
use super::exchange::Tokens;
use super::{Journey, NOT_RECENT, Refused};
use crate::jose::{self, Algorithm, Decoded, JoseError};
use crate::oauth::AuthorizationServer;
use crate::oauth::pages::text;
use crate::oauth::settings::UpstreamSettings;
use crate::secret::same;

const ALGORITHMS: &[Algorithm] = &[Algorithm::Rs256, Algorithm::Es256];
const SLACK_S: i64 = 60;
/// A token of a sign-in that took place just now.
const MAX_AGE_S: i64 = 10 * 60;
const MAX_SUBJECT_BYTES: usize = 255;
const MAX_EMAIL_CHARS: usize = 254;
const MAX_NAME_CHARS: usize = 100;

impl AuthorizationServer {
    pub(super) async fn who(
        &self,
        upstream: &UpstreamSettings,
        metadata: &Metadata,
        tokens: &Tokens,
        journey: &Journey,
    ) -> Result<Claimed, Refused> {
        let mut claims = self.verified(metadata, &tokens.id_token).await?.claims;
        let now_s = self.audit.clock.now_ms().div_euclid(1000);
        check(&claims, upstream, &journey.nonce, now_s)
            .map_err(|what| Refused::because("bad_id_token", what))?;
        if journey.back.again && !is_since(&claims, journey.left_ms, now_s) {
            return Err(Refused::because(NOT_RECENT, "auth_time"));
        }
        if !claims.contains_key("email") || !claims.contains_key("name") {
            self.add_user_info(metadata, tokens, &mut claims).await?;
        }
        claimed(&claims).ok_or_else(|| Refused::because("bad_id_token", "sub"))
    }

    /// Keys change: an unknown one has them fetched again.
    async fn verified(&self, metadata: &Metadata, token: &str) -> Result<Decoded, Refused> {
        let keys = self.provider_keys(metadata, false).await?;
        let verified = match jose::verify(token, &keys, ALGORITHMS) {
            Err(JoseError::UnknownKey) => {
                let keys = self.provider_keys(metadata, true).await?;
                jose::verify(token, &keys, ALGORITHMS)
            }
            verified => verified,
        };
        verified.map_err(|error| Refused::because("bad_id_token", error.to_string()))
    }

    /// What the id token leaves out. It is about the same subject, or it does not count.
    async fn add_user_info(
        &self,
        metadata: &Metadata,
        tokens: &Tokens,
        claims: &mut Map<String, Value>,
    ) -> Result<(), Refused> {
        let (Some(url), Some(access)) = (&metadata.userinfo_endpoint, &tokens.access_token) else {
            return Ok(());
        };
        let mut request = discovery::get(url.clone());
        request
            .headers
            .push(("authorization", format!("Bearer {access}")));
        let Value::Object(said) = self.provider_json(request).await? else {
            return Err(Refused::because("bad_user_info", "no object"));
        };
        if said.get("sub") != claims.get("sub") {
            return Err(Refused::because("bad_user_info", "sub"));
        }
        for name in ["email", "email_verified", "name"] {
            if let (false, Some(value)) = (claims.contains_key(name), said.get(name)) {
                claims.insert(name.to_owned(), value.clone());
            }
        }
        Ok(())
    }
}

/// What is wrong with a token whose signature is right.
fn check(
    claims: &Map<String, Value>,
    upstream: &UpstreamSettings,
    nonce: &str,
    now_s: i64,
) -> Result<(), &'static str> {
    let text = |name| claims.get(name).and_then(Value::as_str);
    let whole = |name| claims.get(name).and_then(Value::as_i64);
    if text("iss") != Some(upstream.issuer.as_str()) {
        return Err("iss");
    }
    let audiences = audiences(claims);
    if !audiences.contains(&upstream.client_id.as_str()) {
        return Err("aud");
    }
    let party = text("azp");
    let ours = party == Some(upstream.client_id.as_str());
    if !ours && (audiences.len() > 1 || claims.contains_key("azp")) {
        return Err("azp");
    }
    if whole("exp").is_none_or(|exp| exp.saturating_add(SLACK_S) <= now_s) {
        return Err("exp");
    }
    let age_s = whole("iat").map(|iat| now_s.saturating_sub(iat));
    if age_s.is_none_or(|age_s| !(-SLACK_S..=MAX_AGE_S).contains(&age_s)) {
        return Err("iat");
    }
    if !text("nonce").is_some_and(|sent| same(sent.as_bytes(), nonce.as_bytes())) {
        return Err("nonce");
    }
    Ok(())
}

/// Whether the person signed in there since the browser left (section 3.1.3.7, step 13).
fn is_since(claims: &Map<String, Value>, left_ms: i64, now_s: i64) -> bool {
    let from_s = left_ms.div_euclid(1000).saturating_sub(SLACK_S);
    let until_s = now_s.saturating_add(SLACK_S);
    let signed_in_s = claims.get("auth_time").and_then(Value::as_i64);
    signed_in_s.is_some_and(|at_s| (from_s..=until_s).contains(&at_s))
}

fn audiences(claims: &Map<String, Value>) -> Vec<&str> {
    match claims.get("aud") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn claimed(claims: &Map<String, Value>) -> Option<Claimed> {
    let shown = |name: &str, most| {
        let said = claims.get(name).and_then(Value::as_str)?;
        let said = text::shown(said, most);
        (!said.is_empty()).then_some(said)
    };
    let subject = claims.get("sub")?.as_str()?;
    let factors = claims.get("amr").and_then(Value::as_array);
    let formed = !subject.is_empty()
        && subject.len() <= MAX_SUBJECT_BYTES
        && !subject.chars().any(char::is_control);
    formed.then(|| Claimed {
        subject: subject.to_owned(),
        email: shown("email", MAX_EMAIL_CHARS),
        email_verified: claims.get("email_verified") == Some(&Value::Bool(true)),
        name: shown("name", MAX_NAME_CHARS),
        second_factor: factors.is_some_and(|used| used.iter().any(|one| one == "mfa")),
    })
}
