//! Standing audits: begun when they are due, and carried on until they end.

use super::auditor::{Scope, Signatures};
use super::error::AuditError;
use super::report::{OnFile, State};
use super::schedule::Schedule;
use super::service::{AuditService, CLAIM_MS};
use super::types::Level;
use crate::sql::{Row, Statement};
use crate::time::to_rfc3339;

impl AuditService {
    /// Does what is due of the scheduled audits, and what others left. Returns how many ended.
    pub async fn run_due(
        &self,
        signatures: &dyn Signatures,
        until_ms: i64,
    ) -> Result<u64, AuditError> {
        self.claim_due().await?;
        let select = Statement::new(
            "SELECT id, automated, started_at, metadata FROM security_audits \
             WHERE status = 'running' AND COALESCE(claimed_until, ?1) <= ?1 \
             ORDER BY started_at LIMIT 10",
        );
        let now_ms = self.clock.now_ms();
        let running = self.db.run(select.timestamp(now_ms)).await?.rows;
        // One that fails does not keep the others from being done.
        let (mut ended, mut failed) = (0, None);
        for row in &running {
            if self.clock.now_ms() >= until_ms {
                break;
            }
            match self.carry_on(row, signatures, until_ms).await {
                Ok(done) => ended += u64::from(done),
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(ended), Err)
    }

    /// Whether it ended. One whose state cannot be read is given up.
    async fn carry_on(
        &self,
        row: &Row,
        signatures: &dyn Signatures,
        until_ms: i64,
    ) -> Result<bool, AuditError> {
        let id = row.text("id")?;
        let audit = match OnFile::of(row, &self.sealer) {
            Ok(audit) => audit,
            Err(error) => {
                let fail = "UPDATE security_audits SET status = 'failed' WHERE id = ?1";
                self.db.run(Statement::new(fail).bind(id)).await?;
                return Err(error);
            }
        };
        if !self.claim(&id).await? {
            return Ok(false);
        }
        let report = self.go_on(audit, signatures, until_ms).await?;
        Ok(report.audit_completed_at.is_some())
    }

    /// False if somebody else is at it.
    async fn claim(&self, id: &str) -> Result<bool, AuditError> {
        let now_ms = self.clock.now_ms();
        let update = Statement::new(
            "UPDATE security_audits SET claimed_until = ?3 WHERE id = ?1 AND status = 'running' \
             AND COALESCE(claimed_until, ?2) <= ?2",
        );
        let update = update
            .bind(id)
            .timestamp(now_ms)
            .timestamp(now_ms + CLAIM_MS);
        Ok(self.db.run(update).await?.changes == 1)
    }

    /// Makes an audit of each standing one that is due.
    async fn claim_due(&self) -> Result<(), AuditError> {
        let now_ms = self.clock.now_ms();
        let select = Statement::new(
            "SELECT id, audit_type, audit_level, metadata, completed_at, created_at FROM security_audits \
             WHERE automated AND status = 'pending' \
             ORDER BY created_at LIMIT 100",
        );
        for row in self.db.run(select).await?.rows {
            let Some(schedule) = Schedule::of(&row)? else {
                continue;
            };
            let last_ms = match row.opt_timestamp("completed_at")? {
                Some(ms) => ms,
                None => row.timestamp("created_at")?,
            };
            if !schedule.is_due(last_ms, now_ms) {
                continue;
            }
            let scope = Scope {
                level: schedule.level,
                executions: None,
                since_ms: schedule.since_ms(now_ms),
                signatures: true,
                chain: schedule.level > Level::Basic,
                files: schedule.level == Level::Forensic,
                known: self.kept(&[]).await?,
            };
            let kind = row.text("audit_type")?;
            self.begin_scheduled(&row.text("id")?, &kind, scope, now_ms)
                .await?;
        }
        Ok(())
    }

    /// The standing audit stays as it is; each run of it is an audit of its own.
    async fn begin_scheduled(
        &self,
        standing: &str,
        kind: &str,
        scope: Scope,
        now_ms: i64,
    ) -> Result<(), AuditError> {
        let state = State {
            started_ms: now_ms,
            scope,
            ..State::default()
        };
        let day = to_rfc3339(now_ms).chars().take(10).collect::<String>();
        let id = format!("{standing}:{day}");
        let insert = Statement::new(
            "INSERT INTO security_audits (id, audit_type, audit_level, status, created_at, \
             started_at, automated, metadata) VALUES (?1, ?2, ?3, 'running', ?4, ?4, TRUE, ?5) \
             ON CONFLICT (id) DO NOTHING",
        )
        .bind(id.as_str())
        .bind(kind)
        .bind(state.scope.level.as_str())
        .timestamp(now_ms)
        .bind(self.sealed(&id, &state)?);
        let note = Statement::new("UPDATE security_audits SET completed_at = ?2 WHERE id = ?1");
        let note = note.bind(standing).timestamp(now_ms);
        self.db.batch(vec![insert, note]).await?;
        Ok(())
    }
}
