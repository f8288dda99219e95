use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use serde_json::Value;

use crate::oauth::{Client, OAuthError};

const MAX_ENTRIES: usize = 256;
/// A failure is not asked for again at once, whoever asks.
const FAILURE_MS: i64 = 10_000;

/// How long a registered client is known: as long as it may go on after it was disabled.
const REGISTERED_MS: i64 = 10_000;

/// What is known of clients: registered ones, metadata documents and keys; one for an isolate.
/// Each kind stands apart, so that no flood of one drives out another.
#[derive(Default)]
pub struct ClientCache {
    registered: Kept<Client>,
    documents: Kept<Client>,
    keys: Kept<KeySet>,
    failures: Kept<OAuthError>,
}

/// How long what was good is served where its host does not answer.
const STALE_MS: i64 = 24 * 60 * 60 * 1000;

/// A client's keys, and when they came.
#[derive(Clone)]
pub(super) struct KeySet {
    pub jwks: Rc<Value>,
    pub fetched_at_ms: i64,
}

impl ClientCache {
    pub(super) fn registered(&self, id: &str, now_ms: i64) -> Option<Client> {
        self.registered.get(id, now_ms)
    }

    pub(super) fn put_registered(&self, client: &Client, now_ms: i64) {
        let id = client.id.clone();
        self.registered
            .put(id, client.clone(), REGISTERED_MS, now_ms);
    }

    /// What is known of a document: the client, or why there was none lately.
    pub(super) fn client(&self, url: &str, now_ms: i64) -> Option<Result<Client, OAuthError>> {
        if let Some(client) = self.documents.get(url, now_ms) {
            return Some(Ok(client));
        }
        self.failure(url, now_ms).map(Err)
    }

    /// What an address that does not answer last said, for up to a day after its time.
    pub(super) fn stale_client(&self, url: &str, now_ms: i64) -> Option<Client> {
        self.documents.find(url, STALE_MS, now_ms)
    }

    /// What an address said is no longer so.
    pub(super) fn forget_client(&self, url: &str) {
        self.documents.remove(url);
    }

    pub(super) fn put_client(&self, client: &Client, fresh_ms: i64, now_ms: i64) {
        let url = client.id.clone();
        self.documents.put(url, client.clone(), fresh_ms, now_ms);
    }

    pub(super) fn keys(&self, url: &str, now_ms: i64) -> Option<KeySet> {
        self.keys.get(url, now_ms)
    }

    /// Why a URL could not be used a moment ago.
    pub(super) fn failure(&self, url: &str, now_ms: i64) -> Option<OAuthError> {
        self.failures.get(url, now_ms)
    }

    pub(super) fn put_keys(&self, url: &str, keys: KeySet, fresh_ms: i64, now_ms: i64) {
        self.keys.put(url.to_owned(), keys, fresh_ms, now_ms);
    }

    pub(super) fn put_failure(&self, url: &str, error: &OAuthError, now_ms: i64) {
        self.failures
            .put(url.to_owned(), error.clone(), FAILURE_MS, now_ms);
    }
}

/// When full, the least recently used goes.
struct Kept<T> {
    entries: RefCell<HashMap<String, Entry<T>>>,
    uses: Cell<u64>,
}

struct Entry<T> {
    value: T,
    from_ms: i64,
    until_ms: i64,
    /// Number of its last use.
    used: u64,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self {
            entries: RefCell::default(),
            uses: Cell::default(),
        }
    }
}

impl<T: Clone> Kept<T> {
    fn get(&self, key: &str, now_ms: i64) -> Option<T> {
        self.find(key, 0, now_ms)
    }

    /// The same up to `more_ms` after the entry's time.
    fn find(&self, key: &str, more_ms: i64, now_ms: i64) -> Option<T> {
        let mut entries = self.entries.borrow_mut();
        let entry = entries.get_mut(key)?;
        let until_ms = entry.until_ms.saturating_add(more_ms);
        // A clock that was set back does not prolong an entry.
        if !(entry.from_ms..until_ms).contains(&now_ms) {
            return None;
        }
        entry.used = self.next_use();
        Some(entry.value.clone())
    }

    fn next_use(&self) -> u64 {
        let next = self.uses.get().saturating_add(1);
        self.uses.set(next);
        next
    }

    fn remove(&self, key: &str) {
        self.entries.borrow_mut().remove(key);
    }

    fn put(&self, key: String, value: T, fresh_ms: i64, now_ms: i64) {
        let mut entries = self.entries.borrow_mut();
        if entries.len() >= MAX_ENTRIES && !entries.contains_key(&key) {
            let first = entries.iter().min_by_key(|(_, entry)| entry.used);
            if let Some(first) = first.map(|(key, _)| key.clone()) {
                entries.remove(&first);
            }
        }
        let entry = Entry {
            value,
            from_ms: now_ms,
            until_ms: now_ms.saturating_add(fresh_ms),
            used: self.next_use(),
        };
        entries.insert(key, entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded_and_a_flood_of_failures_drives_out_nothing_good() {
        let cache = ClientCache::default();
        let keys = KeySet {
            jwks: Rc::default(),
            fetched_at_ms: 0,
        };
        cache.put_keys("https://good.example.com/keys", keys, 1_000_000, 0);
        let error = OAuthError::invalid_client("no");
        for n in 0..3 * MAX_ENTRIES {
            cache.put_failure(&format!("https://{n}.example.com/"), &error, 0);
        }
        assert_eq!(cache.failures.entries.borrow().len(), MAX_ENTRIES);
        assert!(cache.keys("https://good.example.com/keys", 1).is_some());
        assert!(cache.keys("https://good.example.com/keys", -1).is_none());
        assert!(
            cache
                .keys("https://good.example.com/keys", 1_000_000)
                .is_none()
        );
    }

    #[test]
    fn what_is_in_use_stays_when_others_come() {
        let kept = Kept::default();
        kept.put("used".to_owned(), 0, 10, 0);
        for n in 0..3 * MAX_ENTRIES {
            kept.put(n.to_string(), n, 1_000_000, 0);
            assert_eq!(kept.get("used", 1), Some(0));
        }
        assert_eq!(kept.entries.borrow().len(), MAX_ENTRIES);
        assert_eq!(kept.get("0", 1), None);
        assert_eq!(kept.get("used", 10), None);
        assert_eq!(kept.find("used", 5, 14), Some(0));
        assert_eq!(kept.find("used", 5, 15), None);
    }
}
