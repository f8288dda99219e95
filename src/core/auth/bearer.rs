//! The `Authorization` header (RFC 6750 section 2.1, RFC 9449 section 7.1) and the forms of
//! our tokens. Tokens are taken from nowhere else: never from a query or a body.

use sha2::{Digest, Sha256};

use super::{AuthError, PrincipalKind};
use crate::jose::{MAX_TOKEN_BYTES, Unverified};

const MAX_TOKEN_CHARS: usize = 256;
const MIN_HEX_CHARS: usize = 32;
const MAX_NAME_CHARS: usize = 32;
/// Type of the tokens that services hold: `{service}_service_{hex}`.
pub(super) const SERVICE_TYPE: &str = "service";

/// A well-formed token, known by its hash alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presented<'a> {
    pub hash: [u8; 32],
    pub form: Form<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form<'a> {
    /// `{service}_{type}_{32 or more hex digits}`, a row of `api_tokens`.
    Key(PrincipalKind),
    /// A JWT of the authorization server.
    AccessToken { token: &'a str, scheme: Scheme },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    Bearer,
    Dpop,
}

/// Reads `Bearer {token}`, or `DPoP {access token}`.
pub fn presented(header: Option<&str>) -> Result<Presented<'_>, AuthError> {
    let header = header.map(str::trim).unwrap_or_default();
    if header.is_empty() {
        return Err(AuthError::Missing);
    }
    let (scheme, token) = header.split_once(' ').ok_or(AuthError::Malformed)?;
    let scheme = match scheme {
        _ if scheme.eq_ignore_ascii_case("bearer") => Scheme::Bearer,
        _ if scheme.eq_ignore_ascii_case("dpop") => Scheme::Dpop,
        _ => return Err(AuthError::Malformed),
    };
    let token = token.trim_start_matches(' ');
    let form = match (scheme, kind_of(token)) {
        (Scheme::Bearer, Some(kind)) => Form::Key(kind),
        (Scheme::Dpop, Some(_)) => return Err(AuthError::NotBound),
        (scheme, None) if is_signed(token) => Form::AccessToken { token, scheme },
        _ => return Err(AuthError::Malformed),
    };
    Ok(Presented {
        hash: Sha256::digest(token).into(),
        form,
    })
}

/// Whether the header holds what has the form of an access token.
pub fn is_access_token(header: Option<&str>) -> bool {
    let form = presented(header).map(|presented| presented.form);
    matches!(form, Ok(Form::AccessToken { .. }))
}

/// When the access token in the header ends, by its own word: for one that was admitted.
pub fn ends_ms(header: Option<&str>) -> Option<i64> {
    let Ok(Form::AccessToken { token, .. }) = presented(header).map(|presented| presented.form)
    else {
        return None;
    };
    let stated = Unverified::parse(token).ok()?;
    let seconds = stated.claims().get("exp")?.as_i64()?;
    Some(seconds.saturating_mul(1_000))
}

/// Three parts of base64url (RFC 7515 section 7.1).
fn is_signed(token: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    token.len() <= MAX_TOKEN_BYTES
        && token.bytes().all(known)
        && token.split('.').count() == 3
        && token.split('.').all(|part| !part.is_empty())
}

fn kind_of(token: &str) -> Option<PrincipalKind> {
    if token.len() > MAX_TOKEN_CHARS {
        return None;
    }
    let mut parts = token.split('_');
    let (service, kind, hex) = (parts.next()?, parts.next()?, parts.next()?);
    let formed = parts.next().is_none()
        && is_name(service)
        && is_name(kind)
        && hex.len() >= MIN_HEX_CHARS
        && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    let principal = if kind == SERVICE_TYPE {
        PrincipalKind::Service
    } else {
        PrincipalKind::User
    };
    formed.then_some(principal)
}

fn is_name(text: &str) -> bool {
    (1..=MAX_NAME_CHARS).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex() -> String {
        "0123456789abcdef".repeat(2)
    }

    #[test]
    fn the_scheme_has_no_case_and_the_hash_is_of_the_whole_token() {
        let token = format!("chitty_key_{}", hex());
        for scheme in ["Bearer", "bearer", "BEARER", "Bearer "] {
            let header = format!("{scheme} {token}");
            let found = presented(Some(&header)).unwrap();
            assert_eq!(found.hash, <[u8; 32]>::from(Sha256::digest(&token)));
            assert_eq!(found.form, Form::Key(PrincipalKind::User));
        }
    }

    #[test]
    fn service_tokens_are_known_by_their_type() {
        let header = format!("Bearer chittyid_service_{}", hex());
        let found = presented(Some(&header)).unwrap();
        assert_eq!(found.form, Form::Key(PrincipalKind::Service));
    }

    #[test]
    fn access_tokens_come_by_either_scheme_and_keys_by_one() {
        for (name, scheme) in [("bearer", Scheme::Bearer), ("DPoP", Scheme::Dpop)] {
            let header = format!("{name} eyJh.eyJh.c2ln");
            let token = "eyJh.eyJh.c2ln";
            let found = presented(Some(&header)).unwrap().form;
            assert_eq!(found, Form::AccessToken { token, scheme });
        }
        let header = format!("DPoP chitty_key_{}", hex());
        assert_eq!(presented(Some(&header)), Err(AuthError::NotBound));
    }

    #[test]
    fn nothing_is_missing_rather_than_malformed() {
        for header in [None, Some(""), Some("  ")] {
            assert_eq!(presented(header), Err(AuthError::Missing));
        }
    }

    #[test]
    fn other_forms_are_malformed() {
        let long = "a".repeat(MAX_TOKEN_CHARS);
        for header in [
            "Bearer".to_owned(),
            "Bearer x".to_owned(),
            "Bearer a.b".to_owned(),
            "Bearer a..b".to_owned(),
            "Bearer a.b.".to_owned(),
            "Bearer a.b.c.d.e".to_owned(),
            "Bearer a.b.c, Bearer a.b.c".to_owned(),
            "Bearer a.b.c+/=".to_owned(),
            format!("Bearer {}.b.c", "a".repeat(MAX_TOKEN_BYTES)),
            format!("Basic chitty_key_{}", hex()),
            format!("Bearer chitty_key_{}", &hex()[1..]),
            format!("Bearer chitty_key_{}g", hex()),
            format!("Bearer chitty_{}", hex()),
            format!("Bearer chitty_key_more_{}", hex()),
            format!("Bearer Chitty_key_{}", hex()),
            format!("Bearer _key_{}", hex()),
            format!("Bearer chitty_key_{} x", hex()),
            format!("Bearer chïtty_key_{}", hex()),
            format!("Bearer chitty_key_{}, Bearer x", hex()),
            format!("Bearer chitty_key_{long}"),
        ] {
            assert_eq!(
                presented(Some(&header)),
                Err(AuthError::Malformed),
                "{header}"
            );
        }
    }
}
