//! `GET /api/v1/evidence-packages/{id}/file`: the file of a package, for its owner.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::error::EvidenceError;
use super::service::Evidence;
use super::store::KeptFile;
use crate::auth::{AuthError, Principal};
use crate::front::plain_error;
use crate::http::{Body, HttpReply};
use crate::mcp::types::ResourceContent;
use crate::oauth::WebRequest;
use crate::ports::Level;
use crate::services::Platform;

/// A package's file as an MCP resource: the package's id follows.
pub const RESOURCE: &str = "chitty://evidence-packages/";
/// The paths below it are answered here.
pub const PREFIX: &str = "/api/v1/evidence-packages/";
const ACTION: &str = "evidence-packages/file";
const SCOPE: &str = "evidence:package";

enum Refusal {
    Auth(AuthError),
    Evidence(EvidenceError),
}

impl Evidence<'_> {
    /// The answer to GET and HEAD; None for other methods.
    pub async fn respond(&self, platform: &Platform, web: &WebRequest<'_>) -> Option<HttpReply> {
        if !matches!(web.method, "GET" | "HEAD") {
            return None;
        }
        let request_id = &web.info.request_id;
        Some(match self.download(platform, web).await {
            Ok(file) => given_out(file),
            Err(Refusal::Auth(error)) => {
                let reply =
                    plain_error(error.status(), error.code(), &error.to_string(), request_id);
                match error.challenge(platform.resource.as_deref()) {
                    Some(challenge) => reply.with_header("www-authenticate", challenge),
                    None => reply,
                }
            }
            Err(Refusal::Evidence(error)) => refused(platform, &error, request_id),
        })
    }

    /// The file that a [`RESOURCE`] names, with its bytes. None where there is none, or none that
    /// this caller may see.
    pub async fn resource(
        &self,
        caller: &Principal,
        uri: &str,
    ) -> Result<Option<ResourceContent>, EvidenceError> {
        let Some(id) = uri.strip_prefix(RESOURCE) else {
            return Ok(None);
        };
        match self.file(caller, id).await {
            Ok(file) => Ok(Some(ResourceContent {
                uri: uri.to_owned(),
                mime_type: Some(file.media_type.to_owned()),
                text: None,
                blob: Some(STANDARD.encode(file.bytes)),
                meta: None,
            })),
            Err(EvidenceError::NoSuchFile | EvidenceError::NoFiles) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn download(
        &self,
        platform: &Platform,
        web: &WebRequest<'_>,
    ) -> Result<KeptFile, Refusal> {
        let caller = platform.caller(web).await.map_err(Refusal::Auth)?;
        platform
            .authenticator
            .authorize(&caller, &[SCOPE], ACTION, &web.info)
            .map_err(Refusal::Auth)?;
        let path = web.path.strip_prefix(PREFIX).unwrap_or_default();
        match path.strip_suffix("/file") {
            Some(id) => self.file(&caller, id).await.map_err(Refusal::Evidence),
            None => Err(Refusal::Evidence(EvidenceError::NoSuchFile)),
        }
    }
}

/// `Content-Digest`: RFC 9530.
fn given_out(file: KeptFile) -> HttpReply {
    let digest = hex::decode(&file.hash).unwrap_or_default();
    let digest = STANDARD.encode(digest);
    HttpReply {
        status: 200,
        headers: vec![
            ("content-type", file.media_type.to_owned()),
            (
                "content-disposition",
                format!("attachment; filename=\"{}\"", file.name),
            ),
            ("cache-control", "private, no-store".to_owned()),
            ("content-digest", format!("sha-256=:{digest}:")),
            ("etag", format!("\"{}\"", file.hash)),
        ],
        body: Body::Bytes(file.bytes),
    }
}

fn refused(platform: &Platform, error: &EvidenceError, request_id: &str) -> HttpReply {
    let (status, message) = match error {
        EvidenceError::NoSuchFile | EvidenceError::NoFiles => (404, error.to_string()),
        _ => {
            let fields = serde_json::json!({ "code": error.code(), "cause": error.to_string() });
            platform.log.record(Level::Error, "download_failed", fields);
            let said = "the file could not be had just now: try again, and name the request id if it lasts";
            (503, said.to_owned())
        }
    };
    plain_error(status, &error.code(), &message, request_id)
}
