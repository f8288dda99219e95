//! What a call is made with: what it states itself, then its settings, then our defaults.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::llm::takes_sampling_parameters;

pub(super) const DEFAULT_MODEL: &str = "gpt-4";
pub(super) const DEFAULT_MAX_TOKENS: u32 = 1_000;
pub(super) const DEFAULT_TEMPERATURE: f64 = 0.7;

/// What a model is asked with, apart from the messages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ModelSettings {
    /// The config they are from.
    pub config_name: String,
    pub model: String,
    /// Most tokens an answer may have.
    pub max_tokens: u32,
    /// 0 to 2.
    pub temperature: f64,
    /// 0 to 1; 1 is all.
    pub top_p: f64,
    /// -2 to 2; 0 is none.
    pub frequency_penalty: f64,
    /// -2 to 2; 0 is none.
    pub presence_penalty: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_prompt: Option<String>,
}

/// What a call states itself.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Stated<'a> {
    pub model: Option<&'a str>,
    pub max_tokens: Option<u32>,
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    pub frequency_penalty: Option<f64>,
    pub presence_penalty: Option<f64>,
    /// Its messages hold one with the role `system`.
    pub system_prompt: bool,
}

/// What the model is asked with. What is `None` is not sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Resolved {
    pub model: String,
    pub max_tokens: u32,
    pub temperature: Option<f64>,
    pub top_p: Option<f64>,
    pub frequency_penalty: Option<f64>,
    pub presence_penalty: Option<f64>,
    /// To be put before the messages.
    pub system_prompt: Option<String>,
}

/// Fills in what the call leaves out. What it states itself is sent as it is, even to a
/// model that will refuse it; what is filled in never makes a model refuse: reasoning models
/// get no sampling parameters, and no model gets one that changes nothing.
pub fn resolve(stated: Stated<'_>, settings: Option<&ModelSettings>) -> Resolved {
    let configured = settings.map(|settings| settings.model.as_str());
    let model = stated.model.or(configured).unwrap_or(DEFAULT_MODEL);
    let settings_for_sampling = settings.filter(|_| takes_sampling_parameters(model));
    let filled = |stated: Option<f64>, of: fn(&ModelSettings) -> f64, nothing: f64| {
        stated.or_else(|| {
            let value = settings_for_sampling.map(of);
            value.filter(|value| (value - nothing).abs() > f64::EPSILON)
        })
    };
    let temperature = || {
        takes_sampling_parameters(model)
            .then(|| settings.map_or(DEFAULT_TEMPERATURE, |settings| settings.temperature))
    };
    let max_tokens = settings.map_or(DEFAULT_MAX_TOKENS, |settings| settings.max_tokens);
    Resolved {
        max_tokens: stated.max_tokens.unwrap_or(max_tokens),
        temperature: stated.temperature.or_else(temperature),
        top_p: filled(stated.top_p, |settings| settings.top_p, 1.0),
        frequency_penalty: filled(
            stated.frequency_penalty,
            |settings| settings.frequency_penalty,
            0.0,
        ),
        presence_penalty: filled(
            stated.presence_penalty,
            |settings| settings.presence_penalty,
            0.0,
        ),
        system_prompt: settings
            .filter(|_| !stated.system_prompt)
            .and_then(|settings| settings.system_prompt.clone()),
        model: model.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> ModelSettings {
        ModelSettings {
            config_name: "mine".into(),
            model: "gpt-4o".into(),
            max_tokens: 2_000,
            temperature: 1.0,
            top_p: 0.95,
            frequency_penalty: 0.3,
            presence_penalty: 0.0,
            system_prompt: Some("Be brief.".into()),
        }
    }

    #[test]
    fn nothing_stated_and_no_settings_are_the_defaults() {
        let resolved = resolve(Stated::default(), None);
        let expected = Resolved {
            model: "gpt-4".into(),
            max_tokens: 1_000,
            temperature: Some(0.7),
            top_p: None,
            frequency_penalty: None,
            presence_penalty: None,
            system_prompt: None,
        };
        assert_eq!(resolved, expected);
    }

    #[test]
    fn settings_fill_in_what_is_left_out_only() {
        let resolved = resolve(Stated::default(), Some(&settings()));
        assert_eq!(
            (resolved.model.as_str(), resolved.max_tokens),
            ("gpt-4o", 2_000)
        );
        assert_eq!(
            (resolved.temperature, resolved.top_p),
            (Some(1.0), Some(0.95))
        );
        assert_eq!(resolved.frequency_penalty, Some(0.3));
        // 0 is what the model does anyway.
        assert_eq!(resolved.presence_penalty, None);
        assert_eq!(resolved.system_prompt.as_deref(), Some("Be brief."));

        let stated = Stated {
            model: Some("gpt-4"),
            max_tokens: Some(5),
            temperature: Some(0.0),
            top_p: Some(1.0),
            frequency_penalty: Some(0.0),
            presence_penalty: Some(-2.0),
            system_prompt: true,
        };
        let expected = Resolved {
            model: "gpt-4".into(),
            max_tokens: 5,
            temperature: Some(0.0),
            top_p: Some(1.0),
            frequency_penalty: Some(0.0),
            presence_penalty: Some(-2.0),
            system_prompt: None,
        };
        assert_eq!(resolve(stated, Some(&settings())), expected);
    }

    #[test]
    fn reasoning_models_get_no_sampling_parameters_that_nobody_stated() {
        for model in [Some("gpt-5-mini"), None] {
            let settings = ModelSettings {
                model: "o3".into(),
                ..settings()
            };
            let stated = Stated {
                model,
                ..Stated::default()
            };
            let resolved = resolve(stated, Some(&settings));
            assert_eq!((resolved.temperature, resolved.top_p), (None, None));
            assert_eq!(resolved.frequency_penalty, None);
            assert_eq!(resolved.max_tokens, 2_000);
        }
        let stated = Stated {
            model: Some("o3"),
            temperature: Some(0.5),
            ..Stated::default()
        };
        assert_eq!(resolve(stated, None).temperature, Some(0.5));
    }
}
