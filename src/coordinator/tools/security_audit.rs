use async_trait::async_trait;
use chitty_core::audit::{AskError, AuditInput, AuditOutput, FortressSignatures};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
use chitty_core::services::{Blame, Services};

use crate::domain::Desk;

pub struct SecurityAudit;

/// Each audit leaves a report; a second one reads the same and changes nothing else.
const REPORTS: Hints = Hints {
    idempotent_hint: true,
    ..Hints::ADD
};

#[async_trait(?Send)]
impl Tool<Services<Desk>> for SecurityAudit {
    type Input = AuditInput;
    type Output = AuditOutput;

    const ABOUT: About = About {
        name: "chitty_security_audit",
        title: "Audit what is on file",
        description: "Reads executions, evidence, packages, facts and the log again and holds each against the others. Each finding names the row, the column, what is wrong, the evidence and what to do. The report is a fact in the log; audit_id gives one on file.",
        scopes: &["chain:verify"],
        hints: REPORTS,
        icon: Some(super::ICON),
    };

    const REST: Option<Rest> = Some(Rest::create("/api/v1/audits"));

    async fn call(
        services: &Services<Desk>,
        call: &Call,
        input: AuditInput,
    ) -> Result<Reply<AuditOutput>, ToolError> {
        let asker = super::asker(call);
        let desk = &services.domain;
        let signatures = FortressSignatures {
            workers: &desk.service.workers,
            asker: &asker,
        };
        let audits = desk.audits();
        let report = audits.ask(&call.principal, &input, &signatures).await;
        report
            .map(|audit_report| Reply::Structured(AuditOutput { audit_report }))
            .map_err(|error| {
                let blame = match &error {
                    AskError::NotAllowed
                    | AskError::Alone
                    | AskError::UnknownAudit
                    | AskError::UnknownExecution(_) => Blame::Caller,
                    _ if error.is_upstream() => Blame::Upstream(Some(error.to_string())),
                    _ => Blame::Ours,
                };
                services.failure(error.code(), &error, blame, None)
            })
    }
}
