//! The SQL of configs. Every statement states the owner.

use super::super::ChatError;
use super::types::{ConfigCreateInput, ConfigUpdateInput, ConfigView};
use super::{ModelSettings, SHIPPED};
use crate::sql::{DatabaseError, Row, Statement};
use crate::time::to_rfc3339;

/// Configs a user may keep.
pub(super) const MAX_CONFIGS: i64 = 100;

const COLUMNS: &str = "id, user_id, config_name, model, max_tokens, temperature, top_p, \
    frequency_penalty, presence_penalty, system_prompt, is_default, created_at, updated_at";

const INSERT: &str = "INSERT INTO model_configs (id, user_id, config_name, model, max_tokens, \
    temperature, top_p, frequency_penalty, presence_penalty, system_prompt, is_default, \
    created_at, updated_at) \
    SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?12 \
    WHERE (SELECT COUNT(*) FROM model_configs WHERE user_id = ?2) < ?13";

/// Only if the one that takes its place is there.
const CLEAR_DEFAULT: &str = "UPDATE model_configs SET is_default = FALSE, updated_at = ?1 \
    WHERE user_id = ?2 AND is_default = TRUE AND config_name <> ?3 \
    AND EXISTS (SELECT 1 FROM model_configs WHERE user_id = ?2 AND config_name = ?3)";

const SET_DEFAULT: &str = "UPDATE model_configs SET is_default = ?1, updated_at = ?2 \
    WHERE user_id = ?3 AND config_name = ?4";

const UPDATE: &str = "UPDATE model_configs SET model = COALESCE(?1, model), \
    max_tokens = COALESCE(?2, max_tokens), temperature = COALESCE(?3, temperature), \
    top_p = COALESCE(?4, top_p), frequency_penalty = COALESCE(?5, frequency_penalty), \
    presence_penalty = COALESCE(?6, presence_penalty), \
    system_prompt = CASE WHEN ?7 = '' THEN NULL ELSE COALESCE(?7, system_prompt) END, \
    updated_at = ?8 WHERE user_id = ?9 AND config_name = ?10";

const DELETE: &str = "DELETE FROM model_configs WHERE user_id = ?1 AND config_name = ?2";

pub(super) fn insert(
    id: &str,
    owner: &str,
    input: &ConfigCreateInput,
    given: &ModelSettings,
    now_ms: i64,
) -> Statement {
    Statement::new(INSERT)
        .bind(id)
        .bind(owner)
        .bind(&input.config_name)
        .bind(&given.model)
        .bind(given.max_tokens)
        .bind(given.temperature)
        .bind(given.top_p)
        .bind(given.frequency_penalty)
        .bind(given.presence_penalty)
        .bind(given.system_prompt.clone())
        .bind(false)
        .timestamp(now_ms)
        .bind(MAX_CONFIGS)
}

pub(super) fn update(owner: &str, input: &ConfigUpdateInput, now_ms: i64) -> Statement {
    Statement::new(UPDATE)
        .bind(input.model.clone())
        .bind(input.max_tokens)
        .bind(input.temperature)
        .bind(input.top_p)
        .bind(input.frequency_penalty)
        .bind(input.presence_penalty)
        .bind(input.system_prompt.clone())
        .timestamp(now_ms)
        .bind(owner)
        .bind(&input.config_name)
}

/// Makes it the default, in place of the one before, or no default. One batch.
pub(super) fn set_default(
    owner: &str,
    name: &str,
    is_default: bool,
    now_ms: i64,
) -> Vec<Statement> {
    let clear = Statement::new(CLEAR_DEFAULT)
        .timestamp(now_ms)
        .bind(owner)
        .bind(name);
    let set = Statement::new(SET_DEFAULT)
        .bind(is_default)
        .timestamp(now_ms)
        .bind(owner)
        .bind(name);
    is_default
        .then_some(clear)
        .into_iter()
        .chain([set])
        .collect()
}

pub(super) fn delete(owner: &str, name: &str) -> Statement {
    Statement::new(DELETE).bind(owner).bind(name)
}

/// The owner's own.
pub(super) fn find_own(owner: &str, name: &str) -> Statement {
    let sql =
        format!("SELECT {COLUMNS} FROM model_configs WHERE user_id = ?1 AND config_name = ?2");
    Statement::new(sql).bind(owner).bind(name)
}

/// The owner's own, or else the shipped one.
pub(super) fn find_visible(owner: &str, name: &str) -> Statement {
    let sql = format!(
        "SELECT {COLUMNS} FROM model_configs WHERE config_name = ?1 AND user_id IN (?2, ?3) \
         ORDER BY CASE WHEN user_id = ?2 THEN 0 ELSE 1 END LIMIT 1"
    );
    Statement::new(sql).bind(name).bind(owner).bind(SHIPPED)
}

pub(super) fn find_default(owner: &str) -> Statement {
    let sql =
        format!("SELECT {COLUMNS} FROM model_configs WHERE user_id = ?1 AND is_default = TRUE");
    Statement::new(sql).bind(owner)
}

pub(super) fn list(owner: &str) -> Statement {
    let sql = format!(
        "SELECT {COLUMNS} FROM model_configs WHERE user_id IN (?1, ?2) \
         ORDER BY CASE WHEN user_id = ?1 THEN 0 ELSE 1 END, config_name LIMIT ?3"
    );
    Statement::new(sql)
        .bind(owner)
        .bind(SHIPPED)
        .bind(2 * MAX_CONFIGS)
}

pub(super) fn read(row: &Row) -> Result<ConfigView, DatabaseError> {
    Ok(ConfigView {
        id: row.text("id")?,
        user_id: row.text("user_id")?,
        config_name: row.text("config_name")?,
        model: row.text("model")?,
        max_tokens: u32::try_from(row.int("max_tokens")?).unwrap_or(u32::MAX),
        temperature: row.real("temperature")?,
        top_p: row.real("top_p")?,
        frequency_penalty: row.real("frequency_penalty")?,
        presence_penalty: row.real("presence_penalty")?,
        system_prompt: row.opt_text("system_prompt")?,
        is_default: row.boolean("is_default")?,
        created_at: to_rfc3339(row.timestamp("created_at")?),
        updated_at: to_rfc3339(row.timestamp("updated_at")?),
    })
}

/// The config, or that there is none of that name.
pub(super) fn required(row: Option<&Row>, name: &str) -> Result<ConfigView, ChatError> {
    let row = row.ok_or_else(|| ChatError::ConfigNotFound(name.to_owned()))?;
    Ok(read(row)?)
}
