use super::super::service::valid;
use super::super::settings::ModelSettings;
use super::super::{ChatError, Library};
use super::statements;
use super::types::{
    Template, TemplateCreateInput, TemplateDeleteInput, TemplateDeleteOutput, TemplateGetInput,
    TemplateListInput, TemplateListOutput, TemplateOutput, TemplateUpdateInput,
};
use crate::ids;
use crate::sql::{DatabaseError, Outcome, Row};

/// Lets its holder make templates for everybody.
pub const PUBLISH_SCOPE: &str = "chatgpt:publish";

/// Templates. Owners are user ids that the caller has checked already.
impl Library {
    /// `may_publish`: the caller holds [`PUBLISH_SCOPE`].
    pub async fn create_template(
        &self,
        owner: &str,
        may_publish: bool,
        input: &TemplateCreateInput,
    ) -> Result<TemplateOutput, ChatError> {
        valid(input)?;
        publishing(input.is_public, may_publish)?;
        self.config_exists(owner, input.model_config.as_deref())
            .await?;
        let id = ids::plain(&*self.clock, &*self.entropy)?;
        let batch = vec![
            statements::insert(&id, owner, input, self.clock.now_ms()),
            statements::find_own(owner, &id),
        ];
        let outcomes = self.db.batch(batch).await?;
        let row = outcomes.last().and_then(Outcome::first);
        let row = row.ok_or(ChatError::TooMany {
            what: "templates",
            most: statements::MAX_TEMPLATES,
        })?;
        Ok(TemplateOutput {
            template: statements::read(row)?,
        })
    }

    /// `may_publish`: the caller holds [`PUBLISH_SCOPE`].
    pub async fn update_template(
        &self,
        owner: &str,
        may_publish: bool,
        input: &TemplateUpdateInput,
    ) -> Result<TemplateOutput, ChatError> {
        valid(input)?;
        publishing(input.is_public == Some(true), may_publish)?;
        let named = input.model_config.as_deref();
        self.config_exists(owner, named.filter(|name| !name.is_empty()))
            .await?;
        let batch = vec![
            statements::update(owner, input, self.clock.now_ms()),
            statements::find_own(owner, &input.template_id),
        ];
        let outcomes = self.db.batch(batch).await?;
        let row = outcomes.last().and_then(Outcome::first);
        Ok(TemplateOutput {
            template: statements::read(required(row, &input.template_id)?)?,
        })
    }

    /// One of the owner's, or a public one.
    pub async fn template(
        &self,
        owner: &str,
        input: &TemplateGetInput,
    ) -> Result<TemplateOutput, ChatError> {
        valid(input)?;
        let found = statements::find_visible(owner, &input.template_id);
        let outcome = self.db.run(found).await?;
        let row = required(outcome.first(), &input.template_id)?;
        Ok(TemplateOutput {
            template: statements::read(row)?,
        })
    }

    pub async fn templates(
        &self,
        owner: &str,
        input: &TemplateListInput,
    ) -> Result<TemplateListOutput, ChatError> {
        valid(input)?;
        let list = statements::list(owner, input.only_own, input.limit, input.offset);
        let outcome = self.db.run(list).await?;
        let templates = outcome.rows.iter().map(statements::read);
        let mut templates = templates.collect::<Result<Vec<_>, _>>()?;
        let limit = usize::try_from(input.limit).unwrap_or(usize::MAX);
        let more = templates.len() > limit;
        templates.truncate(limit);
        Ok(TemplateListOutput {
            count: templates.len(),
            templates,
            next_offset: more.then_some(input.offset.saturating_add(input.limit)),
        })
    }

    /// Sessions made from it keep what they have. Again, it changes nothing.
    pub async fn delete_template(
        &self,
        owner: &str,
        input: &TemplateDeleteInput,
    ) -> Result<TemplateDeleteOutput, ChatError> {
        valid(input)?;
        let delete = statements::delete(owner, &input.template_id);
        let outcome = self.db.run(delete).await?;
        Ok(TemplateDeleteOutput {
            template_id: input.template_id.clone(),
            deleted: outcome.changes > 0,
        })
    }

    /// One of the owner's, or a public one, with the settings of its config.
    pub(in super::super) async fn template_to_use(
        &self,
        owner: &str,
        id: &str,
    ) -> Result<Template, ChatError> {
        let outcome = self.db.run(statements::find_visible(owner, id)).await?;
        let row = required(outcome.first(), id)?;
        let view = statements::read(row)?;
        Ok(Template {
            model: settings(row)?,
            id: view.id,
            template_name: view.template_name,
            system_prompt: view.system_prompt,
            initial_messages: view.initial_messages,
        })
    }

    async fn config_exists(&self, owner: &str, name: Option<&str>) -> Result<(), ChatError> {
        if name.is_some() {
            self.settings(owner, name).await?;
        }
        Ok(())
    }
}

fn publishing(wanted: bool, may_publish: bool) -> Result<(), ChatError> {
    if wanted && !may_publish {
        return Err(ChatError::PublishingRefused(PUBLISH_SCOPE));
    }
    Ok(())
}

fn required<'a>(row: Option<&'a Row>, id: &str) -> Result<&'a Row, ChatError> {
    row.ok_or_else(|| ChatError::TemplateNotFound(id.to_owned()))
}

/// Those of the template's config, without its system prompt: the template has its own.
fn settings(row: &Row) -> Result<Option<ModelSettings>, DatabaseError> {
    let Some(config_name) = row.opt_text("config_name")? else {
        return Ok(None);
    };
    Ok(Some(ModelSettings {
        config_name,
        model: row.text("model")?,
        max_tokens: u32::try_from(row.int("max_tokens")?).unwrap_or(u32::MAX),
        temperature: row.real("temperature")?,
        top_p: row.real("top_p")?,
        frequency_penalty: row.real("frequency_penalty")?,
        presence_penalty: row.real("presence_penalty")?,
        system_prompt: None,
    }))
}
