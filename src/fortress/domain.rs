use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use async_trait::async_trait;
use chitty_core::analytics::DataPoints;
use chitty_core::budget::{Shield, UserLedger};
use chitty_core::chain::keys::SignerKey;
use chitty_core::fortress::keys::{HISTORY_PATH, KEYS_PATH, KeyRing, KeySecrets};
use chitty_core::fortress::{FortressApi, FortressService, Policy};
use chitty_core::front::{Access, Dependencies, Routes, unavailable};
use chitty_core::gateway::{self, Gateway, OwnKeys};
use chitty_core::http::HttpReply;
use chitty_core::ledger::{Ledger, published};
use chitty_core::llm::{Breakers, Limits};
use chitty_core::mcp::Server;
use chitty_core::oauth::WebRequest;
use chitty_core::openpgp::{PublicKey, SigningKey};
use chitty_core::ports::{Bucket, Level};
use chitty_core::secret::Secret;
use chitty_core::services::{Platform, Services};
use chitty_core::usage::PriceTable;
use chitty_edge::bindings::{ledger, models, shield, usage_points, user_ledger};
use chitty_edge::bucket::R2;
use chitty_edge::config::{
    ChainSettings, Common, FortressApiSettings, ModelSettings, Reader, SigningSettings, prices,
};
use chitty_edge::platform::{Fault, Isolate, Worker};
use serde_json::json;
use worker::Env;
use worker::url::Url;

use crate::tools;

/// The worker, as an isolate keeps it.
pub struct Fortress {
    isolate: Isolate,
    routes: Rc<gateway::Routes>,
    breakers: Rc<Breakers>,
    keys: Rc<KeyRing>,
    policy: Rc<Policy>,
    /// The Fortress API that runs are given to.
    api: Option<FortressApiSettings>,
    prices: Rc<PriceTable>,
    /// Of the log's checkpoints, as text.
    /// None where it cannot be read: the log itself says so.
    log_key: Option<Rc<str>>,
    server: Rc<Server<Services<Runs>>>,
    bound: OnceCell<Bound>,
}

/// What is reached over bindings: the same in all requests of an isolate, and slow to look up.
#[derive(Clone)]
struct Bound {
    log_files: Rc<dyn Bucket>,
    ledger: Rc<dyn Ledger>,
    user_ledger: Rc<dyn UserLedger>,
    shield: Rc<dyn Shield>,
    points: Option<Rc<dyn DataPoints>>,
}

/// What its tools work with.
pub struct Runs {
    pub service: FortressService,
    log_files: Rc<dyn Bucket>,
    log_key: Option<Rc<str>>,
}

impl Worker for Fortress {
    type Domain = Runs;
    const NAME: &'static str = "fortress";
    const SERVER: &'static str = "cloudflare-fortress-mcp";

    fn load(env: &Env) -> Result<Self, Fault> {
        let mut reader = Reader::new(env);
        let common = Common::read(&mut reader);
        let model = ModelSettings::read(&mut reader, common.environment);
        let signing = SigningSettings::read(&mut reader);
        let chain = ChainSettings::read(&mut reader);
        let prices = prices(&mut reader);
        let api = FortressApiSettings::read(&mut reader, common.environment);
        let (common, model, signing, chain, prices, api) =
            reader.finish((common, model, signing, chain, prices, api))?;
        let log_key = SignerKey::from_secret_text(chain.signing_key.expose()).ok();
        let key = SigningKey::from_armor(signing.private_key.expose(), None)?;
        let public_key = PublicKey::from_armor(&signing.public_key)?;
        check_pair(&key, &public_key, signing.key_id.as_deref())?;
        let host = Url::parse(model.base_url.as_str())?;
        Ok(Self {
            isolate: Isolate::new(common)?,
            policy: Rc::new(Policy::current(host.host_str().unwrap_or_default())),
            routes: Rc::new(gateway::Routes {
                providers: vec![model.provider()],
                fallbacks: BTreeMap::new(),
            }),
            breakers: Rc::default(),
            api,
            keys: Rc::new(KeyRing::new(KeySecrets {
                key: Rc::new(key),
                public_key,
                next: signing.next_private_key,
            })),
            prices: Rc::new(prices),
            log_key: log_key.map(|key| key.verifier().to_string().into()),
            server: Rc::new(tools::server(Self::SERVER)),
            bound: OnceCell::new(),
        })
    }

    fn isolate(&self) -> &Isolate {
        &self.isolate
    }

    fn server(&self) -> &Rc<Server<Services<Runs>>> {
        &self.server
    }

