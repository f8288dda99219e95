//! Audits on file: asked for, or due by a schedule; each goes on where it stopped.

use std::rc::Rc;

use serde_json::json;

use super::auditor::{Auditor, Scope, Signatures};
use super::error::AuditError;
use super::published::PublishedLog;
use super::recorder::records_of;
use super::report::{OnFile, State, on_file, record_of, report};
use super::tables::Table;
use super::types::{AuditInput, Level, Report};
use crate::auth::Principal;
use crate::ids;
use crate::ledger::Ledger;
use crate::ports::{Bucket, Clock, Database, Entropy};
use crate::seal::Sealer;
use crate::sql::Statement;

/// Executions of an audit that names none.
const RECENT: i64 = 50;
/// An audit that is asked for answers within this; what is left goes on by itself.
const ANSWER_MS: i64 = 20_000;
/// Whoever is at an audit and says nothing for so long is no more.
pub(super) const CLAIM_MS: i64 = 120_000;
/// Kept checkpoints that the log is held against.
const KEPT: i64 = 8;
/// Of each; an honest one is far shorter, and all of them must fit into an audit's row.
const KEPT_LENGTH: i64 = 8_192;
/// Who may audit everybody's.
const READ_ALL: &str = "chain:read_all";

pub struct AuditService {
    pub db: Rc<dyn Database>,
    pub ledger: Rc<dyn Ledger>,
    pub published: PublishedLog,
    pub sealer: Rc<Sealer>,
    pub clock: Rc<dyn Clock>,
    pub entropy: Rc<dyn Entropy>,
    /// Where package files are kept, if anywhere.
    pub files: Option<Rc<dyn Bucket>>,
}

#[derive(Debug, thiserror::Error)]
pub enum AskError {
    #[error(
        "an audit of that depth reads everybody's facts: ask for comprehensive, or with the scope chain:read_all"
    )]
    NotAllowed,
    #[error("there is no audit of that id of yours: check it")]
    UnknownAudit,
    #[error("with audit_id nothing else is given: it asks for that report alone")]
    Alone,
    #[error("there is no execution {0} of yours: check the id")]
    UnknownExecution(String),
    #[error(transparent)]
    Audit(#[from] AuditError),
    #[error("no id could be made: {0}")]
    Id(#[from] crate::ports::EntropyError),
}

impl AskError {
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAllowed => "SCOPE_REQUIRED",
            Self::UnknownExecution(_) => "EXECUTION_NOT_FOUND",
            Self::UnknownAudit => "AUDIT_NOT_FOUND",
            Self::Alone => "INVALID_INPUT",
            Self::Audit(AuditError::Database(_)) => "DATABASE_UNAVAILABLE",
            Self::Audit(AuditError::Ledger(error)) => error.code(),
            Self::Audit(AuditError::Files(_)) => "FILES_UNAVAILABLE",
            Self::Audit(AuditError::Signatures(_)) => "SIGNATURES_UNCHECKED",
            Self::Audit(AuditError::Published(_)) => "PUBLISHED_LOG_UNREAD",
            Self::Audit(AuditError::Altered(_)) => "AUDIT_ALTERED",
            Self::Audit(AuditError::Progress(_) | AuditError::Seal(_)) | Self::Id(_) => "INTERNAL",
        }
    }

    /// Whether another worker is the cause.
    pub fn is_upstream(&self) -> bool {
        matches!(
            self,
            Self::Audit(
                AuditError::Ledger(_) | AuditError::Signatures(_) | AuditError::Published(_)
            )
        )
    }
}

impl From<crate::sql::DatabaseError> for AskError {
    fn from(error: crate::sql::DatabaseError) -> Self {
        Self::Audit(error.into())
    }
}

/// Whose an execution is.
enum Owner {
    Known(String),
    /// It is on record, and what says whose it is is gone.
    Lost,
    Unknown,
}

