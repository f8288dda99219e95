//! Calls on their way to the books. What is to be written waits [`DELAY_MS`] for company and
//! goes in one batch, which costs the database little more than one call. Each call that adds
//! to it stays alive until its own is written or told of in the log.

use serde_json::json;

use super::Gateway;
use crate::analytics::{MOST_EVENTS, UsageEvent, record, record_all};
use crate::gathering::Gathering;
use crate::ports::Level;
use crate::sql::DatabaseError;

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
        let write = async |events: &[UsageEvent]| self.write(events).await;
        self.unwritten
            .see_to(last, MOST_EVENTS, &*self.clock, write)
            .await;
    }

    /// Safe to repeat. What cannot be written goes to the log.
    async fn write(&self, events: &[UsageEvent]) {
        let mut written = self.database.batch(record_all(events)).await;
        if matches!(written, Err(DatabaseError::Unavailable(_))) {
            written = self.database.batch(record_all(events)).await;
        }
        match written {
            Ok(_) => {}
            Err(error @ DatabaseError::Unavailable(_)) => self.tell(events, &error),
            // What is wrong with one is no loss of another.
            Err(_) => self.write_each(events).await,
        }
    }

    async fn write_each(&self, events: &[UsageEvent]) {
        for event in events {
            if let Err(error) = self.database.batch(record(event)).await {
                self.tell(std::slice::from_ref(event), &error);
            }
        }
    }

    fn tell(&self, events: &[UsageEvent], error: &DatabaseError) {
        let fields = json!({ "events": events, "cause": error.to_string() });
        self.log.record(Level::Error, "usage_not_recorded", fields);
    }
}
