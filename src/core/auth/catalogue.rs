//! Every scope there is, in words for people.

use super::Scopes;

/// A scope as the consent page and the documents tell of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScopeInfo {
    pub name: &'static str,
    /// Completes "This lets it …".
    pub words: &'static str,
    /// It changes nothing and costs nothing: what an outside caller gets by default.
    pub read_only: bool,
    /// Using it costs its owner money.
    pub costly: bool,
    /// A client may ask a person for it; the others are given to keys only.
    pub grantable: bool,
}

const fn read(name: &'static str, words: &'static str) -> ScopeInfo {
    ScopeInfo {
        name,
        words,
        read_only: true,
        costly: false,
        grantable: true,
    }
}

const fn act(name: &'static str, words: &'static str) -> ScopeInfo {
    ScopeInfo {
        name,
        words,
        read_only: false,
        costly: false,
        grantable: true,
    }
}

const fn spend(name: &'static str, words: &'static str) -> ScopeInfo {
    ScopeInfo {
        costly: true,
        ..act(name, words)
    }
}

const fn kept(name: &'static str, words: &'static str) -> ScopeInfo {
    ScopeInfo {
        name,
        words,
        read_only: false,
        costly: false,
        grantable: false,
    }
}

/// In the order in which people read them.
pub const SCOPES: &[ScopeInfo] = &[
    read(
        "execution:read",
        "see your executions and search your records",
    ),
    read("chain:verify", "check your facts in the log"),
    read("fortress:verify", "check signatures"),
    spend("chatgpt:complete", "ask a model, at your cost"),
    read(
        "chatgpt:read",
        "see your chat sessions, templates, model settings, usage and budgets",
    ),
    act(
        "chatgpt:sessions",
        "start, continue, change and delete your chat sessions, templates and model settings",
    ),
    spend("execution:run", "run executions, at your cost"),
    spend(
        "fortress:execute",
        "run signed executions in the fortress, at your cost",
    ),
    act(
        "evidence:package",
        "put evidence on file and make packages of your executions",
    ),
    // For good: nothing that is logged goes away again.
    act("chain:assert", "log facts in your name, for good"),
    // A client that could replace one would have prompts sent to an account of its own.
    kept(
        "chatgpt:keys",
        "deposit, replace and revoke your keys of model providers",
    ),
    // A client that could raise what it may spend would have no budget.
    kept(
        "chatgpt:budget",
        "set what you and your keys may spend and how fast",
    ),
    // What a model is talked into cannot be taken back.
    kept("chatgpt:erase", "delete all your chat data"),
    kept("chatgpt:publish", "make session templates for everybody"),
    // Nor can what is erased be brought back.
    kept(
        "evidence:erase",
        "erase the content of your executions for good",
    ),
    // Whoever holds it decides which signatures hold.
    kept(
        "fortress:keys",
        "replace and revoke the keys that sign runs",
    ),
    // A client that could make keys would outlive its grant.
    kept("token:manage", "make and revoke keys of yours"),
    kept("chain:read_all", "check everybody's facts in the log"),
    kept("audit:read", "read and export the audit log"),
    kept("delegation:act", "act on other users' data"),
    kept("token:mint_service", "make keys for services"),
    kept(
        "worker:verify",
        "have many signatures checked at once, as our own workers do",
    ),
    // What is signed so is taken for our own work.
    kept("worker:seal", "have packages signed, as our own workers do"),
    kept(
        "worker:log",
        "have what is due logged, as our own workers do",
    ),
    kept("admin:*", "do everything"),
];

/// Scopes of `OpenID` Connect: about the person, not about what a client may do.
pub const IDENTITY_SCOPES: &[(&str, &str)] = &[
    ("openid", "know who you are, by your ChittyID"),
    ("profile", "see your name"),
    ("email", "see your e-mail address"),
    ("offline_access", "stay connected until you revoke it"),
];

pub fn find(name: &str) -> Option<&'static ScopeInfo> {
    SCOPES.iter().find(|scope| scope.name == name)
}

/// A scope of the catalogue, or all of a service in it: `{service}:*`.
pub fn is_known(name: &str) -> bool {
    let service = name
        .strip_suffix('*')
        .filter(|service| service.ends_with(':'));
    let covers = |scope: &ScopeInfo| service.is_some_and(|service| scope.name.starts_with(service));
    SCOPES
        .iter()
        .any(|scope| scope.name == name || covers(scope))
}

/// What a caller from outside gets that asks for nothing.
pub fn read_only() -> Scopes {
    let scopes = SCOPES.iter().filter(|scope| scope.read_only);
    Scopes::new(scopes.map(|scope| scope.name))
}
