use std::rc::Rc;

use chitty_core::llm::{BaseUrl, Dialect};
use chitty_core::services::Platform;
use chitty_core::vault::{Upstream, Vault};
use chitty_edge::config::ModelSettings;
use chitty_edge::http::FetchHttp;
use chitty_edge::platform::Fault;

const ANTHROPIC_BASE_URL: &str = "https://api.anthropic.com/v1";

/// The providers that users may have keys of.
pub fn upstreams(model: &ModelSettings) -> Result<Rc<[Upstream]>, Fault> {
    let openai = Upstream {
        name: "openai".to_owned(),
        base_url: model.base_url.clone(),
        dialect: Dialect::ChatCompletions,
    };
    let anthropic = Upstream {
        name: "anthropic".to_owned(),
        base_url: BaseUrl::parse(ANTHROPIC_BASE_URL, false)?,
        dialect: Dialect::AnthropicMessages,
    };
    Ok(Rc::from([openai, anthropic]))
}

/// Users' provider keys, for one request.
pub fn vault(upstreams: &Rc<[Upstream]>, platform: &Platform) -> Vault {
    Vault {
        upstreams: Rc::clone(upstreams),
        sealer: Rc::clone(&platform.sealer),
        http: Rc::new(FetchHttp),
        audit: platform.authenticator.audit.clone(),
    }
}
