use async_trait::async_trait;
use chitty_core::execution::{StatusInput, StatusOutput};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::services::Services;

use crate::domain::Desk;

pub struct ExecutionStatus;

#[async_trait(?Send)]
impl Tool<Services<Desk>> for ExecutionStatus {
    type Input = StatusInput;
    type Output = StatusOutput;

    const ABOUT: About = About {
        name: "chitty_execution_status",
        title: "Show an execution",
        description: "An execution as it is on file: question, answers, signature, verification, cost, status, and why it failed if it did.",
        scopes: &["execution:read"],
        hints: Hints::READ,
        icon: Some(super::ICON),
    };

    async fn call(
        services: &Services<Desk>,
        call: &Call,
        input: StatusInput,
    ) -> Result<Reply<StatusOutput>, ToolError> {
        let service = &services.domain.service;
        let found = service.status(&call.principal, &input.execution_id).await;
        found
            .map(Reply::Structured)
            .map_err(|error| super::failure(services, &error, None))
    }
}
