//! What a client may read: executions by id, the log's newest checkpoint, and files of packages.
//! The first two can be watched.

use async_trait::async_trait;
use chitty_core::auth::Principal;
use chitty_core::chain::checkpoint::Checkpoint;
use chitty_core::evidence::RESOURCE;
use chitty_core::execution::{ExecutionError, Executions};
use chitty_core::ledger::Ledger;
use chitty_core::mcp::resource::{ResourceReply, Resources, VersionUnknown};
use chitty_core::mcp::types::{ResourceContent, ResourceDefinition, ResourceTemplateDefinition};
use chitty_core::mcp::{Call, Host, RpcError};
use chitty_core::services::Services;
use serde_json::json;

use crate::domain::Desk;

const CHECKPOINT: &str = "chitty://chain/checkpoint";
const EXECUTIONS: &str = "chitty://executions/";

pub struct Records;

#[async_trait(?Send)]
impl Resources<Services<Desk>> for Records {
    fn list(&self) -> Vec<ResourceDefinition> {
        vec![ResourceDefinition {
            uri: CHECKPOINT.to_owned(),
            name: "checkpoint".to_owned(),
            title: Some("Newest checkpoint of ChittyChain".to_owned()),
            description: Some(
                "Signed note (C2SP tlog-checkpoint). Keep it: every later one must extend it."
                    .to_owned(),
            ),
            mime_type: Some("text/plain".to_owned()),
            icons: None,
            size: None,
            annotations: None,
            meta: None,
        }]
    }

    fn templates(&self) -> Vec<ResourceTemplateDefinition> {
        let execution = ResourceTemplateDefinition {
            uri_template: format!("{EXECUTIONS}{{execution_id}}"),
            name: "execution".to_owned(),
            title: Some("An execution of yours".to_owned()),
            description: Some("The same as chitty_execution_status tells.".to_owned()),
            mime_type: Some("application/json".to_owned()),
            icons: None,
            annotations: None,
            arguments: Vec::new(),
            meta: None,
        };
        let package = ResourceTemplateDefinition {
            uri_template: format!("{RESOURCE}{{package_id}}"),
            name: "evidence package".to_owned(),
            title: Some("The file of an evidence package of yours".to_owned()),
            description: Some("What chitty_evidence_package links to: a zip or a PDF.".to_owned()),
            mime_type: None,
            ..execution.clone()
        };
        vec![execution, package]
    }

    fn scopes(&self, uri: &str) -> &'static [&'static str] {
        match uri {
            CHECKPOINT => &["chain:verify"],
            _ if uri.starts_with(EXECUTIONS) => &["execution:read"],
            _ if uri.starts_with(RESOURCE) => &["evidence:package"],
            _ => &[],
        }
    }

    async fn read(
        &self,
        services: &Services<Desk>,
        call: &Call,
        uri: &str,
    ) -> Result<Option<ResourceReply>, RpcError> {
        if uri == CHECKPOINT {
            let head = services.domain.service.ledger.head().await;
            let head = head.map_err(|error| failed(services, call, &error.to_string()))?;
            return Ok(Some(text(uri, "text/plain", head.checkpoint)));
        }
        if uri.starts_with(RESOURCE) {
            return package(services, call, uri).await;
        }
        let Some(id) = uri.strip_prefix(EXECUTIONS) else {
            return Ok(None);
        };
        let service = &services.domain.service;
        match service.status(&call.principal, id).await {
            Ok(status) => {
                let json = json!(status.execution).to_string();
                Ok(Some(text(uri, "application/json", json)))
            }
            Err(ExecutionError::NotFound) => Ok(None),
            Err(error) => Err(failed(services, call, &error.to_string())),
        }
    }

    async fn version(
        &self,
        services: &Services<Desk>,
        principal: &Principal,
        uri: &str,
    ) -> Result<Option<i64>, VersionUnknown> {
        if uri == CHECKPOINT {
            return tree_size(&*services.domain.service.ledger).await.map(Some);
        }
        let Some(id) = uri.strip_prefix(EXECUTIONS) else {
            return Ok(None);
        };
        let executions = Executions::new(services.platform.database.clone());
        let updated = executions.updated_at_ms(id, principal).await;
        updated.map_err(|_| VersionUnknown)
    }
}

async fn package(
    services: &Services<Desk>,
    call: &Call,
    uri: &str,
) -> Result<Option<ResourceReply>, RpcError> {
    let origin = services.domain.identity.base(&services.platform);
    let evidence = services.domain.evidence(&origin);
    let found = evidence.resource(&call.principal, uri).await;
    let found = found.map_err(|error| failed(services, call, &error.to_string()))?;
    Ok(found.map(|content| ResourceReply::Done(vec![content])))
}

/// Each checkpoint of the log signs a larger tree.
async fn tree_size(ledger: &dyn Ledger) -> Result<i64, VersionUnknown> {
    let head = ledger.head().await.map_err(|_| VersionUnknown)?;
    let checkpoint = Checkpoint::parse_unverified(&head.checkpoint).map_err(|_| VersionUnknown)?;
    i64::try_from(checkpoint.size).map_err(|_| VersionUnknown)
}

fn text(uri: &str, mime_type: &str, text: String) -> ResourceReply {
    ResourceReply::Done(vec![ResourceContent {
        uri: uri.to_owned(),
        mime_type: Some(mime_type.to_owned()),
        text: Some(text),
        blob: None,
        meta: None,
    }])
}

fn failed(services: &Services<Desk>, call: &Call, cause: &str) -> RpcError {
    services.report(&call.request_id, cause);
    RpcError::internal()
}
