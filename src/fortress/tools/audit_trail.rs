use async_trait::async_trait;
use chitty_core::fortress::{AuditTrailInput, AuditTrailOutput};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
use chitty_core::services::Services;

use crate::domain::Runs;

pub struct AuditTrail;

#[async_trait(?Send)]
impl Tool<Services<Runs>> for AuditTrail {
    type Input = AuditTrailInput;
    type Output = AuditTrailOutput;

    const ABOUT: About = About {
        name: "fortress_audit_trail",
        title: "Show a trail",
        description: "What happened to a run or to evidence of yours, in order of time: put \
                      in, started, signed or failed, logged, put on file, verified.",
        scopes: &["execution:read"],
        hints: Hints::READ,
        icon: Some(super::ICON),
    };
    const REST: Option<Rest> = Some(Rest::get("/api/v1/fortress/audit-trail"));

    async fn call(
        services: &Services<Runs>,
        call: &Call,
        input: AuditTrailInput,
    ) -> Result<Reply<AuditTrailOutput>, ToolError> {
        let done = services
            .domain
            .service
            .audit_trail(&call.principal.user_id, &input)
            .await;
        done.map(Reply::Structured)
            .map_err(|error| super::failure(services, &error))
    }
}
