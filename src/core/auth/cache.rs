use std::cell::RefCell;
use std::collections::HashMap;

use super::Principal;

/// How long a found token is trusted without asking again: a revocation takes effect
/// within this time.
pub const FRESH_MS: i64 = 10_000;
const MAX_ENTRIES: usize = 1024;

/// Tokens found valid lately, by hash, one for an isolate. Refusals are not kept, so a
/// token works as soon as it exists.
#[derive(Default)]
pub struct TokenCache(RefCell<HashMap<[u8; 32], Entry>>);

struct Entry {
    principal: Principal,
    fresh_until: i64,
}

impl TokenCache {
    pub fn get(&self, hash: &[u8; 32], now_ms: i64) -> Option<Principal> {
        let entries = self.0.borrow();
        let entry = entries.get(hash)?;
        // The clock of an isolate may be set back; an entry is never trusted longer.
        let fresh = now_ms < entry.fresh_until && entry.fresh_until <= now_ms + FRESH_MS;
        fresh.then(|| entry.principal.clone())
    }

    /// `ends_at` is when the token expires: no entry outlives it.
    pub fn put(&self, hash: [u8; 32], principal: Principal, ends_at: Option<i64>, now_ms: i64) {
        let fresh_until = ends_at.unwrap_or(i64::MAX).min(now_ms + FRESH_MS);
        let mut entries = self.0.borrow_mut();
        if entries.len() >= MAX_ENTRIES {
            entries.retain(|_, entry| now_ms < entry.fresh_until);
        }
        if entries.len() >= MAX_ENTRIES {
            let oldest = entries.iter().min_by_key(|(_, entry)| entry.fresh_until);
            if let Some(hash) = oldest.map(|(hash, _)| *hash) {
                entries.remove(&hash);
            }
        }
        entries.insert(
            hash,
            Entry {
                principal,
                fresh_until,
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::super::{PrincipalKind, Scopes};
    use super::*;

    fn principal() -> Principal {
        Principal {
            user_id: "u".into(),
            name: "n".into(),
            kind: PrincipalKind::User,
            scopes: Scopes::default(),
            token_id: "t".into(),
            client_id: None,
        }
    }

    #[test]
    fn an_entry_ends_with_its_time_or_its_token() {
        let cache = TokenCache::default();
        cache.put([1; 32], principal(), None, 0);
        assert!(cache.get(&[1; 32], FRESH_MS - 1).is_some());
        assert!(cache.get(&[1; 32], FRESH_MS).is_none());
        cache.put([2; 32], principal(), Some(5), 0);
        assert!(cache.get(&[2; 32], 4).is_some());
        assert!(cache.get(&[2; 32], 5).is_none());
        assert!(cache.get(&[3; 32], 0).is_none());
    }

    #[test]
    fn a_clock_set_back_does_not_prolong_trust() {
        let cache = TokenCache::default();
        cache.put([1; 32], principal(), None, 1_000_000);
        assert!(cache.get(&[1; 32], 0).is_none());
    }

    #[test]
    fn it_does_not_grow_without_bound() {
        let cache = TokenCache::default();
        for n in 0..3 * MAX_ENTRIES as u64 {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&n.to_be_bytes());
            cache.put(hash, principal(), None, i64::try_from(n / 1000).unwrap());
        }
        assert_eq!(cache.0.borrow().len(), MAX_ENTRIES);
    }
}
