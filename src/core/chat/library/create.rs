use serde_json::{Map, Value, json};

use super::super::output::SessionSettings;
use super::super::service::valid;
use super::super::templates::Template;
use super::super::{ChatError, ChatMessage, Role, SessionCreateInput, SessionCreateOutput};
use super::links::{self, Holder, Kind};
use super::{Library, sessions};
use crate::ids;
use crate::sql::Statement;

const INSERT: &str = "INSERT INTO chat_sessions \
    (id, user_id, session_name, created_at, updated_at, metadata, total_messages, case_id, settings) \
    VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7, ?8)";

const INSERT_MESSAGE: &str = "INSERT INTO chat_messages \
    (id, session_id, seq, role, content, timestamp, case_id, user_id) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

const COUNT_USE: &str = "UPDATE session_templates SET use_count = use_count + 1 \
    WHERE id = ?1 AND (user_id = ?2 OR is_public = TRUE)";

impl Library {
    /// Makes a session of `owner`'s, with what its template and its config say now.
    pub async fn create_session(
        &self,
        owner: &str,
        input: &SessionCreateInput,
    ) -> Result<SessionCreateOutput, ChatError> {
        valid(input)?;
        let template = match &input.template_id {
            Some(id) => Some(self.template_to_use(owner, id).await?),
            None => None,
        };
        let config = match &input.config {
            Some(name) => self.settings(owner, Some(name)).await?,
            None => None,
        };
        let settings = template.as_ref().map(Template::settings);
        let settings = match (settings, config) {
            (settings, None) => settings,
            (settings, model) => Some(SessionSettings {
                model,
                ..settings.unwrap_or_default()
            }),
        };
        let messages = first_messages(input, template.as_ref());
        let id = ids::plain(&*self.clock, &*self.entropy)?;
        let mut batch = self.insert(&id, owner, input, settings.as_ref(), &messages)?;
        if let Some(template) = &template {
            batch.push(Statement::new(COUNT_USE).bind(&template.id).bind(owner));
        }
        let first_read = batch.len();
        batch.extend(sessions::read_whole(&id, owner));
        let outcomes = self.db.batch(batch).await?;
        let read = outcomes.get(first_read..).unwrap_or_default();
        let (session, _) = sessions::whole(read, &id)?;
        Ok(SessionCreateOutput { session })
    }

    fn insert(
        &self,
        id: &str,
        owner: &str,
        input: &SessionCreateInput,
        settings: Option<&SessionSettings>,
        messages: &[ChatMessage],
    ) -> Result<Vec<Statement>, ChatError> {
        let now_ms = self.clock.now_ms();
        let count = i64::try_from(messages.len()).unwrap_or(i64::MAX);
        let insert = Statement::new(INSERT)
            .bind(id)
            .bind(owner)
            .bind(&input.session_name)
            .timestamp(now_ms)
            .bind(with_provider(input.metadata.clone()))
            .bind(count)
            .bind(input.case_id.clone())
            .bind(settings.map(|settings| json!(settings)));
        let mut batch = vec![insert];
        for (seq, message) in (0_i64..).zip(messages) {
            let insert = Statement::new(INSERT_MESSAGE)
                .bind(ids::plain(&*self.clock, &*self.entropy)?)
                .bind(id)
                .bind(seq)
                .bind(message.role.as_str())
                .bind(&message.content)
                .timestamp(now_ms)
                .bind(input.case_id.clone())
                .bind(owner);
            batch.push(insert);
        }
        let holder = Holder {
            owner,
            session_id: id,
            message_id: "",
        };
        let (documents, labels) = (&input.document_ids, &input.labels);
        batch.extend(links::add(
            holder,
            Kind::Document,
            documents.as_deref().unwrap_or_default(),
        ));
        batch.extend(links::add(
            holder,
            Kind::Label,
            labels.as_deref().unwrap_or_default(),
        ));
        Ok(batch)
    }
}

/// The caller's notes, and ours among them.
pub(super) fn with_provider(metadata: Option<Map<String, Value>>) -> Value {
    let mut metadata = metadata.unwrap_or_default();
    metadata.insert("model_provider".to_owned(), json!("openai"));
    Value::Object(metadata)
}

fn first_messages(input: &SessionCreateInput, template: Option<&Template>) -> Vec<ChatMessage> {
    let prompt = input.initial_system_prompt.as_ref();
    let prompt = prompt.or(template.map(|template| &template.system_prompt));
    let system = prompt.map(|content| ChatMessage {
        role: Role::System,
        content: content.clone(),
    });
    let initial = template.map(|template| template.initial_messages.clone());
    system
        .into_iter()
        .chain(initial.unwrap_or_default())
        .collect()
}
