use super::dpop::DpopError;
use super::protected_resource::{ALGORITHM, ProtectedResource};

/// Why a caller was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    #[error("No credential was sent; send the header `Authorization: Bearer <token>`.")]
    Missing,
    #[error(
        "The credential is malformed; send `Authorization: Bearer <token>` with the token exactly as it was issued."
    )]
    Malformed,
    #[error(
        "The token is not known; check that it is complete and was issued for this environment."
    )]
    Unknown,
    #[error("The token is not active; ask for a new one.")]
    Inactive,
    #[error("The token has expired; ask for a new one.")]
    Expired,
    #[error("The token is for another resource; ask for one with `resource` set to this one.")]
    WrongAudience,
    #[error("The token is bound to a key; send it as `Authorization: DPoP <token>` with a proof.")]
    Bound,
    #[error("The token is bound to no key or another; use the one that it was asked for with.")]
    NotBound,
    #[error("The proof of possession does not hold: {0}.")]
    Proof(DpopError),
    #[error("The token lacks the scope {}; use one that has it.", .missing.join(", "))]
    InsufficientScope {
        /// All that the call needs.
        needed: Vec<String>,
        /// What of it was not granted.
        missing: Vec<String>,
    },
    #[error("The token could not be checked just now; try again in a few seconds.")]
    Unavailable,
    #[error(
        "Too many wrong tokens came from this address; try again in {retry_after_s} seconds with a token exactly as it was issued."
    )]
    TooMany { retry_after_s: i64 },
}

impl AuthError {
    /// HTTP status (RFC 6750 section 3.1).
    pub fn status(&self) -> u16 {
        match self {
            Self::InsufficientScope { .. } => 403,
            Self::Unavailable => 503,
            Self::TooMany { .. } => 429,
            _ => 401,
        }
    }

    /// Seconds to wait (RFC 9110 section 10.2.3), where waiting helps.
    pub fn retry_after_s(&self) -> Option<i64> {
        match self {
            Self::TooMany { retry_after_s } => Some(*retry_after_s),
            _ => None,
        }
    }

    /// The error code in bodies.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Missing => "MISSING_CREDENTIAL",
            Self::InsufficientScope { .. } => "INSUFFICIENT_SCOPE",
            Self::Unavailable => "NETWORK_ERROR",
            Self::TooMany { .. } => "RATE_LIMITED",
            _ => "AUTHENTICATION_FAILED",
        }
    }

    /// The reason in the audit log.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
            Self::Inactive => "inactive",
            Self::Expired => "expired",
            Self::WrongAudience => "wrong_audience",
            Self::Bound => "bound",
            Self::NotBound => "not_bound",
            Self::Proof(_) => "proof",
            Self::InsufficientScope { .. } => "insufficient_scope",
            Self::Unavailable => "unavailable",
            Self::TooMany { .. } => "too_many_guesses",
        }
    }

    /// Value of `WWW-Authenticate` (RFC 6750 section 3, RFC 9449 section 7.1): where the
    /// client finds its way to a token for `resource` (RFC 9728 section 5.1), and the scopes to
    /// ask for, all in one challenge. None where no token would help.
    pub fn challenge(&self, resource: Option<&ProtectedResource>) -> Option<String> {
        let mut params = Vec::new();
        if let Some(code) = self.oauth_code()? {
            params.push(("error", code.to_owned()));
            params.push(("error_description", self.to_string()));
        }
        let resource = resource.filter(|resource| resource.metadata_url.is_some());
        let scope = match self {
            Self::InsufficientScope { needed, .. } => needed.join(" "),
            _ => resource.map_or_else(String::new, |resource| resource.first_scopes.clone()),
        };
        if !scope.is_empty() {
            params.push(("scope", scope));
        }
        if let Some(url) = resource.and_then(|resource| resource.metadata_url.clone()) {
            params.push(("resource_metadata", url));
        }
        let mut scheme = "Bearer";
        if matches!(self, Self::Bound | Self::NotBound | Self::Proof(_)) {
            scheme = "DPoP";
            params.push(("algs", ALGORITHM.to_owned()));
        }
        let quoted: Vec<_> = params
            .iter()
            .map(|(name, value)| format!("{name}=\"{}\"", quotable(value)))
            .collect();
        let challenge = format!("{scheme} {}", quoted.join(", "));
        Some(challenge.trim_end().to_owned())
    }

    /// The error code of a challenge. Inner None: without a credential a challenge names no
    /// error (RFC 6750 section 3.1). Outer None: there is no challenge.
    #[expect(clippy::option_option, reason = "as the comment says")]
    fn oauth_code(&self) -> Option<Option<&'static str>> {
        Some(match self {
            Self::Unavailable | Self::TooMany { .. } => return None,
            Self::Missing => None,
            Self::InsufficientScope { .. } => Some("insufficient_scope"),
            Self::Proof(_) => Some("invalid_dpop_proof"),
            _ => Some("invalid_token"),
        })
    }
}

