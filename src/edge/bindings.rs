//! What workers make alike from their bindings and settings.

use std::rc::Rc;

use chitty_core::ledger::{Ledger, RemoteLedger};
use chitty_core::llm::OpenAi;
use chitty_core::services::Platform;
use worker::Env;

use crate::config::ModelSettings;
use crate::http::{FetchHttp, NamedObject};
use crate::platform::Fault;

/// Name of the one log of a deployment: under another name there is another log.
const LOG: &str = "chittychain";

/// The log, behind the binding `CHAIN`.
pub fn ledger(env: &Env) -> Result<Rc<dyn Ledger>, Fault> {
    let log = NamedObject {
        namespace: env.durable_object("CHAIN")?,
        name: LOG,
    };
    Ok(Rc::new(RemoteLedger::new(Rc::new(log))))
}

/// The model of `settings`, for one request.
pub fn model(settings: &ModelSettings, platform: &Platform) -> Rc<OpenAi> {
    Rc::new(OpenAi {
        http: Rc::new(FetchHttp),
        clock: Rc::clone(&platform.clock),
        entropy: Rc::clone(&platform.entropy),
        base_url: settings.base_url.clone(),
        api_key: settings.api_key.clone(),
    })
}
