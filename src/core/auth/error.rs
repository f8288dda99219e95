/// Why a caller was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    #[error("No credential was sent; send the header `Authorization: Bearer <token>`.")]
    Missing,
    #[error(
        "The credential is malformed; send `Authorization: Bearer <service>_<type>_<hex>` with the token exactly as it was issued."
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
    #[error("The token lacks the scope {}; use one that has it.", .missing.join(", "))]
    InsufficientScope { missing: Vec<String> },
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
            Self::InsufficientScope { .. } => "insufficient_scope",
            Self::Unavailable => "unavailable",
            Self::TooMany { .. } => "too_many_guesses",
        }
    }

    /// Value of `WWW-Authenticate` (RFC 6750 section 3). `resource_metadata` is the URL of
    /// the protected resource's metadata (RFC 9728 section 5.1), where there is one.
    pub fn challenge(&self, resource_metadata: Option<&str>) -> Option<String> {
        let mut params = Vec::new();
        match self {
            Self::Unavailable | Self::TooMany { .. } => return None,
            // Without a credential the challenge names no error (RFC 6750 section 3.1).
            Self::Missing => {}
            Self::InsufficientScope { missing } => {
                params.push(("error", "insufficient_scope".to_owned()));
                params.push(("scope", missing.join(" ")));
            }
            _ => params.push(("error", "invalid_token".to_owned())),
        }
        if !params.is_empty() {
            params.push(("error_description", self.to_string()));
        }
        if let Some(url) = resource_metadata {
            params.push(("resource_metadata", url.to_owned()));
        }
        let quoted: Vec<_> = params
            .iter()
            .map(|(name, value)| format!("{name}=\"{}\"", quotable(value)))
            .collect();
        Some(
            format!("Bearer {}", quoted.join(", "))
                .trim_end()
                .to_owned(),
        )
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
    use super::*;

    #[test]
    fn challenges_follow_rfc_6750() {
        assert_eq!(AuthError::Missing.challenge(None).unwrap(), "Bearer");
        assert_eq!(
            AuthError::Missing.challenge(Some("https://a/b")).unwrap(),
            "Bearer resource_metadata=\"https://a/b\""
        );
        let expired = AuthError::Expired.challenge(None).unwrap();
        assert!(
            expired.starts_with("Bearer error=\"invalid_token\", error_description=\"The token")
        );
        let scope = AuthError::InsufficientScope {
            missing: vec!["chain:read".into(), "x\"y:z".into()],
        };
        let challenge = scope.challenge(None).unwrap();
        assert!(
            challenge.contains("scope=\"chain:read xy:z\""),
            "{challenge}"
        );
        assert_eq!(AuthError::Unavailable.challenge(Some("https://a")), None);
    }

    #[test]
    fn statuses_and_codes() {
        let scope = AuthError::InsufficientScope {
            missing: vec!["a:b".into()],
        };
        for (error, status, code) in [
            (AuthError::Missing, 401, "MISSING_CREDENTIAL"),
            (AuthError::Malformed, 401, "AUTHENTICATION_FAILED"),
            (AuthError::Unknown, 401, "AUTHENTICATION_FAILED"),
            (AuthError::Inactive, 401, "AUTHENTICATION_FAILED"),
            (AuthError::Expired, 401, "AUTHENTICATION_FAILED"),
            (scope, 403, "INSUFFICIENT_SCOPE"),
            (AuthError::Unavailable, 503, "NETWORK_ERROR"),
            (AuthError::TooMany { retry_after_s: 7 }, 429, "RATE_LIMITED"),
        ] {
            assert_eq!((error.status(), error.code()), (status, code));
            let waits = error.retry_after_s();
            assert_eq!(waits, (status == 429).then_some(7));
        }
    }
}
