//! A worker for tests alone: the protocol's core with the tools of the official conformance
//! suite, without authentication, and routes that panic, wait and count.

mod objects;
mod prompts;
mod resources;
mod samples;
mod services;
mod tools;

use std::rc::Rc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chitty_core::auth::{Principal, PrincipalKind, Scopes};
use chitty_core::front::{BodyFault, Incoming};
use chitty_core::http::{Body, HttpReply};
use chitty_core::ids;
use chitty_core::mcp::Server;
use chitty_core::mcp::http::{MAX_BODY, Post, body_too_large, method_not_allowed};
use chitty_core::mcp::origin::OriginPolicy;
use chitty_core::mcp::server::Watchable;
use chitty_core::mcp::types::Implementation;
use chitty_core::ports::{Clock, Entropy};
use chitty_core::seal::Sealer;
use chitty_core::secret::Secret;
use chitty_core::sql::contract;
use chitty_edge::cancellation::unless_gone;
use chitty_edge::clock::SystemClock;
use chitty_edge::database::D1;
use chitty_edge::entropy::SystemEntropy;
use chitty_edge::incoming::WebRequest;
use chitty_edge::response::into_web;
use worker::{Context, Env, event};

use crate::services::Services;

/// Long enough for a panic to fall into the middle of it.
const SLOW_MS: u64 = 2_000;

/// Made once an isolate, at its first request: only then is there entropy.
struct App {
    server: Rc<Server<Services>>,
    services: Rc<Services>,
    origins: OriginPolicy,
    principal: Rc<Principal>,
}

thread_local! {
    static APP: std::cell::OnceCell<Rc<App>> = const { std::cell::OnceCell::new() };
}

#[event(fetch)]
async fn fetch(
    request: web_sys::Request,
    env: Env,
    _context: Context,
) -> worker::Result<web_sys::Response> {
    let app = app()?;
    let incoming = WebRequest::new(Clone::clone(&request));
    let reply = match incoming.path().as_str() {
        "/mcp" => {
            app.services.bind(&env)?;
            // Nobody reads the answer to a client that has gone.
            let reply = unless_gone(&request, mcp(&app, &incoming)).await;
            reply.unwrap_or_else(|| HttpReply::empty(499))
        }
        "/runs" => HttpReply::json(200, app.services.runs.counts().to_string().into_bytes()),
        path => other(path, &env).await?,
    };
    Ok(into_web(reply, &request)?)
}

async fn mcp(app: &Rc<App>, incoming: &dyn Incoming) -> HttpReply {
    let (host, headers) = (incoming.host(), incoming.headers());
    let request_id = request_id();
    let method = incoming.method();
    if method == "OPTIONS" {
        return app.origins.preflight(&host, headers, &request_id);
    }
    let cors = match app.origins.check(&host, headers, &request_id) {
        Ok(cors) => cors,
        Err(refused) => return refused,
    };
    if method != "POST" {
        return cors.apply(method_not_allowed(&method, &request_id));
    }
    let body = match incoming.body(MAX_BODY).await {
        Ok(body) => body,
        Err(BodyFault::TooLarge) => return cors.apply(body_too_large(&request_id)),
        Err(BodyFault::Interrupted(_)) => return HttpReply::empty(400),
    };
    let post = Post {
        headers,
        body: &body,
        principal: Rc::clone(&app.principal),
        request_id,
    };
    cors.apply(app.server.post(&app.services, post).await)
}

#[expect(clippy::panic, reason = "what the test is about")]
async fn other(path: &str, env: &Env) -> worker::Result<HttpReply> {
    if path == "/database" {
        let report = contract::run(&D1::new(env.d1("DB")?), contract::Dialect::Sqlite).await;
        return Ok(HttpReply::json(200, serde_json::to_vec(&report)?));
    }
    let object = match path {
        "/panic" => panic!("asked to"),
        "/slow" => {
            let run = app()?.services.runs.start();
            SystemClock.sleep(SLOW_MS).await;
            run.finish();
            return Ok(text("slow, but whole"));
        }
        "/object" => "https://memory.internal/count",
        "/object-started" => "https://memory.internal/started",
        "/object-panic" => "https://memory.internal/panic",
        _ => return Ok(HttpReply::empty(404)),
    };
    let counted = call_object(env, object).await?;
    Ok(text(&counted))
}

async fn call_object(env: &Env, url: &str) -> worker::Result<String> {
    let stub = env.durable_object("MEMORY")?.get_by_name("one")?;
    stub.fetch_with_str(url).await?.text().await
}

fn text(text: &str) -> HttpReply {
    HttpReply {
        status: 200,
        headers: vec![("content-type", "text/plain".to_owned())],
        body: Body::Bytes(text.as_bytes().to_vec()),
    }
}

fn app() -> worker::Result<Rc<App>> {
    APP.with(|app| {
        if let Some(app) = app.get() {
            return Ok(Rc::clone(app));
        }
        let made = Rc::new(make_app()?);
        Ok(Rc::clone(app.get_or_init(|| made)))
    })
}

fn make_app() -> worker::Result<App> {
    let thrown = |error: &dyn std::fmt::Display| worker::Error::from(error.to_string());
    let mut key = [0_u8; 32];
    SystemEntropy
        .fill(&mut key)
        .map_err(|error| thrown(&error))?;
    let sealer =
        Sealer::new(&Secret::new(STANDARD.encode(key)), &[]).map_err(|error| thrown(&error))?;
    let info = Implementation {
        name: "chitty-conformance".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        title: None,
        description: None,
        icons: None,
        website_url: None,
        meta: None,
    };
    let watchable = Watchable {
        lists: true,
        resources: true,
    };
    let mut server = Server::new(
        &info,
        "Fixtures of the conformance suite.",
        tools::registry(),
    )
    .with_resources(resources::Fixtures, watchable);
    for prompt in prompts::ALL {
        server = server.with_prompt(prompt);
    }
    Ok(App {
        server: Rc::new(server),
        services: Rc::new(Services::new(sealer)),
        origins: OriginPolicy {
            development: true,
            ..OriginPolicy::default()
        },
        principal: Rc::new(Principal {
            user_id: "conformance".to_owned(),
            name: "conformance".to_owned(),
            kind: PrincipalKind::User,
            scopes: Scopes::new(["admin:*"]),
            token_id: "conformance".to_owned(),
            client_id: None,
        }),
    })
}

fn request_id() -> String {
    ids::plain(&SystemClock, &SystemEntropy).unwrap_or_default()
}
