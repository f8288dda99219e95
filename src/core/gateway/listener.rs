use futures::StreamExt;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};

use crate::llm::Stop;

/// Whoever waits for a call that is made in the background. When it is dropped, a stream is
/// read on for its end and its usage alone.
pub struct Listener<T> {
    heard: UnboundedReceiver<T>,
    stop: Stop,
}

impl<T> Listener<T> {
    /// With where the call tells, and how it learns what its listener wishes.
    pub fn new() -> (Self, UnboundedSender<T>, Stop) {
        let (tell, heard) = unbounded();
        let stop = Stop::default();
        let listener = Self {
            heard,
            stop: stop.clone(),
        };
        (listener, tell, stop)
    }

    /// To end the call from elsewhere.
    pub fn stop(&self) -> Stop {
        self.stop.clone()
    }

    /// None once the call is no more.
    pub async fn next(&mut self) -> Option<T> {
        self.heard.next().await
    }
}

impl<T> Drop for Listener<T> {
    fn drop(&mut self) {
        self.stop.client_left();
    }
}
