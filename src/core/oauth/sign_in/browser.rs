//! The browser: its cookies, and whether a form came from a page of ours.

use super::trouble::Trouble;
use crate::digest::sha256_hex;
use crate::http::HttpReply;
use crate::oauth::{AuthorizationServer, WebRequest};

const BROWSER: &str = "browser";
const BROWSER_S: i64 = 60 * 60;

/// A browser, by a random cookie. It says nothing about who sits there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Browser(String);

impl Browser {
    /// What tickets are tied to.
    pub(super) fn hash(&self) -> String {
        sha256_hex(&self.0)
    }
}

impl AuthorizationServer {
    /// The address that browsers know.
    pub(super) fn base(&self) -> &str {
        self.settings.issuer.as_deref().unwrap_or(&self.origin)
    }

    /// `__Host-` keeps other hosts of the domain from setting it. Browsers take it over
    /// https only, so that it is left out in development, and nowhere else: a request that
    /// somehow came over http must not get a cookie that could be read on its way.
    pub(super) fn cookie_name(&self, name: &str) -> String {
        if self.is_secure() {
            format!("__Host-chitty-{name}")
        } else {
            format!("chitty-{name}")
        }
    }

    fn is_secure(&self) -> bool {
        !self.settings.development
    }

    /// `Lax`, since requests for authorization come from pages of clients.
    pub(super) fn set_cookie(&self, name: &str, value: &str, life_s: i64) -> String {
        let name = self.cookie_name(name);
        let secure = if self.is_secure() { "; Secure" } else { "" };
        format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={life_s}{secure}")
    }

    /// 64 hex digits in a cookie of ours, or nothing.
    pub(super) fn random_cookie(&self, web: &WebRequest<'_>, name: &str) -> Option<String> {
        let value = web.cookie(&self.cookie_name(name))?;
        let formed = value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
        formed.then_some(value)
    }

    pub(super) fn random(&self) -> Result<String, Trouble> {
        let mut bytes = [0; 32];
        self.audit.entropy.fill(&mut bytes)?;
        Ok(hex::encode(bytes))
    }

    pub(super) fn browser(&self, web: &WebRequest<'_>) -> Result<Browser, Trouble> {
        let value = self.random_cookie(web, BROWSER);
        value.map(Browser).ok_or_else(Trouble::stale)
    }

    pub(super) fn browser_or_new(&self, web: &WebRequest<'_>) -> Result<Browser, Trouble> {
        match self.random_cookie(web, BROWSER) {
            Some(value) => Ok(Browser(value)),
            None => Ok(Browser(self.random()?)),
        }
    }

    /// Each page with a form keeps the cookie alive for longer than its ticket.
    pub(super) fn keep(&self, browser: &Browser, reply: HttpReply) -> HttpReply {
        let cookie = self.set_cookie(BROWSER, &browser.0, BROWSER_S);
        reply.with_header("set-cookie", cookie)
    }

    /// Refuses what a page of another site sent. The ticket would refuse it too.
    ///
    /// Under `referrer-policy: no-referrer` browsers send `Origin: null` with our own forms,
    /// so `Sec-Fetch-Site` counts where there is one, and where there is none `null` may be us.
    pub(super) fn refuse_foreign(&self, web: &WebRequest<'_>) -> Result<(), Trouble> {
        if let Some(site) = web.headers.get("sec-fetch-site") {
            return match site.as_str() {
                "same-origin" => Ok(()),
                _ => Err(Trouble::foreign()),
            };
        }
        match web.headers.get("origin").as_deref() {
            Some("null") | None => Ok(()),
            Some(origin) if origin == self.origin || origin == self.base() => Ok(()),
            Some(_) => Err(Trouble::foreign()),
        }
    }
}

/// `location` is a path of ours or has been checked.
pub(super) fn see_other(location: &str) -> HttpReply {
    HttpReply::empty(303)
        .with_header("location", location)
        .with_header("cache-control", "no-store")
}
