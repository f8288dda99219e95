//! A worker: what it keeps for its isolate, and how a request goes through it.

use std::cell::OnceCell;
use std::rc::Rc;
use std::thread::LocalKey;

use chitty_core::auth::Scopes;
use chitty_core::auth::protected_resource::{
    ProtectedResource, ProtectedResources, ResourceTraits,
};
use chitty_core::auth::{AuditLog, AuditQueue, Authenticator, TokenCache};
use chitty_core::front::{
    Dependencies, Front, HealthCache, Incoming, Routes, parent_request_id, statement, unavailable,
};
use chitty_core::http::HttpReply;
use chitty_core::ids;
use chitty_core::mcp::Server;
use chitty_core::mcp::origin::OriginPolicy;
use chitty_core::ports::{Background, Clock, Level, Log};
use chitty_core::seal::Sealer;
use chitty_core::services::{Platform, Services};
use chitty_core::signing_keys::SigningKeys;
use serde_json::json;
use worker::Env;

use crate::background::WaitUntil;
use crate::cancellation::unless_gone;
use crate::clock::SystemClock;
use crate::config::{Common, Environment};
use crate::database::D1;
use crate::entropy::SystemEntropy;
use crate::es256::WebCrypto;
use crate::incoming::WebRequest;
use crate::log::ConsoleLog;
use crate::response::into_web;

/// Why a worker cannot serve, for the log.
pub type Fault = Box<dyn std::error::Error>;

/// One of our workers. Loaded once an isolate; a load that failed is tried again.
pub trait Worker: Sized + 'static {
    type Domain: Dependencies + Routes + 'static;

    /// Short name: the audience of statements between our workers.
    const NAME: &'static str;
    /// Name of the MCP server.
    const SERVER: &'static str;
    /// It gives out the access tokens: without `ISSUER` it is the issuer under its own name.
    const ISSUES: bool = false;

    fn load(env: &Env) -> Result<Self, Fault>;
    fn isolate(&self) -> &Isolate;
    fn server(&self) -> &Rc<Server<Services<Self::Domain>>>;
    /// The domain for one request: bindings belong to it.
    fn domain(&self, env: &Env, platform: &Platform) -> Result<Self::Domain, Fault>;
}

/// What every worker keeps.
pub struct Isolate {
    common: Common,
    origins: OriginPolicy,
    pub sealer: Rc<Sealer>,
    /// The same in all requests of an isolate, and slow to look up.
    database: OnceCell<Rc<D1>>,
    tokens: Rc<TokenCache>,
    audit: Rc<AuditQueue>,
    health: HealthCache,
    keys: Rc<SigningKeys>,
    resources: ProtectedResources,
}

impl Isolate {
    pub fn new(common: Common) -> Result<Self, Fault> {
        Ok(Self {
            origins: OriginPolicy {
                origins: common.allowed_origins.clone(),
                hosts: common.allowed_hosts.clone(),
                development: common.environment == Environment::Development,
            },
            sealer: Rc::new(Sealer::new(
                &common.encryption_key,
                &common.old_encryption_keys,
            )?),
            common,
            database: OnceCell::new(),
            tokens: Rc::default(),
            audit: Rc::default(),
            health: HealthCache::default(),
            keys: Rc::new(SigningKeys::new(Rc::new(WebCrypto))),
            resources: ProtectedResources::default(),
        })
    }

    fn database(&self, env: &Env) -> Result<Rc<D1>, Fault> {
        if let Some(database) = self.database.get() {
            return Ok(Rc::clone(database));
        }
        let database = Rc::new(D1::new(env.d1("DB")?));
        Ok(Rc::clone(self.database.get_or_init(|| database)))
    }

