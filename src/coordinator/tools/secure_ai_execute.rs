use async_trait::async_trait;
use chitty_core::execution::{ExecuteInput, ExecuteOutput};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::services::Services;
use serde_json::json;

use crate::domain::Desk;

pub struct SecureAiExecute;

#[async_trait(?Send)]
impl Tool<Services<Desk>> for SecureAiExecute {
    type Input = ExecuteInput;
    type Output = ExecuteOutput;

    const ABOUT: About = About {
        name: "chitty_secure_ai_execute",
        title: "Ask with receipts",
        description: "Asks a model and keeps what can show it later. standard: a plain call. \
                      fortress: a sealed run, signed with OpenPGP and logged in ChittyChain. \
                      verified: both side by side, the signature checked and the answers \
                      compared; the prompt goes to both.",
        scopes: &["execution:run"],
        hints: Hints::MODEL,
        icon: Some(super::ICON),
    };

    async fn call(
        services: &Services<Desk>,
        call: &Call,
        input: ExecuteInput,
    ) -> Result<Reply<ExecuteOutput>, ToolError> {
        let owner = call.principal.resolve_user(input.user_id.as_deref())?;
        let asker = super::asker_for(call, &owner);
        let done = services.domain.service.execute(&asker, &input).await;
        done.map(Reply::Structured).map_err(|failed| {
            let details = failed
                .execution_id
                .as_ref()
                .map(|id| json!({ "execution_id": id, "status": "failed" }));
            super::failure(services, &failed.error, details)
        })
    }
}