    fn domain(&self, env: &Env, platform: &Platform) -> Result<Runs, Fault> {
        let bound = self.bound(env)?;
        let gateway = self.gateway(&bound, platform);
        Ok(Runs {
            log_files: bound.log_files,
            log_key: self.log_key.clone(),
            service: FortressService {
                api: self.api(&gateway),
                db: Rc::clone(&platform.database),
                gateway,
                ledger: bound.ledger,
                sealer: Rc::clone(&platform.sealer),
                keys: Rc::clone(&self.keys),
                clock: Rc::clone(&platform.clock),
                entropy: Rc::clone(&platform.entropy),
                policy: Rc::clone(&self.policy),
            },
        })
    }
}

impl Fortress {
    fn api(&self, gateway: &Gateway) -> Option<Rc<FortressApi>> {
        let api = self.api.clone()?;
        Some(Rc::new(FortressApi {
            http: Rc::clone(&gateway.models.http),
            url: api.url,
            key: api.key,
        }))
    }

    fn bound(&self, env: &Env) -> Result<Bound, Fault> {
        if let Some(known) = self.bound.get() {
            return Ok(known.clone());
        }
        let bound = Bound {
            log_files: Rc::new(R2::new(env.bucket("LOG_TILES")?)),
            ledger: ledger(env)?,
            user_ledger: user_ledger(env)?,
            shield: shield(env)?,
            points: usage_points(env),
        };
        Ok(self.bound.get_or_init(|| bound).clone())
    }

    /// The user's account and the shield in front are those of the chatgpt worker's calls.
    fn gateway(&self, bound: &Bound, platform: &Platform) -> Gateway {
        Gateway {
            models: models(platform, &self.breakers),
            routes: Rc::clone(&self.routes),
            prices: Rc::clone(&self.prices),
            shield: Rc::clone(&bound.shield),
            own_keys: Rc::new(NoOwnKeys),
            ledger: Rc::clone(&bound.user_ledger),
            points: bound.points.clone(),
            database: Rc::clone(&platform.database),
            unwritten: Rc::default(),
            clock: Rc::clone(&platform.clock),
            background: Rc::clone(&platform.background),
            log: Rc::clone(&platform.log),
            limits: Limits::default(),
        }
    }
}

/// Runs are asked with the deployment's key, whatever keys their users have.
struct NoOwnKeys;

#[async_trait(?Send)]
impl OwnKeys for NoOwnKeys {
    async fn key(&self, _user_id: &str, _provider: &str) -> Result<Option<Secret>, String> {
        Ok(None)
    }
}

/// The two secrets must be of one key, and of the one expected.
fn check_pair(key: &SigningKey, public: &PublicKey, expected: Option<&str>) -> Result<(), Fault> {
    let own = key.public_key().fingerprint();
    if own != public.fingerprint() {
        return Err("PGP_PUBLIC_KEY is not the public part of PGP_PRIVATE_KEY".into());
    }
    let is_id =
        |id: &str| matches!(id.len(), 16 | 40) && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !expected.is_none_or(is_id) {
        let error =
            "PGP_KEY_ID must be the key's fingerprint, 40 hex digits, or the last 16 of them";
        return Err(error.into());
    }
    match expected.map(str::to_ascii_uppercase) {
        Some(expected) if !own.ends_with(&expected) => {
            Err(format!("the key's fingerprint is {own}, not PGP_KEY_ID {expected}").into())
        }
        _ => Ok(()),
    }
}

fn is_of_keys(path: &str) -> bool {
    matches!(path, HISTORY_PATH | KEYS_PATH)
}

#[async_trait(?Send)]
impl Routes for Runs {
    /// The published log; the public keys, and their history.
    fn access(&self, path: &str) -> Option<Access> {
        let open = path.starts_with(published::PREFIX) || is_of_keys(path);
        open.then_some(Access::Public)
    }

    fn body_limit(&self, _path: &str) -> usize {
        0
    }

    async fn respond(&self, platform: &Platform, web: &WebRequest<'_>) -> Option<HttpReply> {
        if !is_of_keys(web.path) {
            return published::respond(
                &*self.log_files,
                self.log_key.as_deref(),
                web.method,
                web.path,
                web.headers,
            )
            .await;
        }
        if !matches!(web.method, "GET" | "HEAD") {
            return None;
        }
        let reply = self.service.published_keys(web.path).await?;
        Some(reply.unwrap_or_else(|error| {
            let fields = json!({ "cause": error.to_string() });
            let log = &platform.log;
            log.record(Level::Error, "keys_not_published", fields);
            unavailable(web.path, &web.info.request_id)
        }))
    }
}

#[async_trait(?Send)]
impl Dependencies for Runs {
    /// `model` is up if a key for it is set: asking the provider would cost money.
    async fn check(&self) -> Vec<(&'static str, bool)> {
        let mut providers = self.service.gateway.routes.providers.iter();
        let answers = match &self.service.api {
            None => ("model", providers.any(|provider| provider.is_ready())),
            Some(api) => ("fortress_api", api.is_alive().await),
        };
        vec![answers, ("chain", self.service.ledger.head().await.is_ok())]
    }
}
