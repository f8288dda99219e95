//! All chat data of a user as JSON lines, a page at a time.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::super::ChatError;
use super::super::service::valid;
use super::Library;
use super::inputs::UserDataExportInput;
use super::outputs::UserDataExportOutput;
use crate::cursor;
use crate::sql::{DatabaseError, Row, Statement};
use crate::time::to_rfc3339;
use crate::usage::dollars;

const PAGE_ROWS: usize = 200;
/// A page of messages ends with the one that reaches this length.
const PAGE_LETTERS: i64 = 1_000_000;

/// A table of the user's, read by ascending key. `?1` is the owner, `?2` and `?3` the key
/// of the last row before, `?4` how many rows.
struct Part {
    kind: &'static str,
    sql: &'static str,
    columns: &'static [(&'static str, Column)],
}

#[derive(Clone, Copy)]
enum Column {
    Text,
    Int,
    Real,
    Flag,
    Time,
    Json,
    /// Nano-dollars, written as dollars under the name without `_nanos`.
    Money,
}
use Column::{Flag, Int, Json, Money, Real, Text, Time};

const PARTS: [Part; 7] = [
    Part {
        kind: "session",
        sql: "SELECT *, id AS key_text, 0 AS key_number FROM chat_sessions WHERE user_id = ?1 \
            AND status <> 'deleted' AND id > ?2 AND ?3 >= -1 ORDER BY id LIMIT ?4",
        columns: &[
            ("id", Text),
            ("session_name", Text),
            ("status", Text),
            ("created_at", Time),
            ("updated_at", Time),
            ("case_id", Text),
            ("metadata", Json),
            ("settings", Json),
            ("total_messages", Int),
            ("total_tokens", Int),
            ("total_cost_nanos", Money),
        ],
    },
    Part {
        kind: "message",
        sql: "SELECT q.*, q.session_id AS key_text, q.seq AS key_number FROM (SELECT p.*, \
            SUM(LENGTH(p.content)) OVER (ORDER BY p.session_id, p.seq) - LENGTH(p.content) \
            AS letters_before FROM (SELECT m.* FROM chat_sessions s JOIN chat_messages m \
            ON m.session_id = s.id WHERE s.user_id = ?1 AND s.status <> 'deleted' \
            AND s.id >= ?2 AND (s.id > ?2 OR m.seq > ?3) ORDER BY m.session_id, m.seq LIMIT ?4) AS p) \
            AS q WHERE q.letters_before < ?5 ORDER BY q.session_id, q.seq",
        columns: &[
            ("id", Text),
            ("session_id", Text),
            ("seq", Int),
            ("role", Text),
            ("content", Text),
            ("timestamp", Time),
            ("case_id", Text),
            ("model", Text),
            ("tokens_used", Int),
            ("cost_nanos", Money),
            ("cost_status", Text),
            ("metadata", Json),
        ],
    },
    Part {
        kind: "link",
        sql: "SELECT l.*, l.session_id || ' ' || l.message_id || ' ' || l.kind || ' ' || l.value \
            AS key_text, 0 AS key_number FROM chat_links l JOIN chat_sessions s \
            ON s.id = l.session_id WHERE s.user_id = ?1 AND s.status <> 'deleted' \
            AND l.session_id || ' ' || l.message_id || ' ' || l.kind || ' ' || l.value > ?2 \
            AND ?3 >= -1 ORDER BY key_text LIMIT ?4",
        columns: &[
            ("session_id", Text),
            ("message_id", Text),
            ("kind", Text),
            ("value", Text),
        ],
    },
    Part {
        kind: "template",
        sql: "SELECT *, id AS key_text, 0 AS key_number FROM session_templates \
            WHERE user_id = ?1 AND id > ?2 AND ?3 >= -1 ORDER BY id LIMIT ?4",
        columns: &[
            ("id", Text),
            ("template_name", Text),
            ("description", Text),
            ("system_prompt", Text),
            ("initial_messages", Json),
            ("model_config_id", Text),
            ("is_public", Flag),
            ("use_count", Int),
            ("created_at", Time),
            ("updated_at", Time),
        ],
    },
    Part {
        kind: "config",
        sql: "SELECT *, id AS key_text, 0 AS key_number FROM model_configs \
            WHERE user_id = ?1 AND id > ?2 AND ?3 >= -1 ORDER BY id LIMIT ?4",
        columns: &[
            ("id", Text),
            ("config_name", Text),
            ("model", Text),
            ("max_tokens", Int),
            ("temperature", Real),
            ("top_p", Real),
            ("frequency_penalty", Real),
            ("presence_penalty", Real),
            ("system_prompt", Text),
            ("is_default", Flag),
            ("created_at", Time),
            ("updated_at", Time),
        ],
    },
    // Never the key itself, sealed or not.
    Part {
        kind: "provider_key",
        sql: "SELECT id, provider, key_name, last_four, is_active, created_at, updated_at, \
            last_used_at, usage_count, revoked_at, id AS key_text, 0 AS key_number FROM api_keys \
            WHERE user_id = ?1 AND id > ?2 AND ?3 >= -1 ORDER BY id LIMIT ?4",
        columns: &[
            ("id", Text),
            ("provider", Text),
            ("key_name", Text),
            ("last_four", Text),
            ("is_active", Flag),
            ("created_at", Time),
            ("updated_at", Time),
            ("last_used_at", Time),
            ("usage_count", Int),
            ("revoked_at", Time),
        ],
    },
    Part {
        kind: "usage",
        sql: "SELECT id, request_id, attempt, session_id, case_id, provider, model, \
            prompt_tokens, completion_tokens, cost_nanos, cost_status, outcome, started_at, \
            id AS key_text, 0 AS key_number FROM usage_events WHERE user_id = ?1 \
            AND id > ?2 AND ?3 >= -1 ORDER BY id LIMIT ?4",
        columns: &[
            ("id", Text),
            ("request_id", Text),
            ("attempt", Int),
            ("session_id", Text),
            ("case_id", Text),
            ("provider", Text),
            ("model", Text),
            ("prompt_tokens", Int),
            ("completion_tokens", Int),
            ("cost_nanos", Money),
            ("cost_status", Text),
            ("outcome", Text),
            ("started_at", Time),
        ],
    },
];

