//! The client going away before it is answered.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures::task::AtomicWaker;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::Closure;
use web_sys::{AbortSignal, Request};

/// The future's output; none as soon as the client of `request` has gone: the future is
/// dropped then, and with it all work under way. Without this the platform forgets the
/// future where it stands, and nothing in it is ever dropped.
///
/// Needs the compatibility flag `enable_request_signal`.
pub async fn unless_gone<T>(request: &Request, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut gone = None;
    poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        // Late, so that an answer made at once does not cross into JavaScript for it.
        gone.get_or_insert_with(|| Gone::watch(request.signal()))
            .poll(context)
            .map(|()| None)
    })
    .await
}

struct Gone {
    signal: AbortSignal,
    state: Rc<State>,
    _callback: Closure<dyn FnMut()>,
}

#[derive(Default)]
struct State {
    gone: Cell<bool>,
    waker: AtomicWaker,
}

impl Gone {
    fn watch(signal: AbortSignal) -> Self {
        let state = Rc::new(State::default());
        state.gone.set(signal.aborted());
        let shared = Rc::clone(&state);
        let callback = Closure::own_assert_unwind_safe(move || {
            shared.gone.set(true);
            shared.waker.wake();
        });
        signal.set_onabort(Some(callback.as_ref().unchecked_ref()));
        Self {
            signal,
            state,
            _callback: callback,
        }
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<()> {
        if self.state.gone.get() {
            return Poll::Ready(());
        }
        self.state.waker.register(context.waker());
        Poll::Pending
    }
}

impl Drop for Gone {
    fn drop(&mut self) {
        self.signal.set_onabort(None);
    }
}
