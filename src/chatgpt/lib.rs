//! The chatgpt worker: model calls, sessions, cost.

mod domain;
mod objects;
mod tools;

use std::cell::OnceCell;
use std::rc::Rc;

use chitty_edge::platform::{Kept, serve};
use worker::{Context, Env, event};

use domain::ChatGpt;

thread_local! {
    static KEPT: OnceCell<Rc<ChatGpt>> = const { OnceCell::new() };
}

#[event(fetch)]
async fn fetch(
    request: web_sys::Request,
    env: Env,
    context: Context,
) -> worker::Result<web_sys::Response> {
    let kept: &'static Kept<ChatGpt> = &KEPT;
    serve(kept, request, &env, &context).await
}
