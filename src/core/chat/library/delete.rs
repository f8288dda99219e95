use super::super::ChatError;
use super::super::service::valid;
use super::Library;
use super::inputs::SessionDeleteInput;
use super::outputs::SessionDeleteOutput;
use crate::sql::Statement;

/// The row stays, so that its id is not taken anew by a call that is under way, and usage
/// keeps what it refers to. What was said goes at once.
const MARK: &str = "UPDATE chat_sessions SET status = 'deleted', session_name = '', \
    metadata = '{}', settings = NULL, case_id = NULL, updated_at = ?1 \
    WHERE id = ?2 AND user_id = ?3 AND status <> 'deleted'";

const DELETE_MESSAGES: &str = "DELETE FROM chat_messages WHERE session_id = ?1 \
    AND EXISTS (SELECT 1 FROM chat_sessions WHERE id = ?1 AND user_id = ?2 AND status = 'deleted')";

const DELETE_LINKS: &str = "DELETE FROM chat_links WHERE session_id = ?1 \
    AND EXISTS (SELECT 1 FROM chat_sessions WHERE id = ?1 AND user_id = ?2 AND status = 'deleted')";

const IS_DELETED: &str =
    "SELECT 1 AS one FROM chat_sessions WHERE id = ?1 AND user_id = ?2 AND status = 'deleted'";

/// What deletes a session of the owner's with all that was said in it. Again, they change nothing.
pub(crate) fn deletion(id: &str, owner: &str, now_ms: i64) -> [Statement; 3] {
    let of_session = |sql| Statement::new(sql).bind(id).bind(owner);
    let mark = Statement::new(MARK).timestamp(now_ms).bind(id).bind(owner);
    [mark, of_session(DELETE_MESSAGES), of_session(DELETE_LINKS)]
}

impl Library {
    /// Deletes a session with all that was said in it. What it cost stays on file. Again, it
    /// changes nothing.
    pub async fn delete_session(
        &self,
        owner: &str,
        input: &SessionDeleteInput,
    ) -> Result<SessionDeleteOutput, ChatError> {
        valid(input)?;
        let id = &input.session_id;
        let mut batch = deletion(id, owner, self.clock.now_ms()).to_vec();
        batch.push(Statement::new(IS_DELETED).bind(id).bind(owner));
        let outcomes = self.db.batch(batch).await?;
        if outcomes.last().is_none_or(|found| found.rows.is_empty()) {
            return Err(ChatError::SessionNotFound(id.clone()));
        }
        Ok(SessionDeleteOutput {
            session_id: id.clone(),
            deleted: true,
            messages: outcomes.get(1).map_or(0, |deleted| deleted.changes),
        })
    }
}
