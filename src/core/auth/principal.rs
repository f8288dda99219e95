use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::AuthError;

/// The authenticated caller of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Principal {
    /// User id that owns what the caller makes.
    pub user_id: String,
    /// Name of the token, for people reading the audit log.
    pub name: String,
    pub kind: PrincipalKind,
    pub scopes: Scopes,
    /// Row id of the key in `api_tokens`; with an access token, of the grant in
    /// `oauth_grants`.
    pub token_id: String,
    /// The OAuth client that acts for the user.
    #[serde(default)]
    pub client_id: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PrincipalKind {
    #[default]
    User,
    Service,
}

/// Granted scopes, `{service}:{action}`. `{service}:*` grants every action of a service
/// and `admin:*` everything. An empty set grants nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scopes(BTreeSet<String>);

/// Grants everything.
const ADMIN: &str = "admin:*";

impl Scopes {
    pub fn new<S: Into<String>>(scopes: impl IntoIterator<Item = S>) -> Self {
        Self(scopes.into_iter().map(Into::into).collect())
    }

    pub fn allows(&self, needed: &str) -> bool {
        if self.0.contains(ADMIN) || self.0.contains(needed) {
            return true;
        }
        needed
            .split_once(':')
            .is_some_and(|(service, _)| self.0.contains(&format!("{service}:*")))
    }

    /// The scopes of `needed` that are not granted.
    pub fn missing<'a>(&self, needed: &[&'a str]) -> Vec<&'a str> {
        needed
            .iter()
            .copied()
            .filter(|scope| !self.allows(scope))
            .collect()
    }

    /// Refuses a caller that lacks any scope in `needed`.
    pub fn require(&self, needed: &[&str]) -> Result<(), AuthError> {
        let missing = self.missing(needed);
        if missing.is_empty() {
            return Ok(());
        }
        let owned = |scopes: &[&str]| scopes.iter().map(|scope| (*scope).to_owned()).collect();
        Err(AuthError::InsufficientScope {
            needed: owned(needed),
            missing: owned(&missing),
        })
    }

    /// Those of these that `held` allows too. Scopes about the person, which name no service,
    /// stay: no key or role has them.
    #[must_use]
    pub fn within(&self, held: &Self) -> Self {
        let kept = |scope: &&str| !scope.contains(':') || held.allows(scope);
        Self::new(self.iter().filter(kept))
    }

    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_match_exactly_by_service_or_by_admin() {
        let scopes = Scopes::new(["chatgpt:complete", "chain:*"]);
        assert!(scopes.allows("chatgpt:complete"));
        assert!(!scopes.allows("chatgpt:stream"));
        assert!(scopes.allows("chain:append"));
        assert!(!scopes.allows("chainsaw:append"));
        assert!(Scopes::new(["admin:*"]).allows("fortress:execute"));
        assert!(!Scopes::default().allows("chatgpt:complete"));
        assert!(!Scopes::new(["admin"]).allows("chatgpt:complete"));
        assert_eq!(
            scopes.missing(&["chain:read", "fortress:execute"]),
            ["fortress:execute"]
        );
    }
}
