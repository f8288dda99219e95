use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use chitty_core::ports::Clock;
use futures::future::LocalBoxFuture;
use futures::task::AtomicWaker;
use wasm_bindgen::prelude::*;

use crate::global;

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
    fired: Rc<Fired>,
    timer: Option<i32>,
    _callback: Closure<dyn FnMut()>,
}

#[derive(Default)]
struct Fired {
    done: Cell<bool>,
    waker: AtomicWaker,
}

impl Sleep {
    pub(crate) fn new(ms: u64) -> Self {
        let fired = Rc::new(Fired::default());
        let shared = Rc::clone(&fired);
        let callback = Closure::own_assert_unwind_safe(move || {
            shared.done.set(true);
            shared.waker.wake();
        });
        let timer = global().set_timeout_with_callback_and_timeout_and_arguments_0(
            callback.as_ref().unchecked_ref(),
            i32::try_from(ms).unwrap_or(i32::MAX),
        );
        // Without a timer it is over at once: waiting for ever would be worse.
        fired.done.set(timer.is_err());
        Self {
            fired,
            timer: timer.ok(),
            _callback: callback,
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.fired.done.get() {
            return Poll::Ready(());
        }
        self.fired.waker.register(context.waker());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(timer) = self.timer.filter(|_| !self.fired.done.get()) {
            global().clear_timeout_with_handle(timer);
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
