use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use chitty_core::ports::HttpError;
use futures::{FutureExt, Stream, ready};
use wasm_bindgen::JsValue;
use web_sys::ReadableStream;

use crate::clock::Sleep;
use crate::web::{self, Ticket, Told};

/// Chunks of a JavaScript stream. Ends with [`HttpError::Timeout`] when nothing comes for
/// `idle_ms` to twice that: the timer is looked at when it fires, not reset by each chunk.
/// Dropped before its end, it cancels the stream and so closes the connection.
///
/// `worker::ByteStream` is not used: it takes an aborted stream for a finished one.
pub struct BodyStream {
    reader: JsValue,
    read: Option<Ticket>,
    timer: Sleep,
    idle_ms: u64,
    /// Whether something came since the timer was set.
    heard: bool,
    ended: bool,
}

impl BodyStream {
    pub fn new(stream: &ReadableStream, idle_ms: u64) -> Result<Self, JsValue> {
        let reader = web::open(stream)?;
        Ok(Self::of_reader(reader, idle_ms, Sleep::new(idle_ms)))
    }

    /// Of what `web.js` opened. `timer` runs already.
    pub fn of_reader(reader: JsValue, idle_ms: u64, timer: Sleep) -> Self {
        Self {
            reader,
            read: None,
            timer,
            idle_ms,
            heard: true,
            ended: false,
        }
    }

    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, HttpError>>> {
        let reader = &self.reader;
        let read = self.read.get_or_insert_with(|| Ticket::pull(reader));
        let Told { bytes, fault, .. } = ready!(read.poll_unpin(context));
        self.read = None;
        self.heard = true;
        self.ended = bytes.is_none();
        let broken = fault.map(|fault| Err(HttpError::Interrupted(fault)));
        Poll::Ready(bytes.map(|bytes| Ok(Bytes::from(bytes))).or(broken))
    }

    /// Ready when the stream has been silent for too long.
    fn poll_silence(&mut self, context: &mut Context<'_>) -> Poll<()> {
        while self.timer.poll_unpin(context).is_ready() {
            if !std::mem::take(&mut self.heard) {
                return Poll::Ready(());
            }
            self.timer = Sleep::new(self.idle_ms);
        }
        Poll::Pending
    }

    fn cancel(&mut self) {
        self.ended = true;
        web::cancel(&self.reader);
    }
}

impl Stream for BodyStream {
    type Item = Result<Bytes, HttpError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        if let Poll::Ready(chunk) = this.poll_chunk(context) {
            return Poll::Ready(chunk);
        }
        ready!(this.poll_silence(context));
        this.cancel();
        let ms = this.idle_ms;
        Poll::Ready(Some(Err(HttpError::Timeout { ms })))
    }
}

impl Drop for BodyStream {
    fn drop(&mut self) {
        if !self.ended {
            self.cancel();
        }
    }
}
