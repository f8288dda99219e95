//! Which limits a request passes, and how much they leave.

use super::rate::Rate;
use super::store::{Loaded, REQUESTS, Tat, tokens_kind};
use super::types::{Limits, RateState};

/// Family of every model that has no limit of its own.
const OTHERS: &str = "*";

/// A limit a minute and how far it is used.
pub(super) struct Gate {
    pub rate: Rate,
    pub tat: Tat,
}

impl Gate {
    pub fn counts_tokens(&self) -> bool {
        self.tat.kind != REQUESTS
    }

    pub fn state(&self, now_ms: i64) -> RateState {
        self.rate.state(self.tat.tat_us, now_ms)
    }
}

impl Limits {
    /// 60 requests a minute, 20 calls at once, and tokens a minute by model family.
    pub fn standard() -> Self {
        let tokens = [
            ("gpt-4", 10_000),
            ("gpt-3.5", 60_000),
            (TEXT, 20_000),
            (OTHERS, 60_000),
        ];
        Self {
            requests_per_minute: Some(60),
            tokens_per_minute: tokens
                .map(|(family, limit)| (family.to_owned(), limit))
                .into(),
            concurrent: Some(20),
        }
    }

    /// These, and the others' where they say nothing.
    #[must_use]
    pub fn or(&self, others: &Self) -> Self {
        let mut tokens_per_minute = self.tokens_per_minute.clone();
        if !tokens_per_minute.contains_key(OTHERS) {
            for (family, limit) in &others.tokens_per_minute {
                tokens_per_minute.entry(family.clone()).or_insert(*limit);
            }
        }
        Self {
            requests_per_minute: self.requests_per_minute.or(others.requests_per_minute),
            tokens_per_minute,
            concurrent: self.concurrent.or(others.concurrent),
        }
    }

    fn tokens_of(&self, family: &str) -> Option<u64> {
        let by_family = &self.tokens_per_minute;
        by_family.get(family).or(by_family.get(OTHERS)).copied()
    }
}

/// What is kept without a model being asked; four bytes count as a token.
pub const TEXT: &str = "text";

/// What [`family_of`] tells apart, and [`TEXT`].
pub(super) const FAMILIES: [&str; 9] = [
    "gpt-3.5", "gpt-4", "gpt-5", "claude", "o1", "o3", "o4", "other", TEXT,
];

/// The family of a model by its name, fine-tuned or dated: `gpt-3.5`, `gpt-4`, `gpt-5`,
/// `claude`, `o1`, `o3`, `o4`, or `other`.
pub fn family_of(model: &str) -> &'static str {
    let name = model.strip_prefix("ft:").unwrap_or(model);
    if name.starts_with("gpt-3.5") {
        return "gpt-3.5";
    }
    if name.starts_with("gpt-4") || name.starts_with("chatgpt-4") {
        return "gpt-4";
    }
    let known = ["gpt-5", "claude", "o1", "o3", "o4"];
    let family = known.into_iter().find(|family| name.starts_with(family));
    family.unwrap_or("other")
}

/// The user's gates, then the key's. Without a family, those of requests only.
pub(super) fn gates(
    loaded: &Loaded,
    defaults: &Limits,
    key_id: Option<&str>,
    family: &str,
) -> Vec<Gate> {
    let mut gates = Vec::with_capacity(4);
    let user = &loaded.user.limits;
    let of_user = (
        user.requests_per_minute.or(defaults.requests_per_minute),
        user.tokens_of(family).or(defaults.tokens_of(family)),
    );
    add(&mut gates, loaded, None, of_user, family);
    if key_id.is_some() {
        let key = &loaded.key.limits;
        let of_key = (key.requests_per_minute, key.tokens_of(family));
        add(&mut gates, loaded, key_id, of_key, family);
    }
    gates
}

fn add(
    gates: &mut Vec<Gate>,
    loaded: &Loaded,
    holder: Option<&str>,
    (requests, tokens): (Option<u64>, Option<u64>),
    family: &str,
) {
    let mut push = |kind: String, limit: u64| {
        let stored = loaded
            .tats
            .iter()
            .find(|tat| tat.holder.as_deref() == holder && tat.kind == kind);
        gates.push(Gate {
            rate: Rate(limit),
            tat: Tat {
                holder: holder.map(str::to_owned),
                tat_us: stored.map_or(0, |tat| tat.tat_us),
                kind,
            },
        });
    };
    if let Some(limit) = requests {
        push(REQUESTS.to_owned(), limit);
    }
    if let Some(limit) = tokens.filter(|_| !family.is_empty()) {
        push(tokens_kind(family), limit);
    }
}

/// The tightest of the gates for tokens, or for requests.
pub(super) fn tightest(gates: &[Gate], tokens: bool, now_ms: i64) -> Option<RateState> {
    let gates = gates.iter().filter(|gate| gate.counts_tokens() == tokens);
    gates
        .map(|gate| gate.state(now_ms))
        .min_by_key(|state| state.remaining)
}
