mod answers;
mod calendars;
mod keeping;
mod speed;

use proptest::prelude::*;

use super::*;
use crate::ports::Database;
use crate::sql::{SqliteDatabase, Statement};
use crate::testing::{BundledZones, FakeClock, block_on};
use crate::time::from_rfc3339;
use crate::usage::TokenUsage;

pub(super) fn ms(text: &str) -> i64 {
    from_rfc3339(text).unwrap()
}

/// A call that went well.
pub(super) fn event(request: &str, at: &str) -> UsageEvent {
    UsageEvent {
        request_id: request.into(),
        attempt: 1,
        user_id: "ann".into(),
        key_id: Some("key-1".into()),
        session_id: None,
        case_id: None,
        provider: "openai".into(),
        model_asked: "gpt-4".into(),
        model: "gpt-4-0613".into(),
        service_tier: Some("default".into()),
        tokens: Some(TokenUsage {
            prompt: 100,
            cached: 40,
            cache_write: 20,
            cache_write_1h: 10,
            completion: 50,
            reasoning: 30,
            total: 150,
            web_searches: 1,
        }),
        cost: EventCost::Priced {
            nanos: 1_000,
            price_id: "openai/gpt-4/default/start".into(),
        },
        messages: 2,
        started_at_ms: ms(at),
        first_token_ms: Some(300),
        total_ms: Some(2_000),
        overhead_ms: Some(3),
        error: None,
    }
}

/// Any of a few users, models and places, within `days` from 2026-10-24T00:00:00Z.
pub(super) fn events(days: i64, most: usize) -> impl Strategy<Value = Vec<UsageEvent>> {
    let one = (
        (0_u32..40, 1_u32..3, 0..days * 86_400_000),
        (0_u8..2, 0_u8..3, 0_u8..3, 0_u8..4),
        (0_u32..60_000, 0_i64..5_000, any::<bool>()),
    );
    let one = one.prop_map(
        |((request, attempt, at), (user, model, place, fate), rest)| {
            let (total_ms, nanos, streamed) = rest;
            let mut event = event(&format!("r-{request}"), "2026-10-24T00:00:00Z");
            event.attempt = attempt;
            event.started_at_ms += at;
            event.user_id = format!("user-{user}");
            event.model = format!("model-{model}");
            event.key_id = (place > 0).then(|| format!("key-{place}"));
            event.session_id = (place != 1).then(|| format!("session-{request}"));
            event.case_id = (place == 2).then(|| format!("case-{model}"));
            event.total_ms = Some(total_ms);
            event.first_token_ms = streamed.then_some(total_ms / 3);
            let price_id = "p".to_owned();
            match fate {
                0 => event.cost = EventCost::Priced { nanos, price_id },
                1 => event.cost = EventCost::Estimated { nanos, price_id },
                2 => event.cost = EventCost::Unpriced,
                _ => {
                    event.cost = EventCost::None;
                    event.tokens = None;
                    event.messages = 0;
                    event.error = Some("PROVIDER_UNREACHABLE".into());
                }
            }
            event
        },
    );
    proptest::collection::vec(one, 0..most)
}

pub(super) struct World {
    pub database: SqliteDatabase,
}

impl World {
    pub fn new() -> Self {
        Self {
            database: SqliteDatabase::with_schema(),
        }
    }

    pub fn with(events: &[UsageEvent]) -> Self {
        let world = Self::new();
        for event in events {
            world.record(event);
        }
        world
    }

    pub fn record(&self, event: &UsageEvent) {
        block_on(self.database.batch(record(event))).unwrap();
    }

    pub fn ask(&self, input: &UsageAnalyticsInput) -> Result<UsageAnalytics, AnalyticsError> {
        self.ask_as("ann", input)
    }

    pub fn ask_as(
        &self,
        user: &str,
        input: &UsageAnalyticsInput,
    ) -> Result<UsageAnalytics, AnalyticsError> {
        let now_ms = ms("2026-11-21T12:07:00Z");
        let answer = usage_analytics(&self.database, &BundledZones, user, input, now_ms);
        block_on(answer).map(|output| output.analytics)
    }

    /// All rows, as text, with histograms in order.
    pub fn rollups(&self) -> Vec<String> {
        let all =
            "SELECT * FROM usage_rollups ORDER BY user_id, scope, span, bucket, member, model";
        let rows = block_on(self.database.run(Statement::new(all)))
            .unwrap()
            .rows;
        rows.iter()
            .map(|row| {
                let mut latencies = bins::Latencies::default();
                latencies.absorb(&row.text("latencies").unwrap()).unwrap();
                let columns = "user_id scope span bucket member model attempts requests errors \
                    messages prompt_tokens cached_tokens cache_write_tokens cache_write_1h_tokens \
                    completion_tokens reasoning_tokens web_searches cost_nanos estimated unpriced";
                let values: Vec<_> = columns
                    .split_whitespace()
                    .map(|column| row.value(column).unwrap())
                    .collect();
                format!("{values:?} {latencies:?}")
            })
            .collect()
    }
}

/// From one day until another.
pub(super) fn range(start: &str, end: &str, zone: &str) -> UsageAnalyticsInput {
    UsageAnalyticsInput {
        start_date: Some(start.into()),
        end_date: Some(end.into()),
        time_zone: Some(zone.into()),
        ..UsageAnalyticsInput::default()
    }
}
