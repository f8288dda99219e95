//! Finding records. Texts that are stored in clear are matched by the database; the prompts
//! of the newest executions, which are sealed, are opened and matched here.

use std::cmp::Reverse;
use std::collections::HashSet;

use super::query::Query;
use super::sheet::headline;
use super::{Found, Kind, RecordError, RecordId, Records, SearchOutput, confined_to};
use crate::auth::Principal;
use crate::sql::{DatabaseError, Outcome, Row, Statement, Value};

const MAX_RESULTS: usize = 20;
/// Executions whose prompts are opened, newest first.
const OPENED: usize = 200;
/// Longer prompts, sealed, are not opened for a search. About 16 KiB of text.
const MAX_OPENED_CHARS: usize = 22_000;
/// Sessions whose messages are looked through, newest first.
const SESSIONS: usize = 500;

const EXECUTION_TEXT: &str = "'execution:' || id || ' ' || COALESCE(case_id, '') || ' ' || \
     COALESCE(label, '') || ' ' || COALESCE(model, '') || ' ' || status || ' ' || \
     security_level || ' ' || COALESCE(fortress_job_id, '') || ' ' || COALESCE(evidence_id, '')";
const EVIDENCE_TEXT: &str = "'evidence:' || id || ' ' || COALESCE(case_id, '') || ' ' || \
     COALESCE(description, '') || ' ' || evidence_type || ' ' || status || ' ' || \
     COALESCE(execution_id, '') || ' ' || COALESCE(fortress_job_id, '') || ' ' || \
     COALESCE(input_hash, '') || ' ' || COALESCE(output_hash, '')";

/// A match, and when it was last written.
struct Hit {
    at_ms: i64,
    id: RecordId,
    title: String,
}

impl Records<'_> {
    /// What the caller may see that has every word of `query`, newest first.
    pub async fn search(
        &self,
        caller: &Principal,
        query: &str,
    ) -> Result<SearchOutput, RecordError> {
        let query = Query::parse(query);
        let owner = confined_to(caller);
        let statements = vec![
            newest_executions(owner),
            executions(owner, &query),
            evidence(owner, &query),
            sessions(owner, &query),
            cases(owner, &query),
        ];
        let found = self.executions.db.batch(statements).await?;
        let rows = |index: usize| {
            found
                .get(index)
                .map_or(&[][..], |outcome: &Outcome| &outcome.rows)
        };
        let mut hits = Vec::new();
        for row in rows(0) {
            hits.extend(self.opened_hit(row, &query)?);
        }
        for (index, read) in [execution_hit, evidence_hit, session_hit, case_hit]
            .iter()
            .enumerate()
        {
            for row in rows(index + 1) {
                hits.push(read(row)?);
            }
        }
        Ok(SearchOutput {
            results: self.results(hits),
        })
    }

    fn results(&self, mut hits: Vec<Hit>) -> Vec<Found> {
        hits.sort_by_cached_key(|hit| (Reverse(hit.at_ms), hit.id.kind, hit.id.key.clone()));
        let mut seen = HashSet::new();
        hits.retain(|hit| seen.insert(hit.id.to_string()));
        hits.truncate(MAX_RESULTS);
        let found = |hit: Hit| Found {
            id: hit.id.to_string(),
            title: hit.title,
            url: hit.id.url(self.origin),
        };
        hits.into_iter().map(found).collect()
    }

    /// One of the newest executions, if its prompt together with what is in clear has every
    /// word. The title is the label, else how the prompt begins.
    fn opened_hit(&self, row: &Row, query: &Query) -> Result<Option<Hit>, DatabaseError> {
        let (id, owner) = (row.text("id")?, row.text("user_id")?);
        let sealed = row.opt_text("prompt")?;
        // A prompt under a lost key, or written in clear by another program, is not matched.
        let prompt = sealed.and_then(|text| self.executions.open_prompt(&owner, &id, &text).ok());
        let prompt = prompt.unwrap_or_default();
        let text = format!("{} {prompt}", row.text("text")?);
        if !query.matches(&text) {
            return Ok(None);
        }
        let hit = execution_hit(row)?;
        let titled = row.opt_text("label")?.is_some() || prompt.is_empty();
        Ok(Some(if titled {
            hit
        } else {
            Hit {
                title: headline("Execution", &prompt),
                ..hit
            }
        }))
    }
}

/// `{select} WHERE {owner} AND {words}`, the words looked for in `text`.
fn matching(
    select: &str,
    text: &str,
    owner: Option<&str>,
    query: &Query,
    order: &str,
) -> Statement {
    let (own, mut params) = owned("user_id", owner);
    let words = query.condition(&mut params, |like| format!("LOWER({text}) LIKE {like}"));
    let sql = format!("{select} WHERE {own} AND {words} {order} LIMIT {MAX_RESULTS}");
    with(sql, params)
}

