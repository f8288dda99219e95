use super::Principal;

/// Lets its holder name another user in a `user_id` argument.
pub const DELEGATION_SCOPE: &str = "delegation:act";
const MAX_USER_ID_CHARS: usize = 255;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DelegationError {
    #[error(
        "`user_id` names another user; leave it out to act as yourself, or use a token with the scope {DELEGATION_SCOPE}"
    )]
    NotAllowed,
    #[error("`user_id` must be 1 to {MAX_USER_ID_CHARS} characters without control characters")]
    Malformed,
}

impl Principal {
    /// The user that a call acts for: the caller, or whom a caller with
    /// [`DELEGATION_SCOPE`] names.
    pub fn resolve_user(&self, requested: Option<&str>) -> Result<String, DelegationError> {
        let Some(requested) = requested.filter(|id| *id != self.user_id) else {
            return Ok(self.user_id.clone());
        };
        if !self.scopes.allows(DELEGATION_SCOPE) {
            return Err(DelegationError::NotAllowed);
        }
        let length = requested.chars().count();
        if length == 0 || length > MAX_USER_ID_CHARS || requested.chars().any(char::is_control) {
            return Err(DelegationError::Malformed);
        }
        Ok(requested.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{PrincipalKind, Scopes};
    use super::*;

    fn caller(scopes: &[&str]) -> Principal {
        Principal {
            user_id: "ann".into(),
            name: "key".into(),
            kind: PrincipalKind::User,
            scopes: Scopes::new(scopes.iter().copied()),
            token_id: "t".into(),
            client_id: None,
        }
    }

    #[test]
    fn everybody_may_act_as_themselves() {
        assert_eq!(caller(&[]).resolve_user(None).unwrap(), "ann");
        assert_eq!(caller(&[]).resolve_user(Some("ann")).unwrap(), "ann");
    }

    #[test]
    fn naming_another_needs_the_scope() {
        let refused = caller(&["chatgpt:*"]).resolve_user(Some("bob"));
        assert_eq!(refused, Err(DelegationError::NotAllowed));
        for scope in [DELEGATION_SCOPE, "admin:*"] {
            assert_eq!(caller(&[scope]).resolve_user(Some("bob")).unwrap(), "bob");
        }
    }

    #[test]
    fn a_named_user_is_bounded_text() {
        let caller = caller(&[DELEGATION_SCOPE]);
        for id in ["", "a\nb", &"x".repeat(256)] {
            let resolved = caller.resolve_user(Some(id));
            assert_eq!(resolved, Err(DelegationError::Malformed));
        }
    }
}
