use std::panic::AssertUnwindSafe;
use std::rc::Rc;

use chitty_core::ports::Background;
use futures::future::LocalBoxFuture;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::future_to_promise;
use worker::worker_sys::Context as JsContext;

/// `waitUntil` of a request.
pub struct WaitUntil(JsContext);

impl WaitUntil {
    pub fn of_context(context: &worker::Context) -> Self {
        let context: &JsContext = context.as_ref();
        Self(JsValue::from(context).unchecked_into())
    }
}

impl Background for WaitUntil {
    fn spawn(&self, work: LocalBoxFuture<'static, ()>) {
        let promise = future_to_promise(AssertUnwindSafe(async {
            work.await;
            Ok(JsValue::UNDEFINED)
        }));
        // Refused only after the request has ended; the work runs on as long as it may.
        if let Err(thrown) = self.0.wait_until(&promise) {
            web_sys::console::warn_1(&thrown);
        }
    }
}

/// The same for a Durable Object.
pub struct ObjectWait(pub Rc<worker::State>);

impl Background for ObjectWait {
    fn spawn(&self, work: LocalBoxFuture<'static, ()>) {
        self.0.wait_until(work);
    }
}

/// The same for a `scheduled` event.
pub struct ScheduleWait(pub worker::ScheduleContext);

impl Background for ScheduleWait {
    fn spawn(&self, work: LocalBoxFuture<'static, ()>) {
        self.0.wait_until(work);
    }
}
