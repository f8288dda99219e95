use super::super::service::valid;
use super::super::{ChatError, Library};
use super::types::{
    ConfigCreateInput, ConfigDeleteInput, ConfigDeleteOutput, ConfigGetInput, ConfigListOutput,
    ConfigOutput, ConfigUpdateInput, ConfigView,
};
use super::{DEFAULT_MAX_TOKENS, DEFAULT_MODEL, DEFAULT_TEMPERATURE, ModelSettings, statements};
use crate::ids;
use crate::sql::{DatabaseError, Outcome, Statement};

/// Of two that set the default at once one may be refused by Postgres, and goes again.
const ATTEMPTS: usize = 3;

/// Configs. Owners are user ids that the caller has checked already.
impl Library {
    pub async fn create_config(
        &self,
        owner: &str,
        input: &ConfigCreateInput,
    ) -> Result<ConfigOutput, ChatError> {
        valid(input)?;
        let id = ids::plain(&*self.clock, &*self.entropy)?;
        let (name, now_ms) = (&input.config_name, self.clock.now_ms());
        let mut batch = vec![statements::insert(&id, owner, input, &given(input), now_ms)];
        if input.is_default {
            batch.extend(statements::set_default(owner, name, true, now_ms));
        }
        batch.push(statements::find_own(owner, name));
        let outcomes = self.batch_again(batch).await.map_err(|error| {
            if error.is_unique_violation() {
                ChatError::ConfigNameTaken(name.clone())
            } else {
                error.into()
            }
        })?;
        if outcomes
            .first()
            .is_none_or(|inserted| inserted.changes == 0)
        {
            return Err(ChatError::TooMany {
                what: "configs",
                most: statements::MAX_CONFIGS,
            });
        }
        found(&outcomes, name)
    }

    pub async fn update_config(
        &self,
        owner: &str,
        input: &ConfigUpdateInput,
    ) -> Result<ConfigOutput, ChatError> {
        valid(input)?;
        let (name, now_ms) = (&input.config_name, self.clock.now_ms());
        let mut batch = vec![statements::update(owner, input, now_ms)];
        if let Some(is_default) = input.is_default {
            batch.extend(statements::set_default(owner, name, is_default, now_ms));
        }
        batch.push(statements::find_own(owner, name));
        found(&self.batch_again(batch).await?, name)
    }

    /// The owner's own of that name, or else the shipped one.
    pub async fn config(
        &self,
        owner: &str,
        input: &ConfigGetInput,
    ) -> Result<ConfigOutput, ChatError> {
        valid(input)?;
        let config = self.named_config(owner, &input.config_name).await?;
        Ok(ConfigOutput { config })
    }

    pub async fn configs(&self, owner: &str) -> Result<ConfigListOutput, ChatError> {
        let outcome = self.db.run(statements::list(owner)).await?;
        let configs: Vec<_> = outcome
            .rows
            .iter()
            .map(statements::read)
            .collect::<Result<_, _>>()?;
        Ok(ConfigListOutput {
            count: configs.len(),
            configs,
        })
    }

    /// Sessions and templates that were made with it keep what they have. Again, it changes
    /// nothing.
    pub async fn delete_config(
        &self,
        owner: &str,
        input: &ConfigDeleteInput,
    ) -> Result<ConfigDeleteOutput, ChatError> {
        valid(input)?;
        let outcome = self
            .db
            .run(statements::delete(owner, &input.config_name))
            .await?;
        Ok(ConfigDeleteOutput {
            config_name: input.config_name.clone(),
            deleted: outcome.changes > 0,
        })
    }

    /// The settings of a call: those it names, or else the owner's default, if any.
    pub async fn settings(
        &self,
        owner: &str,
        name: Option<&str>,
    ) -> Result<Option<ModelSettings>, ChatError> {
        if let Some(name) = name {
            return Ok(Some(self.named_config(owner, name).await?.into()));
        }
        let outcome = self.db.run(statements::find_default(owner)).await?;
        let found = outcome.first().map(statements::read).transpose()?;
        Ok(found.map(Into::into))
    }

    async fn named_config(&self, owner: &str, name: &str) -> Result<ConfigView, ChatError> {
        let outcome = self.db.run(statements::find_visible(owner, name)).await?;
        statements::required(outcome.first(), name)
    }

    async fn batch_again(&self, batch: Vec<Statement>) -> Result<Vec<Outcome>, DatabaseError> {
        let mut outcomes = self.db.batch(batch.clone()).await;
        for _ in 1..ATTEMPTS {
            match &outcomes {
                Err(error) if error.is_unique_violation() => {
                    outcomes = self.db.batch(batch.clone()).await;
                }
                _ => break,
            }
        }
        outcomes
    }
}

impl From<ConfigView> for ModelSettings {
    fn from(config: ConfigView) -> Self {
        Self {
            config_name: config.config_name,
            model: config.model,
            max_tokens: config.max_tokens,
            temperature: config.temperature,
            top_p: config.top_p,
            frequency_penalty: config.frequency_penalty,
            presence_penalty: config.presence_penalty,
            system_prompt: config.system_prompt,
        }
    }
}

/// What is left out is our default.
fn given(input: &ConfigCreateInput) -> ModelSettings {
    let model = || DEFAULT_MODEL.to_owned();
    ModelSettings {
        config_name: input.config_name.clone(),
        model: input.model.clone().unwrap_or_else(model),
        max_tokens: input.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS),
        temperature: input.temperature.unwrap_or(DEFAULT_TEMPERATURE),
        top_p: input.top_p.unwrap_or(1.0),
        frequency_penalty: input.frequency_penalty.unwrap_or(0.0),
        presence_penalty: input.presence_penalty.unwrap_or(0.0),
        system_prompt: input.system_prompt.clone(),
    }
}

/// The config that the batch read last.
fn found(outcomes: &[Outcome], name: &str) -> Result<ConfigOutput, ChatError> {
    let row = outcomes.last().and_then(Outcome::first);
    let config = statements::required(row, name)?;
    Ok(ConfigOutput { config })
}
