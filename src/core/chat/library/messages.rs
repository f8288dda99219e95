use serde_json::json;

use super::super::exchange::{Charge, Exchange};
use super::super::output::MessageView;
use super::super::service::valid;
use super::super::statements::{Append, Counts, add_to_totals, add_to_usage, lock};
use super::super::{ChatError, Role};
use super::Library;
use super::inputs::MessageAddInput;
use super::links::{self, Holder, Kind};
use super::outputs::MessageAddOutput;
use crate::ids;
use crate::sql::{DatabaseError, Outcome, Row, Statement};
use crate::time::to_rfc3339;
use crate::usage::{StatedDollars, dollars};

/// What usage is counted under where the caller names no model.
const UNNAMED_MODEL: &str = "unknown";

const COLUMNS: &str = "id, session_id, seq, role, content, timestamp, case_id, tokens_used, \
    cost_nanos, cost_status, model";

/// Of some that are next, those before whom the text is not yet as long as a page: the first
/// of them always. `last_seq` tells whether there are more.
const PAGE: &str = "SELECT q.*, (SELECT MAX(seq) FROM chat_messages WHERE session_id = ?1) AS last_seq \
    FROM (SELECT p.*, SUM(LENGTH(p.content)) OVER (ORDER BY p.seq) - LENGTH(p.content) AS letters_before \
    FROM (SELECT {columns} FROM chat_messages WHERE session_id = ?1 AND seq > ?2 \
    AND EXISTS (SELECT 1 FROM chat_sessions WHERE id = ?1 AND user_id = ?3 AND status <> 'deleted') \
    ORDER BY seq LIMIT ?4) AS p) AS q WHERE q.letters_before < ?5 ORDER BY q.seq";

const PAGE_LINKS: &str = "SELECT session_id, message_id, kind, value FROM chat_links \
    WHERE session_id = ?1 AND message_id IN (SELECT id FROM chat_messages WHERE session_id = ?1 \
    AND seq > ?2 ORDER BY seq LIMIT ?4) AND EXISTS (SELECT 1 FROM chat_sessions WHERE id = ?1 \
    AND user_id = ?3 AND status <> 'deleted') ORDER BY value";

/// Which messages of a session.
#[derive(Debug, Clone, Copy)]
pub(super) struct Page {
    /// From the beginning, if none.
    pub after_seq: Option<i64>,
    pub limit: u32,
    /// The page ends with the message that reaches this length.
    pub letters: i64,
}

impl Library {
    /// Puts a message that was said elsewhere at the end of a session of the owner's. Each
    /// call adds one.
    pub async fn add_message(
        &self,
        owner: &str,
        input: &MessageAddInput,
    ) -> Result<MessageAddOutput, ChatError> {
        valid(input)?;
        let nanos = input.cost.as_ref().map(StatedDollars::nanos).transpose();
        let nanos = nanos.map_err(|fault| ChatError::InvalidInput(format!("cost: {fault}")))?;
        let id = ids::plain(&*self.clock, &*self.entropy)?;
        let now_ms = self.clock.now_ms();
        let place = Exchange {
            id: &id,
            session_id: &input.session_id,
            owner,
        };
        let charge = Charge {
            model: input.model.as_deref().unwrap_or(UNNAMED_MODEL),
            tokens: input.tokens_used,
            nanos,
            unpriced: false,
            estimated: false,
        };
        let append = Append {
            id: &id,
            role: input.role.as_str(),
            content: &input.content,
            at_ms: now_ms,
            model: input.model.as_deref(),
            cost_status: if nanos.is_some() { "stated" } else { "none" },
            metadata: json!({}),
            case_id: input.case_id.as_deref(),
            counts: Counts {
                total: input.tokens_used,
                nanos,
                ..Counts::default()
            },
        };
        let holder = Holder {
            owner,
            session_id: &input.session_id,
            message_id: &id,
        };
        let (documents, labels) = (&input.document_ids, &input.labels);
        let mut batch = vec![
            lock(&place, now_ms),
            add_to_totals(&place, 1, &charge, &id),
            add_to_usage(&place, 1, &charge, now_ms, &id),
            append.statement(&place),
        ];
        batch.extend(links::add(
            holder,
            Kind::Document,
            documents.as_deref().unwrap_or_default(),
        ));
        batch.extend(links::add(
            holder,
            Kind::Label,
            labels.as_deref().unwrap_or_default(),
        ));
        let sql = format!("SELECT {COLUMNS} FROM chat_messages WHERE id = ?1");
        batch.push(Statement::new(sql).bind(&id));
        let outcomes = self.db.batch(batch).await?;
        if outcomes.first().is_none_or(|locked| locked.changes == 0) {
            return Err(ChatError::SessionNotFound(input.session_id.clone()));
        }
        let row = outcomes.last().and_then(Outcome::first);
        let row = row.ok_or_else(|| ChatError::SessionNotFound(input.session_id.clone()))?;
        Ok(MessageAddOutput {
            message: MessageView {
                document_ids: documents.clone().unwrap_or_default(),
                labels: labels.clone().unwrap_or_default(),
                ..read(row)?
            },
        })
    }
}

/// A page and the links of its messages, to be read by [`read_page`].
pub(super) fn page(session_id: &str, owner: &str, page: Page) -> [Statement; 2] {
    let after = page.after_seq.unwrap_or(-1);
    let messages = Statement::new(PAGE.replace("{columns}", COLUMNS))
        .bind(session_id)
        .bind(after)
        .bind(owner)
        .bind(page.limit)
        .bind(page.letters);
    let links = Statement::new(PAGE_LINKS)
        .bind(session_id)
        .bind(after)
        .bind(owner)
        .bind(page.limit);
    [messages, links]
}

/// The messages, and after which `seq` the next page begins.
pub(super) fn read_page(
    outcomes: &[Outcome],
) -> Result<(Vec<MessageView>, Option<i64>), DatabaseError> {
    let Some(found) = outcomes.first() else {
        return Ok((Vec::new(), None));
    };
    let messages = found.rows.iter().map(read).collect::<Result<Vec<_>, _>>();
    let mut messages = messages?;
    if let Some(links) = outcomes.get(1) {
        links::give_to_messages(&links.rows, &mut messages)?;
    }
    let last = found
        .rows
        .last()
        .map(|row| row.int("last_seq"))
        .transpose()?;
    let shown = messages.last().map(|message| message.seq);
    Ok((messages, shown.filter(|seq| last > Some(*seq))))
}

pub(super) fn read(row: &Row) -> Result<MessageView, DatabaseError> {
    Ok(MessageView {
        id: row.text("id")?,
        session_id: row.text("session_id")?,
        seq: row.int("seq")?,
        role: role(&row.text("role")?),
        content: row.text("content")?,
        timestamp: to_rfc3339(row.timestamp("timestamp")?),
        tokens_used: row.opt_int("tokens_used")?,
        cost: row.opt_int("cost_nanos")?.map(dollars),
        cost_status: row.text("cost_status")?,
        model: row.opt_text("model")?,
        case_id: row.opt_text("case_id")?,
        document_ids: Vec::new(),
        labels: Vec::new(),
    })
}

/// The table knows these three only.
pub(super) fn role(name: &str) -> Role {
    match name {
        "system" => Role::System,
        "assistant" => Role::Assistant,
        _ => Role::User,
    }
}
