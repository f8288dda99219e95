//! `GET /v1/models`: what can be asked here, and is priced.

use serde_json::{Value, json};

use super::Door;
use super::error::ApiError;
use crate::http::HttpReply;
use crate::llm::Target;
use crate::usage::PriceKey;

impl Door<'_> {
    pub(super) fn models(&self) -> HttpReply {
        let data: Vec<Value> = self.offered().into_iter().map(shown).collect();
        let body = json!({ "object": "list", "data": data });
        HttpReply::json(200, body.to_string().into_bytes())
    }

    pub(super) fn model(&self, id: &str) -> Result<HttpReply, ApiError> {
        let id = percent_encoding::percent_decode_str(id).decode_utf8_lossy();
        let route = self.gateway.routes.find(&id);
        let target = route.first().filter(|target| self.is_priced(target));
        let target = target.ok_or_else(|| ApiError::unknown_model(&id))?;
        let found = (target.provider.name.as_str(), id.to_string());
        Ok(HttpReply::json(200, shown(found).to_string().into_bytes()))
    }

    /// The name that leads to this provider.
    fn asked_as(&self, provider: &str, model: &str) -> String {
        let route = self.gateway.routes.find(model);
        match route.first() {
            Some(first) if first.provider.name == provider => model.to_owned(),
            _ => format!("{provider}/{model}"),
        }
    }

    fn is_priced(&self, target: &Target) -> bool {
        let key = PriceKey {
            provider: &target.provider.name,
            model: &target.model,
            tier: None,
            at_ms: self.platform.clock.now_ms(),
        };
        target.provider.is_ready() && self.gateway.prices.upper_bound(key, 0, 0).is_ok()
    }

    /// Provider and model.
    fn offered(&self) -> Vec<(&str, String)> {
        let now_ms = self.platform.clock.now_ms();
        let providers = self.gateway.routes.providers.iter();
        let ready = providers.filter(|provider| provider.is_ready());
        ready
            .flat_map(|provider| {
                let name = provider.name.as_str();
                let models = self.gateway.prices.models(name, now_ms);
                models
                    .into_iter()
                    .map(move |model| (name, self.asked_as(name, model)))
            })
            .collect()
    }
}

/// `Model`. Nobody here knows when a model was made.
fn shown((provider, model): (&str, String)) -> Value {
    json!({ "id": model, "object": "model", "created": 0, "owned_by": provider })
}
