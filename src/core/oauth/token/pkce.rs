//! RFC 7636, method S256 alone.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::secret::same;

/// Whether `verifier` proves that its sender asked for the code. A code without a challenge
/// takes none (RFC 9700 section 4.8.2: no downgrade).
pub(super) fn proves(verifier: Option<&str>, challenge: Option<&str>) -> bool {
    match (verifier, challenge) {
        (None, None) => true,
        (Some(verifier), Some(challenge)) => {
            let computed = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
            is_formed(verifier) && same(computed.as_bytes(), challenge.as_bytes())
        }
        _ => false,
    }
}

/// 43 to 128 unreserved characters (section 4.1).
fn is_formed(verifier: &str) -> bool {
    (43..=128).contains(&verifier.len())
        && verifier
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7636 appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn challenge(verifier: &str) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
    }

    #[test]
    fn the_example_of_the_standard_proves() {
        assert!(proves(Some(VERIFIER), Some(CHALLENGE)));
    }

    #[test]
    fn plain_missing_and_unasked_verifiers_do_not() {
        assert!(!proves(Some(CHALLENGE), Some(CHALLENGE)));
        assert!(!proves(None, Some(CHALLENGE)));
        assert!(!proves(Some(VERIFIER), None));
        assert!(!proves(Some(VERIFIER), Some("")));
        assert!(!proves(Some(VERIFIER), Some(&CHALLENGE.to_lowercase())));
        assert!(proves(None, None));
    }

    #[test]
    fn a_verifier_has_43_to_128_unreserved_characters() {
        for (verifier, good) in [
            ("a".repeat(42), false),
            ("a".repeat(43), true),
            ("~".repeat(128), true),
            ("a".repeat(129), false),
            ("a b".repeat(20), false),
            ("ä".repeat(30), false),
            ("a+".repeat(30), false),
        ] {
            assert_eq!(
                proves(Some(&verifier), Some(&challenge(&verifier))),
                good,
                "{verifier}"
            );
        }
    }
}
