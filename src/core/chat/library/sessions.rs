use super::super::ChatError;
use super::super::output::{SessionStatus, SessionView};
use super::super::service::valid;
use super::super::sessions::{find_owned, read_session};
use super::Library;
use super::create::with_provider;
use super::inputs::{SessionArchiveInput, SessionGetInput, SessionUpdateInput};
use super::links::{self, Holder, Kind};
use super::messages::{self, Page};
use super::outputs::{SessionGetOutput, SessionOutput};
use crate::sql::{Outcome, Statement, Value};

const UPDATE: &str = "UPDATE chat_sessions SET session_name = COALESCE(?1, session_name), \
    metadata = COALESCE(?2, metadata), \
    case_id = CASE WHEN ?3 = '' THEN NULL ELSE COALESCE(?3, case_id) END, updated_at = ?4 \
    WHERE id = ?5 AND user_id = ?6 AND status <> 'deleted'";

const SET_STATUS: &str = "UPDATE chat_sessions SET status = ?1, updated_at = ?2 \
    WHERE id = ?3 AND user_id = ?4 AND status <> 'deleted' AND status <> ?1";

const LINKS: &str = "SELECT session_id, message_id, kind, value FROM chat_links \
    WHERE session_id = ?1 AND message_id = '' AND EXISTS (SELECT 1 FROM chat_sessions \
    WHERE id = ?1 AND user_id = ?2 AND status <> 'deleted') ORDER BY value";

/// Messages of one answer, in letters: about a megabyte.
const PAGE_LETTERS: i64 = 1_000_000;
const FIRST_MESSAGES: u32 = 100;

impl Library {
    /// A session, with a page of its messages.
    pub async fn session(
        &self,
        owner: &str,
        input: &SessionGetInput,
    ) -> Result<SessionGetOutput, ChatError> {
        valid(input)?;
        let id = &input.session_id;
        let mut batch = read_head(id, owner).to_vec();
        if input.include_messages {
            let page = Page {
                after_seq: input.after_seq,
                limit: input.message_limit,
                letters: PAGE_LETTERS,
            };
            batch.extend(messages::page(id, owner, page));
        }
        let outcomes = self.db.batch(batch).await?;
        let (session, next_after_seq) = whole(&outcomes, id)?;
        Ok(SessionGetOutput {
            session,
            next_after_seq,
        })
    }

    /// Changes what is given and leaves the rest.
    pub async fn update_session(
        &self,
        owner: &str,
        input: &SessionUpdateInput,
    ) -> Result<SessionOutput, ChatError> {
        valid(input)?;
        let metadata = input.metadata.clone();
        let update = Statement::new(UPDATE)
            .bind(input.session_name.clone())
            .bind(metadata.map(|metadata| with_provider(Some(metadata))))
            .bind(input.case_id.clone())
            .timestamp(self.clock.now_ms())
            .bind(&input.session_id)
            .bind(owner);
        let holder = Holder {
            owner,
            session_id: &input.session_id,
            message_id: "",
        };
        let mut batch = vec![update];
        batch.extend(links::replace(
            holder,
            Kind::Document,
            input.document_ids.as_deref(),
        ));
        batch.extend(links::replace(holder, Kind::Label, input.labels.as_deref()));
        self.write_and_read(batch, &input.session_id, owner).await
    }

    /// Puts a session away, or takes it out again. Again, it changes nothing.
    pub async fn archive_session(
        &self,
        owner: &str,
        input: &SessionArchiveInput,
    ) -> Result<SessionOutput, ChatError> {
        valid(input)?;
        let status = if input.archived {
            SessionStatus::Archived
        } else {
            SessionStatus::Active
        };
        let set = Statement::new(SET_STATUS)
            .bind(status.as_str())
            .timestamp(self.clock.now_ms())
            .bind(&input.session_id)
            .bind(owner);
        self.write_and_read(vec![set], &input.session_id, owner)
            .await
    }

    async fn write_and_read(
        &self,
        mut batch: Vec<Statement>,
        id: &str,
        owner: &str,
    ) -> Result<SessionOutput, ChatError> {
        let first_read = batch.len();
        batch.extend(read_head(id, owner));
        let outcomes = self.db.batch(batch).await?;
        let read = outcomes.get(first_read..).unwrap_or_default();
        let (session, _) = whole(read, id)?;
        Ok(SessionOutput { session })
    }
}

/// The session and its links.
fn read_head(id: &str, owner: &str) -> [Statement; 2] {
    [
        find_owned(id, owner),
        Statement::new(LINKS).bind(id).bind(owner),
    ]
}

/// The session, its links and its first messages, to be read by [`whole`].
pub(super) fn read_whole(id: &str, owner: &str) -> Vec<Statement> {
    let page = Page {
        after_seq: None,
        limit: FIRST_MESSAGES,
        letters: PAGE_LETTERS,
    };
    let mut batch = read_head(id, owner).to_vec();
    batch.extend(messages::page(id, owner, page));
    batch
}

/// What [`read_head`] and perhaps [`messages::page`] found.
pub(super) fn whole(
    outcomes: &[Outcome],
    id: &str,
) -> Result<(SessionView, Option<i64>), ChatError> {
    let (head, page) = outcomes.split_at(outcomes.len().min(2));
    let row = head.first().and_then(Outcome::first);
    let row = row.ok_or_else(|| ChatError::SessionNotFound(id.to_owned()))?;
    let mut session = SessionView::from(read_session(row)?);
    if let Some(found) = head.get(1) {
        links::give_to_sessions(&found.rows, std::slice::from_mut(&mut session))?;
    }
    let (messages, next) = messages::read_page(page)?;
    session.messages = messages;
    Ok((session, next))
}

/// A statement with these values.
pub(super) fn with(sql: String, params: Vec<Value>) -> Statement {
    params
        .into_iter()
        .fold(Statement::new(sql), Statement::bind)
}
