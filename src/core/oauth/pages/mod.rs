use super::{AuthorizationRequest, AuthorizationServer, Client, WebRequest};
use crate::http::HttpReply;

impl AuthorizationServer {
    /// Sign-in or consent, whichever is next for this browser and this request.
    pub(super) async fn interact(
        &self,
        _web: &WebRequest<'_>,
        _client: &Client,
        _request: AuthorizationRequest,
    ) -> HttpReply {
        HttpReply::empty(501)
    }

    /// A page that says what is wrong, for people; never a redirect.
    pub(super) fn error_page(
        &self,
        status: u16,
        _message: &str,
        _web: &WebRequest<'_>,
    ) -> HttpReply {
        HttpReply::empty(status)
    }
}
