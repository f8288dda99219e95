//! What a run has asked of the model, and whether it may ask more.

use std::sync::{Mutex, MutexGuard, PoisonError};

use chitty_core::ports::Clock;
use tokio::time::Instant;

use super::calls::Call;
use super::system::System;

/// Of a run, for all its calls together.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    pub calls: u32,
    /// As they are sent.
    pub request_bytes: usize,
    /// No call begins then, and none outlives it.
    pub until: Instant,
}

/// An answer of the model: status, its own id of the request, body.
pub type Answer = (u16, Option<String>, Vec<u8>);

pub struct Account {
    pub allowance: Allowance,
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    calls: Vec<Call>,
    request_bytes: usize,
    is_closed: bool,
}

impl Account {
    pub fn new(allowance: Allowance) -> Self {
        let book = Mutex::default();
        Self { allowance, book }
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of one more call.
    ///
    /// # Errors
    /// Why there may be none, in words.
    pub fn begin(&self, bytes: usize) -> Result<usize, &'static str> {
        let allowance = &self.allowance;
        let mut book = self.book();
        let number = book.calls.len();
        let request_bytes = book.request_bytes.saturating_add(bytes);
        if book.is_closed || Instant::now() >= allowance.until {
            return Err("the run's time is over");
        }
        if u32::try_from(number).map_or(true, |number| number >= allowance.calls) {
            return Err("the run has made all the calls it may");
        }
        if request_bytes > allowance.request_bytes {
            return Err("with this the run would send the model more bytes than it may");
        }
        book.request_bytes = request_bytes;
        book.calls.push(Call::begun(System.now_ms(), bytes));
        Ok(number)
    }

    pub fn end(&self, number: usize, answer: Option<&Answer>) {
        if let Some(call) = self.book().calls.get_mut(number) {
            call.total_ms = System.now_ms() - call.started_ms;
            if let Some((status, request_id, body)) = answer {
                call.answered(*status, request_id.clone(), body);
            }
        }
    }

    /// From now on no call begins.
    pub fn close(&self) {
        self.book().is_closed = true;
    }

    pub fn calls(&self) -> Vec<Call> {
        self.book().calls.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn account(calls: u32, request_bytes: usize) -> Account {
        Account::new(Allowance {
            calls,
            request_bytes,
            until: Instant::now() + Duration::from_hours(1),
        })
    }

    #[test]
    fn calls_end_at_their_bounds() {
        let one = account(1, 100);
        assert_eq!(one.begin(10), Ok(0));
        assert!(one.begin(10).unwrap_err().contains("all the calls"));
        one.end(0, Some(&(200, None, b"{\"model\":\"m\"}".to_vec())));
        assert_eq!(one.calls()[0].model.as_deref(), Some("m"));
        assert_eq!(one.calls()[0].request_bytes, 10);

        let bytes = account(9, 100);
        assert_eq!((bytes.begin(60), bytes.begin(40)), (Ok(0), Ok(1)));
        assert!(bytes.begin(1).unwrap_err().contains("bytes"));
        assert!(account(9, 100).begin(101).is_err());
    }

    #[test]
    fn nothing_begins_after_the_end() {
        let over = account(9, 100);
        over.close();
        assert!(over.begin(1).unwrap_err().contains("time is over"));
        let late = Account::new(Allowance {
            until: Instant::now(),
            ..over.allowance
        });
        assert!(late.begin(1).unwrap_err().contains("time is over"));
        assert!(late.calls().is_empty());
    }
}
