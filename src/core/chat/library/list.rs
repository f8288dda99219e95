use super::super::ChatError;
use super::super::output::SessionView;
use super::super::service::valid;
use super::super::sessions::{COLUMNS, read_session};
use super::inputs::SessionListInput;
use super::outputs::SessionListOutput;
use super::sessions::with;
use super::{Library, links};
use crate::records::Query;
use crate::sql::{Statement, Value};

/// Sessions that words are looked for in, the newest.
pub(super) const SEARCHED_SESSIONS: u32 = 500;

/// Conditions on sessions `s`, with the owner as `?1`.
pub(super) struct Filter {
    pub params: Vec<Value>,
    conditions: Vec<String>,
}

impl Filter {
    pub fn of(owner: &str) -> Self {
        Self {
            params: vec![owner.into()],
            conditions: vec!["s.user_id = ?1 AND s.status <> 'deleted'".to_owned()],
        }
    }

    /// A condition on a value, if there is one. `?` stands for its placeholder.
    pub fn on(&mut self, value: Option<&str>, condition: &str) {
        if let Some(value) = value {
            self.params.push(value.into());
            let place = format!("?{}", self.params.len());
            self.conditions.push(condition.replace('?', &place));
        }
    }

    pub fn and(&mut self, condition: String) {
        self.conditions.push(condition);
    }

    /// The placeholder of one more value.
    pub fn place(&mut self, value: impl Into<Value>) -> String {
        self.params.push(value.into());
        format!("?{}", self.params.len())
    }

    pub fn sql(&self) -> String {
        self.conditions.join(" AND ")
    }
}

impl Library {
    pub async fn list_sessions(
        &self,
        owner: &str,
        input: &SessionListInput,
    ) -> Result<SessionListOutput, ChatError> {
        valid(input)?;
        let outcome = self.db.run(list(owner, input)).await?;
        let read = |row| read_session(row).map(SessionView::from);
        let sessions = outcome.rows.iter().map(read).collect::<Result<Vec<_>, _>>();
        let mut sessions = sessions?;
        let limit = usize::try_from(input.limit).unwrap_or(usize::MAX);
        let more = sessions.len() > limit;
        sessions.truncate(limit);
        if !sessions.is_empty() {
            let found = self.db.run(links_of(owner, &sessions)).await?;
            links::give_to_sessions(&found.rows, &mut sessions)?;
        }
        Ok(SessionListOutput {
            count: sessions.len(),
            sessions,
            next_offset: more.then_some(input.offset.saturating_add(input.limit)),
        })
    }
}

fn list(owner: &str, input: &SessionListInput) -> Statement {
    let mut filter = Filter::of(owner);
    filter.on(
        input.status.map(super::super::SessionStatus::as_str),
        "s.status = ?",
    );
    filter.on(
        input.case_id.as_deref(),
        "(s.case_id = ? OR EXISTS (SELECT 1 FROM chat_messages m WHERE m.session_id = s.id \
         AND m.case_id = ?))",
    );
    for (kind, value) in [("label", &input.label), ("document", &input.document_id)] {
        filter.on(
            value.as_deref(),
            &format!(
                "EXISTS (SELECT 1 FROM chat_links l WHERE l.session_id = s.id \
                 AND l.kind = '{kind}' AND l.value = ?)"
            ),
        );
    }
    let mut from = "chat_sessions".to_owned();
    if let Some(query) = &input.query {
        from = newest_of_owner();
        let words = Query::parse(query).condition(&mut filter.params, |like| {
            format!(
                "(LOWER(s.session_name) LIKE {like} OR EXISTS (SELECT 1 FROM chat_messages m \
                 WHERE m.session_id = s.id AND LOWER(m.content) LIKE {like}))"
            )
        });
        filter.and(words);
    }
    let limit = filter.place(input.limit.saturating_add(1));
    let offset = filter.place(input.offset);
    let sql = format!(
        "SELECT {COLUMNS} FROM {from} AS s WHERE {} ORDER BY s.updated_at DESC, s.id \
         LIMIT {limit} OFFSET {offset}",
        filter.sql()
    );
    with(sql, filter.params)
}

/// The owner's newest sessions, as a table.
pub(super) fn newest_of_owner() -> String {
    format!(
        "(SELECT * FROM chat_sessions WHERE user_id = ?1 AND status <> 'deleted' \
         ORDER BY updated_at DESC LIMIT {SEARCHED_SESSIONS})"
    )
}

/// At most 99 sessions: D1 binds no more than a hundred values.
fn links_of(owner: &str, sessions: &[SessionView]) -> Statement {
    let mut params: Vec<Value> = Vec::new();
    let mut places = Vec::new();
    for session in sessions {
        params.push((&session.id).into());
        places.push(format!("?{}", params.len()));
    }
    params.push(owner.into());
    let sql = format!(
        "SELECT l.session_id, l.message_id, l.kind, l.value FROM chat_links l \
         JOIN chat_sessions s ON s.id = l.session_id WHERE l.session_id IN ({}) \
         AND l.message_id = '' AND s.user_id = ?{} ORDER BY l.value",
        places.join(", "),
        params.len()
    );
    with(sql, params)
}
