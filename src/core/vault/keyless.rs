use std::cell::RefCell;

/// How long: so long a key that another isolate took in may not be used here yet.
pub const FRESH_MS: i64 = 10_000;
/// Few enough to be looked through.
const MAX_ENTRIES: usize = 256;

/// Users who had no key of their own at a provider a moment ago, one for an isolate: most
/// have none, and each call asks. A key that is added here is used from then on.
#[derive(Default)]
pub struct Keyless(RefCell<Kept>);

#[derive(Default)]
struct Kept {
    /// User and provider, and until when.
    fresh_until: Vec<(String, i64)>,
    /// Counts keys added: what was looked up before the last one is not to be trusted.
    added: u64,
}

impl Keyless {
    pub(super) fn holds(&self, user: &str, provider: &str, now_ms: i64) -> bool {
        let kept = self.0.borrow();
        let place = place(user, provider);
        let mut known = kept.fresh_until.iter();
        // The clock of an isolate may be set back; nothing is trusted longer.
        let fresh = now_ms + 1..=now_ms + FRESH_MS;
        known.any(|(known, until)| *known == place && fresh.contains(until))
    }

    /// To be shown to [`Self::note`] once a look-up has ended.
    pub(super) fn added(&self) -> u64 {
        self.0.borrow().added
    }

    pub(super) fn note(&self, user: &str, provider: &str, added: u64, now_ms: i64) {
        let mut kept = self.0.borrow_mut();
        if kept.added != added {
            return;
        }
        let place = place(user, provider);
        kept.fresh_until.retain(|(known, _)| *known != place);
        if kept.fresh_until.len() >= MAX_ENTRIES {
            kept.fresh_until.clear();
        }
        kept.fresh_until.push((place, now_ms + FRESH_MS));
    }

    pub(super) fn forget(&self, user: &str, provider: &str) {
        let mut kept = self.0.borrow_mut();
        kept.added += 1;
        let place = place(user, provider);
        kept.fresh_until.retain(|(known, _)| *known != place);
    }
}

/// Names of providers have no line breaks.
fn place(user: &str, provider: &str) -> String {
    format!("{provider}\n{user}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_remembered_for_ten_seconds_whatever_the_clock_does() {
        let keyless = Keyless::default();
        keyless.note("ann", "openai", keyless.added(), 1_000_000);
        assert!(keyless.holds("ann", "openai", 1_000_000 + FRESH_MS - 1));
        assert!(!keyless.holds("ann", "openai", 1_000_000 + FRESH_MS));
        assert!(!keyless.holds("ann", "openai", 0));
        assert!(!keyless.holds("ann", "anthropic", 1_000_000));
        assert!(!keyless.holds("bob", "openai", 1_000_000));
    }

    #[test]
    fn a_key_added_meanwhile_is_not_overlooked() {
        let keyless = Keyless::default();
        let before = keyless.added();
        keyless.forget("ann", "openai");
        keyless.note("ann", "openai", before, 0);
        assert!(!keyless.holds("ann", "openai", 1));
    }

    #[test]
    fn it_does_not_grow_without_end() {
        let keyless = Keyless::default();
        for user in 0..3 * MAX_ENTRIES {
            keyless.note(&user.to_string(), "openai", keyless.added(), 0);
        }
        assert!(keyless.0.borrow().fresh_until.len() <= MAX_ENTRIES);
    }
}