/// A condition on the owner, with its value as `?1`.
pub(super) fn owned(column: &str, owner: Option<&str>) -> (String, Vec<Value>) {
    match owner {
        Some(owner) => (format!("{column} = ?1"), vec![owner.into()]),
        None => ("1 = 1".to_owned(), Vec::new()),
    }
}

pub(super) fn with(sql: String, params: Vec<Value>) -> Statement {
    params
        .into_iter()
        .fold(Statement::new(sql), Statement::bind)
}

fn newest_executions(owner: Option<&str>) -> Statement {
    let (own, params) = owned("user_id", owner);
    let sql = format!(
        "SELECT id, user_id, label, status, security_level, created_at, {EXECUTION_TEXT} AS text, \
         CASE WHEN LENGTH(prompt) <= {MAX_OPENED_CHARS} THEN prompt END AS prompt \
         FROM secure_executions WHERE {own} ORDER BY created_at DESC LIMIT {OPENED}"
    );
    with(sql, params)
}

fn executions(owner: Option<&str>, query: &Query) -> Statement {
    let select = "SELECT id, label, status, security_level, created_at FROM secure_executions";
    matching(
        select,
        EXECUTION_TEXT,
        owner,
        query,
        "ORDER BY created_at DESC",
    )
}

fn evidence(owner: Option<&str>, query: &Query) -> Statement {
    let select = "SELECT id, description, created_at FROM evidence_records";
    matching(
        select,
        EVIDENCE_TEXT,
        owner,
        query,
        "ORDER BY created_at DESC",
    )
}

fn sessions(owner: Option<&str>, query: &Query) -> Statement {
    let (own, mut params) = owned("user_id", owner);
    let words = query.condition(&mut params, |like| {
        format!(
            "LOWER('session:' || s.id || ' ' || s.session_name) LIKE {like} OR EXISTS (SELECT 1 \
             FROM chat_messages m WHERE m.session_id = s.id AND LOWER(m.content) LIKE {like})"
        )
    });
    let sql = format!(
        "SELECT s.id, s.session_name, s.updated_at FROM (SELECT id, session_name, updated_at \
         FROM chat_sessions WHERE {own} AND status <> 'deleted' ORDER BY updated_at DESC \
         LIMIT {SESSIONS}) AS s WHERE {words} ORDER BY s.updated_at DESC LIMIT {MAX_RESULTS}"
    );
    with(sql, params)
}

fn cases(owner: Option<&str>, query: &Query) -> Statement {
    let (own, mut params) = owned("user_id", owner);
    let words = query.condition(&mut params, |like| {
        format!("LOWER('case:' || case_id) LIKE {like}")
    });
    let of = |table| {
        format!("SELECT case_id, created_at FROM {table} WHERE case_id IS NOT NULL AND {own}")
    };
    let (executions, evidence) = (of("secure_executions"), of("evidence_records"));
    let sql = format!(
        "SELECT case_id, MAX(created_at) AS newest FROM ({executions} UNION ALL {evidence}) AS r \
         WHERE {words} GROUP BY case_id ORDER BY newest DESC LIMIT {MAX_RESULTS}"
    );
    with(sql, params)
}

fn execution_hit(row: &Row) -> Result<Hit, DatabaseError> {
    let name = match row.opt_text("label")? {
        Some(label) => label,
        None => format!("{}, {}", row.text("security_level")?, row.text("status")?),
    };
    Ok(Hit {
        at_ms: row.timestamp("created_at")?,
        id: RecordId::new(Kind::Execution, row.text("id")?),
        title: headline("Execution", &name),
    })
}

fn evidence_hit(row: &Row) -> Result<Hit, DatabaseError> {
    let name = row.opt_text("description")?.unwrap_or_default();
    Ok(Hit {
        at_ms: row.timestamp("created_at")?,
        id: RecordId::new(Kind::Evidence, row.text("id")?),
        title: headline("Evidence", &name),
    })
}

fn session_hit(row: &Row) -> Result<Hit, DatabaseError> {
    Ok(Hit {
        at_ms: row.timestamp("updated_at")?,
        id: RecordId::new(Kind::Session, row.text("id")?),
        title: headline("Chat session", &row.text("session_name")?),
    })
}

fn case_hit(row: &Row) -> Result<Hit, DatabaseError> {
    let case_id = row.text("case_id")?;
    Ok(Hit {
        at_ms: row.timestamp("newest")?,
        title: headline("Case", &case_id),
        id: RecordId::new(Kind::Case, case_id),
    })
}
