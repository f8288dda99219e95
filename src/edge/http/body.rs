use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use chitty_core::ports::HttpError;
use futures::{FutureExt, Stream, ready};
use js_sys::Uint8Array;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{ReadableStream, ReadableStreamDefaultReader, ReadableStreamReadResult};

use crate::clock::Sleep;
use crate::message;

/// Chunks of a JavaScript stream. Ends with [`HttpError::Timeout`] when nothing comes for
/// `idle_ms` to twice that: the timer is looked at when it fires, not reset by each chunk.
/// Dropped before its end, it cancels the stream and so closes the connection.
///
/// `worker::ByteStream` is not used: it takes an aborted stream for a finished one.
pub struct BodyStream {
    reader: ReadableStreamDefaultReader,
    read: Option<JsFuture>,
    timer: Sleep,
    idle_ms: u64,
    /// Whether something came since the timer was set.
    heard: bool,
    ended: bool,
}

impl BodyStream {
    pub fn new(stream: &ReadableStream, idle_ms: u64) -> Result<Self, JsValue> {
        Self::with_timer(stream, idle_ms, Sleep::new(idle_ms))
    }

    /// `timer` runs already.
    pub fn with_timer(
        stream: &ReadableStream,
        idle_ms: u64,
        timer: Sleep,
    ) -> Result<Self, JsValue> {
        Ok(Self {
            reader: ReadableStreamDefaultReader::new(stream)?,
            read: None,
            timer,
            idle_ms,
            heard: true,
            ended: false,
        })
    }

    fn poll_chunk(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, HttpError>>> {
        let reader = &self.reader;
        let read = self
            .read
            .get_or_insert_with(|| JsFuture::from(reader.read()));
        let result = ready!(read.poll_unpin(context));
        self.read = None;
        self.heard = true;
        Poll::Ready(match result {
            Ok(result) => self.chunk(result.unchecked_ref()),
            Err(thrown) => {
                self.ended = true;
                Some(Err(HttpError::Interrupted(message(&thrown))))
            }
        })
    }

    fn chunk(&mut self, result: &ReadableStreamReadResult) -> Option<Result<Bytes, HttpError>> {
        if result.get_done().unwrap_or(true) {
            self.ended = true;
            return None;
        }
        let chunk: Uint8Array = result.get_value().unchecked_into();
        Some(Ok(Bytes::from(chunk.to_vec())))
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
        let cancelled = JsFuture::from(self.reader.cancel());
        // Awaited so that a refusal is handled; there is nothing to do about it.
        spawn_local(async move {
            let _refused = cancelled.await;
        });
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
