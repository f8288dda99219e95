use std::rc::Rc;

use async_trait::async_trait;
use chitty_core::chat::{ChatService, Library, Sessions};
use chitty_core::front::{Dependencies, Routes};
use chitty_core::llm::{Breakers, Limits, Provider};
use chitty_core::mcp::Server;
use chitty_core::services::{Platform, Services};
use chitty_core::usage::PriceTable;
use chitty_core::vault::{Upstream, Vault};
use chitty_edge::bindings::{models, provider};
use chitty_edge::config::{Common, ModelSettings, Reader, prices};
use chitty_edge::platform::{Fault, Isolate, Worker};
use worker::Env;

use crate::provider_keys::{upstreams, vault};
use crate::tools;

/// The worker, as an isolate keeps it.
pub struct ChatGpt {
    isolate: Isolate,
    provider: Rc<Provider>,
    upstreams: Rc<[Upstream]>,
    breakers: Rc<Breakers>,
    prices: Rc<PriceTable>,
    server: Rc<Server<Services<Chat>>>,
}

/// What its tools work with.
pub struct Chat {
    pub service: ChatService,
    pub vault: Vault,
    /// What is kept, apart from completions.
    pub library: Library,
}

impl Worker for ChatGpt {
    type Domain = Chat;
    const NAME: &'static str = "chatgpt";
    const SERVER: &'static str = "cloudflare-chatgpt-mcp";

    fn load(env: &Env) -> Result<Self, Fault> {
        let mut reader = Reader::new(env);
        let common = Common::read(&mut reader);
        let model = ModelSettings::read(&mut reader, common.environment);
        let prices = prices(&mut reader);
        let (common, model, prices) = reader.finish((common, model, prices))?;
        Ok(Self {
            isolate: Isolate::new(common)?,
            upstreams: upstreams(&model)?,
            provider: provider(model),
            breakers: Rc::default(),
            prices: Rc::new(prices),
            server: Rc::new(tools::server(Self::SERVER)),
        })
    }

    fn isolate(&self) -> &Isolate {
        &self.isolate
    }

    fn server(&self) -> &Rc<Server<Services<Chat>>> {
        &self.server
    }

    fn domain(&self, _env: &Env, platform: &Platform) -> Result<Chat, Fault> {
        Ok(Chat {
            vault: vault(&self.upstreams, platform),
            library: Library {
                db: Rc::clone(&platform.database),
                clock: Rc::clone(&platform.clock),
                entropy: Rc::clone(&platform.entropy),
            },
            service: ChatService {
                sessions: Sessions::new(Rc::clone(&platform.database)),
                models: models(platform, &self.breakers),
                provider: Rc::clone(&self.provider),
                prices: Rc::clone(&self.prices),
                clock: Rc::clone(&platform.clock),
                entropy: Rc::clone(&platform.entropy),
                log: Rc::clone(&platform.log),
                background: Rc::clone(&platform.background),
                limits: Limits::default(),
            },
        })
    }
}

impl Routes for Chat {}

#[async_trait(?Send)]
impl Dependencies for Chat {
    /// `model` is up if a key for it is set: asking the provider would cost money.
    async fn check(&self) -> Vec<(&'static str, bool)> {
        vec![("model", self.service.provider.key.is_some())]
    }
}
