//! Which web pages may call a server, and under which host names it answers: without both
//! checks a page could reach a server on the visitor's own machine by DNS rebinding
//! (2026-07-28, "Streamable HTTP", Security).

use serde_json::Value;

use super::error::RpcError;
use super::http::refusal;
use crate::http::{Headers, HttpReply};
use crate::loopback;

/// Request headers a page may send, beside `Mcp-Param-*`.
const REQUEST_HEADERS: [&str; 10] = [
    "accept",
    "authorization",
    "content-type",
    "dpop",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
    "x-request-id",
];
const EXPOSED: &str =
    "mcp-protocol-version, mcp-session-id, retry-after, www-authenticate, x-request-id";
const PREFLIGHT_SECONDS: &str = "7200";

/// The origins and hosts of a deployment.
#[derive(Debug, Clone, Default)]
pub struct OriginPolicy {
    /// Such as `https://chatgpt.com`: scheme, host and port, without a slash at the end.
    pub origins: Vec<String>,
    /// Such as `mcp.example.com`, with the port where it is not the scheme's own. Empty
    /// outside development: the platform routes by host already.
    pub hosts: Vec<String>,
    /// Loopback names are allowed, and no other host that is not listed.
    pub development: bool,
}

/// What an allowed page must be told, so that its browser hands it the reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors(Option<String>);

impl OriginPolicy {
    /// Checks `host`, of the request's URL, and the `Origin` header. The reply to a refused
    /// request is an error without an id: its body was not read.
    pub fn check(
        &self,
        host: &str,
        headers: &dyn Headers,
        request_id: &str,
    ) -> Result<Cors, HttpReply> {
        self.check_host(host, request_id)?;
        match headers.get("origin") {
            None => Ok(Cors(None)),
            Some(origin) if self.allows_origin(&origin) => Ok(Cors(Some(origin))),
            Some(origin) => Err(forbidden(
                &format!("pages of the origin {origin:?} may not call this server"),
                request_id,
            )),
        }
    }

    /// Checks `host` alone: for paths that say themselves who may call them.
    pub fn check_host(&self, host: &str, request_id: &str) -> Result<(), HttpReply> {
        if self.allows_host(host) {
            return Ok(());
        }
        Err(forbidden(
            &format!("this server does not answer under the host {host:?}"),
            request_id,
        ))
    }

    /// The answer to OPTIONS (Fetch standard, "CORS-preflight request").
    pub fn preflight(&self, host: &str, headers: &dyn Headers, request_id: &str) -> HttpReply {
        let cors = match self.check(host, headers, request_id) {
            Ok(cors) => cors,
            Err(refused) => return refused,
        };
        let asked = headers.get("access-control-request-headers");
        let reply = HttpReply::empty(204)
            .with_header("allow", "POST, OPTIONS")
            .with_header("access-control-allow-methods", "POST, OPTIONS")
            .with_header("access-control-allow-headers", allowed(asked.as_deref()))
            .with_header("access-control-max-age", PREFLIGHT_SECONDS);
        cors.apply(reply)
    }

    /// Whether a request for `origin` came in the clear from outside: what it holds, and what it
    /// would be answered, can be read on its way. Loopback does not leave the machine.
    pub fn is_in_the_clear(&self, origin: &str) -> bool {
        let host = origin.strip_prefix("http://");
        !self.development && host.is_some_and(|host| !is_loopback(host))
    }

    fn allows_host(&self, host: &str) -> bool {
        if self
            .hosts
            .iter()
            .any(|known| known.eq_ignore_ascii_case(host))
        {
            return true;
        }
        if self.development {
            is_loopback(host)
        } else {
            self.hosts.is_empty()
        }
    }

    fn allows_origin(&self, origin: &str) -> bool {
        if self
            .origins
            .iter()
            .any(|known| known.eq_ignore_ascii_case(origin))
        {
            return true;
        }
        let authority = origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"));
        self.development && authority.is_some_and(is_loopback)
    }
}

impl Cors {
    #[must_use]
    pub fn apply(self, reply: HttpReply) -> HttpReply {
        let Some(origin) = self.0 else { return reply };
        reply
            .with_header("access-control-allow-origin", origin)
            .with_header("access-control-expose-headers", EXPOSED)
            .with_header("vary", "origin")
    }
}

