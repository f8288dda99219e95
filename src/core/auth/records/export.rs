use std::rc::Rc;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::{self, LocalBoxStream};
use serde_json::{Value, json};

use crate::ports::{Database, Level, Log};
use crate::sql::{DatabaseError, Row, Statement};
use crate::time::{TimeError, from_rfc3339, to_rfc3339};

const PAGE: i64 = 500;
const MAX_ROWS: u64 = 100_000;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// From the row `?4` on, wherever exactly it stands; by its time if it is gone.
const SELECT: &str = "SELECT id, identity_id, user_id, token_id, request_id, action,
    resource_type, resource_id, outcome, reason, details, ip_address, user_agent, created_at
    FROM audit_logs WHERE created_at >= ?1 AND created_at < ?2
    AND (created_at > COALESCE((SELECT created_at FROM audit_logs WHERE id = ?4), ?3)
        OR (created_at = COALESCE((SELECT created_at FROM audit_logs WHERE id = ?4), ?3)
            AND id > ?4))
    ORDER BY created_at, id LIMIT ?5";

/// A part of the audit log, from a time up to but not including another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Export {
    pub from_ms: i64,
    pub to_ms: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    #[error("{0}")]
    Time(#[from] TimeError),
    #[error("`from` must be before `to`")]
    Order,
    #[error("the only format is ndjson")]
    Format,
}

impl Export {
    /// From a query: times in RFC 3339. Without `to` up to now, without `from` a day of it.
    pub fn read(
        from: Option<&str>,
        to: Option<&str>,
        format: Option<&str>,
        now_ms: i64,
    ) -> Result<Self, ExportError> {
        if format.is_some_and(|format| format != "ndjson") {
            return Err(ExportError::Format);
        }
        let to_ms = to.map_or(Ok(now_ms), from_rfc3339)?;
        let from_ms = from.map_or(Ok(to_ms.saturating_sub(DAY_MS)), from_rfc3339)?;
        if from_ms >= to_ms {
            return Err(ExportError::Order);
        }
        Ok(Self { from_ms, to_ms })
    }

    /// One row a line, oldest first, read in pages. The last line is
    /// `{"export": {"rows", "complete", "continue_from"?}}`: whoever misses it has not got
    /// all. After 100,000 rows or a fault `complete` is false, and a further export from
    /// `continue_from` brings the rest (and rows of that very millisecond again).
    pub fn lines(
        self,
        database: Rc<dyn Database>,
        log: Rc<dyn Log>,
    ) -> LocalBoxStream<'static, Bytes> {
        let reader = Reader {
            database,
            log,
            part: self,
            at_ms: self.from_ms,
            after: String::new(),
            rows: 0,
        };
        let pages = stream::unfold(Some(reader), |reader| async move {
            let mut reader = reader?;
            let (text, more) = reader.page().await;
            Some((Bytes::from(text), more.then_some(reader)))
        });
        pages.boxed_local()
    }
}

/// Where a stream of lines stands.
struct Reader {
    database: Rc<dyn Database>,
    log: Rc<dyn Log>,
    part: Export,
    at_ms: i64,
    after: String,
    rows: u64,
}

impl Reader {
    /// The next lines, and whether there are more.
    async fn page(&mut self) -> (String, bool) {
        let mut text = String::new();
        let more = match self.read(&mut text).await {
            Ok(more) => more,
            Err(error) => {
                let fields = json!({ "error": error.to_string() });
                self.log.record(Level::Error, "audit_export_failed", fields);
                return (text + &self.end(false), false);
            }
        };
        if !more {
            text += &self.end(true);
        } else if self.rows >= MAX_ROWS {
            text += &self.end(false);
            return (text, false);
        }
        (text, more)
    }

    async fn read(&mut self, text: &mut String) -> Result<bool, DatabaseError> {
        let statement = Statement::new(SELECT)
            .timestamp(self.part.from_ms)
            .timestamp(self.part.to_ms)
            .timestamp(self.at_ms)
            .bind(&self.after)
            .bind(PAGE);
        let rows = self.database.run(statement).await?.rows;
        for row in &rows {
            let line = line(row)?;
            self.at_ms = row.timestamp("created_at")?;
            self.after = row.text("id")?;
            self.rows += 1;
            text.push_str(&line.to_string());
            text.push('\n');
        }
        Ok(i64::try_from(rows.len()).is_ok_and(|count| count == PAGE))
    }

    fn end(&self, complete: bool) -> String {
        let export = if complete {
            json!({ "rows": self.rows, "complete": true })
        } else {
            json!({
                "rows": self.rows,
                "complete": false,
                "continue_from": to_rfc3339(self.at_ms),
            })
        };
        format!("{}\n", json!({ "export": export }))
    }
}

const TEXTS: [&str; 12] = [
    "id",
    "identity_id",
    "user_id",
    "token_id",
    "request_id",
    "action",
    "resource_type",
    "resource_id",
    "outcome",
    "reason",
    "ip_address",
    "user_agent",
];

fn line(row: &Row) -> Result<Value, DatabaseError> {
    let mut line = serde_json::Map::new();
    let at = to_rfc3339(row.timestamp("created_at")?);
    line.insert("created_at".to_owned(), json!(at));
    for name in TEXTS {
        line.insert(name.to_owned(), json!(row.opt_text(name)?));
    }
    line.insert("details".to_owned(), json!(row.opt_json("details")?));
    Ok(Value::Object(line))
}
