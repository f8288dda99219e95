//! The server's memory: SQLite, one file.
//!
//! A job is `ingested`, then `running`, then `completed` or `failed`. One that is found
//! `running` when the server starts was interrupted, and failed.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::Value;

const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS jobs (
  id TEXT PRIMARY KEY,
  label TEXT NOT NULL,
  content_sha256 TEXT NOT NULL,
  evidence_id TEXT,
  model TEXT NOT NULL,
  not_after_ms INTEGER,
  status TEXT NOT NULL CHECK (status IN ('ingested', 'running', 'completed', 'failed')),
  code TEXT,
  reason TEXT,
  created_ms INTEGER NOT NULL,
  started_ms INTEGER,
  ended_ms INTEGER,
  output_sha256 TEXT,
  manifest TEXT,
  signature TEXT,
  fingerprint TEXT,
  calls TEXT
) STRICT;
CREATE INDEX IF NOT EXISTS jobs_by_status ON jobs (status, created_ms);
CREATE INDEX IF NOT EXISTS jobs_by_age ON jobs (coalesce(ended_ms, created_ms));
CREATE TABLE IF NOT EXISTS facts (
  id TEXT PRIMARY KEY,
  canonical TEXT NOT NULL,
  content_sha256 TEXT NOT NULL UNIQUE,
  timestamp_ms INTEGER NOT NULL,
  stored_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS facts_by_age ON facts (stored_ms);
";

/// Of a database from before there was that column.
const ADD_NOT_AFTER: &str = "ALTER TABLE jobs ADD COLUMN not_after_ms INTEGER";

const COLUMNS: &str = "id, label, content_sha256, evidence_id, model, not_after_ms, status, code, reason, \
                       output_sha256, manifest, signature, fingerprint, calls";

pub struct Store {
    connection: Mutex<Connection>,
}

#[derive(Debug, thiserror::Error)]
#[error("the database failed: {0}")]
pub struct StoreError(#[from] rusqlite::Error);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub id: String,
    pub label: String,
    pub content_sha256: String,
    pub evidence_id: Option<String>,
    pub model: String,
    /// From then on it is not begun any more.
    pub not_after_ms: Option<i64>,
    pub status: String,
    pub code: Option<String>,
    pub reason: Option<String>,
    pub output_sha256: Option<String>,
    pub manifest: Option<String>,
    pub signature: Option<String>,
    pub fingerprint: Option<String>,
    /// What was asked of the model, as JSON.
    pub calls: Option<String>,
}

impl Job {
    pub fn is_late(&self, now_ms: i64) -> bool {
        self.not_after_ms.is_some_and(|end_ms| end_ms <= now_ms)
    }

    /// None if it has no bound of its own.
    pub fn time_left(&self, now_ms: i64) -> Option<Duration> {
        let left = self.not_after_ms?.saturating_sub(now_ms);
        Some(Duration::from_millis(left.try_into().unwrap_or(0)))
    }

    /// Null of a run that the server did not see the end of.
    pub fn calls_made(&self) -> Value {
        let calls = self.calls.as_deref().map(serde_json::from_str);
        calls.and_then(Result::ok).unwrap_or_default()
    }
}

/// The end of a job that went well.
pub struct Completed<'a> {
    pub output_sha256: &'a str,
    pub manifest: &'a str,
    pub signature: &'a str,
    pub fingerprint: &'a str,
    pub calls: &'a str,
}