/// Whether `authority`, a host with or without a port, is this machine's own name.
fn is_loopback(authority: &str) -> bool {
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => authority,
    };
    loopback::NAMES
        .iter()
        .any(|name| name.eq_ignore_ascii_case(host))
}

fn allowed(asked: Option<&str>) -> String {
    let params = asked
        .unwrap_or_default()
        .split(',')
        .map(str::trim)
        .filter(|name| {
            name.get(..10)
                .is_some_and(|start| start.eq_ignore_ascii_case("mcp-param-"))
        });
    let names: Vec<&str> = REQUEST_HEADERS.into_iter().chain(params).collect();
    names.join(", ")
}

fn forbidden(message: &str, request_id: &str) -> HttpReply {
    refusal(&RpcError::refused(403, message), &Value::Null, request_id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Body;

    fn policy(development: bool) -> OriginPolicy {
        OriginPolicy {
            origins: vec!["https://chatgpt.com".to_owned()],
            hosts: vec!["mcp.example.com".to_owned()],
            development,
        }
    }

    fn check(policy: &OriginPolicy, host: &str, origin: Option<&str>) -> Result<Cors, HttpReply> {
        let headers: Vec<(&str, &str)> = origin
            .map(|origin| ("origin", origin))
            .into_iter()
            .collect();
        policy.check(host, &headers, "r1")
    }

    #[test]
    fn only_known_hosts_and_origins_pass() {
        let production = policy(false);
        assert!(check(&production, "mcp.example.com", None).is_ok());
        assert!(check(&production, "MCP.example.com", Some("https://chatgpt.com")).is_ok());
        for (host, origin) in [
            ("localhost:8787", None),
            ("evil.example.com", None),
            ("mcp.example.com", Some("https://evil.example.com")),
            ("mcp.example.com", Some("http://localhost:3000")),
            ("mcp.example.com", Some("null")),
            ("mcp.example.com", Some("https://chatgpt.com.evil.example")),
        ] {
            let refused = check(&production, host, origin).unwrap_err();
            assert_eq!(refused.status, 403, "{host} {origin:?}");
        }
    }

    #[test]
    fn development_knows_loopback_names_too() {
        let development = policy(true);
        for host in [
            "localhost",
            "localhost:8787",
            "127.0.0.1:1",
            "[::1]",
            "[::1]:80",
        ] {
            let origin = format!("http://{host}");
            assert!(check(&development, host, Some(&origin)).is_ok(), "{host}");
        }
        for host in [
            "evil.example.com",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "::1x",
        ] {
            assert!(check(&development, host, None).is_err(), "{host}");
        }
        assert!(check(&development, "localhost", Some("http://evil.example.com")).is_err());
        assert!(check(&development, "localhost", Some("localhost")).is_err());
    }

    #[test]
    fn without_a_list_the_platform_decides_on_hosts() {
        let open = OriginPolicy::default();
        assert!(check(&open, "anything.example", None).is_ok());
        assert!(check(&open, "anything.example", Some("https://a.example")).is_err());
    }

    #[test]
    fn a_refusal_is_an_error_without_an_id() {
        let refused = check(&policy(false), "evil.example.com", None).unwrap_err();
        let Body::Bytes(body) = refused.body else {
            panic!("no body")
        };
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert!(body.get("id").is_none());
        assert_eq!(body["error"]["data"]["requestId"], "r1");
    }

    #[test]
    fn a_preflight_names_what_may_be_sent() {
        let headers = vec![
            ("origin", "https://chatgpt.com"),
            (
                "access-control-request-headers",
                "authorization, Mcp-Param-Region,x-evil",
            ),
        ];
        let reply = policy(false).preflight("mcp.example.com", &headers, "r1");
        let header = |name| {
            let found = reply.headers.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| value.as_str()).unwrap_or_default()
        };
        assert_eq!(reply.status, 204);
        assert_eq!(header("access-control-allow-origin"), "https://chatgpt.com");
        assert!(header("access-control-allow-headers").ends_with("x-request-id, Mcp-Param-Region"));
        let evil = vec![("origin", "https://evil.example.com")];
        assert_eq!(
            policy(false)
                .preflight("mcp.example.com", &evil, "r1")
                .status,
            403
        );
    }
}
