use super::{AuthorizationServer, WebRequest};
use crate::http::HttpReply;

/// The upstream provider's endpoints and keys, one for an isolate.
#[derive(Default)]
pub struct ProviderCache;

impl AuthorizationServer {
    pub(super) async fn sign_in(&self, _web: &WebRequest<'_>) -> HttpReply {
        HttpReply::empty(501)
    }
    pub(super) async fn upstream_start(&self, _web: &WebRequest<'_>) -> HttpReply {
        HttpReply::empty(501)
    }
    pub(super) async fn upstream_callback(&self, _web: &WebRequest<'_>) -> HttpReply {
        HttpReply::empty(501)
    }
    pub(super) async fn consent(&self, _web: &WebRequest<'_>) -> HttpReply {
        HttpReply::empty(501)
    }
    pub(super) async fn account(&self, _web: &WebRequest<'_>) -> HttpReply {
        HttpReply::empty(501)
    }
    pub(super) async fn sign_out(&self, _web: &WebRequest<'_>) -> HttpReply {
        HttpReply::empty(501)
    }
}
