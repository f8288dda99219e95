//! JavaScript of our own, for what would otherwise take many crossings, and how it calls
//! back. Each crossing between WebAssembly and JavaScript costs about a microsecond, and each
//! function given to JavaScript several, so one is made for all.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::pin::Pin;
use std::task::{Context, Poll};

use chitty_core::ports::Object;
use futures::FutureExt;
use futures::channel::oneshot;
use js_sys::Array;
use wasm_bindgen::prelude::*;
use web_sys::{AbortController, ReadableStream, Request, Response};

type Tell = Closure<dyn FnMut(u32, Option<Vec<u8>>, Option<String>, JsValue)>;

#[wasm_bindgen(module = "/web.js")]
extern "C" {
    pub(crate) fn head(request: &Request) -> String;
    fn read(request: &Request, ticket: u32, tell: &Tell);
    fn watch(request: &Request, ticket: u32, tell: &Tell) -> bool;
    fn query(database: &JsValue, statements: &str, batch: bool, ticket: u32, tell: &Tell);
    fn download(bucket: &JsValue, key: &str, limit: u32, ticket: u32, tell: &Tell);
    #[cfg_attr(
        not(target_arch = "wasm32"),
        expect(clippy::too_many_arguments, reason = "one crossing")
    )]
    fn upload(
        bucket: &JsValue,
        key: &str,
        content_type: &str,
        cache_control: &str,
        bytes: &[u8],
        only_if: &str,
        ticket: u32,
        tell: &Tell,
    );
    fn erase(bucket: &JsValue, keys: &str, ticket: u32, tell: &Tell);
    fn sign(kid: &str, jwk: &str, message: &[u8], ticket: u32, tell: &Tell);
    fn verify(kid: &str, jwk: &str, message: &[u8], signature: &[u8], ticket: u32, tell: &Tell);
    #[wasm_bindgen(catch)]
    fn send(
        target: &JsValue,
        head: &str,
        bytes: Option<&[u8]>,
        ticket: u32,
        tell: &Tell,
    ) -> Result<AbortController, JsValue>;
    #[wasm_bindgen(catch)]
    pub(crate) fn open(stream: &ReadableStream) -> Result<JsValue, JsValue>;
    fn pull(reader: &JsValue, ticket: u32, tell: &Tell);
    pub(crate) fn cancel(reader: &JsValue);
    fn count(
        first: &JsValue,
        first_key: &str,
        second: &JsValue,
        second_key: &str,
        ticket: u32,
        tell: &Tell,
    );
    #[wasm_bindgen(catch)]
    pub(crate) fn point(dataset: &JsValue, data: &str) -> Result<(), JsValue>;
    fn command(object: &JsValue, url: &str, bytes: &[u8], ticket: u32, tell: &Tell);
    fn get(target: &JsValue, url: &str, limit: u32, ticket: u32, tell: &Tell);
    #[wasm_bindgen(catch)]
    fn start(ms: u32, ticket: u32, tell: &Tell) -> Result<i32, JsValue>;
    fn stop(timer: i32);
    #[wasm_bindgen(catch)]
    pub(crate) fn transact(storage: &JsValue, statements: &str) -> Result<String, JsValue>;
    pub(crate) fn offset(zone: &str, at: f64) -> Option<f64>;
    #[wasm_bindgen(catch)]
    pub(crate) fn respond(head: &str, bytes: Option<&[u8]>) -> Result<Response, JsValue>;
    #[wasm_bindgen(catch)]
    fn stream(head: &str, ticket: u32, tell: &Tell) -> Result<Array, JsValue>;
    #[wasm_bindgen(catch)]
    fn write(out: &JsValue, bytes: &[u8], ticket: u32, tell: &Tell) -> Result<bool, JsValue>;
    #[wasm_bindgen(catch)]
    pub(crate) fn end(out: &JsValue) -> Result<(), JsValue>;
    pub(crate) fn fail(out: &JsValue);
}

/// What was told: that it happened, with bytes, a fault or an object where there are any.
#[derive(Default)]
pub(crate) struct Told {
    pub bytes: Option<Vec<u8>>,
    pub fault: Option<String>,
    /// `undefined` if there is none.
    pub object: JsValue,
}

thread_local! {
    static NEXT: Cell<u32> = const { Cell::new(0) };
    static WAITING: RefCell<HashMap<u32, oneshot::Sender<Told>>> = RefCell::default();
    static TELL: Tell = Closure::own_assert_unwind_safe(tell);
}

fn tell(ticket: u32, bytes: Option<Vec<u8>>, fault: Option<String>, object: JsValue) {
    let waiting = WAITING.with_borrow_mut(|waiting| waiting.remove(&ticket));
    if let Some(waiting) = waiting {
        // Fails only if nobody wants to know any more.
        let _gone = waiting.send(Told {
            bytes,
            fault,
            object,
        });
    }
}

/// That it happened.
fn happened(ticket: u32) {
    tell(ticket, None, None, JsValue::UNDEFINED);
}

/// One thing that JavaScript will tell.
pub(crate) struct Ticket {
    // Dropped first: the sender would wake whoever waits.
    told: oneshot::Receiver<Told>,
    number: Number,
}

/// What JavaScript calls a ticket by, until it is dropped.
struct Number(u32);

impl Ticket {
    fn new() -> Self {
        let number = NEXT.get();
        NEXT.set(number.wrapping_add(1));
        let (sender, told) = oneshot::channel();
        WAITING.with_borrow_mut(|waiting| waiting.insert(number, sender));
        Self {
            told,
            number: Number(number),
        }
    }

    /// Told when the body of `request` is there.
    pub(crate) fn body(request: &Request) -> Self {
        let ticket = Self::new();
        TELL.with(|tell| read(request, ticket.number.0, tell));
        ticket
    }

