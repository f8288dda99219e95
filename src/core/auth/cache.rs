use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use super::Principal;
use super::access_token::Claims;

/// How long a credential found good is trusted without asking again: a revocation takes
/// effect within this time.
pub const FRESH_MS: i64 = 10_000;
const MAX_ENTRIES: usize = 1024;

/// Credentials found good lately, by the hash of the token, one for an isolate. Refusals are
/// not kept, so a token works as soon as it exists.
#[derive(Default)]
pub struct TokenCache(RefCell<Kept>);

#[derive(Default)]
struct Kept {
    entries: HashMap<[u8; 32], Entry>,
    /// Counts uses: the entry with the lowest count is the one unused for longest.
    uses: u64,
}

/// What is known of a token.
#[derive(Clone)]
pub struct Known {
    pub principal: Rc<Principal>,
    /// What an access token says under a signature that held. None for a key.
    pub claims: Option<Rc<Claims>>,
}

struct Entry {
    known: Known,
    fresh_until: i64,
    used: u64,
}

impl TokenCache {
    /// What is known, and whether it is fresh: the principal of one that is not may have been
    /// revoked since. Its claims are to be judged again either way.
    pub fn get(&self, hash: &[u8; 32], now_ms: i64) -> Option<(Known, bool)> {
        let mut kept = self.0.borrow_mut();
        kept.uses += 1;
        let used = kept.uses;
        let entry = kept.entries.get_mut(hash)?;
        entry.used = used;
        // The clock of an isolate may be set back; an entry is never trusted longer.
        let fresh = now_ms < entry.fresh_until && entry.fresh_until <= now_ms + FRESH_MS;
        Some((entry.known.clone(), fresh))
    }

    /// `ends_at` is when the credential ends: no entry is fresh beyond.
    pub fn put(&self, hash: [u8; 32], known: Known, ends_at: Option<i64>, now_ms: i64) {
        let fresh_until = ends_at.unwrap_or(i64::MAX).min(now_ms + FRESH_MS);
        let mut kept = self.0.borrow_mut();
        kept.uses += 1;
        let used = kept.uses;
        if kept.entries.len() >= MAX_ENTRIES && !kept.entries.contains_key(&hash) {
            let oldest = kept.entries.iter().min_by_key(|(_, entry)| entry.used);
            if let Some(hash) = oldest.map(|(hash, _)| *hash) {
                kept.entries.remove(&hash);
            }
        }
        let entry = Entry {
            known,
            fresh_until,
            used,
        };
        kept.entries.insert(hash, entry);
    }

    /// Forgets a credential that was found bad since.
    pub fn forget(&self, hash: &[u8; 32]) {
        self.0.borrow_mut().entries.remove(hash);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{PrincipalKind, Scopes};
    use super::*;

    fn known() -> Known {
        Known {
            principal: Rc::new(Principal {
                user_id: "u".into(),
                name: "n".into(),
                kind: PrincipalKind::User,
                scopes: Scopes::default(),
                token_id: "t".into(),
                client_id: None,
            }),
            claims: None,
        }
    }

    fn is_fresh(cache: &TokenCache, hash: u8, now_ms: i64) -> bool {
        let found = cache.get(&[hash; 32], now_ms);
        found.is_some_and(|(_, fresh)| fresh)
    }

    #[test]
    fn an_entry_is_fresh_until_its_time_or_its_token_ends() {
        let cache = TokenCache::default();
        cache.put([1; 32], known(), None, 0);
        assert!(is_fresh(&cache, 1, FRESH_MS - 1));
        assert!(!is_fresh(&cache, 1, FRESH_MS));
        cache.put([2; 32], known(), Some(5), 0);
        assert!(is_fresh(&cache, 2, 4));
        assert!(!is_fresh(&cache, 2, 5));
        assert!(!is_fresh(&cache, 3, 0));
        cache.forget(&[1; 32]);
        assert!(cache.get(&[1; 32], 0).is_none());
    }

    #[test]
    fn a_clock_set_back_does_not_prolong_trust() {
        let cache = TokenCache::default();
        cache.put([1; 32], known(), None, 1_000_000);
        assert!(!is_fresh(&cache, 1, 0));
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let cache = TokenCache::default();
        let hash = |n: usize| {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&n.to_be_bytes());
            hash
        };
        cache.put(hash(0), known(), None, 0);
        for n in 1..3 * MAX_ENTRIES {
            cache.put(hash(n), known(), None, 0);
            assert!(cache.get(&hash(0), 0).is_some(), "it is used all the time");
        }
        assert_eq!(cache.0.borrow().entries.len(), MAX_ENTRIES);
        assert!(cache.get(&hash(1), 0).is_none());
    }
}
