//! Erasure of a user's chat data: content goes, what it cost stays as nobody's.

use serde_json::{Value, json};

use super::super::ChatError;
use super::super::room::KEPT_MS;
use super::super::service::valid;
use super::super::settings::SHIPPED;
use super::Library;
use super::inputs::UserDataDeleteInput;
use super::outputs::UserDataDeleteOutput;
use crate::analytics::forget_user;
use crate::auth::keys::Asking;
use crate::auth::{AuditEvent, AuditLog, Decision};
use crate::ids;
use crate::sql::{Outcome, Statement};

/// Messages and links go with their session.
const DELETE_SESSIONS: &str = "DELETE FROM chat_sessions WHERE id IN \
    (SELECT id FROM chat_sessions WHERE user_id = ?1 ORDER BY id LIMIT ?2)";

/// As long as a room keeps events, and a call may take before that.
const LIVELY_MS: i64 = 2 * KEPT_MS;

const SESSIONS_A_STEP: i64 = 50;
/// Steps of one call.
const STEPS: usize = 40;

const COUNT: &str = "SELECT (SELECT COUNT(*) FROM chat_sessions WHERE user_id = ?1) AS sessions, \
    (SELECT COUNT(*) FROM session_templates WHERE user_id = ?1) AS templates, \
    (SELECT COUNT(*) FROM model_configs WHERE user_id = ?1) AS configs, \
    (SELECT COUNT(*) FROM api_keys WHERE user_id = ?1) AS provider_keys, \
    (SELECT COUNT(*) FROM usage_analytics WHERE user_id = ?1) \
    + (SELECT COUNT(*) FROM usage_events WHERE user_id = ?1) AS usage_rows";

/// Sessions whose rooms may still hold what was said.
const LIVELY: &str = "SELECT id FROM chat_sessions WHERE user_id = ?1 AND updated_at > ?2";

const DELETE_TEMPLATES: &str = "DELETE FROM session_templates WHERE user_id = ?1";
const DELETE_CONFIGS: &str = "DELETE FROM model_configs WHERE user_id = ?1";
/// Answers that were kept to be given again.
const DELETE_REPLIES: &str = "DELETE FROM idempotent_calls WHERE user_id = ?1";
const DELETE_KEYS: &str = "DELETE FROM api_keys WHERE user_id = ?1";

/// What the user's rows sum up to joins the rows of nobody, whose names and times say nothing
/// of whom they came from. The column takes no null.
const ADD_TO_NOBODYS: &str = "INSERT INTO usage_analytics (id, user_id, date, hour, \
    messages_count, tokens_used, cost_nanos, unpriced_count, model, created_at) \
    SELECT 'nobody.' || date || '.' || hour || '.' || model, '', date, hour, \
    CAST(SUM(messages_count) AS BIGINT), CAST(SUM(tokens_used) AS BIGINT), \
    CAST(SUM(cost_nanos) AS BIGINT), CAST(SUM(unpriced_count) AS BIGINT), model, ?2 \
    FROM usage_analytics WHERE user_id = ?1 GROUP BY date, hour, model \
    ON CONFLICT (id) DO UPDATE SET \
    messages_count = usage_analytics.messages_count + excluded.messages_count, \
    tokens_used = usage_analytics.tokens_used + excluded.tokens_used, \
    cost_nanos = usage_analytics.cost_nanos + excluded.cost_nanos, \
    unpriced_count = usage_analytics.unpriced_count + excluded.unpriced_count";
const DELETE_USAGE: &str = "DELETE FROM usage_analytics WHERE user_id = ?1";

const NOT_TOUCHED: &str = "Executions, evidence and facts of the log, which have rules of their \
    own; keys and sign-ins; audit rows; the sums of your budgets, and session, case and model of \
    your calls until 25 hours after they end.";

/// Whose request an erasure is, and where that is put on file.
#[derive(Clone, Copy)]
pub struct ErasureOrder<'a> {
    /// Whose data goes. The caller may be somebody else.
    pub owner: &'a str,
    pub asking: Asking<'a>,
    pub audit: &'a AuditLog,
}

impl ErasureOrder<'_> {
    fn event(&self, decision: Decision, details: Value) -> AuditEvent<'_> {
        AuditEvent {
            action: "user_data_delete",
            resource_type: "user",
            resource_id: Some(self.owner),
            decision,
            details,
        }
    }
}

impl Library {
    /// Deletes all chat data of the owner, if `input` confirms it. May be stopped and called
    /// again: what is gone is gone, and the second time finds the rest. The audit row is written
    /// with the first that goes; it names the erasure and the user, and no row of cost names
    /// either.
    pub async fn erase_user(
        &self,
        order: ErasureOrder<'_>,
        input: &UserDataDeleteInput,
    ) -> Result<UserDataDeleteOutput, ChatError> {
        let done = self.try_erase(order, input).await;
        done.inspect_err(|error| {
            let event = order.event(Decision::Deny(error.code()), json!({}));
            let (who, request) = (order.asking.principal, order.asking.request);
            order.audit.record(event, Some(who), request);
        })
    }

