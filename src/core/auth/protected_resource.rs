//! A worker's MCP endpoint as a protected resource: what its tokens are for, and what a
//! client is told of it (RFC 9728).

use std::cell::RefCell;
use std::rc::Rc;

use serde_json::{Value, json};

use super::{Scopes, catalogue};

/// Where RFC 9728 section 3.1 puts the metadata of `{origin}/mcp`.
pub const METADATA_PATH: &str = "/.well-known/oauth-protected-resource/mcp";
/// Where clients look that leave the endpoint's path out.
pub const METADATA_ROOT: &str = "/.well-known/oauth-protected-resource";
/// The only algorithm of access tokens and of proofs of possession.
pub const ALGORITHM: &str = "ES256";
/// Origins kept in memory; past it they start anew.
const MAX_ORIGINS: usize = 16;

/// The endpoint under one origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtectedResource {
    /// `https://mcp.example.com`, with the port where it is not the scheme's own.
    pub origin: String,
    /// `{origin}/mcp`: the audience of its tokens.
    pub url: String,
    /// Whose tokens it takes. None: keys alone.
    pub issuer: Option<String>,
    /// Where its metadata is. None without an issuer: nobody gives out tokens for it.
    pub metadata_url: Option<String>,
    /// What a client is asked to begin with, separated by spaces.
    pub first_scopes: String,
    /// The metadata, as JSON text.
    pub metadata: String,
}

/// What does not depend on the origin.
pub struct ResourceTraits<'a> {
    /// For people.
    pub name: &'a str,
    pub issuer: Option<&'a str>,
    /// All scopes that any tool here needs.
    pub scopes: Scopes,
}

impl ProtectedResource {
    pub fn new(origin: &str, traits: &ResourceTraits<'_>) -> Self {
        let url = format!("{origin}/mcp");
        // All that its tools need: tools without their scopes are not listed, so nobody would
        // ever come to ask for more. What a client may do is decided on the consent page.
        let first = traits.scopes.iter();
        let first: Vec<&str> = first.filter(|scope| is_grantable(scope)).collect();
        let metadata_url = traits.issuer.map(|_| format!("{origin}{METADATA_PATH}"));
        Self {
            metadata: metadata(origin, &url, traits, &first).to_string(),
            issuer: traits.issuer.map(str::to_owned),
            origin: origin.to_owned(),
            url,
            metadata_url,
            first_scopes: first.join(" "),
        }
    }
}

fn is_grantable(scope: &str) -> bool {
    catalogue::find(scope).is_some_and(|info| info.grantable)
}

/// RFC 9728 section 2, RFC 9449 section 5.1.
fn metadata(origin: &str, url: &str, traits: &ResourceTraits<'_>, scopes: &[&str]) -> Value {
    json!({
        "resource": url,
        "resource_name": traits.name,
        "resource_documentation": format!("{origin}/"),
        "authorization_servers": traits.issuer.into_iter().collect::<Vec<_>>(),
        "scopes_supported": scopes,
        "bearer_methods_supported": ["header"],
        "dpop_signing_alg_values_supported": [ALGORITHM],
        "dpop_bound_access_tokens_required": false,
    })
}

/// The endpoint under each origin it was called by, made once an isolate.
#[derive(Default)]
pub struct ProtectedResources(RefCell<Vec<Rc<ProtectedResource>>>);

impl ProtectedResources {
    pub fn at(
        &self,
        origin: &str,
        make: impl FnOnce() -> ProtectedResource,
    ) -> Rc<ProtectedResource> {
        let mut kept = self.0.borrow_mut();
        if let Some(found) = kept.iter().find(|resource| resource.origin == origin) {
            return Rc::clone(found);
        }
        if kept.len() >= MAX_ORIGINS {
            kept.clear();
        }
        let resource = Rc::new(make());
        kept.push(Rc::clone(&resource));
        resource
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traits(scopes: &[&str]) -> ResourceTraits<'static> {
        ResourceTraits {
            name: "Test",
            issuer: Some("https://auth.example"),
            scopes: Scopes::new(scopes.iter().copied()),
        }
    }

    #[test]
    fn it_names_itself_as_typed_and_only_what_can_be_granted() {
        let scopes = [
            "execution:read",
            "execution:run",
            "audit:read",
            "token:manage",
            "admin:*",
        ];
        let made = ProtectedResource::new("https://mcp.example", &traits(&scopes));
        let metadata: Value = serde_json::from_str(&made.metadata).unwrap();
        assert_eq!(metadata["resource"], "https://mcp.example/mcp");
        assert_eq!(
            metadata["authorization_servers"],
            json!(["https://auth.example"])
        );
        assert_eq!(metadata["bearer_methods_supported"], json!(["header"]));
        let offered = json!(["execution:read", "execution:run"]);
        assert_eq!(metadata["scopes_supported"], offered);
        assert_eq!(made.first_scopes, "execution:read execution:run");
        let expected = "https://mcp.example/.well-known/oauth-protected-resource/mcp";
        assert_eq!(made.metadata_url.as_deref(), Some(expected));
    }

    #[test]
    fn each_origin_is_made_once_and_there_is_an_end_to_them() {
        let kept = ProtectedResources::default();
        let at = |origin: &str| {
            let new = ProtectedResource::new(origin, &traits(&[]));
            kept.at(origin, || new)
        };
        let first = at("https://a.example");
        assert!(Rc::ptr_eq(&first, &at("https://a.example")));
        for n in 0..100 {
            let found = at(&format!("https://{n}.example"));
            assert_eq!(found.url, format!("https://{n}.example/mcp"));
        }
        assert!(kept.0.borrow().len() <= MAX_ORIGINS);
    }
}
