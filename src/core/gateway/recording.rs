//! Calls on their way to the books. What is to be written waits [`DELAY_MS`] for company and
//! goes in one batch, which costs the database little more than one call. Each call that adds
//! to it stays alive until its turn, so nothing is lost but with the machine.

use serde_json::json;

use super::Gateway;
use crate::analytics::{MOST_EVENTS, UsageEvent, record, record_all};
use crate::gathering::Gathering;
use crate::ports::Level;

const DELAY_MS: u64 = 200;

/// Events that are not written yet, one for an isolate.
pub type Unwritten = Gathering<UsageEvent>;

impl Gateway {
    /// Puts a call on the books that is kept nowhere else.
    pub async fn record(&self, events: Vec<UsageEvent>) {
        let mut last = None;
        for event in events {
            last = Some(self.unwritten.add(event));
        }
        let Some(last) = last else {
            return;
        };
        self.clock.sleep(DELAY_MS).await;
        loop {
            let events = self.unwritten.take_for(last, MOST_EVENTS);
            if events.is_empty() {
                return;
            }
            self.write(&events).await;
        }
    }

    async fn write(&self, events: &[UsageEvent]) {
        if self.database.batch(record_all(events)).await.is_ok() {
            return;
        }
        // Safe to repeat. One by one: what is wrong with one is no loss of another.
        for event in events {
            if let Err(error) = self.database.batch(record(event)).await {
                let fields = json!({ "events": [event], "cause": error.to_string() });
                self.log.record(Level::Error, "usage_not_recorded", fields);
            }
        }
    }
}
