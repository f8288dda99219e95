//! Resources: what a client may read by URI.

use async_trait::async_trait;
use tower_mcp_types::protocol::{ResourceContent, ResourceDefinition, ResourceTemplateDefinition};

use super::call::{Call, InputRequired};
use super::error::RpcError;
use crate::auth::Principal;

pub enum ResourceReply {
    Done(Vec<ResourceContent>),
    Ask(InputRequired),
}

/// A version that could not be read this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the version could not be read this time: try again")]
pub struct VersionUnknown;

#[async_trait(?Send)]
pub trait Resources<S> {
    fn list(&self) -> Vec<ResourceDefinition>;

    fn templates(&self) -> Vec<ResourceTemplateDefinition> {
        Vec::new()
    }

    /// What a caller must hold to read or watch `uri`. To others it does not exist.
    fn scopes(&self, _uri: &str) -> &'static [&'static str] {
        &[]
    }

    /// None where there is no such resource, or none that this caller may see.
    async fn read(
        &self,
        services: &S,
        call: &Call,
        uri: &str,
    ) -> Result<Option<ResourceReply>, RpcError>;

    /// Values for a variable of a URI template, best first.
    fn complete(&self, _template: &str, _variable: &str, _typed: &str) -> Vec<String> {
        Vec::new()
    }

    /// A number that changes when the resource does. None where there is no such resource,
    /// or none that can be watched.
    async fn version(
        &self,
        _services: &S,
        _principal: &Principal,
        _uri: &str,
    ) -> Result<Option<i64>, VersionUnknown> {
        Ok(None)
    }
}
