//! Usage for dashboards: sampled and kept for months, so never for billing.
//!
//! What is written cannot be taken back, so it names nobody: no user, key, session, case or
//! request. Those are questions to the roll-ups.

use super::event::UsageEvent;

/// Where data points go, such as a dataset of Workers Analytics Engine.
pub trait DataPoints {
    /// Neither fails nor waits.
    fn write(&self, point: &DataPoint);
}

/// A point in the form of Analytics Engine: one index to sample by, texts, numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct DataPoint {
    /// The model that answered: each model's points are sampled apart.
    pub index: String,
    /// Provider, model asked, model that answered, service tier, outcome, cost status. Empty
    /// where there is none.
    pub blobs: [String; 6],
    /// Prompt, cached, cache write, cache write for an hour, completion and reasoning tokens,
    /// cost in nano-dollars, time to the first token, total and own time in milliseconds,
    /// attempt, messages. -1 where unknown.
    pub doubles: [f64; 12],
}

/// Analytics Engine takes an index of 96 bytes. No name of a model is longer.
const MAX_BYTES: usize = 96;

impl From<&UsageEvent> for DataPoint {
    fn from(event: &UsageEvent) -> Self {
        let tokens = event.tokens.as_ref();
        let blobs = [
            event.provider.as_str(),
            &event.model_asked,
            &event.model,
            event.service_tier.as_deref().unwrap_or_default(),
            event.error.as_deref().unwrap_or("ok"),
            event.cost.status(),
        ];
        let nanos = event.cost.nanos();
        Self {
            index: cut(&event.model),
            blobs: blobs.map(cut),
            doubles: [
                number(tokens.map(|t| t.prompt)),
                number(tokens.map(|t| t.cached)),
                number(tokens.map(|t| t.cache_write)),
                number(tokens.map(|t| t.cache_write_1h)),
                number(tokens.map(|t| t.completion)),
                number(tokens.map(|t| t.reasoning)),
                number(nanos.and_then(|nanos| u64::try_from(nanos).ok())),
                number(event.first_token_ms.map(u64::from)),
                number(event.total_ms.map(u64::from)),
                number(event.overhead_ms.map(u64::from)),
                f64::from(event.attempt),
                f64::from(event.messages),
            ],
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "for dashboards")]
fn number(count: Option<u64>) -> f64 {
    count.map_or(-1.0, |count| count as f64)
}

/// Whole characters.
fn cut(text: &str) -> String {
    let most = text.floor_char_boundary(MAX_BYTES);
    text.get(..most).unwrap_or_default().to_owned()
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "whole numbers")]
mod tests {
    use super::*;
    use crate::analytics::EventCost;
    use crate::analytics::tests::event;

    #[test]
    fn a_point_has_all_figures_and_fits_the_limits() {
        let mut event = event("r", "2026-11-01T10:20:00Z");
        let point = DataPoint::from(&event);
        assert_eq!(point.index, "gpt-4-0613");
        let texts = ["openai", "gpt-4", "gpt-4-0613", "default", "ok", "priced"];
        assert_eq!(point.blobs, texts);
        let numbers = [100, 40, 20, 10, 50, 30, 1_000, 300, 2_000, 3, 1, 2];
        assert_eq!(point.doubles.map(|number| number as i64), numbers);
        event.model = "\u{fc}".repeat(100);
        assert_eq!(DataPoint::from(&event).index.len(), MAX_BYTES);
    }

    #[test]
    fn a_point_names_nobody() {
        let mut event = event("the-request", "2026-11-01T10:20:00Z");
        event.user_id = "the-user".to_owned();
        event.key_id = Some("the-key".to_owned());
        event.session_id = Some("the-session".to_owned());
        event.case_id = Some("the-case".to_owned());
        let told = format!("{:?}", DataPoint::from(&event));
        assert!(!told.contains("the-"), "{told}");
    }

    #[test]
    fn what_is_unknown_is_not_zero() {
        let mut event = event("r", "2026-11-01T10:20:00Z");
        (event.tokens, event.cost, event.total_ms) = (None, EventCost::Unpriced, None);
        let point = DataPoint::from(&event);
        let told = point.doubles.map(|number| number as i64);
        assert_eq!([told[0], told[6], told[8]], [-1; 3]);
    }
}
