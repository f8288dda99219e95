//! The coordinator worker: the front door. Executions by level of assurance, their status,
//! evidence and the checking of the log.

mod domain;
mod identity;
mod resources;
mod sweep;
mod tools;

use std::cell::OnceCell;
use std::rc::Rc;

use chitty_edge::platform::{Kept, serve};
use worker::{Context, Env, ScheduleContext, ScheduledEvent, event};

use domain::Coordinator;

thread_local! {
    static KEPT: OnceCell<Rc<Coordinator>> = const { OnceCell::new() };
}

fn kept() -> &'static Kept<Coordinator> {
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
