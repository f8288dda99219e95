use std::cell::OnceCell;
use std::rc::Rc;

use async_trait::async_trait;
use chitty_core::analytics::DataPoints;
use chitty_core::budget::{Shield, UserLedger};
use chitty_core::chat::room::{self, Entrance, Rooms};
use chitty_core::chat::{ChatService, Library, Sessions};
use chitty_core::door::{self, Door};
use chitty_core::front::{Access, Dependencies, Routes as Paths};
use chitty_core::gateway::{Gateway, Routes, Unwritten};
use chitty_core::http::HttpReply;
use chitty_core::llm::{Breakers, Limits};
use chitty_core::mcp::Server;
use chitty_core::oauth::WebRequest;
use chitty_core::openapi::Further;
use chitty_core::ports::Level;
use chitty_core::services::{Platform, Services};
use chitty_core::usage::PriceTable;
use chitty_core::vault::{Keyless, Upstream, Vault};
use chitty_edge::bindings::{models, rooms, shield, usage_points, user_ledger};
use chitty_edge::config::{Common, Reader, limits, prices, routes};
use chitty_edge::platform::{Fault, Isolate, Worker};
use serde_json::json;
use worker::Env;

use crate::provider_keys::{upstreams, vault};
use crate::tools;

/// The worker, as an isolate keeps it.
pub struct ChatGpt {
    isolate: Isolate,
    routes: Rc<Routes>,
    upstreams: Rc<[Upstream]>,
    keyless: Rc<Keyless>,
    breakers: Rc<Breakers>,
    prices: Rc<PriceTable>,
    unwritten: Rc<Unwritten>,
    server: Rc<Server<Services<Chat>>>,
    objects: OnceCell<Objects>,
}

/// What is reached over bindings: the same in all requests of an isolate, and slow to look up.
#[derive(Clone)]
struct Objects {
    rooms: Rc<dyn Rooms>,
    ledger: Rc<dyn UserLedger>,
    shield: Rc<dyn Shield>,
    points: Option<Rc<dyn DataPoints>>,
}

/// What its tools work with.
pub struct Chat {
    pub service: ChatService,
    pub gateway: Rc<Gateway>,
    pub vault: Vault,
    /// What is kept, apart from completions.
    pub library: Library,
    /// Where sessions are streamed.
    pub rooms: Rc<dyn Rooms>,
}

impl Worker for ChatGpt {
    type Domain = Chat;
    const NAME: &'static str = "chatgpt";
    const SERVER: &'static str = "cloudflare-chatgpt-mcp";

    fn load(env: &Env) -> Result<Self, Fault> {
        let mut reader = Reader::new(env);
        let common = Common::read(&mut reader);
        let routes = routes(&mut reader, common.environment);
        let prices = prices(&mut reader);
        limits(&mut reader);
        let (common, routes, prices) = reader.finish((common, routes, prices))?;
        Ok(Self {
            isolate: Isolate::new(common)?,
            upstreams: upstreams(&routes.providers),
            keyless: Rc::default(),
            routes: Rc::new(routes),
            breakers: Rc::default(),
            prices: Rc::new(prices),
            unwritten: Rc::default(),
            server: Rc::new(tools::server(Self::SERVER)),
            objects: OnceCell::new(),
        })
    }

    fn isolate(&self) -> &Isolate {
        &self.isolate
    }

    fn server(&self) -> &Rc<Server<Services<Chat>>> {
        &self.server
    }

    fn domain(&self, env: &Env, platform: &Platform) -> Result<Chat, Fault> {
        let gateway = Rc::new(self.gateway(env, platform)?);
        let library = Library {
            db: Rc::clone(&platform.database),
            clock: Rc::clone(&platform.clock),
            entropy: Rc::clone(&platform.entropy),
        };
        Ok(Chat {
            vault: vault(&self.upstreams, &self.keyless, platform),
            service: ChatService {
                sessions: Sessions::new(Rc::clone(&platform.database)),
                library: library.clone(),
                gateway: Rc::clone(&gateway),
                clock: Rc::clone(&platform.clock),
                entropy: Rc::clone(&platform.entropy),
                log: Rc::clone(&platform.log),
                background: Rc::clone(&platform.background),
            },
            gateway,
            library,
            rooms: self.objects(env)?.rooms,
        })
    }
}

impl Chat {
    /// Of sessions that are gone. Rooms that cannot be reached forget by themselves in an hour.
    pub fn close_rooms(&self, platform: &Platform, user_id: &str, sessions: Vec<String>) {
        let (rooms, log) = (Rc::clone(&self.rooms), Rc::clone(&platform.log));
        let user_id = user_id.to_owned();
        platform.background.spawn(Box::pin(async move {
            for session_id in sessions {
                let room = room::room_of(&user_id, &session_id);
                if let Err(error) = rooms.close(&room).await {
                    let fields = json!({ "cause": error.to_string() });
                    log.record(Level::Warn, "room_not_closed", fields);
                }
            }
        }));
    }
}

impl ChatGpt {
    fn gateway(&self, env: &Env, platform: &Platform) -> Result<Gateway, Fault> {
        let objects = self.objects(env)?;
        Ok(Gateway {
            models: models(platform, &self.breakers),
            routes: Rc::clone(&self.routes),
            prices: Rc::clone(&self.prices),
            shield: objects.shield,
            own_keys: Rc::new(vault(&self.upstreams, &self.keyless, platform)),
            ledger: objects.ledger,
            points: objects.points,
            database: Rc::clone(&platform.database),
            unwritten: Rc::clone(&self.unwritten),
            clock: Rc::clone(&platform.clock),
            background: Rc::clone(&platform.background),
            log: Rc::clone(&platform.log),
            limits: Limits::default(),
        })
    }

    fn objects(&self, env: &Env) -> Result<Objects, Fault> {
        if let Some(known) = self.objects.get() {
            return Ok(known.clone());
        }
        let objects = Objects {
            rooms: rooms(env)?,
            ledger: user_ledger(env)?,
            shield: shield(env)?,
            points: usage_points(env),
        };
        Ok(self.objects.get_or_init(|| objects).clone())
    }
}

#[async_trait(?Send)]
impl Paths for Chat {
    fn access(&self, path: &str) -> Option<Access> {
        (door::knows(path) || room::knows(path)).then_some(Access::Open)
    }

    fn body_limit(&self, path: &str) -> usize {
        door::body_limit(path)
    }

    fn refusal(&self, path: &str, status: u16, message: &str) -> Option<HttpReply> {
        door::knows(path).then(|| door::refusal(status, message))
    }

    fn described(&self) -> Option<Further> {
        Some(door::DESCRIBED)
    }

    async fn respond(&self, platform: &Platform, web: &WebRequest<'_>) -> Option<HttpReply> {
        if room::knows(web.path) {
            let rooms = &*self.rooms;
            return Some(Entrance { platform, rooms }.answer(web).await);
        }
        let door = Door {
            platform,
            gateway: &self.gateway,
        };
        Some(door.answer(web).await)
    }
}

#[async_trait(?Send)]
impl Dependencies for Chat {
    /// `model` is up if a key for it is set: asking the provider would cost money.
    async fn check(&self) -> Vec<(&'static str, bool)> {
        let mut providers = self.gateway.routes.providers.iter();
        vec![("model", providers.any(|provider| provider.is_ready()))]
    }
}
