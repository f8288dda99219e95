use super::super::ChatError;
use super::super::output::SessionView;
use super::super::service::valid;
use super::super::sessions::{COLUMNS, read_session};
use super::inputs::SessionListInput;
use super::outputs::SessionListOutput;
use super::sessions::with;
use super::{Library, links};
use crate::cursor;
use crate::records::Query;
use crate::sql::{Outcome, Statement, Value};

/// Sessions that a page looks for words in.
const SEARCHED_SESSIONS: u32 = 500;

/// After which session the next page begins: when it was changed, and its id.
type Place = (i64, String);

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

    /// A condition on a value, if there is one. `$` stands for its placeholder.
    pub fn on(&mut self, value: Option<&str>, condition: &str) {
        if let Some(value) = value {
            self.params.push(value.into());
            let place = format!("?{}", self.params.len());
            self.conditions.push(condition.replace('$', &place));
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
        if input.query.is_some() && input.offset > 0 {
            let said = "offset: where words are looked for, read on with cursor";
            return Err(ChatError::InvalidInput(said.to_owned()));
        }
        let after = input.cursor.as_deref().map(cursor::read).transpose()?;
        let outcomes = self.db.batch(list(owner, input, after)).await?;
        let rows = outcomes.first().map_or(&[][..], |found| &found.rows);
        let mut sessions = rows
            .iter()
            .map(read_session)
            .collect::<Result<Vec<_>, _>>()?;
        let limit = usize::try_from(input.limit).unwrap_or(usize::MAX);
        let more = sessions.len() > limit;
        sessions.truncate(limit);
        let next = match (more, outcomes.get(1).and_then(Outcome::first)) {
            (true, _) => sessions
                .last()
                .map(|last| (last.updated_at_ms, last.id.clone())),
            (false, Some(looked_at)) => {
                Some((looked_at.timestamp("updated_at")?, looked_at.text("id")?))
            }
            (false, None) => None,
        };
        let mut sessions: Vec<_> = sessions.into_iter().map(SessionView::from).collect();
        if !sessions.is_empty() {
            let found = self.db.run(links_of(owner, &sessions)).await?;
            links::give_to_sessions(&found.rows, &mut sessions)?;
        }
        Ok(SessionListOutput {
            count: sessions.len(),
            sessions,
            next_cursor: next.as_ref().map(cursor::write::<Place>),
        })
    }
}

/// The page, one session longer, and where words are looked for the last session looked at, if
/// there may be others after it.
pub(super) fn list(owner: &str, input: &SessionListInput, after: Option<Place>) -> Vec<Statement> {
    let mut filter = Filter::of(owner);
    filter.on(
        input.status.map(super::super::SessionStatus::as_str),
        "s.status = $",
    );
    filter.on(
        input.case_id.as_deref(),
        "s.id IN (SELECT c.id FROM chat_sessions c WHERE c.user_id = ?1 AND c.case_id = $ \
         UNION SELECT m.session_id FROM chat_messages m WHERE m.user_id = ?1 AND m.case_id = $)",
    );
    for (kind, value) in [("label", &input.label), ("document", &input.document_id)] {
        filter.on(
            value.as_deref(),
            &format!(
                "s.id IN (SELECT l.session_id FROM chat_links l WHERE l.user_id = ?1 \
                 AND l.kind = '{kind}' AND l.value = $)"
            ),
        );
    }
    if let Some((updated_at, id)) = after {
        let (at, id) = (filter.place(Value::Timestamp(updated_at)), filter.place(id));
        filter.and(format!("(s.updated_at, s.id) < ({at}, {id})"));
    }
    let one_more = input.limit.saturating_add(1);
    let Some(query) = &input.query else {
        let limit = filter.place(one_more);
        let offset = filter.place(input.offset);
        let sql = format!(
            "SELECT {COLUMNS} FROM chat_sessions s WHERE {} {NEWEST} LIMIT {limit} OFFSET {offset}",
            filter.sql()
        );
        return vec![with(sql, filter.params)];
    };
    let all = format!("FROM chat_sessions s WHERE {} {NEWEST}", filter.sql());
    let last = format!(
        "SELECT s.updated_at, s.id {all} LIMIT 1 OFFSET {}",
        SEARCHED_SESSIONS - 1
    );
    let last = with(last, filter.params.clone());
    let words = Query::parse(query).condition(&mut filter.params, |like| {
        format!(
            "(LOWER(s.session_name) LIKE {like} OR EXISTS (SELECT 1 FROM chat_messages m \
             WHERE m.session_id = s.id AND LOWER(m.content) LIKE {like}))"
        )
    });
    let limit = filter.place(one_more);
    let sql = format!(
        "SELECT {COLUMNS} FROM (SELECT * {all} LIMIT {SEARCHED_SESSIONS}) AS s WHERE {words} \
         {NEWEST} LIMIT {limit}"
    );
    vec![with(sql, filter.params), last]
}

const NEWEST: &str = "ORDER BY s.updated_at DESC, s.id DESC";

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