    /// Ids of sessions whose rooms are to be closed when the owner's data goes.
    pub async fn lively_sessions(&self, owner: &str) -> Result<Vec<String>, ChatError> {
        let since_ms = self.clock.now_ms().saturating_sub(LIVELY_MS);
        let lively = Statement::new(LIVELY).bind(owner).timestamp(since_ms);
        let found = self.db.run(lively).await?;
        let ids: Result<Vec<String>, _> = found.rows.iter().map(|row| row.text("id")).collect();
        Ok(ids?)
    }

    async fn try_erase(
        &self,
        order: ErasureOrder<'_>,
        input: &UserDataDeleteInput,
    ) -> Result<UserDataDeleteOutput, ChatError> {
        valid(input)?;
        let owner = order.owner;
        if owner == SHIPPED {
            let said = "user_id: what ships belongs to `system` and cannot be erased";
            return Err(ChatError::InvalidInput(said.to_owned()));
        }
        let counts = Counts::of(&self.db.run(Statement::new(COUNT).bind(owner)).await?)?;
        if input.confirm.as_deref() != Some(owner) {
            return Err(ChatError::NotConfirmed(counts.question(owner)));
        }
        let erasure_id = ids::prefixed("erased", &*self.clock, &*self.entropy)?;
        let mut seed = [0; 16];
        self.entropy.fill(&mut seed)?;
        let of_owner = |sql| Statement::new(sql).bind(owner);
        let details = json!({ "erasure_id": erasure_id, "sessions": counts.sessions });
        let event = order.event(Decision::Allow, details);
        let row =
            order
                .audit
                .statement(event, order.asking.principal, order.asking.request, "TRUE");
        let batch = vec![
            row.ok_or(ChatError::NoAuditRow)?,
            of_owner(DELETE_TEMPLATES),
            of_owner(DELETE_CONFIGS),
            of_owner(DELETE_KEYS),
            of_owner(DELETE_REPLIES),
        ];
        self.db.batch(batch).await?;
        let (sessions, complete) = self.erase_sessions(owner).await?;
        let nobodys = of_owner(ADD_TO_NOBODYS).timestamp(0);
        self.db.batch(vec![nobodys, of_owner(DELETE_USAGE)]).await?;
        forget_user(&*self.db, owner, &seed).await?;
        Ok(UserDataDeleteOutput {
            erasure_id,
            sessions,
            templates: counts.templates,
            configs: counts.configs,
            provider_keys: counts.provider_keys,
            usage_rows_kept: counts.usage_rows,
            complete,
            not_touched: NOT_TOUCHED.to_owned(),
        })
    }

    /// How many went, and whether that is all.
    async fn erase_sessions(&self, owner: &str) -> Result<(u64, bool), ChatError> {
        let left = "SELECT COUNT(*) AS left_over FROM chat_sessions WHERE user_id = ?1";
        let mut before = None;
        for _ in 0..STEPS {
            let batch = vec![
                Statement::new(left).bind(owner),
                Statement::new(DELETE_SESSIONS)
                    .bind(owner)
                    .bind(SESSIONS_A_STEP),
                Statement::new(left).bind(owner),
            ];
            let outcomes = self.db.batch(batch).await?;
            let (had, has) = (
                read(outcomes.first(), "left_over")?,
                read(outcomes.last(), "left_over")?,
            );
            let first = *before.get_or_insert(had);
            if has == 0 {
                return Ok((first, true));
            }
        }
        let deleted = SESSIONS_A_STEP.unsigned_abs() * u64::try_from(STEPS).unwrap_or(u64::MAX);
        Ok((deleted, false))
    }
}

struct Counts {
    sessions: u64,
    templates: u64,
    configs: u64,
    provider_keys: u64,
    usage_rows: u64,
}

impl Counts {
    fn of(outcome: &Outcome) -> Result<Self, ChatError> {
        let count = |column| read(Some(outcome), column);
        Ok(Self {
            sessions: count("sessions")?,
            templates: count("templates")?,
            configs: count("configs")?,
            provider_keys: count("provider_keys")?,
            usage_rows: count("usage_rows")?,
        })
    }

    fn question(&self, owner: &str) -> String {
        format!(
            "nothing was deleted yet: this would delete {} sessions with their messages, {} \
             templates, {} configs and {} provider keys of {owner} for good, and make {} rows of \
             cost nobody's. Give the user id once more as `confirm` to do it",
            self.sessions, self.templates, self.configs, self.provider_keys, self.usage_rows
        )
    }
}

fn read(outcome: Option<&Outcome>, column: &str) -> Result<u64, ChatError> {
    let row = outcome.and_then(Outcome::first);
    let count = row.map(|row| row.int(column)).transpose()?;
    Ok(u64::try_from(count.unwrap_or_default()).unwrap_or_default())
}
