//! This machine's clock and randomness, as the domain asks for them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chitty_core::ports::{Clock, Entropy, EntropyError};
use futures::future::LocalBoxFuture;

pub struct System;

impl Clock for System {
    fn now_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(0, |since| {
            i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
        })
    }

    fn sleep(&self, ms: u64) -> LocalBoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(Duration::from_millis(ms)))
    }
}

impl Entropy for System {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        getrandom::getrandom(bytes).map_err(|error| EntropyError(error.to_string()))
    }
}
