//! What an attempt cost, for the account and for the books.

use super::serve::Order;
use crate::analytics::{EventCost, UsageEvent};
use crate::budget::{Actual, Charge};
use crate::llm::{Attempt, Ended, takes_sampling_parameters};
use crate::usage::{Cost, PriceKey, PriceTable, TokenUsage};

/// What was asked for, as far as an attempt that broke off is judged by it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub nanos: Option<i64>,
}

pub(super) struct Books<'a> {
    pub prices: &'a PriceTable,
    pub order: &'a Order,
    pub bounds: Bounds,
    pub elapsed_ms: i64,
}

impl Books<'_> {
    /// One event for each attempt that went out, and why the last has no price, where it has
    /// none. The gateway's own time is on the last: what passed before the first request and after
    /// the last answer. A wait in between is one that a provider asked for.
    pub fn events(&self, attempts: &[Attempt]) -> (Vec<UsageEvent>, Option<String>) {
        let sent: Vec<&Attempt> = attempts.iter().filter(|attempt| attempt.sent).collect();
        let outside = sent.first().zip(sent.last());
        let upstream_ms = outside.map_or(0, |(first, last)| {
            last.started_ms + last.total_ms - first.started_ms
        });
        let overhead_ms = (self.elapsed_ms - upstream_ms).max(0);
        let last = sent.len();
        let mut note = None;
        let numbered = sent.into_iter().enumerate();
        let events = numbered.map(|(at, attempt)| {
            let (cost, why) = self.cost(attempt);
            note = why;
            let number = at + 1;
            let overhead = (number == last).then_some(overhead_ms);
            self.event(attempt, cost, number, overhead)
        });
        (events.collect(), note)
    }

    fn event(
        &self,
        attempt: &Attempt,
        cost: EventCost,
        number: usize,
        overhead_ms: Option<i64>,
    ) -> UsageEvent {
        let order = self.order;
        let answered = attempt.error.is_none();
        UsageEvent {
            request_id: order.id.clone(),
            attempt: u32::try_from(number).unwrap_or(u32::MAX),
            user_id: order.user_id.clone(),
            key_id: order.key_id.clone(),
            session_id: order.session_id.clone(),
            case_id: order.case_id.clone(),
            provider: attempt.provider.clone(),
            model_asked: attempt.model.clone(),
            model: model_of(attempt).to_owned(),
            service_tier: attempt.service_tier.clone(),
            tokens: attempt.usage,
            cost,
            messages: if answered && order.session_id.is_some() {
                2
            } else {
                0
            },
            started_at_ms: attempt.started_ms,
            first_token_ms: attempt.first_token_ms.map(span),
            total_ms: Some(span(attempt.total_ms)),
            overhead_ms: overhead_ms.map(span),
            error: attempt.error.as_ref().map(|error| error.code().to_owned()),
        }
    }

    /// With the reason where there is no price.
    fn cost(&self, attempt: &Attempt) -> (EventCost, Option<String>) {
        if !attempt.may_have_billed {
            return (EventCost::None, None);
        }
        let key = PriceKey {
            provider: &attempt.provider,
            model: model_of(attempt),
            tier: attempt.service_tier.as_deref(),
            at_ms: attempt.started_ms,
        };
        let whole = matches!(attempt.ended, Some(Ended::Whole | Ended::Drained));
        let exact = whole && attempt.error.is_none();
        let usage = if exact {
            attempt.usage
        } else {
            Some(self.most_used(attempt))
        };
        let cost = match self.prices.cost(key, usage) {
            Cost::Unpriced { reason } => return (EventCost::Unpriced, Some(reason.to_string())),
            Cost::Priced { nanos, price_id } if exact => EventCost::Priced { nanos, price_id },
            Cost::Priced { nanos, price_id } => EventCost::Estimated {
                nanos: self.most(attempt).map_or(nanos, |most| nanos.min(most)),
                price_id,
            },
        };
        (cost, None)
    }

    /// What the order's own request costs at most.
    fn most(&self, attempt: &Attempt) -> Option<i64> {
        let is_own = attempt.request_bytes.is_none();
        self.bounds.nanos.filter(|_| is_own)
    }

    /// Of an answer that broke off: what the provider said of the prompt, else its bound; a
    /// token for each byte that a stream brought. A plain answer arrives as a whole or not at
    /// all, and reasoning never does, so it may have been as long as it was allowed to be.
    fn most_used(&self, attempt: &Attempt) -> TokenUsage {
        let said = attempt.usage.unwrap_or_default();
        let shown = u64::try_from(attempt.output_bytes).unwrap_or(u64::MAX);
        let most = self.bounds.output_tokens;
        let streamed = attempt.first_token_ms.is_some();
        let shows_all = takes_sampling_parameters(&attempt.model)
            && !self.order.request.extra.contains_key("thinking");
        let completion = if streamed && shows_all {
            shown
        } else {
            shown.max(most)
        };
        let prompt = if said.prompt > 0 {
            said.prompt
        } else {
            // A token has one byte or more.
            attempt.request_bytes.unwrap_or(self.bounds.input_tokens)
        };
        let completion = completion.max(said.completion);
        TokenUsage {
            prompt,
            completion,
            total: prompt.saturating_add(completion),
            ..said
        }
    }
}

/// All attempts of a call together, as the account settles them.
pub(super) fn actual(events: &[UsageEvent]) -> Actual {
    let (mut sum, mut exact, mut priced) = (0_i64, true, true);
    let (mut billed, mut tokens) = (false, Some(0_u64));
    for event in events {
        match &event.cost {
            EventCost::None => continue,
            EventCost::Priced { nanos, .. } => sum = sum.saturating_add(*nanos),
            EventCost::Estimated { nanos, .. } => {
                exact = false;
                sum = sum.saturating_add(*nanos);
            }
            EventCost::Unpriced => priced = false,
        }
        billed = true;
        let more = event.tokens.map(|usage| usage.total);
        tokens = tokens.zip(more).map(|(sum, more)| sum.saturating_add(more));
    }
    Actual {
        charge: match (billed, priced, exact) {
            (false, ..) => Charge::Released,
            (true, false, _) => Charge::Unpriced,
            (true, true, true) => Charge::Exact(sum),
            (true, true, false) => Charge::Estimated(sum),
        },
        tokens: tokens.filter(|_| exact),
    }
}

fn model_of(attempt: &Attempt) -> &str {
    attempt.model_answered.as_deref().unwrap_or(&attempt.model)
}

fn span(ms: i64) -> u32 {
    u32::try_from(ms.max(0)).unwrap_or(u32::MAX)
}
