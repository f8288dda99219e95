//! The `Authorization` header (RFC 6750 section 2.1) and the form of our tokens.

use sha2::{Digest, Sha256};

use super::{AuthError, PrincipalKind};

const MAX_TOKEN_CHARS: usize = 256;
const MIN_HEX_CHARS: usize = 32;
const MAX_NAME_CHARS: usize = 32;
/// Type of the tokens that services hold: `{service}_service_{hex}`.
pub(super) const SERVICE_TYPE: &str = "service";

/// A well-formed token, known by its hash alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presented {
    pub hash: [u8; 32],
    pub kind: PrincipalKind,
}

/// Reads `Bearer {service}_{type}_{32 or more hex digits}`.
pub fn presented(header: Option<&str>) -> Result<Presented, AuthError> {
    let header = header.map(str::trim).unwrap_or_default();
    if header.is_empty() {
        return Err(AuthError::Missing);
    }
    let (scheme, token) = header.split_once(' ').ok_or(AuthError::Malformed)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(AuthError::Malformed);
    }
    let token = token.trim_start_matches(' ');
    let kind = kind_of(token).ok_or(AuthError::Malformed)?;
    Ok(Presented {
        hash: Sha256::digest(token).into(),
        kind,
    })
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
            let found = presented(Some(&format!("{scheme} {token}"))).unwrap();
            assert_eq!(found.hash, <[u8; 32]>::from(Sha256::digest(&token)));
            assert_eq!(found.kind, PrincipalKind::User);
        }
    }

    #[test]
    fn service_tokens_are_known_by_their_type() {
        let header = format!("Bearer chittyid_service_{}", hex());
        assert_eq!(
            presented(Some(&header)).unwrap().kind,
            PrincipalKind::Service
        );
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
