//! The SQL of templates. Every statement states the owner.

use super::super::settings::SHIPPED;
use super::types::{TemplateCreateInput, TemplateUpdateInput, TemplateView};
use crate::sql::{DatabaseError, Row, Statement};
use crate::time::to_rfc3339;
use serde_json::json;

/// Templates a user may keep.
pub(super) const MAX_TEMPLATES: i64 = 200;

const INSERT: &str = "INSERT INTO session_templates (id, user_id, template_name, description, \
    system_prompt, initial_messages, model_config_id, is_public, created_at, updated_at) \
    SELECT ?1, ?2, ?3, ?4, ?5, ?6, (SELECT id FROM model_configs WHERE config_name = ?7 \
    AND user_id IN (?2, ?8) ORDER BY CASE WHEN user_id = ?2 THEN 0 ELSE 1 END LIMIT 1), \
    ?9, ?10, ?10 WHERE (SELECT COUNT(*) FROM session_templates WHERE user_id = ?2) < ?11";

const UPDATE: &str = "UPDATE session_templates SET template_name = COALESCE(?1, template_name), \
    description = CASE WHEN ?2 = '' THEN NULL ELSE COALESCE(?2, description) END, \
    system_prompt = COALESCE(?3, system_prompt), \
    initial_messages = COALESCE(?4, initial_messages), \
    model_config_id = CASE WHEN ?5 = '' THEN NULL ELSE COALESCE((SELECT id FROM model_configs \
    WHERE config_name = ?5 AND user_id IN (?9, ?6) \
    ORDER BY CASE WHEN user_id = ?9 THEN 0 ELSE 1 END LIMIT 1), model_config_id) END, \
    is_public = COALESCE(?7, is_public), updated_at = ?8 WHERE user_id = ?9 AND id = ?10";

const DELETE: &str = "DELETE FROM session_templates WHERE user_id = ?1 AND id = ?2";

/// With the settings of its config. Who the owner of a public one is, is nobody's business.
const SELECT: &str = "SELECT t.id, CASE WHEN t.user_id = ?1 THEN t.user_id END AS user_id, \
    t.template_name, t.description, t.system_prompt, t.initial_messages, t.is_public, \
    t.use_count, t.created_at, t.updated_at, c.config_name, c.model, c.max_tokens, \
    c.temperature, c.top_p, c.frequency_penalty, c.presence_penalty \
    FROM session_templates t LEFT JOIN model_configs c ON c.id = t.model_config_id";

pub(super) fn insert(id: &str, owner: &str, input: &TemplateCreateInput, now_ms: i64) -> Statement {
    Statement::new(INSERT)
        .bind(id)
        .bind(owner)
        .bind(&input.template_name)
        .bind(input.description.clone())
        .bind(&input.system_prompt)
        .bind(json!(input.initial_messages))
        .bind(input.model_config.clone())
        .bind(SHIPPED)
        .bind(input.is_public)
        .timestamp(now_ms)
        .bind(MAX_TEMPLATES)
}

pub(super) fn update(owner: &str, input: &TemplateUpdateInput, now_ms: i64) -> Statement {
    let messages = input.initial_messages.as_ref();
    Statement::new(UPDATE)
        .bind(input.template_name.clone())
        .bind(input.description.clone())
        .bind(input.system_prompt.clone())
        .bind(messages.map(|messages| json!(messages)))
        .bind(input.model_config.clone())
        .bind(SHIPPED)
        .bind(input.is_public)
        .timestamp(now_ms)
        .bind(owner)
        .bind(&input.template_id)
}

pub(super) fn delete(owner: &str, id: &str) -> Statement {
    Statement::new(DELETE).bind(owner).bind(id)
}

/// The owner's own.
pub(super) fn find_own(owner: &str, id: &str) -> Statement {
    let sql = format!("{SELECT} WHERE t.user_id = ?1 AND t.id = ?2");
    Statement::new(sql).bind(owner).bind(id)
}

/// The owner's own, or a public one.
pub(super) fn find_visible(owner: &str, id: &str) -> Statement {
    let sql = format!("{SELECT} WHERE (t.user_id = ?1 OR t.is_public = TRUE) AND t.id = ?2");
    Statement::new(sql).bind(owner).bind(id)
}

/// One more than `limit`, to tell whether there are more.
pub(super) fn list(owner: &str, only_own: bool, limit: u32, offset: u32) -> Statement {
    let whose = if only_own {
        "t.user_id = ?1"
    } else {
        "(t.user_id = ?1 OR t.is_public = TRUE)"
    };
    let sql = format!("{SELECT} WHERE {whose} ORDER BY t.template_name, t.id LIMIT ?2 OFFSET ?3");
    Statement::new(sql)
        .bind(owner)
        .bind(limit.saturating_add(1))
        .bind(offset)
}

pub(super) fn read(row: &Row) -> Result<TemplateView, DatabaseError> {
    Ok(TemplateView {
        id: row.text("id")?,
        user_id: row.opt_text("user_id")?,
        template_name: row.text("template_name")?,
        description: row.opt_text("description")?,
        system_prompt: row.text("system_prompt")?,
        initial_messages: serde_json::from_value(row.json("initial_messages")?).unwrap_or_default(),
        model_config: row.opt_text("config_name")?,
        is_public: row.boolean("is_public")?,
        use_count: row.int("use_count")?,
        created_at: to_rfc3339(row.timestamp("created_at")?),
        updated_at: to_rfc3339(row.timestamp("updated_at")?),
    })
}
