//! Who sits at the browser, and what they decide.
//!
//! Nothing is stored before somebody has signed in: what a page must remember travels in a
//! sealed [`ticket`] in its form, tied to a cookie of the browser, and to the session where
//! there is one. That is the protection against forged requests too.

mod account;
mod browser;
mod consent;
mod credentials;
mod flow;
mod identities;
mod key;
mod keys;
mod provider;
mod session;
mod ticket;
mod totp;
mod trouble;
mod visit;

pub use provider::ProviderCache;

use super::{AuthorizationServer, WebRequest};
use crate::http::HttpReply;
use trouble::Trouble;

impl AuthorizationServer {
    pub(super) async fn sign_in(&self, web: &WebRequest<'_>) -> HttpReply {
        let result = match web.method {
            "GET" => self.sign_in_to_account(web),
            _ => self.sign_in_step(web).await,
        };
        self.settle(web, result)
    }

    pub(super) async fn upstream_start(&self, web: &WebRequest<'_>) -> HttpReply {
        let result = self.on_to_provider(web).await;
        self.settle(web, result)
    }

    pub(super) async fn upstream_callback(&self, web: &WebRequest<'_>) -> HttpReply {
        let result = self.back_from_provider(web).await;
        self.settle(web, result)
    }

    pub(super) async fn consent(&self, web: &WebRequest<'_>) -> HttpReply {
        let result = self.decide(web).await;
        self.settle(web, result)
    }

    pub(super) async fn account(&self, web: &WebRequest<'_>) -> HttpReply {
        let result = match web.method {
            "GET" => self.show_account(web).await,
            _ => self.act_on_account(web).await,
        };
        self.settle(web, result)
    }

    pub(super) async fn sign_out(&self, web: &WebRequest<'_>) -> HttpReply {
        let result = self.end_own_session(web).await;
        self.settle(web, result)
    }

    /// A page either way.
    fn settle(&self, web: &WebRequest<'_>, result: Result<HttpReply, Trouble>) -> HttpReply {
        result.unwrap_or_else(|trouble| {
            self.note_trouble(web, &trouble);
            self.error_page(trouble.status, &trouble.message, web)
        })
    }
}

#[cfg(test)]
mod tests;
