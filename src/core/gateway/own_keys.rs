use std::rc::Rc;

use async_trait::async_trait;

use super::GatewayError;
use crate::llm::{Provider, Target};
use crate::secret::Secret;
use crate::vault::Vault;

/// Keys of their own that users have deposited.
#[async_trait(?Send)]
pub trait OwnKeys {
    /// None: the deployment's key pays. An error: there is one that cannot be used, and another
    /// key would be another bill.
    async fn key(&self, user_id: &str, provider: &str) -> Result<Option<Secret>, String>;
}

#[async_trait(?Send)]
impl OwnKeys for Vault {
    async fn key(&self, user_id: &str, provider: &str) -> Result<Option<Secret>, String> {
        let found = self.active_key(user_id, provider).await;
        found
            .map(|key| key.map(|key| key.secret))
            .map_err(|error| error.to_string())
    }
}

/// The route, with the user's own key at each provider that they have one for.
pub(super) async fn apply(
    keys: &dyn OwnKeys,
    user_id: &str,
    route: Vec<Target>,
) -> Result<Vec<Target>, GatewayError> {
    let mut paid: Vec<Target> = Vec::with_capacity(route.len());
    for target in route {
        let before = paid
            .iter()
            .find(|before| before.provider.name == target.provider.name);
        let provider = match before {
            Some(before) => Rc::clone(&before.provider),
            None => own(keys, user_id, &target.provider).await?,
        };
        paid.push(Target { provider, ..target });
    }
    Ok(paid)
}

async fn own(
    keys: &dyn OwnKeys,
    user_id: &str,
    provider: &Rc<Provider>,
) -> Result<Rc<Provider>, GatewayError> {
    let key = keys.key(user_id, &provider.name).await;
    Ok(match key.map_err(GatewayError::OwnKey)? {
        None => Rc::clone(provider),
        Some(key) => Rc::new(Provider {
            key: Some(key),
            key_name: "key of your own (chitty_api_key_rotate replaces it)".to_owned(),
            ..Provider::clone(provider)
        }),
    })
}
