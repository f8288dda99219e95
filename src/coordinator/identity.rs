//! Paths beside MCP: the authorization server's, and the pages of records.

use std::rc::Rc;

use async_trait::async_trait;
use chitty_core::auth::rest::{self, TokenApi};
use chitty_core::evidence;
use chitty_core::front::{Access, Routes};
use chitty_core::http::HttpReply;
use chitty_core::oauth::{
    self, AuthorizationServer, ClientCache, ProviderCache, Settings, WebRequest,
};
use chitty_core::records::{self, Door};
use chitty_core::services::Platform;
use chitty_edge::http::FetchHttp;

use crate::domain::Desk;

/// What an isolate keeps of it.
#[derive(Clone)]
pub struct Identity {
    pub settings: Rc<Settings>,
    pub clients: Rc<ClientCache>,
    pub provider: Rc<ProviderCache>,
}

impl Identity {
    pub fn new(settings: Settings) -> Self {
        Self {
            settings: Rc::new(settings),
            clients: Rc::default(),
            provider: Rc::default(),
        }
    }

    /// The base URL that browsers are signed in under: the issuer's.
    pub fn base(&self, platform: &Platform) -> String {
        let resource = platform.resource.as_deref();
        let own = || resource.map(|resource| resource.origin.clone());
        let issuer = self.settings.issuer.clone();
        issuer.or_else(own).unwrap_or_default()
    }

    pub fn server(&self, platform: &Platform) -> AuthorizationServer {
        let origin = platform
            .resource
            .as_ref()
            .map(|resource| resource.origin.clone());
        AuthorizationServer {
            settings: Rc::clone(&self.settings),
            origin: origin.unwrap_or_default(),
            http: Rc::new(FetchHttp),
            sealer: Rc::clone(&platform.sealer),
            audit: platform.authenticator.audit.clone(),
            authenticator: platform.authenticator.clone(),
            keys: Rc::clone(&platform.keys),
            clients: Rc::clone(&self.clients),
            provider: Rc::clone(&self.provider),
        }
    }
}

#[async_trait(?Send)]
impl Routes for Desk {
    fn access(&self, path: &str) -> Option<Access> {
        if oauth::is_open(path) || rest::knows(path) {
            return Some(Access::Open);
        }
        let known = oauth::knows(path)
            || path.starts_with(records::PREFIX)
            || path.starts_with(evidence::PREFIX);
        known.then_some(Access::Own)
    }

    async fn respond(&self, platform: &Platform, web: &WebRequest<'_>) -> Option<HttpReply> {
        if rest::knows(web.path) {
            return TokenApi { platform }.answer(web).await;
        }
        if web.path.starts_with(records::PREFIX) {
            return self.record(platform, web).await;
        }
        if web.path.starts_with(evidence::PREFIX) {
            let origin = self.identity.base(platform);
            return self.evidence(&origin).respond(platform, web).await;
        }
        self.identity.server(platform).answer(web).await
    }
}

impl Desk {
    async fn record(&self, platform: &Platform, web: &WebRequest<'_>) -> Option<HttpReply> {
        let door = Door {
            server: &self.identity.server(platform),
            resource: platform.resource.as_deref(),
        };
        let origin = self.identity.base(platform);
        self.records(&origin).respond(web, &door).await
    }
}