impl Store {
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // A job that was answered for is on the disk.
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.execute_batch(SCHEMA)?;
        if !connection.column_exists(None, "jobs", "not_after_ms")? {
            connection.execute(ADD_NOT_AFTER, [])?;
        }
        Ok(Self {
            connection: Mutex::new(connection),
        })
    }

    /// A statement that panicked left no transaction open.
    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Fails what ran when the server ended. Returns how many there were.
    pub fn fail_interrupted(&self, now_ms: i64) -> Result<usize, StoreError> {
        Ok(self.lock().execute(
            "UPDATE jobs SET status = 'failed', code = 'INTERRUPTED', ended_ms = ?1, \
             reason = 'the server ended before the run did' WHERE status = 'running'",
            [now_ms],
        )?)
    }

    /// Inputs that may still be run.
    pub fn waiting(&self, now_ms: i64) -> Result<u32, StoreError> {
        let count = "SELECT count(*) FROM jobs \
                     WHERE status = 'ingested' AND coalesce(not_after_ms > ?1, TRUE)";
        Ok(self.lock().query_row(count, [now_ms], |row| row.get(0))?)
    }

    /// Ids of jobs that ended before this, or were ingested and never run, and of inputs that may
    /// not be run any more; not all at once.
    pub fn expired(&self, before_ms: i64, now_ms: i64) -> Result<Vec<String>, StoreError> {
        let connection = self.lock();
        let mut select = connection.prepare(
            "SELECT id FROM jobs \
             WHERE (coalesce(ended_ms, created_ms) < ?1 AND status <> 'running') \
             OR (status = 'ingested' AND not_after_ms <= ?2) LIMIT 20",
        )?;
        let ids = select.query_map([before_ms, now_ms], |row| row.get(0))?;
        Ok(ids.collect::<Result<_, _>>()?)
    }

    /// Removes facts that were stored before this. Returns how many there were.
    pub fn remove_facts(&self, before_ms: i64) -> Result<usize, StoreError> {
        let delete = "DELETE FROM facts WHERE stored_ms < ?1";
        Ok(self.lock().execute(delete, [before_ms])?)
    }

    pub fn remove(&self, id: &str) -> Result<(), StoreError> {
        self.lock()
            .execute("DELETE FROM jobs WHERE id = ?1", [id])?;
        Ok(())
    }

    pub fn job(&self, id: &str) -> Result<Option<Job>, StoreError> {
        let select = format!("SELECT {COLUMNS} FROM jobs WHERE id = ?1");
        Ok(self.lock().query_row(&select, [id], job_of).optional()?)
    }

    /// Writes a new job; its id is new.
    pub fn ingest(&self, job: &Job, now_ms: i64) -> Result<(), StoreError> {
        self.lock().execute(
            "INSERT INTO jobs (id, label, content_sha256, evidence_id, model, not_after_ms, status, created_ms) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'ingested', ?7)",
            params![
                job.id,
                job.label,
                job.content_sha256,
                job.evidence_id,
                job.model,
                job.not_after_ms,
                now_ms
            ],
        )?;
        Ok(())
    }

    /// True for the one that is to run the job.
    pub fn begin(&self, id: &str, now_ms: i64) -> Result<bool, StoreError> {
        let changed = self.lock().execute(
            "UPDATE jobs SET status = 'running', started_ms = ?2 \
             WHERE id = ?1 AND status = 'ingested' AND coalesce(not_after_ms > ?2, TRUE)",
            params![id, now_ms],
        )?;
        Ok(changed == 1)
    }

    pub fn complete(&self, id: &str, end: &Completed<'_>, now_ms: i64) -> Result<(), StoreError> {
        self.lock().execute(
            "UPDATE jobs SET status = 'completed', output_sha256 = ?2, manifest = ?3, signature = ?4, \
             fingerprint = ?5, calls = ?6, ended_ms = ?7 WHERE id = ?1 AND status = 'running'",
            params![id, end.output_sha256, end.manifest, end.signature, end.fingerprint, end.calls, now_ms],
        )?;
        Ok(())
    }

    pub fn fail(
        &self,
        id: &str,
        code: &str,
        reason: &str,
        calls: &str,
        now_ms: i64,
    ) -> Result<(), StoreError> {
        self.lock().execute(
            "UPDATE jobs SET status = 'failed', code = ?2, reason = ?3, calls = ?4, ended_ms = ?5 \
             WHERE id = ?1 AND status = 'running'",
            params![id, code, reason, calls, now_ms],
        )?;
        Ok(())
    }

    /// The id of the fact that says this, if there is one.
    pub fn fact(&self, content_sha256: &str) -> Result<Option<String>, StoreError> {
        let select = "SELECT id FROM facts WHERE content_sha256 = ?1";
        let found = self
            .lock()
            .query_row(select, [content_sha256], |row| row.get(0));
        Ok(found.optional()?)
    }

    pub fn add_fact(
        &self,
        (id, canonical): (&str, &str),
        content_sha256: &str,
        (timestamp_ms, now_ms): (i64, i64),
    ) -> Result<(), StoreError> {
        self.lock().execute(
            "INSERT INTO facts (id, canonical, content_sha256, timestamp_ms, stored_ms) \
             VALUES (?1, ?2, ?3, ?4, ?5)",
            params![id, canonical, content_sha256, timestamp_ms, now_ms],
        )?;
        Ok(())
    }
}

fn job_of(row: &Row<'_>) -> rusqlite::Result<Job> {
    Ok(Job {
        id: row.get("id")?,
        label: row.get("label")?,
        content_sha256: row.get("content_sha256")?,
        evidence_id: row.get("evidence_id")?,
        model: row.get("model")?,
        not_after_ms: row.get("not_after_ms")?,
        status: row.get("status")?,
        code: row.get("code")?,
        reason: row.get("reason")?,
        output_sha256: row.get("output_sha256")?,
        manifest: row.get("manifest")?,
        signature: row.get("signature")?,
        fingerprint: row.get("fingerprint")?,
        calls: row.get("calls")?,
    })
}
