use super::{AuthorizationRequest, AuthorizationServer, WebRequest};
use crate::http::HttpReply;

impl AuthorizationServer {
    pub(super) async fn authorize(&self, _web: &WebRequest<'_>) -> HttpReply {
        HttpReply::empty(501)
    }

    /// Back to the client with `params`, `state`, and `iss` where the settings say so.
    pub(super) fn redirect_back(
        &self,
        _request: &AuthorizationRequest,
        _params: &[(&str, &str)],
    ) -> HttpReply {
        HttpReply::empty(501)
    }
}
