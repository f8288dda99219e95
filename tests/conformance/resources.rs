//! The resources that the suite reads.

use async_trait::async_trait;
use chitty_core::auth::Principal;
use chitty_core::mcp::resource::{ResourceReply, Resources, VersionUnknown};
use chitty_core::mcp::types::{ResourceContent, ResourceDefinition, ResourceTemplateDefinition};
use chitty_core::mcp::{Call, RpcError};
use serde_json::json;

use crate::samples::{PNG, text_resource};
use crate::services::Services;

pub struct Fixtures;

fn definition(uri: &str, name: &str, mime_type: &str) -> ResourceDefinition {
    ResourceDefinition {
        uri: uri.to_owned(),
        name: name.to_owned(),
        title: None,
        description: Some(format!("The suite's {name}.")),
        mime_type: Some(mime_type.to_owned()),
        icons: None,
        size: None,
        annotations: None,
        meta: None,
    }
}

/// The content of `test://template/{id}/data`.
fn templated(uri: &str) -> Option<ResourceContent> {
    let id = uri
        .strip_prefix("test://template/")?
        .strip_suffix("/data")?;
    if id.is_empty() || id.contains('/') {
        return None;
    }
    let data = json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") });
    Some(text_resource(uri, "application/json", &data.to_string()))
}

#[async_trait(?Send)]
impl Resources<Services> for Fixtures {
    fn list(&self) -> Vec<ResourceDefinition> {
        vec![
            definition("test://static-text", "static text", "text/plain"),
            definition("test://static-binary", "static binary", "image/png"),
            definition("test://watched-resource", "watched resource", "text/plain"),
        ]
    }

    fn templates(&self) -> Vec<ResourceTemplateDefinition> {
        vec![ResourceTemplateDefinition {
            uri_template: "test://template/{id}/data".to_owned(),
            name: "template".to_owned(),
            title: None,
            description: Some("The suite's template.".to_owned()),
            mime_type: Some("application/json".to_owned()),
            icons: None,
            annotations: None,
            arguments: Vec::new(),
            meta: None,
        }]
    }

    async fn read(
        &self,
        _: &Services,
        _: &Call,
        uri: &str,
    ) -> Result<Option<ResourceReply>, RpcError> {
        let content = match uri {
            "test://static-text" => {
                let text = "This is the content of the static text resource.";
                Some(text_resource(uri, "text/plain", text))
            }
            "test://static-binary" => Some(ResourceContent {
                uri: uri.to_owned(),
                mime_type: Some("image/png".to_owned()),
                text: None,
                blob: Some(PNG.to_owned()),
                meta: None,
            }),
            "test://watched-resource" => Some(text_resource(uri, "text/plain", "Watched.")),
            _ => templated(uri),
        };
        Ok(content.map(|content| ResourceReply::Done(vec![content])))
    }

    /// They never change.
    async fn version(
        &self,
        _: &Services,
        _: &Principal,
        uri: &str,
    ) -> Result<Option<i64>, VersionUnknown> {
        let known = self.list().iter().any(|resource| resource.uri == uri);
        Ok(known.then_some(0))
    }
}
