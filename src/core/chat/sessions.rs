use std::rc::Rc;

use serde_json::{Map, Value};

use super::ChatError;
use super::output::{SessionSettings, SessionStatus, SessionView};
use crate::ports::Database;
use crate::sql::{DatabaseError, Row, Statement};
use crate::time::to_rfc3339;
use crate::usage::dollars;

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
    pub status: SessionStatus,
    pub case_id: Option<String>,
    pub metadata: Value,
    pub settings: Option<SessionSettings>,
    pub total_messages: i64,
    pub total_tokens: i64,
    pub total_cost_nanos: i64,
    /// How many messages the cost leaves out.
    pub unpriced_messages: i64,
}

const INSERT_IF_NEW: &str = "INSERT INTO chat_sessions \
    (id, user_id, session_name, created_at, updated_at) \
    VALUES (?1, ?2, ?1, ?3, ?3) ON CONFLICT (id) DO NOTHING";

pub(super) const COLUMNS: &str = "id, user_id, session_name, created_at, updated_at, status, \
    case_id, metadata, settings, total_messages, total_tokens, total_cost_nanos, unpriced_messages";

impl Sessions {
    pub fn new(db: Rc<dyn Database>) -> Self {
        Self { db }
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

pub(super) fn find_owned(id: &str, owner: &str) -> Statement {
    let sql = format!(
        "SELECT {COLUMNS} FROM chat_sessions \
         WHERE id = ?1 AND user_id = ?2 AND status <> 'deleted'"
    );
    Statement::new(sql).bind(id).bind(owner)
}

pub(super) fn read_session(row: &Row) -> Result<Session, DatabaseError> {
    Ok(Session {
        id: row.text("id")?,
        user_id: row.text("user_id")?,
        session_name: row.text("session_name")?,
        created_at_ms: row.timestamp("created_at")?,
        updated_at_ms: row.timestamp("updated_at")?,
        status: match row.text("status")?.as_str() {
            "archived" => SessionStatus::Archived,
            _ => SessionStatus::Active,
        },
        case_id: row.opt_text("case_id")?,
        metadata: row.json("metadata")?,
        settings: row
            .opt_json("settings")?
            .and_then(|settings| serde_json::from_value(settings).ok()),
        total_messages: row.int("total_messages")?,
        total_tokens: row.int("total_tokens")?,
        total_cost_nanos: row.int("total_cost_nanos")?,
        unpriced_messages: row.int("unpriced_messages")?,
    })
}

impl From<Session> for SessionView {
    /// Without messages and links, which are in other tables.
    fn from(session: Session) -> Self {
        let metadata = match session.metadata {
            Value::Object(metadata) => metadata,
            _ => Map::new(),
        };
        Self {
            id: session.id,
            user_id: session.user_id,
            session_name: session.session_name,
            created_at: to_rfc3339(session.created_at_ms),
            updated_at: to_rfc3339(session.updated_at_ms),
            messages: Vec::new(),
            metadata,
            status: session.status,
            case_id: session.case_id,
            document_ids: Vec::new(),
            labels: Vec::new(),
            settings: session.settings,
            total_messages: session.total_messages,
            total_tokens: session.total_tokens,
            total_cost: dollars(session.total_cost_nanos),
            unpriced_messages: session.unpriced_messages,
        }
    }
}