impl AuditService {
    /// Audits for a caller, and answers with what is found within the time of a request; or gives a
    /// report on file.
    pub async fn ask(
        &self,
        caller: &Principal,
        input: &AuditInput,
        signatures: &dyn Signatures,
    ) -> Result<Report, AskError> {
        if let Some(id) = &input.audit_id {
            return self.find(caller, input, id).await;
        }
        let all = caller.scopes.allows(READ_ALL);
        if input.audit_level == Level::Forensic && !all {
            return Err(AskError::NotAllowed);
        }
        let executions = match &input.execution_ids {
            Some(ids) => self.named(caller, ids).await?,
            None => self.recent(caller, all).await?,
        };
        let scope = Scope {
            level: input.audit_level,
            executions: Some(executions),
            since_ms: None,
            signatures: input.include_signatures && input.verify_signatures,
            // Facts of everybody are read only for who may.
            chain: all && input.include_chain_verification && input.audit_level > Level::Basic,
            files: input.audit_level == Level::Forensic,
            known: self.kept(&input.known_checkpoints).await?,
        };
        let audit = OnFile {
            id: ids::plain(&*self.clock, &*self.entropy)?,
            state: State {
                started_ms: self.clock.now_ms(),
                scope,
                ..State::default()
            },
        };
        self.open(&audit, &caller.user_id).await?;
        let until_ms = self.clock.now_ms() + ANSWER_MS;
        Ok(self.go_on(audit, signatures, until_ms).await?)
    }

    /// An audit of the caller's, or any for who may read all facts.
    async fn find(
        &self,
        caller: &Principal,
        input: &AuditInput,
        id: &str,
    ) -> Result<Report, AskError> {
        if *input != AuditInput::of_report(id) {
            return Err(AskError::Alone);
        }
        let select = Statement::new(
            "SELECT id, auditor_id, started_at, metadata FROM security_audits \
             WHERE id = ?1 AND status IN ('running', 'completed')",
        );
        let found = self.db.run(select.bind(id)).await?;
        let row = found.first().ok_or(AskError::UnknownAudit)?;
        let own = row.opt_text("auditor_id")?.as_ref() == Some(&caller.user_id);
        if own || caller.scopes.allows(READ_ALL) {
            Ok(on_file(row, &self.sealer, &*self.ledger).await?)
        } else {
            Err(AskError::UnknownAudit)
        }
    }

    pub(super) async fn go_on(
        &self,
        mut audit: OnFile,
        signatures: &dyn Signatures,
        until_ms: i64,
    ) -> Result<Report, AuditError> {
        let mut since_ms = self.clock.now_ms();
        while !audit.state.progress.is_done()
            && since_ms < until_ms
            && !self.published.is_asked_enough()
        {
            let auditor = Auditor {
                db: &*self.db,
                ledger: &*self.ledger,
                published: &self.published,
                sealer: &self.sealer,
                signatures,
                files: self.files.as_deref(),
                scope: &audit.state.scope,
                now_ms: since_ms,
            };
            let phase = audit.state.progress.phase;
            self.published.count_step();
            let step = auditor.step(&mut audit.state.progress).await;
            let now_ms = self.clock.now_ms();
            audit.state.progress.spend(phase, now_ms - since_ms);
            since_ms = now_ms;
            if step.is_err() || !audit.state.progress.is_done() {
                self.put_aside(&audit, CLAIM_MS).await?;
            }
            step?;
        }
        if audit.state.progress.is_done() {
            return self.end(audit).await;
        }
        // Whoever comes next goes on.
        self.put_aside(&audit, 0).await?;
        Ok(report(&audit))
    }

    /// The report is a fact before it is told.
    async fn end(&self, mut audit: OnFile) -> Result<Report, AuditError> {
        let now_ms = *audit.state.ended_ms.get_or_insert(self.clock.now_ms());
        self.put_aside(&audit, CLAIM_MS).await?;
        let report = report(&audit);
        let text = serde_json_canonicalizer::to_string(&report)?;
        let receipt = self
            .ledger
            .append(&record_of(&report, &text, now_ms))
            .await?;
        let report = Report {
            fact_id: Some(receipt.fact_id.to_string()),
            ..report
        };
        self.close(&report, now_ms).await?;
        Ok(report)
    }

    async fn named(&self, caller: &Principal, ids: &[String]) -> Result<Vec<String>, AskError> {
        let all = caller.scopes.allows(READ_ALL);
        for id in ids {
            let may = match self.owner(id).await? {
                Owner::Unknown => false,
                Owner::Lost => all,
                Owner::Known(owner) => all || caller.resolve_user(Some(&owner)).is_ok(),
            };
            if !may {
                return Err(AskError::UnknownExecution(id.clone()));
            }
        }
        Ok(ids.to_vec())
    }

