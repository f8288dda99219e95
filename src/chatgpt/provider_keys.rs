use std::rc::Rc;

use chitty_core::services::Platform;
use chitty_core::vault::{KeyHeader, Upstream, Vault};
use chitty_edge::config::ModelSettings;
use chitty_edge::http::FetchHttp;

const ANTHROPIC_BASE_URL: &str = "https://api.anthropic.com/v1";

/// Users' provider keys, for one request.
pub fn vault(model: &ModelSettings, platform: &Platform) -> Vault {
    let openai = upstream("openai", model.base_url.clone(), KeyHeader::Bearer);
    let anthropic = upstream(
        "anthropic",
        ANTHROPIC_BASE_URL.to_owned(),
        KeyHeader::XApiKey,
    );
    Vault {
        upstreams: Rc::from([openai, anthropic]),
        sealer: Rc::clone(&platform.sealer),
        http: Rc::new(FetchHttp),
        audit: platform.authenticator.audit.clone(),
    }
}

fn upstream(name: &str, base_url: String, header: KeyHeader) -> Upstream {
    Upstream {
        name: name.to_owned(),
        base_url,
        header,
    }
}
