//! Usage for dashboards: sampled and kept for months, so never for billing.

use super::event::UsageEvent;

/// Where data points go, such as a dataset of Workers Analytics Engine.
pub trait DataPoints {
    /// Neither fails nor waits.
    fn write(&self, point: &DataPoint);
}

/// A point in the form of Analytics Engine: one index to sample by, texts, numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct DataPoint {
    /// The user, so that each user's points are sampled apart.
    pub index: String,
    /// Provider, model asked, model that answered, service tier, outcome, cost status, key,
    /// session, case, request. Empty where there is none.
    pub blobs: [String; 10],
    /// Prompt, cached, cache write, cache write for an hour, completion and reasoning tokens,
    /// cost in nano-dollars, time to the first token, total and own time in milliseconds,
    /// attempt, messages. -1 where unknown.
    pub doubles: [f64; 12],
}

/// Analytics Engine takes an index of 96 bytes.
const MAX_INDEX_BYTES: usize = 96;
/// All texts of a point may have 16 kB.
const MAX_BLOB_BYTES: usize = 1_024;

impl From<&UsageEvent> for DataPoint {
    fn from(event: &UsageEvent) -> Self {
        let or_empty = |text: &Option<String>| text.clone().unwrap_or_default();
        let tokens = event.tokens.as_ref();
        let blobs = [
            event.provider.clone(),
            event.model_asked.clone(),
            event.model.clone(),
            or_empty(&event.service_tier),
            event.error.clone().unwrap_or_else(|| "ok".to_owned()),
            event.cost.status().to_owned(),
            or_empty(&event.key_id),
            or_empty(&event.session_id),
            or_empty(&event.case_id),
            event.request_id.clone(),
        ];
        Self {
            index: cut(&event.user_id, MAX_INDEX_BYTES),
            blobs: blobs.map(|blob| cut(&blob, MAX_BLOB_BYTES)),
            doubles: [
                number(tokens.map(|t| t.prompt)),
                number(tokens.map(|t| t.cached)),
                number(tokens.map(|t| t.cache_write)),
                number(tokens.map(|t| t.cache_write_1h)),
                number(tokens.map(|t| t.completion)),
                number(tokens.map(|t| t.reasoning)),
                number(
                    event
                        .cost
                        .nanos()
                        .and_then(|nanos| u64::try_from(nanos).ok()),
                ),
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

/// At most so many bytes, whole characters.
fn cut(text: &str, most: usize) -> String {
    text.get(..text.floor_char_boundary(most))
        .unwrap_or_default()
        .to_owned()
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
        event.user_id = "\u{fc}".repeat(100);
        event.case_id = Some("c".repeat(2_000));
        let point = DataPoint::from(&event);
        assert_eq!(point.index.len(), MAX_INDEX_BYTES);
        assert_eq!(point.blobs[8].len(), MAX_BLOB_BYTES);
        let texts = [
            "openai",
            "gpt-4",
            "gpt-4-0613",
            "default",
            "ok",
            "priced",
            "key-1",
            "",
        ];
        assert_eq!(point.blobs[..8], texts);
        let numbers = [100, 40, 20, 10, 50, 30, 1_000, 300, 2_000, 3, 1, 2];
        assert_eq!(point.doubles.map(|number| number as i64), numbers);
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
