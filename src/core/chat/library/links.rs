//! Labels and documents of sessions and messages (`chat_links`).

use super::super::output::{MessageView, SessionView};
use crate::sql::{DatabaseError, Row, Statement};

/// Only into a session of the owner's.
const INSERT: &str = "INSERT INTO chat_links (session_id, message_id, kind, value, user_id) \
    SELECT id, ?1, ?2, ?3, user_id FROM chat_sessions \
    WHERE id = ?4 AND user_id = ?5 AND status <> 'deleted' ON CONFLICT DO NOTHING";

const CLEAR: &str = "DELETE FROM chat_links WHERE session_id = ?1 AND message_id = '' \
    AND kind = ?2 AND EXISTS (SELECT 1 FROM chat_sessions WHERE id = ?1 AND user_id = ?3 \
    AND status <> 'deleted')";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Label,
    Document,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Label => "label",
            Self::Document => "document",
        }
    }
}

/// Who has the link: a session, or with its id a message in it.
#[derive(Clone, Copy)]
pub(super) struct Holder<'a> {
    pub owner: &'a str,
    pub session_id: &'a str,
    /// Empty for the session itself.
    pub message_id: &'a str,
}

pub(super) fn add(holder: Holder<'_>, kind: Kind, values: &[String]) -> Vec<Statement> {
    let insert = |value: &String| {
        Statement::new(INSERT)
            .bind(holder.message_id)
            .bind(kind.as_str())
            .bind(value)
            .bind(holder.session_id)
            .bind(holder.owner)
    };
    values.iter().map(insert).collect()
}

/// A session's own links of a kind become these; `None` leaves them.
pub(super) fn replace(holder: Holder<'_>, kind: Kind, values: Option<&[String]>) -> Vec<Statement> {
    let Some(values) = values else {
        return Vec::new();
    };
    let clear = Statement::new(CLEAR)
        .bind(holder.session_id)
        .bind(kind.as_str())
        .bind(holder.owner);
    let mut statements = vec![clear];
    statements.extend(add(holder, kind, values));
    statements
}

/// Who reads the rows of `session_id, message_id, kind, value`, sorted by value.
pub(super) fn give_to_sessions(
    rows: &[Row],
    sessions: &mut [SessionView],
) -> Result<(), DatabaseError> {
    for row in rows {
        let id = row.text("session_id")?;
        let session = sessions.iter_mut().find(|session| session.id == id);
        let Some(session) = session else { continue };
        let list = match row.text("kind")?.as_str() {
            "label" => &mut session.labels,
            _ => &mut session.document_ids,
        };
        list.push(row.text("value")?);
    }
    Ok(())
}

pub(super) fn give_to_messages(
    rows: &[Row],
    messages: &mut [MessageView],
) -> Result<(), DatabaseError> {
    for row in rows {
        let id = row.text("message_id")?;
        let message = messages.iter_mut().find(|message| message.id == id);
        let Some(message) = message else { continue };
        let list = match row.text("kind")?.as_str() {
            "label" => &mut message.labels,
            _ => &mut message.document_ids,
        };
        list.push(row.text("value")?);
    }
    Ok(())
}
