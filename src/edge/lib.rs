//! The ports of `chitty-core` on Cloudflare Workers, and HTTP in and out.
//!
//! Every `worker` and JavaScript type stays in this crate and the worker crates. Nothing
//! is decided here.

pub mod background;
pub mod bindings;
pub mod bucket;
pub mod cancellation;
pub mod clock;
pub mod config;
pub mod database;
pub mod entropy;
mod es256;
pub mod http;
pub mod incoming;
pub mod log;
pub mod mailbox;
pub mod object_sql;
pub mod platform;
mod points;
pub mod request;
pub mod response;
pub mod rooms;
pub mod shield;
pub mod tasks;
mod web;
pub mod zones;

use wasm_bindgen::{JsCast, JsValue};

/// What a thrown value says, for the log.
pub(crate) fn message(thrown: &JsValue) -> String {
    let error = thrown.dyn_ref::<js_sys::Error>();
    error
        .map(|error| String::from(error.message()))
        .or_else(|| thrown.as_string())
        .unwrap_or_else(|| "a value that is no error was thrown".to_owned())
}

pub(crate) fn global() -> web_sys::WorkerGlobalScope {
    js_sys::global().unchecked_into()
}
