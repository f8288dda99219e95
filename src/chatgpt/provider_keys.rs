use std::rc::Rc;

use chitty_core::llm::Provider;
use chitty_core::services::Platform;
use chitty_core::vault::{Keyless, Upstream, Vault};
use chitty_edge::http::FetchHttp;

/// The providers that users may have keys of.
pub fn upstreams(providers: &[Rc<Provider>]) -> Rc<[Upstream]> {
    let upstream = |provider: &Rc<Provider>| Upstream {
        name: provider.name.clone(),
        base_url: provider.base_url.clone(),
        dialect: provider.dialect,
    };
    providers.iter().map(upstream).collect()
}

/// Users' provider keys, for one request.
pub fn vault(upstreams: &Rc<[Upstream]>, keyless: &Rc<Keyless>, platform: &Platform) -> Vault {
    Vault {
        upstreams: Rc::clone(upstreams),
        keyless: Rc::clone(keyless),
        sealer: Rc::clone(&platform.sealer),
        http: Rc::new(FetchHttp),
        audit: platform.authenticator.audit.clone(),
    }
}
