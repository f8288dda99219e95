//! Erasure of a user's chat data: content goes, what it cost stays as nobody's.

use super::super::ChatError;
use super::super::service::valid;
use super::super::settings::SHIPPED;
use super::Library;
use super::inputs::UserDataDeleteInput;
use super::outputs::UserDataDeleteOutput;
use crate::analytics::forget_user;
use crate::ids;
use crate::sql::{Outcome, Statement};

/// Messages and links go with their session.
const DELETE_SESSIONS: &str = "DELETE FROM chat_sessions WHERE id IN \
    (SELECT id FROM chat_sessions WHERE user_id = ?1 ORDER BY id LIMIT ?2)";

const SESSIONS_A_STEP: i64 = 50;
/// Steps of one call.
const STEPS: usize = 40;

const COUNT: &str = "SELECT (SELECT COUNT(*) FROM chat_sessions WHERE user_id = ?1) AS sessions, \
    (SELECT COUNT(*) FROM session_templates WHERE user_id = ?1) AS templates, \
    (SELECT COUNT(*) FROM model_configs WHERE user_id = ?1) AS configs, \
    (SELECT COUNT(*) FROM api_keys WHERE user_id = ?1) AS provider_keys, \
    (SELECT COUNT(*) FROM usage_analytics WHERE user_id = ?1) \
    + (SELECT COUNT(*) FROM usage_events WHERE user_id = ?1) AS usage_rows";

const DELETE_TEMPLATES: &str = "DELETE FROM session_templates WHERE user_id = ?1";
const DELETE_CONFIGS: &str = "DELETE FROM model_configs WHERE user_id = ?1";
/// Answers that were kept to be given again.
const DELETE_REPLIES: &str = "DELETE FROM idempotent_calls WHERE user_id = ?1";
const DELETE_KEYS: &str = "DELETE FROM api_keys WHERE user_id = ?1";

/// The column takes no null. A name made up for this erasure says nothing of the user.
const FORGET_USAGE: &str = "UPDATE usage_analytics SET user_id = ?1 WHERE user_id = ?2";

const NOT_TOUCHED: &str = "Executions, evidence and facts of the log, which have rules of their \
    own; keys and sign-ins; audit rows; the sums of your budgets.";

impl Library {
    /// Deletes all chat data of `owner`, if `input` confirms it. May be stopped and called
    /// again: what is gone is gone, and the second time finds the rest.
    pub async fn erase_user(
        &self,
        owner: &str,
        input: &UserDataDeleteInput,
    ) -> Result<UserDataDeleteOutput, ChatError> {
        valid(input)?;
        if owner == SHIPPED {
            let said = "user_id: what ships belongs to `system` and cannot be erased";
            return Err(ChatError::InvalidInput(said.to_owned()));
        }
        let counts = Counts::of(&self.db.run(Statement::new(COUNT).bind(owner)).await?)?;
        if input.confirm.as_deref() != Some(owner) {
            return Err(ChatError::NotConfirmed(counts.question(owner)));
        }
        let erasure_id = ids::prefixed("erased", &*self.clock, &*self.entropy)?;
        let (sessions, complete) = self.erase_sessions(owner).await?;
        let of_owner = |sql| Statement::new(sql).bind(owner);
        let forget = Statement::new(FORGET_USAGE).bind(&erasure_id).bind(owner);
        let batch = vec![
            of_owner(DELETE_TEMPLATES),
            of_owner(DELETE_CONFIGS),
            of_owner(DELETE_KEYS),
            of_owner(DELETE_REPLIES),
            forget,
        ];
        self.db.batch(batch).await?;
        forget_user(&*self.db, owner).await?;
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
