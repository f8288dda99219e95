use super::super::{ChatError, ChatMessage};
use super::Library;
use super::messages::role;
use crate::sql::{DatabaseError, Row, Statement};

/// The newest messages whose text is not yet as long as asked for, and the system messages.
/// Text is measured in letters, of which there are no more than bytes: never too few.
const NEWEST: &str = "SELECT q.seq, q.role, q.content, q.metadata, \
    (SELECT COUNT(*) FROM chat_messages WHERE session_id = ?1) AS messages FROM (\
    SELECT p.*, SUM(LENGTH(p.content)) OVER (ORDER BY p.seq DESC) - LENGTH(p.content) AS letters_after \
    FROM (SELECT seq, role, content, metadata FROM chat_messages WHERE session_id = ?1 \
    AND EXISTS (SELECT 1 FROM chat_sessions WHERE id = ?1 AND user_id = ?2 AND status <> 'deleted') \
    ORDER BY CASE WHEN role = 'system' THEN 0 ELSE 1 END, seq DESC LIMIT ?3) AS p) AS q \
    WHERE q.role = 'system' OR q.letters_after < ?4 ORDER BY q.seq";

const MAX_MESSAGES: u32 = 1_000;

/// A session's history, as far as it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loaded {
    /// Oldest first.
    pub messages: Vec<ChatMessage>,
    /// Messages of the session that are not among them: too old, or of exchanges without a
    /// whole answer.
    pub left_out: usize,
}

impl Library {
    /// What was said in a session of the owner's, for a model with a window of
    /// `window_tokens`. Questions that were not answered, and answers that broke off, are
    /// left out. Of a session that is not there, nothing.
    pub async fn history(
        &self,
        owner: &str,
        session_id: &str,
        window_tokens: u64,
    ) -> Result<Loaded, ChatError> {
        let statement = Statement::new(NEWEST)
            .bind(session_id)
            .bind(owner)
            .bind(MAX_MESSAGES)
            .bind(i64::try_from(window_tokens).unwrap_or(i64::MAX));
        let outcome = self.db.run(statement).await?;
        let all = outcome.first().map(|row| row.int("messages")).transpose()?;
        let mut messages = Vec::new();
        for row in &outcome.rows {
            messages.extend(said(row)?);
        }
        let all = usize::try_from(all.unwrap_or_default()).unwrap_or_default();
        Ok(Loaded {
            left_out: all.saturating_sub(messages.len()),
            messages,
        })
    }
}

fn said(row: &Row) -> Result<Option<ChatMessage>, DatabaseError> {
    let notes = row.json("metadata")?;
    let state = notes.get("state").and_then(serde_json::Value::as_str);
    let whole = notes.get("partial").is_none_or(|partial| partial != true);
    if !whole || state.is_some_and(|state| state != "answered") {
        return Ok(None);
    }
    Ok(Some(ChatMessage {
        role: role(&row.text("role")?),
        content: row.text("content")?,
    }))
}
