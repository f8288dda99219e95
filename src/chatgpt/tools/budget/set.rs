use async_trait::async_trait;
use chitty_core::auth::keys::Asking;
use chitty_core::budget::manage::{BUDGET_SCOPE, BudgetOutput, BudgetSetInput};
use chitty_core::mcp::{About, Call, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
use chitty_core::services::Services;

use super::{ICON, SETS, budgets, failure, request};
use crate::domain::Chat;

pub struct Set;

#[async_trait(?Send)]
impl Tool<Services<Chat>> for Set {
    type Input = BudgetSetInput;
    type Output = BudgetOutput;

    const ABOUT: About = About {
        name: "chitty_budget_set",
        title: "Set budgets and limits",
        description: "Sets what you, or one key of yours, may spend a day or a month: above \
                      soft_usd answers carry a warning, what could go above hard_usd is \
                      refused. Also the time zone of these days and months, and limits of \
                      requests, tokens and calls at once. What is left out stays as it is; null \
                      removes it. Holds from the next call on; answers with how things stand.",
        scopes: &[BUDGET_SCOPE],
        hints: SETS,
        icon: Some(ICON),
    };
    const REST: Option<Rest> = Some(Rest::patch("/api/v1/budgets"));

    async fn call(
        services: &Services<Chat>,
        call: &Call,
        input: BudgetSetInput,
    ) -> Result<Reply<BudgetOutput>, ToolError> {
        let asking = Asking {
            principal: &call.principal,
            request: &request(services, call),
        };
        let done = budgets(services).set(asking, &input).await;
        done.map(Reply::Structured)
            .map_err(|error| failure(services, &error))
    }
}