    /// Whose an execution is: by its records, if it has any, and else by its row.
    async fn owner(&self, id: &str) -> Result<Owner, AuditError> {
        let mut records = Vec::new();
        if let Some(table) = Table::named("secure_executions") {
            records = self.ledger.keyed(&[records_of(table, id)]).await?;
        }
        let mut records = records.iter().flat_map(|keyed| &keyed.facts).peekable();
        let is_on_record = records.peek().is_some();
        let mut owners =
            records.filter_map(|fact| fact.stored.content.fact()?.metadata.get("user_id"));
        if let Some(owner) = owners.next_back() {
            return Ok(Owner::Known(owner.clone()));
        }
        let select = Statement::new("SELECT user_id FROM secure_executions WHERE id = ?1");
        let found = self.db.run(select.bind(id)).await?;
        Ok(match found.first() {
            Some(row) => Owner::Known(row.text("user_id")?),
            None if is_on_record => Owner::Lost,
            None => Owner::Unknown,
        })
    }

    async fn recent(&self, caller: &Principal, all: bool) -> Result<Vec<String>, AskError> {
        let select = if all {
            Statement::new("SELECT id FROM secure_executions ORDER BY created_at DESC LIMIT ?1")
                .bind(RECENT)
        } else {
            Statement::new(
                "SELECT id FROM secure_executions WHERE user_id = ?2 ORDER BY created_at DESC LIMIT ?1",
            )
            .bind(RECENT)
            .bind(caller.user_id.as_str())
        };
        let found = self.db.run(select).await?;
        let ids: Result<Vec<String>, _> = found.rows.iter().map(|row| row.text("id")).collect();
        Ok(ids?)
    }

    /// The caller's checkpoints, and those of earlier audits.
    pub(super) async fn kept(&self, given: &[String]) -> Result<Vec<String>, AuditError> {
        let select = Statement::new(
            "SELECT checkpoint FROM security_audits WHERE checkpoint IS NOT NULL \
             AND LENGTH(checkpoint) <= ?2 ORDER BY completed_at DESC LIMIT ?1",
        );
        let select = select.bind(KEPT).bind(KEPT_LENGTH);
        let found = self.db.run(select).await?;
        let mut known = given.to_vec();
        for row in &found.rows {
            known.push(row.text("checkpoint")?);
        }
        Ok(known)
    }

    pub(super) fn sealed(&self, id: &str, state: &State) -> Result<serde_json::Value, AuditError> {
        state.sealed(id, &self.sealer, &*self.entropy)
    }

    async fn open(&self, audit: &OnFile, auditor: &str) -> Result<(), AuditError> {
        let scope = &audit.state.scope;
        let insert = Statement::new(
            "INSERT INTO security_audits (id, audit_type, audit_level, execution_ids, \
             verify_signatures, include_chain_verification, status, created_at, started_at, \
             auditor_id, automated, metadata, claimed_until) \
             VALUES (?1, 'requested', ?2, ?3, ?4, ?5, 'running', ?6, ?6, ?7, FALSE, ?8, ?9)",
        )
        .bind(audit.id.as_str())
        .bind(scope.level.as_str())
        .bind(json!(scope.executions))
        .bind(scope.signatures)
        .bind(scope.chain)
        .timestamp(audit.state.started_ms)
        .bind(auditor)
        .bind(self.sealed(&audit.id, &audit.state)?)
        .timestamp(audit.state.started_ms + CLAIM_MS);
        self.db.run(insert).await?;
        Ok(())
    }

    /// Nobody else goes on with it for so long.
    async fn put_aside(&self, audit: &OnFile, claim_ms: i64) -> Result<(), AuditError> {
        let update = Statement::new(
            "UPDATE security_audits SET metadata = ?2, claimed_until = ?3 \
             WHERE id = ?1 AND status = 'running'",
        )
        .bind(audit.id.as_str())
        .bind(self.sealed(&audit.id, &audit.state)?)
        .timestamp(self.clock.now_ms() + claim_ms);
        self.db.run(update).await?;
        Ok(())
    }

    async fn close(&self, report: &Report, now_ms: i64) -> Result<(), AuditError> {
        let update = Statement::new(
            "UPDATE security_audits SET status = 'completed', completed_at = ?2, findings = ?3, \
             recommendations = ?4, risk_level = ?5, checkpoint = ?6, fact_ids = ?7, metadata = ?8 \
             WHERE id = ?1",
        )
        .bind(report.audit_id.as_str())
        .timestamp(now_ms)
        .bind(json!(report.findings))
        .bind(json!(report.recommendations))
        .bind(report.risk_level.map(|risk| risk.as_str().to_owned()))
        .bind(report.checkpoint.clone())
        .bind(json!([report.fact_id]))
        .bind(json!({ "report": report }));
        self.db.run(update).await?;
        Ok(())
    }
}
