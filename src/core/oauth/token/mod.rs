use super::{AuthorizationServer, WebRequest};
use crate::http::HttpReply;

impl AuthorizationServer {
    pub(super) async fn token(&self, _web: &WebRequest<'_>) -> HttpReply {
        HttpReply::empty(501)
    }
    /// RFC 7009.
    pub(super) async fn revoke(&self, _web: &WebRequest<'_>) -> HttpReply {
        HttpReply::empty(501)
    }
    /// RFC 7662.
    pub(super) async fn introspect(&self, _web: &WebRequest<'_>) -> HttpReply {
        HttpReply::empty(501)
    }
    /// `OpenID` Connect Core section 5.3.
    pub(super) async fn userinfo(&self, _web: &WebRequest<'_>) -> HttpReply {
        HttpReply::empty(501)
    }
}
