use super::{AuthorizationServer, WebRequest};
use crate::http::HttpReply;

impl AuthorizationServer {
    /// RFC 8414 and `OpenID` Connect Discovery, one document.
    pub(super) fn metadata(&self, _web: &WebRequest<'_>) -> HttpReply {
        HttpReply::empty(501)
    }

    pub(super) async fn jwks(&self, _web: &WebRequest<'_>) -> HttpReply {
        HttpReply::empty(501)
    }
}
