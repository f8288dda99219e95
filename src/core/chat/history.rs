//! What of a session's history goes along with a completion.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::library::Loaded;
use super::windows::{UNKNOWN_WINDOW, window_of};
use super::{ChatMessage, Role};

/// Around each message's text: its role and the marks of its ends.
const TOKENS_A_MESSAGE: u64 = 8;

/// How a history was made to fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HistoryRule {
    /// It fits as it is.
    Whole,
    /// Whole exchanges were left out, the oldest first. System messages and the newest
    /// exchange stay.
    OldestExchangesDropped,
    /// So too, and the newest exchange alone may still be too long: the model decides.
    NewestExchangeOnly,
}

/// A history that fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fitted {
    /// In the order they came.
    pub messages: Vec<ChatMessage>,
    /// How many messages were left out.
    pub dropped: usize,
    pub rule: HistoryRule,
}

/// What a result says of the history that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryView {
    /// Messages sent to the model, those of the call among them.
    pub sent: usize,
    /// Messages of the session that were left out.
    pub dropped: usize,
    pub rule: HistoryRule,
    /// Tokens that question and answer may have together.
    pub window_tokens: u64,
    /// False if the model is unknown here and the window is a careful guess.
    pub window_known: bool,
}

/// No fewer tokens than the message has: a token of text is a byte at least.
pub fn tokens_at_most(message: &ChatMessage) -> u64 {
    let bytes = u64::try_from(message.content.len()).unwrap_or(u64::MAX);
    bytes.saturating_add(TOKENS_A_MESSAGE)
}

/// What a call in a session sends to `model`: the session's history, then the call's own
/// messages, made to fit. What the call repeats of the history is sent once: its system
/// messages, and the end of the history that it begins with.
pub fn for_call(
    history: Loaded,
    call: Vec<ChatMessage>,
    model: &str,
    reserve_for_answer: u64,
) -> (Vec<ChatMessage>, HistoryView) {
    let left_out = history.left_out;
    let known = window_of(model);
    let window_tokens = known.unwrap_or(UNKNOWN_WINDOW);
    let fitted = fit(
        join(history.messages, call),
        window_tokens,
        reserve_for_answer,
    );
    let view = HistoryView {
        sent: fitted.messages.len(),
        dropped: left_out.saturating_add(fitted.dropped),
        rule: fitted.rule,
        window_tokens,
        window_known: known.is_some(),
    };
    (fitted.messages, view)
}

fn join(mut history: Vec<ChatMessage>, call: Vec<ChatMessage>) -> Vec<ChatMessage> {
    let said = |list: &[ChatMessage]| -> Vec<ChatMessage> {
        let said = list.iter().filter(|message| message.role != Role::System);
        said.cloned().collect()
    };
    let (before, now) = (said(&history), said(&call));
    let repeated = (0..=before.len().min(now.len()))
        .rev()
        .find(|count| now.get(..*count) == before.get(before.len() - count..));
    let mut keep = before.len() - repeated.unwrap_or_default();
    history.retain(|message| {
        if message.role == Role::System {
            return !call.contains(message);
        }
        let kept = keep > 0;
        keep = keep.saturating_sub(1);
        kept
    });
    history.extend(call);
    history
}

