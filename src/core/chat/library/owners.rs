//! Owners of rows that a worker wrote before it knew to name them, as between a migration and
//! the deployment that follows it.

use super::Library;
use crate::sql::{DatabaseError, Statement};

/// Rows of a kind, each time.
const AT_ONCE: i64 = 500;

const OF_MESSAGES: &str = "UPDATE chat_messages SET user_id = \
    (SELECT s.user_id FROM chat_sessions s WHERE s.id = chat_messages.session_id) \
    WHERE id IN (SELECT id FROM chat_messages WHERE user_id = '' LIMIT ?1)";

const OF_LINKS: &str = "UPDATE chat_links SET user_id = \
    (SELECT s.user_id FROM chat_sessions s WHERE s.id = chat_links.session_id) \
    WHERE (session_id, message_id, kind, value) IN \
    (SELECT session_id, message_id, kind, value FROM chat_links WHERE user_id = '' LIMIT ?1)";

impl Library {
    /// Messages and links without an owner get that of their session, so that they are found.
    pub async fn name_owners(&self) -> Result<(), DatabaseError> {
        let named = [OF_MESSAGES, OF_LINKS].map(|sql| Statement::new(sql).bind(AT_ONCE));
        self.db.batch(named.into()).await.map(|_| ())
    }
}
