//! Variables and secrets, read once and checked together: whoever sets a worker up learns
//! of everything that is missing or wrong at once.

pub mod oauth;
mod providers;
mod settings;
mod vouchers;

use chitty_core::secret::Secret;
use wasm_bindgen::JsValue;

pub use providers::routes;
pub use settings::{
    ChainSettings, Common, Environment, FortressApiSettings, ModelSettings, SigningSettings,
    limits, prices,
};
pub use vouchers::vouchers;

/// Where values come from.
pub trait Source {
    /// `None` also for a binding that is no text.
    fn get(&self, name: &str) -> Option<String>;
}

impl Source for worker::Env {
    fn get(&self, name: &str) -> Option<String> {
        js_sys::Reflect::get(self, &JsValue::from_str(name))
            .ok()?
            .as_string()
    }
}

/// Reads values and keeps what is missing or wrong until [`Reader::finish`].
pub struct Reader<'a> {
    source: &'a dyn Source,
    missing: Vec<&'static str>,
    wrong: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

impl<'a> Reader<'a> {
    pub fn new(source: &'a dyn Source) -> Self {
        Self {
            source,
            missing: Vec::new(),
            wrong: Vec::new(),
        }
    }

    /// The value, if it is set to something.
    pub fn optional(&self, name: &str) -> Option<String> {
        let value = self.source.get(name)?;
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }

    pub fn optional_secret(&self, name: &str) -> Option<Secret> {
        self.optional(name).map(Secret::new)
    }

    /// An empty text stands in for what is missing; [`Reader::finish`] then fails.
    pub fn required(&mut self, name: &'static str) -> String {
        self.optional(name).unwrap_or_else(|| {
            self.missing.push(name);
            String::new()
        })
    }

    pub fn required_secret(&mut self, name: &'static str) -> Secret {
        Secret::new(self.required(name))
    }

    /// A comma-separated list; empty where nothing is set.
    pub fn list(&self, name: &str) -> Vec<String> {
        let value = self.optional(name).unwrap_or_default();
        value
            .split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// Notes that `name` is set to something else than `wanted`. The value is not shown.
    pub fn wrong(&mut self, name: &str, wanted: &str) {
        self.wrong.push(format!("{name} must be {wanted}"));
    }

    /// The settings, if nothing was missing or wrong.
    pub fn finish<T>(self, settings: T) -> Result<T, ConfigError> {
        if self.missing.is_empty() && self.wrong.is_empty() {
            return Ok(settings);
        }
        let mut told = Vec::new();
        if !self.missing.is_empty() {
            let names = self.missing.join(", ");
            told.push(format!(
                "not set: {names}; set each with `npx wrangler secret put NAME --env staging` (or production), in development in `.dev.vars`"
            ));
        }
        told.extend(self.wrong);
        Err(ConfigError(format!(
            "The worker is not configured: {}.",
            told.join("; ")
        )))
    }
}

#[cfg(test)]
mod tests;