/// Where a page ended.
#[derive(Serialize, Deserialize)]
struct Cursor(usize, String, i64);

impl Library {
    /// The next page of `owner`'s data.
    pub async fn export_user(
        &self,
        owner: &str,
        input: &UserDataExportInput,
    ) -> Result<UserDataExportOutput, ChatError> {
        valid(input)?;
        let Cursor(mut at, mut text, mut number) = match &input.cursor {
            Some(cursor) => cursor::read(cursor)?,
            None => Cursor(0, String::new(), -1),
        };
        let mut lines = Vec::new();
        let mut next_cursor = None;
        while let Some(part) = PARTS.get(at) {
            let statement = Statement::new(part.sql)
                .bind(owner)
                .bind(&text)
                .bind(number)
                .bind(i64::try_from(PAGE_ROWS).unwrap_or(i64::MAX));
            let statement = if part.sql.contains("?5") {
                statement.bind(PAGE_LETTERS)
            } else {
                statement
            };
            let rows = self.db.run(statement).await?.rows;
            for row in &rows {
                lines.push(line(part, row)?.to_string());
            }
            if let Some(last) = rows.last() {
                (text, number) = (last.text("key_text")?, last.int("key_number")?);
                next_cursor = Some(cursor::write(&Cursor(at, text, number)));
                break;
            }
            (at, text, number) = (at + 1, String::new(), -1);
        }
        Ok(UserDataExportOutput {
            user_id: owner.to_owned(),
            count: lines.len(),
            lines: lines.join("\n"),
            next_cursor,
        })
    }
}

fn line(part: &Part, row: &Row) -> Result<Value, DatabaseError> {
    let mut object = Map::new();
    object.insert("type".to_owned(), json!(part.kind));
    for (name, column) in part.columns {
        let value = match column {
            Text => json!(row.opt_text(name)?),
            Int => json!(row.opt_int(name)?),
            Real => json!(row.opt_real(name)?),
            Flag => json!(row.opt_boolean(name)?),
            Time => json!(row.opt_timestamp(name)?.map(to_rfc3339)),
            Json => json!(row.opt_json(name)?),
            Money => json!(row.opt_int(name)?.map(dollars)),
        };
        object.insert(name.trim_end_matches("_nanos").to_owned(), value);
    }
    Ok(Value::Object(object))
}
