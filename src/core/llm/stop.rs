//! Word from outside to a stream under way.

use std::cell::Cell;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// Tells a stream that nobody listens any more, or that it shall end. Clones are one signal.
#[derive(Clone, Default)]
pub struct Stop(Rc<State>);

#[derive(Default)]
struct State {
    wish: Cell<Wish>,
    waker: Cell<Option<Waker>>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd)]
pub(super) enum Wish {
    #[default]
    GoOn,
    Drain,
    Abort,
}

impl Stop {
    /// The client is gone: the answer is read on for its usage, within [`super::Limits`].
    pub fn client_left(&self) {
        self.wish(Wish::Drain);
    }

    /// The client wants no more of it: the connection is closed, and the usage stays unknown.
    pub fn abort(&self) {
        self.wish(Wish::Abort);
    }

    fn wish(&self, wish: Wish) {
        if wish > self.0.wish.get() {
            self.0.wish.set(wish);
            if let Some(waker) = self.0.waker.take() {
                waker.wake();
            }
        }
    }

    pub(super) fn wished(&self) -> Wish {
        self.0.wish.get()
    }

    /// Ready once the wish is at least `wish`. One waits at a time.
    pub(super) async fn until(&self, wish: Wish) {
        std::future::poll_fn(|context| {
            if self.wished() >= wish {
                return Poll::Ready(());
            }
            self.0.waker.set(Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}
