//! Which jobs a task of this program runs, whatever the database says.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Debug, Default)]
pub struct UnderWay(Mutex<BTreeSet<String>>);

/// A job is under way until this is dropped, by a panic too.
#[derive(Debug)]
pub struct Held<'a> {
    all: &'a UnderWay,
    id: String,
}

impl UnderWay {
    fn lock(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn hold(&self, id: &str) -> Held<'_> {
        self.lock().insert(id.to_owned());
        let id = id.to_owned();
        Held { all: self, id }
    }

    pub fn has(&self, id: &str) -> bool {
        self.lock().contains(id)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.all.lock().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_under_way_until_its_task_ends_or_panics() {
        let all = UnderWay::default();
        let held = all.hold("a");
        assert!(all.has("a") && !all.has("b"));
        drop(held);
        assert!(!all.has("a"));
        let ended = std::panic::catch_unwind(|| {
            let _held = all.hold("b");
            panic!("on purpose");
        });
        assert!(ended.is_err() && !all.has("b"));
    }
}
