//! The chatgpt worker: model calls, sessions, cost.

mod domain;
mod objects;
mod provider_keys;
mod sweep;
mod tools;

use std::cell::OnceCell;
use std::rc::Rc;

use chitty_edge::platform::{Kept, serve};
use worker::{Context, Env, ScheduleContext, ScheduledEvent, event};

use domain::ChatGpt;

thread_local! {
    static KEPT: OnceCell<Rc<ChatGpt>> = const { OnceCell::new() };
}

fn kept() -> &'static Kept<ChatGpt> {
    &KEPT
}

#[event(fetch)]
async fn fetch(
    request: web_sys::Request,
    env: Env,
    context: Context,
) -> worker::Result<web_sys::Response> {
    serve(kept(), request, &env, &context).await
}

#[event(scheduled)]
async fn scheduled(_event: ScheduledEvent, env: Env, context: ScheduleContext) {
    sweep::run(&env, context).await;
}