/// Without what a quoted string (RFC 9110 section 5.6.4) or `error_description` cannot
/// hold unescaped.
fn quotable(text: &str) -> String {
    text.chars()
        .filter(|c| matches!(c, ' '..='~') && !matches!(c, '"' | '\\'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::Scopes;
    use super::super::protected_resource::ResourceTraits;
    use super::*;

    fn resource() -> ProtectedResource {
        let traits = ResourceTraits {
            name: "Test",
            issuer: Some("https://auth.example"),
            scopes: Scopes::new(["chain:verify", "execution:run"]),
        };
        ProtectedResource::new("https://a.example", &traits)
    }

    fn lacking() -> AuthError {
        AuthError::InsufficientScope {
            needed: vec!["execution:run".into(), "x\"y:z".into()],
            missing: vec!["x\"y:z".into()],
        }
    }

    const WHERE: &str =
        "resource_metadata=\"https://a.example/.well-known/oauth-protected-resource/mcp\"";

    #[test]
    fn without_a_credential_a_challenge_shows_the_way_and_no_error() {
        let told = AuthError::Missing.challenge(Some(&resource())).unwrap();
        assert_eq!(
            told,
            format!("Bearer scope=\"chain:verify execution:run\", {WHERE}")
        );
        assert_eq!(AuthError::Missing.challenge(None).unwrap(), "Bearer");
    }

    #[test]
    fn a_refused_token_is_named_as_such() {
        let expired = AuthError::Expired.challenge(Some(&resource())).unwrap();
        assert!(expired.starts_with("Bearer error=\"invalid_token\", error_description=\"The to"));
        assert!(expired.ends_with(&format!("scope=\"chain:verify execution:run\", {WHERE}")));
        assert_eq!(AuthError::Unavailable.challenge(Some(&resource())), None);
    }

    #[test]
    fn all_that_a_call_needs_stands_in_one_challenge() {
        let told = lacking().challenge(Some(&resource())).unwrap();
        assert!(told.starts_with("Bearer error=\"insufficient_scope\", error_description="));
        assert!(
            told.contains("scope=\"execution:run xy:z\"") && told.contains(WHERE),
            "{told}"
        );
    }

    #[test]
    fn tokens_of_keys_are_asked_for_by_their_own_scheme() {
        let proof = AuthError::Proof(DpopError::Time);
        for (error, code) in [
            (AuthError::Bound, "invalid_token"),
            (AuthError::NotBound, "invalid_token"),
            (proof, "invalid_dpop_proof"),
        ] {
            let told = error.challenge(Some(&resource())).unwrap();
            assert!(
                told.starts_with(&format!("DPoP error=\"{code}\"")),
                "{told}"
            );
            assert!(told.ends_with("algs=\"ES256\""), "{told}");
        }
    }

    #[test]
    fn statuses_and_codes() {
        for (error, status, code) in [
            (AuthError::Missing, 401, "MISSING_CREDENTIAL"),
            (AuthError::Malformed, 401, "AUTHENTICATION_FAILED"),
            (AuthError::Unknown, 401, "AUTHENTICATION_FAILED"),
            (AuthError::Inactive, 401, "AUTHENTICATION_FAILED"),
            (AuthError::Expired, 401, "AUTHENTICATION_FAILED"),
            (AuthError::WrongAudience, 401, "AUTHENTICATION_FAILED"),
            (lacking(), 403, "INSUFFICIENT_SCOPE"),
            (AuthError::Unavailable, 503, "NETWORK_ERROR"),
            (AuthError::TooMany { retry_after_s: 7 }, 429, "RATE_LIMITED"),
        ] {
            assert_eq!((error.status(), error.code()), (status, code));
            let waits = error.retry_after_s();
            assert_eq!(waits, (status == 429).then_some(7));
        }
    }
}