    /// Told when the client of `request` has gone.
    pub(crate) fn gone(request: &Request) -> Self {
        let ticket = Self::new();
        if TELL.with(|tell| watch(request, ticket.number.0, tell)) {
            happened(ticket.number.0);
        }
        ticket
    }

    /// Told what `target` answers, as `web.js` describes it; with what aborts the request.
    pub(crate) fn send(
        target: &JsValue,
        head: &str,
        bytes: Option<&[u8]>,
    ) -> Result<(Self, AbortController), JsValue> {
        let ticket = Self::new();
        let abort = TELL.with(|tell| send(target, head, bytes, ticket.number.0, tell))?;
        Ok((ticket, abort))
    }

    /// Told the next piece of a stream.
    pub(crate) fn pull(reader: &JsValue) -> Self {
        let ticket = Self::new();
        TELL.with(|tell| pull(reader, ticket.number.0, tell));
        ticket
    }

    /// Told a byte if both rate limiters, each with its key, let a request through, and none if not.
    pub(crate) fn count([first, second]: [(&JsValue, &str); 2]) -> Self {
        let ticket = Self::new();
        let number = ticket.number.0;
        TELL.with(|tell| count(first.0, first.1, second.0, second.1, number, tell));
        ticket
    }

    /// Told when nobody reads on; with a response and what its body is written to.
    pub(crate) fn stream(head: &str) -> Result<(Self, Response, JsValue), JsValue> {
        let ticket = Self::new();
        let made = TELL.with(|tell| stream(head, ticket.number.0, tell))?;
        Ok((ticket, made.get(0).unchecked_into(), made.get(1)))
    }

    /// Told when there is room for more than `bytes`.
    pub(crate) fn write(out: &JsValue, bytes: &[u8]) -> Result<Self, JsValue> {
        let ticket = Self::new();
        if TELL.with(|tell| write(out, bytes, ticket.number.0, tell))? {
            happened(ticket.number.0);
        }
        Ok(ticket)
    }

    /// Told what a Durable Object answers to `bytes`, as `web.js` describes it.
    pub(crate) fn command(object: &JsValue, url: &str, bytes: &[u8]) -> Self {
        let ticket = Self::new();
        TELL.with(|tell| command(object, url, bytes, ticket.number.0, tell));
        ticket
    }

    /// Told what `target` answers to a GET of `url`, as `web.js` describes it.
    pub(crate) fn get(target: &JsValue, url: &str, limit: usize) -> Self {
        let ticket = Self::new();
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        TELL.with(|tell| get(target, url, limit, ticket.number.0, tell));
        ticket
    }

    /// Told when a D1 database has run `statements`, as `web.js` describes them.
    pub(crate) fn query(database: &JsValue, statements: &str, batch: bool) -> Self {
        let ticket = Self::new();
        TELL.with(|tell| query(database, statements, batch, ticket.number.0, tell));
        ticket
    }

    /// Told what an R2 bucket has under `key`, as `web.js` describes it.
    pub(crate) fn download(bucket: &JsValue, key: &str, limit: usize) -> Self {
        let ticket = Self::new();
        let limit = u32::try_from(limit).unwrap_or(u32::MAX);
        TELL.with(|tell| download(bucket, key, limit, ticket.number.0, tell));
        ticket
    }

    /// Told the etag of `object` when it is in the bucket, and nothing if `only_if`, JSON of an
    /// `R2Conditional` or null, did not hold.
    pub(crate) fn upload(bucket: &JsValue, key: &str, object: &Object, only_if: &str) -> Self {
        let ticket = Self::new();
        let Object {
            bytes,
            content_type,
            cache_control,
            version: _,
        } = object;
        let number = ticket.number.0;
        TELL.with(|tell| {
            upload(
                bucket,
                key,
                content_type,
                cache_control,
                bytes,
                only_if,
                number,
                tell,
            );
        });
        ticket
    }

    /// Told when the objects under `keys`, a JSON array, are deleted.
    pub(crate) fn erase(bucket: &JsValue, keys: &str) -> Self {
        let ticket = Self::new();
        TELL.with(|tell| erase(bucket, keys, ticket.number.0, tell));
        ticket
    }

    /// Told the signature of `message`.
    pub(crate) fn sign(kid: &str, jwk: &str, message: &[u8]) -> Self {
        let ticket = Self::new();
        TELL.with(|tell| sign(kid, jwk, message, ticket.number.0, tell));
        ticket
    }

    /// Told a byte if the signature holds, and none if not.
    pub(crate) fn verify(kid: &str, jwk: &str, message: &[u8], signature: &[u8]) -> Self {
        let ticket = Self::new();
        TELL.with(|tell| verify(kid, jwk, message, signature, ticket.number.0, tell));
        ticket
    }

    /// Told after `ms`, with the timer. Without a timer it is told at once: waiting for ever
    /// would be worse.
    pub(crate) fn timer(ms: u64) -> (Self, Option<i32>) {
        let ticket = Self::new();
        // Longer ones fire at once.
        let ms = u32::try_from(ms)
            .unwrap_or(u32::MAX)
            .min(i32::MAX.unsigned_abs());
        let timer = TELL.with(|tell| start(ms, ticket.number.0, tell));
        if timer.is_err() {
            happened(ticket.number.0);
        }
        (ticket, timer.ok())
    }

    pub(crate) fn stop(timer: i32) {
        stop(timer);
    }
}

impl Future for Ticket {
    type Output = Told;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Told> {
        self.told.poll_unpin(context).map(Result::unwrap_or_default)
    }
}

impl Drop for Number {
    fn drop(&mut self) {
        WAITING.with_borrow_mut(|waiting| waiting.remove(&self.0));
    }
}
