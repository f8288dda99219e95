//! Roles: named sets of scopes, for people and services as a whole. Rows hold scopes or role
//! names; what is checked is always scopes.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Scopes, catalogue};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees what is theirs and changes nothing: what a caller from outside gets.
    Reader,
    /// Asks models too.
    Analyst,
    /// Works on cases: signed runs and evidence too.
    Counsel,
    /// Runs the service: sees what was decided, changes nobody's data.
    Operator,
    Admin,
    /// A program that works for users.
    Service,
}

const ANALYST: &[&str] = &[
    "chatgpt:complete",
    "chatgpt:sessions",
    "chatgpt:keys",
    "chatgpt:erase",
    "execution:run",
];
/// Whoever makes keys says what they may spend.
const COUNSEL: &[&str] = &[
    "fortress:execute",
    "evidence:package",
    "evidence:erase",
    "chain:assert",
    "token:manage",
    "chatgpt:budget",
];
const OPERATOR: &[&str] = &[
    "chain:read_all",
    "fortress:keys",
    "audit:read",
    "token:manage",
    "chatgpt:budget",
];
const SERVICE: &[&str] = &["delegation:act", "token:manage", "token:mint_service"];

impl Role {
    /// From the one that may do least.
    pub const ALL: [Self; 6] = [
        Self::Reader,
        Self::Analyst,
        Self::Counsel,
        Self::Operator,
        Self::Service,
        Self::Admin,
    ];

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Analyst => "analyst",
            Self::Counsel => "counsel",
            Self::Operator => "operator",
            Self::Service => "service",
            Self::Admin => "admin",
        }
    }

    /// Each role has the reader's scopes, and more.
    pub fn scopes(self) -> Scopes {
        let more: &[&[&str]] = match self {
            Self::Reader => &[],
            Self::Analyst => &[ANALYST],
            Self::Counsel => &[ANALYST, COUNSEL],
            Self::Operator => &[OPERATOR],
            Self::Service => &[ANALYST, COUNSEL, SERVICE],
            Self::Admin => return Scopes::new(["admin:*"]),
        };
        let reader = catalogue::read_only();
        Scopes::new(reader.iter().chain(more.iter().copied().flatten().copied()))
    }
}

/// All that these roles may. An unknown name adds nothing.
pub fn scopes_of<S: AsRef<str>>(roles: impl IntoIterator<Item = S>) -> Scopes {
    let mut all = Vec::new();
    for role in roles
        .into_iter()
        .filter_map(|name| Role::named(name.as_ref()))
    {
        all.extend(role.scopes().iter().map(str::to_owned));
    }
    Scopes::new(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scope_of_a_role_is_in_the_catalogue() {
        for role in Role::ALL {
            let scopes = role.scopes();
            for scope in scopes.iter() {
                assert!(catalogue::find(scope).is_some(), "{role:?}: {scope}");
            }
            assert_eq!(Role::named(role.name()), Some(role));
            let written = serde_json::to_value(role).unwrap();
            assert_eq!(written, role.name());
        }
    }

    #[test]
    fn readers_change_nothing_and_only_admins_may_everything() {
        let reader = Role::Reader.scopes();
        for scope in catalogue::SCOPES {
            assert_eq!(reader.allows(scope.name), scope.read_only, "{}", scope.name);
            let holders = Role::ALL
                .into_iter()
                .filter(|role| role.scopes().allows(scope.name));
            assert!(holders.count() >= 1);
        }
        for role in Role::ALL {
            assert_eq!(role.scopes().allows("admin:*"), role == Role::Admin);
            assert!(reader.iter().all(|scope| role.scopes().allows(scope)));
        }
    }

    #[test]
    fn roles_add_up_and_unknown_ones_are_nothing() {
        let both = scopes_of(["analyst", "operator"]);
        assert!(both.allows("execution:run") && both.allows("audit:read"));
        assert!(!both.allows("fortress:execute"));
        assert_eq!(scopes_of(["Admin", "root", ""]), Scopes::default());
        assert_eq!(scopes_of(Vec::<String>::new()), Scopes::default());
    }
}
