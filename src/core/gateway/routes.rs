//! Which provider a model is asked at.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::llm::{Provider, Target};

/// Names that say whose they are.
const ANTHROPIC: &str = "claude";

/// The providers of a deployment, and what is asked instead when a model fails.
#[derive(Debug, Default)]
pub struct Routes {
    /// The first one serves what nobody else is known for.
    pub providers: Vec<Rc<Provider>>,
    /// Models to ask after one that gave no answer, in order.
    pub fallbacks: BTreeMap<String, Vec<String>>,
}

impl Routes {
    /// Where `model` is asked, and then its fallbacks. `provider/model` names the provider.
    /// Empty if no provider serves it.
    pub fn find(&self, model: &str) -> Vec<Target> {
        let after = self.fallbacks.get(model).into_iter().flatten();
        let names = std::iter::once(model).chain(after.map(String::as_str));
        names.filter_map(|name| self.target(name)).collect()
    }

    fn target(&self, model: &str) -> Option<Target> {
        if let Some((name, rest)) = model.split_once('/')
            && let Some(provider) = self.named(name)
        {
            return Some(provider.serving(rest));
        }
        let provider = if model.starts_with(ANTHROPIC) {
            self.named("anthropic")
        } else {
            self.providers.first()
        };
        provider.map(|provider| provider.serving(model))
    }

    fn named(&self, name: &str) -> Option<&Rc<Provider>> {
        self.providers.iter().find(|provider| provider.name == name)
    }
}
