use async_trait::async_trait;
use chitty_core::analytics::{
    AnalyticsError, UsageAnalyticsInput, UsageAnalyticsOutput, usage_analytics,
};
use chitty_core::mcp::{About, Call, Hints, Reply, Tool, ToolError};
use chitty_core::rest::Rest;
use chitty_core::services::{Blame, Services};
use chitty_edge::zones::SystemZones;

use crate::domain::Chat;

pub struct Usage;

#[async_trait(?Send)]
impl Tool<Services<Chat>> for Usage {
    type Input = UsageAnalyticsInput;
    type Output = UsageAnalyticsOutput;

    const ABOUT: About = About {
        name: "chitty_usage_analytics",
        title: "Usage and cost",
        description: "Calls, errors, tokens by kind, exact cost and latencies of your model \
                      calls by hour, day, week or month of a time zone; split by model, session, \
                      case or key with group_by; as CSV with format csv. The last 30 days by day \
                      if nothing is named.",
        scopes: &["chatgpt:read"],
        hints: Hints::READ,
        icon: Some(super::ICON),
    };
    const REST: Option<Rest> = Some(Rest::get("/api/v1/usage"));

    async fn call(
        services: &Services<Chat>,
        call: &Call,
        input: UsageAnalyticsInput,
    ) -> Result<Reply<UsageAnalyticsOutput>, ToolError> {
        let owner = call.principal.resolve_user(input.user_id.as_deref())?;
        let platform = &services.platform;
        let (database, now_ms) = (&*platform.database, platform.clock.now_ms());
        let done = usage_analytics(database, &SystemZones, &owner, &input, now_ms).await;
        done.map(Reply::Structured).map_err(|error| {
            let blame = match error {
                AnalyticsError::Storage(_) => Blame::Ours,
                _ => Blame::Caller,
            };
            services.failure(error.code(), &error, blame, None)
        })
    }
}
