//! The client going away before it is answered.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use futures::FutureExt;
use web_sys::Request;

use crate::web::Ticket;

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
        gone.get_or_insert_with(|| Ticket::gone(request))
            .poll_unpin(context)
            .map(|_| None)
    })
    .await
}
