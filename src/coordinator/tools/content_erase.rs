use async_trait::async_trait;
use chitty_core::audit::{EraseError, EraseInput, EraseOutput, erase};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
use chitty_core::services::{Blame, Services};

use crate::domain::Desk;

pub struct ContentErase;

const ERASES: Hints = Hints {
    destructive_hint: true,
    idempotent_hint: true,
    ..Hints::ADD
};

#[async_trait(?Send)]
impl Tool<Services<Desk>> for ContentErase {
    type Input = EraseInput;
    type Output = EraseOutput;

    const ABOUT: About = About {
        name: "chitty_content_erase",
        title: "Erase content by law",
        description: "Erases for good what an execution was asked and answered, in all tables and in its facts, and tells of it in the log. Every proof still holds; the content then reads as erased. Packages that were handed out stay with whoever has them.",
        scopes: &["evidence:erase"],
        hints: ERASES,
        icon: Some(super::ICON),
    };

    const REST: Option<Rest> = Some(Rest::post("/api/v1/erasures"));

    async fn call(
        services: &Services<Desk>,
        call: &Call,
        input: EraseInput,
    ) -> Result<Reply<EraseOutput>, ToolError> {
        let eraser = services.domain.eraser();
        let done = erase(&eraser, &call.principal, &input).await;
        done.map(Reply::Structured).map_err(|error| {
            let blame = match &error {
                EraseError::Database(_) => Blame::Ours,
                EraseError::Ledger(_) | EraseError::Files(_) => {
                    Blame::Upstream(Some(error.to_string()))
                }
                _ => Blame::Caller,
            };
            services.failure(error.code(), &error, blame, None)
        })
    }
}