    /// The ports of one request.
    pub fn platform(
        &self,
        env: &Env,
        background: Rc<dyn Background>,
        service: &'static str,
        request_id: &str,
    ) -> Result<Platform, Fault> {
        let audit = AuditLog {
            queue: Rc::clone(&self.audit),
            database: self.database(env)?,
            clock: Rc::new(SystemClock),
            entropy: Rc::new(SystemEntropy),
            log: Rc::new(ConsoleLog {
                level: self.common.log_level,
                service,
                request_id: request_id.to_owned(),
            }),
            background,
        };
        Ok(Platform {
            clock: Rc::clone(&audit.clock),
            entropy: Rc::clone(&audit.entropy),
            database: Rc::clone(&audit.database),
            log: Rc::clone(&audit.log),
            sealer: Rc::clone(&self.sealer),
            background: Rc::clone(&audit.background),
            authenticator: Authenticator {
                cache: Rc::clone(&self.tokens),
                audit,
            },
            keys: Rc::clone(&self.keys),
            resource: None,
            service,
        })
    }
}

/// The worker's endpoint under the origin it was called by.
fn protected<W: Worker>(worker: &W, origin: &str) -> Rc<ProtectedResource> {
    let isolate = worker.isolate();
    isolate.resources.at(origin, || {
        let own = W::ISSUES.then_some(origin);
        let scopes = worker.server().tools().abouts();
        let traits = ResourceTraits {
            name: worker.server().title(),
            issuer: isolate.common.issuer.as_deref().or(own),
            scopes: Scopes::new(scopes.flat_map(|about| about.scopes.iter().copied())),
        };
        ProtectedResource::new(origin, &traits)
    })
}

/// Where an isolate keeps its worker.
pub type Kept<W> = LocalKey<OnceCell<Rc<W>>>;

/// The worker of this isolate, loaded on first use.
pub fn loaded<W: Worker>(kept: &'static Kept<W>, env: &Env) -> Result<Rc<W>, Fault> {
    if let Some(worker) = kept.with(|cell| cell.get().cloned()) {
        return Ok(worker);
    }
    let worker = Rc::new(W::load(env)?);
    Ok(kept.with(|cell| Rc::clone(cell.get_or_init(|| worker))))
}

/// Answers a `fetch` event.
pub async fn serve<W: Worker>(
    kept: &'static Kept<W>,
    request: web_sys::Request,
    env: &Env,
    context: &worker::Context,
) -> worker::Result<web_sys::Response> {
    let incoming = WebRequest::new(Clone::clone(&request));
    let request_id = ids::plain(&SystemClock, &SystemEntropy).unwrap_or_default();
    let work = answer(kept, &incoming, env, context, &request_id);
    let reply = match unless_gone(&request, work).await {
        Some(Ok(reply)) => reply,
        // Nobody reads this: what was under way is dropped, with the calls it made.
        None => HttpReply::empty(499),
        Some(Err(fault)) => {
            let log = ConsoleLog {
                level: Level::Error,
                service: W::NAME,
                request_id: request_id.clone(),
            };
            log.record(
                Level::Error,
                "not_ready",
                json!({ "cause": fault.to_string() }),
            );
            unavailable(&incoming.path(), &request_id)
        }
    };
    Ok(into_web(reply, &request)?)
}

async fn answer<W: Worker>(
    kept: &'static Kept<W>,
    incoming: &WebRequest,
    env: &Env,
    context: &worker::Context,
    request_id: &str,
) -> Result<HttpReply, Fault> {
    let worker = loaded(kept, env)?;
    let isolate = worker.isolate();
    let now_ms = SystemClock.now_ms();
    let statement = statement(incoming.headers(), W::NAME, now_ms, &isolate.sealer);
    let parent = parent_request_id(&statement).map(str::to_owned);
    let request_id = parent.as_deref().unwrap_or(request_id);
    let background = Rc::new(WaitUntil::of_context(context));
    let mut platform = isolate.platform(env, background, W::NAME, request_id)?;
    platform.resource = Some(protected(&*worker, &incoming.origin()));
    let domain = worker.domain(env, &platform)?;
    let services = Rc::new(Services { platform, domain });
    let front = Front {
        name: W::SERVER,
        origins: &isolate.origins,
        statement,
        server: worker.server(),
        services: &services,
        health: &isolate.health,
        apps_challenge: isolate.common.apps_challenge.as_deref(),
        request_id,
    };
    Ok(front.answer(incoming).await)
}
