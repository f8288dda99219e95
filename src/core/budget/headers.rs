//! What callers are told of their limits, in the words of the OpenAI API.

use super::types::{RateState, Reason, Refused, Standing};
use crate::http::HeaderFields;

impl Standing {
    /// `x-ratelimit-{limit,remaining,reset}-{requests,tokens}`.
    pub fn headers(&self) -> HeaderFields {
        let mut headers = HeaderFields::new();
        let mut add = |names: [&'static str; 3], state: RateState| {
            let values = [
                state.limit.to_string(),
                state.remaining.to_string(),
                duration(state.reset_ms),
            ];
            headers.extend(names.into_iter().zip(values));
        };
        if let Some(requests) = self.requests {
            add(REQUESTS, requests);
        }
        if let Some(tokens) = self.tokens {
            add(TOKENS, tokens);
        }
        if self.warnings().next().is_some() {
            headers.push(("x-chitty-budget-warning", "soft budget exceeded".to_owned()));
        }
        headers
    }
}

const REQUESTS: [&str; 3] = [
    "x-ratelimit-limit-requests",
    "x-ratelimit-remaining-requests",
    "x-ratelimit-reset-requests",
];
const TOKENS: [&str; 3] = [
    "x-ratelimit-limit-tokens",
    "x-ratelimit-remaining-tokens",
    "x-ratelimit-reset-tokens",
];

impl Refused {
    /// With `retry-after` in whole seconds where waiting helps, and `x-should-retry: false`,
    /// which OpenAI's clients obey, where their next try would be refused too.
    pub fn headers(&self) -> HeaderFields {
        let mut headers = self.standing.headers();
        match self.retry_after_ms.filter(|_| self.soon()) {
            Some(wait_ms) => {
                headers.push(("retry-after", seconds(wait_ms).to_string()));
                headers.push(("retry-after-ms", wait_ms.max(1).to_string()));
            }
            None => headers.push(("x-should-retry", "false".to_owned())),
        }
        headers
    }

    /// The error's `type`, as clients tell a used-up budget from a passing limit.
    pub fn error_type(&self) -> &'static str {
        match self.reason {
            Reason::Budget | Reason::Unpriced => "insufficient_quota",
            Reason::RequestsPerMinute | Reason::Concurrency => "requests",
            Reason::TokensPerMinute | Reason::TooLarge => "tokens",
            Reason::Finished => "invalid_request_error",
        }
    }

    pub fn code(&self) -> &'static str {
        match self.reason {
            Reason::Budget => "budget_exceeded",
            Reason::Unpriced => "model_unpriced",
            Reason::TooLarge => "request_too_large",
            Reason::Finished => "request_finished",
            Reason::Concurrency | Reason::RequestsPerMinute | Reason::TokensPerMinute => {
                "rate_limit_exceeded"
            }
        }
    }

    fn soon(&self) -> bool {
        self.code() == "rate_limit_exceeded"
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (limit, left, needed) = (self.limit, self.remaining, self.needed);
        let dollars = crate::usage::dollars;
        match self.reason {
            Reason::Budget => write!(
                f,
                "the budget of ${} has ${} left and this request may cost ${}: ask for less output, \
                 take a cheaper model or raise the budget",
                dollars(limit),
                dollars(left),
                dollars(needed)
            ),
            Reason::Unpriced => f.write_str(
                "a budget applies and no price is known for this model: take a model with a price",
            ),
            Reason::TooLarge => write!(
                f,
                "the request may use {needed} tokens and the limit is {limit} a minute: send or ask for less"
            ),
            Reason::Concurrency => write!(f, "{limit} calls are under way, which is the limit"),
            Reason::RequestsPerMinute => write!(f, "the limit is {limit} requests a minute"),
            Reason::TokensPerMinute => write!(
                f,
                "the limit is {limit} tokens a minute, {left} are left and this request may use {needed}"
            ),
            Reason::Finished => {
                f.write_str("this request has ended: make a new one under a new id")
            }
        }?;
        match self.retry_after_ms.filter(|_| self.soon()) {
            Some(wait_ms) => write!(f, "; try again in {}", duration(wait_ms)),
            None => Ok(()),
        }
    }
}

fn seconds(ms: i64) -> i64 {
    ms.saturating_add(999).div_euclid(1_000).max(1)
}

/// `0s`, `12ms`, `1s`, `6m0s`, `1.5s`: the form of Go's durations.
pub fn duration(ms: i64) -> String {
    let ms = ms.max(0);
    if ms > 0 && ms < 1_000 {
        return format!("{ms}ms");
    }
    let (whole, thousandths) = (ms / 1_000, ms % 1_000);
    let (hours, minutes, seconds) = (whole / 3_600, whole / 60 % 60, whole % 60);
    let mut text = match (hours, minutes) {
        (0, 0) => String::new(),
        (0, minutes) => format!("{minutes}m"),
        (hours, minutes) => format!("{hours}h{minutes}m"),
    };
    text.push_str(&seconds.to_string());
    if thousandths > 0 {
        let fraction = format!("{thousandths:03}");
        text.push('.');
        text.push_str(fraction.trim_end_matches('0'));
    }
    text.push('s');
    text
}
