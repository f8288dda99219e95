//! Who is calling, told by one of our workers to another over a service binding.
//!
//! `v1.<key id>.<base64url(JSON)>.<base64url(HMAC-SHA256)>` in [`HEADER`], for one
//! audience and a minute. The key derives from the shared encryption key. Within its
//! minute a statement can be used again, which is safe because only our workers see it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::Principal;
use crate::seal::{SealError, Sealer};

/// Request header that carries the statement.
pub const HEADER: &str = "X-Chitty-Assertion";
pub const LIFE_MS: i64 = 60_000;
/// How far the clock of the issuer may be ahead.
const SKEW_MS: i64 = 5_000;
const MAX_CHARS: usize = 16 * 1024;
const PURPOSE: &str = "assertion";

/// What a verified statement says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assertion {
    #[serde(rename = "sub")]
    pub principal: Principal,
    /// The request that the call is part of.
    #[serde(rename = "rid")]
    pub request_id: String,
    #[serde(rename = "aud")]
    audience: String,
    #[serde(rename = "iat")]
    issued_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssertionError {
    #[error("the call carries no valid statement of its caller; call through the public endpoint")]
    Malformed,
    #[error("the statement is signed by an unknown key; give all workers the same encryption key")]
    UnknownKey,
    #[error("the statement's signature is wrong")]
    Forged,
    #[error("the statement is for another service")]
    WrongAudience,
    #[error("the statement has expired; issue one for each call")]
    Expired,
}

/// A statement for `audience`, the name of the worker called.
pub fn issue(
    principal: &Principal,
    audience: &str,
    request_id: &str,
    now_ms: i64,
    key: &Sealer,
) -> Result<String, serde_json::Error> {
    let payload = serde_json::to_vec(&Assertion {
        principal: principal.clone(),
        request_id: request_id.to_owned(),
        audience: audience.to_owned(),
        issued_ms: now_ms,
    })?;
    let signed = format!("v1.{}.{}", key.key_id(), URL_SAFE_NO_PAD.encode(payload));
    let tag = URL_SAFE_NO_PAD.encode(key.mac(PURPOSE, signed.as_bytes()));
    Ok(format!("{signed}.{tag}"))
}

/// Refuses everything but an unexpired statement for `audience` under a known key.
pub fn verify(
    text: &str,
    audience: &str,
    now_ms: i64,
    key: &Sealer,
) -> Result<Assertion, AssertionError> {
    let payload = authentic(text, key)?;
    let assertion: Assertion =
        serde_json::from_slice(&payload).map_err(|_| AssertionError::Malformed)?;
    if assertion.audience != audience {
        return Err(AssertionError::WrongAudience);
    }
    let age_ms = now_ms.saturating_sub(assertion.issued_ms);
    if !(-SKEW_MS..LIFE_MS).contains(&age_ms) {
        return Err(AssertionError::Expired);
    }
    Ok(assertion)
}

/// The payload, if the signature over it holds.
fn authentic(text: &str, key: &Sealer) -> Result<Vec<u8>, AssertionError> {
    if text.len() > MAX_CHARS {
        return Err(AssertionError::Malformed);
    }
    let (signed, tag) = text.rsplit_once('.').ok_or(AssertionError::Malformed)?;
    let (key_id, payload) = signed
        .strip_prefix("v1.")
        .and_then(|rest| rest.split_once('.'))
        .ok_or(AssertionError::Malformed)?;
    let decode = |part| {
        URL_SAFE_NO_PAD
            .decode(part)
            .map_err(|_| AssertionError::Malformed)
    };
    key.verify_mac(PURPOSE, key_id, signed.as_bytes(), &decode(tag)?)
        .map_err(|error| match error {
            SealError::UnknownKey(_) => AssertionError::UnknownKey,
            _ => AssertionError::Forged,
        })?;
    decode(payload)
}

#[cfg(test)]
mod tests {
    use super::super::{PrincipalKind, Scopes};
    use super::*;
    use crate::secret::Secret;

    const NOW: i64 = 1_795_262_349_123;

    fn key(digits: &str) -> Secret {
        Secret::new(digits.repeat(32))
    }

    fn sealer() -> Sealer {
        Sealer::new(&key("01"), &[]).unwrap()
    }

    fn principal() -> Principal {
        Principal {
            user_id: "ann".into(),
            name: "key".into(),
            kind: PrincipalKind::User,
            scopes: Scopes::new(["chatgpt:complete"]),
            token_id: "t".into(),
            client_id: None,
        }
    }

    fn issued() -> String {
        issue(&principal(), "chatgpt", "req-1", NOW, &sealer()).unwrap()
    }

    #[test]
    fn the_principal_and_request_arrive() {
        let found = verify(&issued(), "chatgpt", NOW + 1, &sealer()).unwrap();
        assert_eq!(found.principal, principal());
        assert_eq!(found.request_id, "req-1");
    }

    #[test]
    fn it_lives_a_minute_for_one_audience() {
        let at = |audience, now| verify(&issued(), audience, now, &sealer());
        assert!(at("chatgpt", NOW + LIFE_MS - 1).is_ok());
        assert_eq!(at("chatgpt", NOW + LIFE_MS), Err(AssertionError::Expired));
        assert!(at("chatgpt", NOW - SKEW_MS).is_ok());
        assert_eq!(
            at("chatgpt", NOW - SKEW_MS - 1),
            Err(AssertionError::Expired)
        );
        assert_eq!(at("fortress", NOW), Err(AssertionError::WrongAudience));
    }

    #[test]
    fn any_change_is_refused() {
        let text = issued();
        for index in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(
                verify(&changed, "chatgpt", NOW, &sealer()).is_err(),
                "{index}"
            );
        }
        for text in ["", "v1", "v1.x.y.z", "...."] {
            assert!(verify(text, "chatgpt", NOW, &sealer()).is_err());
        }
    }

    #[test]
    fn keys_rotate_without_refusals() {
        let rotated = Sealer::new(&key("02"), &[key("01")]).unwrap();
        assert!(verify(&issued(), "chatgpt", NOW, &rotated).is_ok());
        let newer = issue(&principal(), "chatgpt", "r", NOW, &rotated).unwrap();
        assert_eq!(
            verify(&newer, "chatgpt", NOW, &sealer()),
            Err(AssertionError::UnknownKey)
        );
    }
}
