use async_trait::async_trait;
use chitty_core::budget::manage::{BudgetGetInput, BudgetOutput};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
use chitty_core::services::Services;

use super::{ICON, budgets, failure};
use crate::domain::Chat;

pub struct Get;

#[async_trait(?Send)]
impl Tool<Services<Chat>> for Get {
    type Input = BudgetGetInput;
    type Output = BudgetOutput;

    const ABOUT: About = About {
        name: "chitty_budget_get",
        title: "Budgets and limits",
        description: "What you, and one key of yours if you name it, may spend, have spent and \
                      have left this day and month, exact to the nano-dollar; limits, how much \
                      of them is left this minute, and how many calls are under way.",
        scopes: &["chatgpt:read"],
        hints: Hints::READ,
        icon: Some(ICON),
    };
    const REST: Option<Rest> = Some(Rest::get("/api/v1/budgets"));

    async fn call(
        services: &Services<Chat>,
        call: &Call,
        input: BudgetGetInput,
    ) -> Result<Reply<BudgetOutput>, ToolError> {
        let done = budgets(services).get(&call.principal, &input).await;
        done.map(Reply::Structured)
            .map_err(|error| failure(services, &error))
    }
}
