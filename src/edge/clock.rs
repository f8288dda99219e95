use std::pin::Pin;
use std::task::{Context, Poll};

use chitty_core::ports::Clock;
use futures::FutureExt;
use futures::future::LocalBoxFuture;

use crate::web::Ticket;

/// The platform's clock, which moves only with I/O.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "whole milliseconds, far below 2^53"
        )]
        let ms = js_sys::Date::now() as i64;
        ms
    }

    fn sleep(&self, ms: u64) -> LocalBoxFuture<'static, ()> {
        Box::pin(Sleep::new(ms))
    }
}

/// A timer that starts when made and is cancelled when dropped.
///
/// `worker::Delay` wakes whoever polled it first, and so never a future that has moved to
/// another task since, such as the body of a response.
pub(crate) struct Sleep {
    ticket: Ticket,
    timer: Option<i32>,
}

impl Sleep {
    pub(crate) fn new(ms: u64) -> Self {
        let (ticket, timer) = Ticket::timer(ms);
        Self { ticket, timer }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.ticket.poll_unpin(context).is_pending() {
            return Poll::Pending;
        }
        self.timer = None;
        Poll::Ready(())
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(timer) = self.timer {
            Ticket::stop(timer);
        }
    }
}

/// The future's output, or nothing after `ms`.
pub(crate) async fn within<T>(ms: u64, future: impl Future<Output = T>) -> Option<T> {
    use futures::future::{Either, select};
    match select(std::pin::pin!(future), Sleep::new(ms)).await {
        Either::Left((output, _)) => Some(output),
        Either::Right(((), _)) => None,
    }
}
