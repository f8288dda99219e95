use std::rc::Rc;

use serde_json::Value;

use super::ChatError;
use crate::ports::Database;
use crate::sql::{DatabaseError, Row, Statement};

/// Sessions and their exchanges in the database.
#[derive(Clone)]
pub struct Sessions {
    pub(super) db: Rc<dyn Database>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    pub id: String,
    pub user_id: String,
    pub session_name: String,
    pub created_at_ms: i64,
    pub updated_at_ms: i64,
    pub metadata: Value,
    pub total_messages: i64,
    pub total_tokens: i64,
    pub total_cost_nanos: i64,
    /// How many messages the cost leaves out.
    pub unpriced_messages: i64,
}

const INSERT: &str = "INSERT INTO chat_sessions \
    (id, user_id, session_name, created_at, updated_at, metadata, total_messages) \
    VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6)";

const INSERT_IF_NEW: &str = "INSERT INTO chat_sessions \
    (id, user_id, session_name, created_at, updated_at) \
    VALUES (?1, ?2, ?1, ?3, ?3) ON CONFLICT (id) DO NOTHING";

const FIND_OWNED: &str = "SELECT id, user_id, session_name, created_at, updated_at, metadata, \
    total_messages, total_tokens, total_cost_nanos, unpriced_messages \
    FROM chat_sessions WHERE id = ?1 AND user_id = ?2 AND status <> 'deleted'";

const INSERT_FIRST_MESSAGE: &str = "INSERT INTO chat_messages \
    (id, session_id, seq, role, content, timestamp) VALUES (?1, ?2, 0, 'system', ?3, ?4)";

/// The first message of a new session.
pub(super) struct SystemPrompt<'a> {
    pub message_id: &'a str,
    pub content: &'a str,
}

impl Sessions {
    pub fn new(db: Rc<dyn Database>) -> Self {
        Self { db }
    }

    /// Writes a new session and its system prompt, both or neither.
    pub(super) async fn create(
        &self,
        session: &Session,
        prompt: Option<SystemPrompt<'_>>,
    ) -> Result<(), DatabaseError> {
        let insert = Statement::new(INSERT)
            .bind(&session.id)
            .bind(&session.user_id)
            .bind(&session.session_name)
            .timestamp(session.created_at_ms)
            .bind(session.metadata.clone())
            .bind(session.total_messages);
        let first = prompt.map(|prompt| {
            Statement::new(INSERT_FIRST_MESSAGE)
                .bind(prompt.message_id)
                .bind(&session.id)
                .bind(prompt.content)
                .timestamp(session.created_at_ms)
        });
        let statements = std::iter::once(insert).chain(first).collect();
        self.db.batch(statements).await.map(|_| ())
    }

    /// The session, unless it is unknown, deleted or somebody else's.
    pub async fn find_owned(
        &self,
        id: &str,
        owner: &str,
    ) -> Result<Option<Session>, DatabaseError> {
        let outcome = self.db.run(find_owned(id, owner)).await?;
        outcome.first().map(read_session).transpose()
    }

    /// The session of that id, made for `owner` if there is none. Somebody else's is
    /// refused as not found.
    pub async fn ensure(&self, id: &str, owner: &str, now_ms: i64) -> Result<Session, ChatError> {
        let statements = vec![insert_if_new(id, owner, now_ms), find_owned(id, owner)];
        let outcomes = self.db.batch(statements).await?;
        let row = outcomes.last().and_then(|found| found.first());
        let row = row.ok_or_else(|| ChatError::SessionNotFound(id.to_owned()))?;
        Ok(read_session(row)?)
    }
}

pub(super) fn insert_if_new(id: &str, owner: &str, now_ms: i64) -> Statement {
    Statement::new(INSERT_IF_NEW)
        .bind(id)
        .bind(owner)
        .timestamp(now_ms)
}

fn find_owned(id: &str, owner: &str) -> Statement {
    Statement::new(FIND_OWNED).bind(id).bind(owner)
}

fn read_session(row: &Row) -> Result<Session, DatabaseError> {
    Ok(Session {
        id: row.text("id")?,
        user_id: row.text("user_id")?,
        session_name: row.text("session_name")?,
        created_at_ms: row.timestamp("created_at")?,
        updated_at_ms: row.timestamp("updated_at")?,
        metadata: row.json("metadata")?,
        total_messages: row.int("total_messages")?,
        total_tokens: row.int("total_tokens")?,
        total_cost_nanos: row.int("total_cost_nanos")?,
        unpriced_messages: row.int("unpriced_messages")?,
    })
}
