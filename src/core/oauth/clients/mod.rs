use super::{AuthorizationServer, Client, OAuthError, Params, WebRequest};
use crate::http::HttpReply;

/// Metadata documents and keys of clients, one for an isolate.
#[derive(Default)]
pub struct DocumentCache;

impl AuthorizationServer {
    /// The client of this id: predefined, registered, or by its document.
    pub(super) async fn client(&self, _id: &str) -> Result<Option<Client>, OAuthError> {
        Err(OAuthError::server_error("not built"))
    }

    /// The client of a request to the token, revocation or introspection endpoint, proven by the
    /// very method it registered.
    pub(super) async fn authenticate_client(
        &self,
        _web: &WebRequest<'_>,
        _form: &Params,
    ) -> Result<Client, OAuthError> {
        Err(OAuthError::server_error("not built"))
    }

    /// RFC 7591.
    pub(super) async fn register(&self, _web: &WebRequest<'_>) -> HttpReply {
        HttpReply::empty(501)
    }
}