/// Leaves out whole exchanges from the oldest on until the rest takes no more than
/// `window_tokens` less `reserve_for_answer`. An exchange is a user's message and what
/// follows it up to the next. System messages stay, and so does the newest exchange.
pub fn fit(messages: Vec<ChatMessage>, window_tokens: u64, reserve_for_answer: u64) -> Fitted {
    let is_system = |message: &ChatMessage| message.role == Role::System;
    let oldest = messages.iter().position(|message| !is_system(message));
    let fixed = messages.iter().filter(|message| is_system(message));
    let fixed = fixed.fold(0_u64, |sum, message| {
        sum.saturating_add(tokens_at_most(message))
    });
    let budget = window_tokens.saturating_sub(reserve_for_answer);
    let (mut used, mut exchange) = (fixed, 0_u64);
    let (mut from, mut rule) = (messages.len(), HistoryRule::Whole);
    for (at, message) in messages.iter().enumerate().rev() {
        if is_system(message) {
            continue;
        }
        exchange = exchange.saturating_add(tokens_at_most(message));
        if message.role != Role::User && Some(at) != oldest {
            continue;
        }
        let newest = from == messages.len();
        used = used.saturating_add(std::mem::take(&mut exchange));
        if used <= budget {
            from = at;
        } else if newest {
            (from, rule) = (at, HistoryRule::NewestExchangeOnly);
            break;
        } else {
            rule = HistoryRule::OldestExchangesDropped;
            break;
        }
    }
    let all = messages.len();
    let kept = messages.into_iter().enumerate();
    let kept = kept.filter(|(at, message)| *at >= from || is_system(message));
    let messages: Vec<_> = kept.map(|(_, message)| message).collect();
    Fitted {
        dropped: all - messages.len(),
        messages,
        rule,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn says(role: Role, bytes: usize) -> ChatMessage {
        ChatMessage {
            role,
            content: "x".repeat(bytes),
        }
    }

    /// Tokens of an exchange of two messages of 2 bytes.
    const EXCHANGE: u64 = 2 * (2 + TOKENS_A_MESSAGE);

    fn talk(exchanges: usize) -> Vec<ChatMessage> {
        let pair = [says(Role::User, 2), says(Role::Assistant, 2)];
        let pairs = std::iter::repeat_n(pair, exchanges).flatten();
        std::iter::once(says(Role::System, 2))
            .chain(pairs)
            .collect()
    }

    #[test]
    fn what_fits_is_left_alone_to_the_token() {
        let system = 2 + TOKENS_A_MESSAGE;
        let fitted = fit(talk(3), system + 3 * EXCHANGE + 100, 100);
        assert_eq!((fitted.dropped, fitted.rule), (0, HistoryRule::Whole));
        assert_eq!(fitted.messages, talk(3));

        let fitted = fit(talk(3), system + 3 * EXCHANGE + 99, 100);
        let rule = HistoryRule::OldestExchangesDropped;
        assert_eq!((fitted.dropped, fitted.rule), (2, rule));
        assert_eq!(fitted.messages, talk(2));
    }

    #[test]
    fn the_newest_exchange_and_system_messages_always_stay() {
        for window in [0, 10, 29] {
            let fitted = fit(talk(3), window, 0);
            assert_eq!(fitted.messages, talk(1));
            assert_eq!(
                (fitted.dropped, fitted.rule),
                (4, HistoryRule::NewestExchangeOnly)
            );
        }
        let alone = fit(vec![says(Role::User, 500)], 100, 50);
        assert_eq!((alone.messages.len(), alone.dropped), (1, 0));
        assert_eq!(alone.rule, HistoryRule::NewestExchangeOnly);
        assert_eq!(fit(Vec::new(), 0, 0).rule, HistoryRule::Whole);
    }

    #[test]
    fn a_late_system_message_stays_and_an_opening_of_the_model_is_an_exchange() {
        let mut messages = vec![says(Role::Assistant, 90)];
        messages.extend(talk(2));
        let fitted = fit(messages.clone(), 10 + 2 * EXCHANGE, 0);
        assert_eq!(fitted.messages, talk(2));
        assert_eq!(fit(messages, 200, 0).rule, HistoryRule::Whole);
    }

    #[test]
    fn bytes_are_counted_not_letters() {
        let message = ChatMessage {
            role: Role::User,
            content: "法😀".into(),
        };
        assert_eq!(tokens_at_most(&message), 7 + TOKENS_A_MESSAGE);
    }

    fn text(role: Role, content: &str) -> ChatMessage {
        ChatMessage {
            role,
            content: content.into(),
        }
    }

    #[test]
    fn an_unknown_model_is_told_of_and_what_was_not_read_counts_as_dropped() {
        let loaded = |left_out| Loaded {
            messages: talk(1),
            left_out,
        };
        let (_, view) = for_call(loaded(4), Vec::new(), "llama3.2", 0);
        assert_eq!(
            (view.window_tokens, view.window_known),
            (UNKNOWN_WINDOW, false)
        );
        assert_eq!((view.sent, view.dropped), (3, 4));
        let (_, view) = for_call(loaded(0), Vec::new(), "gpt-4o", 0);
        assert_eq!((view.window_tokens, view.window_known), (128_000, true));
        assert_eq!((view.sent, view.dropped), (3, 0));
    }

    #[test]
    fn what_a_call_repeats_is_sent_once() {
        let [rules, ask, answer] = [
            text(Role::System, "rules"),
            text(Role::User, "ask"),
            text(Role::Assistant, "answer"),
        ];
        let (again, other) = (text(Role::User, "again"), text(Role::System, "other"));
        let history = vec![rules.clone(), ask.clone(), answer.clone()];
        let joined = |call: &[ChatMessage]| join(history.clone(), call.to_vec());
        assert_eq!(
            joined(std::slice::from_ref(&again)),
            [rules.clone(), ask.clone(), answer.clone(), again.clone()]
        );
        let whole = [rules.clone(), ask.clone(), answer.clone(), again.clone()];
        assert_eq!(joined(&whole), whole);
        let end = [other.clone(), answer.clone(), again.clone()];
        assert_eq!(
            joined(&end),
            [rules.clone(), ask.clone(), other, answer, again]
        );
        // Asked before, but not last: it is a new question.
        assert_eq!(joined(std::slice::from_ref(&ask)).len(), 4);
        assert_eq!(join(Vec::new(), history.clone()), history);
    }

    proptest! {
        #[test]
        fn nothing_is_reordered_and_the_rest_fits(
            shape in proptest::collection::vec((0..3_u8, 0..40_usize), 0..30),
            window in 0..800_u64,
            reserve in 0..100_u64,
        ) {
            let role = |kind| match kind {
                0 => Role::System,
                1 => Role::User,
                _ => Role::Assistant,
            };
            let messages: Vec<_> = shape.iter().map(|(kind, len)| says(role(*kind), *len)).collect();
            let fitted = fit(messages.clone(), window, reserve);
            prop_assert_eq!(fitted.messages.len() + fitted.dropped, messages.len());
            let systems = |list: &[ChatMessage]| list.iter().filter(|m| m.role == Role::System).count();
            prop_assert_eq!(systems(&fitted.messages), systems(&messages));
            let mut rest = messages.iter();
            prop_assert!(fitted.messages.iter().all(|kept| rest.any(|had| had == kept)));
            prop_assert_eq!(fitted.messages.last(), messages.last());
            let tokens: u64 = fitted.messages.iter().map(tokens_at_most).sum();
            match fitted.rule {
                HistoryRule::Whole => prop_assert_eq!(fitted.dropped, 0),
                HistoryRule::OldestExchangesDropped => prop_assert!(fitted.dropped > 0),
                HistoryRule::NewestExchangeOnly => prop_assert!(tokens > window.saturating_sub(reserve)),
            }
            if fitted.rule != HistoryRule::NewestExchangeOnly && fitted.messages.iter().any(|m| m.role != Role::System) {
                prop_assert!(tokens <= window.saturating_sub(reserve));
            }
        }
    }
}
