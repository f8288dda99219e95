use async_trait::async_trait;
use chitty_core::fortress::{LogDueInput, LoggedDue};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::services::Services;

use crate::domain::Runs;

pub struct LogDue;

#[async_trait(?Send)]
impl Tool<Services<Runs>> for LogDue {
    type Input = LogDueInput;
    type Output = LoggedDue;

    const ABOUT: About = About {
        name: "fortress_log_due",
        title: "Log what is due",
        description: "Logs signed runs whose worker ended before it could, and what was decided about keys. For our \
                      own workers: no role has its scope.",
        scopes: &["worker:log"],
        hints: Hints::ADD,
        icon: Some(super::ICON),
    };

    async fn call(
        services: &Services<Runs>,
        _call: &Call,
        _input: LogDueInput,
    ) -> Result<Reply<LoggedDue>, ToolError> {
        let logged = services.domain.service.log_due().await;
        logged
            .map(Reply::Structured)
            .map_err(|error| super::failure(services, &error))
    }
}
