//! Second factors: rows of `credentials`.

use super::totp::{self, SECRET_BYTES};
use super::trouble::Trouble;
use crate::ids;
use crate::oauth::AuthorizationServer;
use crate::sql::{DatabaseError, Row, Statement};

const PURPOSE: &str = "totp";
/// An enrolment that nobody finished is as good as none.
const PENDING_MS: i64 = 15 * 60 * 1000;

const LOOK_UP: &str = "SELECT id, secret, confirmed_at, last_step, created_at FROM credentials
    WHERE user_id = ?1 AND kind = 'totp'";

/// Begins anew, unless one is confirmed.
const START: &str = "INSERT INTO credentials (id, user_id, kind, secret, created_at)
        VALUES (?1, ?2, 'totp', ?3, ?4)
    ON CONFLICT (user_id, kind) DO UPDATE SET id = excluded.id, secret = excluded.secret,
        created_at = excluded.created_at, last_step = 0
    WHERE credentials.confirmed_at IS NULL";

const CONFIRM: &str = "UPDATE credentials SET confirmed_at = ?1, last_step = ?2
    WHERE id = ?3 AND user_id = ?4 AND confirmed_at IS NULL";

/// A step counts once: of two requests with one code, one finds the guard open.
const USE: &str = "UPDATE credentials SET last_step = ?1
    WHERE id = ?2 AND user_id = ?3 AND confirmed_at IS NOT NULL AND last_step < ?1";

const REMOVE: &str = "DELETE FROM credentials WHERE id = ?1 AND user_id = ?2";

/// After `CONFIRM` in one batch: only if that found the guard open.
const MARK: &str = "UPDATE login_sessions SET second_factor = ?1 WHERE id = ?2 AND user_id = ?3
    AND EXISTS (SELECT 1 FROM credentials WHERE id = ?4 AND confirmed_at = ?5)";

/// Those opened without it, perhaps by whoever it is to keep out.
const END_OTHERS: &str = "UPDATE login_sessions SET ended_at = ?1
    WHERE user_id = ?2 AND id <> ?3 AND ended_at IS NULL
    AND EXISTS (SELECT 1 FROM credentials WHERE id = ?4 AND confirmed_at = ?1)";

pub(super) struct Credential {
    id: String,
    /// Sealed.
    secret: String,
    pub confirmed_at_ms: Option<i64>,
    last_step: i64,
    created_at_ms: i64,
}

impl Credential {
    fn read(row: &Row) -> Result<Self, DatabaseError> {
        Ok(Self {
            id: row.text("id")?,
            secret: row.text("secret")?,
            confirmed_at_ms: row.opt_timestamp("confirmed_at")?,
            last_step: row.int("last_step")?,
            created_at_ms: row.timestamp("created_at")?,
        })
    }

    fn is_over(&self, now_ms: i64) -> bool {
        self.confirmed_at_ms.is_none() && now_ms - self.created_at_ms > PENDING_MS
    }
}

impl AuthorizationServer {
    pub(super) async fn has_second_factor(&self, user_id: &str) -> Result<bool, DatabaseError> {
        let found = self.credential(user_id).await?;
        Ok(found.is_some_and(|credential| credential.confirmed_at_ms.is_some()))
    }

    pub(super) async fn credential(
        &self,
        user_id: &str,
    ) -> Result<Option<Credential>, DatabaseError> {
        let statement = Statement::new(LOOK_UP).bind(user_id);
        let outcome = self.audit.database.run(statement).await?;
        let found = outcome.first().map(Credential::read).transpose()?;
        let now_ms = self.audit.clock.now_ms();
        Ok(found.filter(|credential| !credential.is_over(now_ms)))
    }

    pub(super) fn secret_of(
        &self,
        user_id: &str,
        credential: &Credential,
    ) -> Result<Vec<u8>, Trouble> {
        let bound = [user_id, &credential.id];
        Ok(self.sealer.open(PURPOSE, &bound, &credential.secret)?)
    }

    /// A new secret, which counts for nothing until it is confirmed.
    pub(super) async fn start_totp(&self, user_id: &str) -> Result<bool, Trouble> {
        let mut secret = [0; SECRET_BYTES];
        self.audit.entropy.fill(&mut secret)?;
        let id = ids::plain(&*self.audit.clock, &*self.audit.entropy)?;
        let bound = [user_id, &id];
        let sealed = self
            .sealer
            .seal(PURPOSE, &bound, &secret, &*self.audit.entropy)?;
        let statement = Statement::new(START)
            .bind(&id)
            .bind(user_id)
            .bind(sealed)
            .timestamp(self.audit.clock.now_ms());
        Ok(self.audit.database.run(statement).await?.changes > 0)
    }

    /// True if the code shows that the app has the secret. This session counts as proven then,
    /// and the person's others end.
    pub(super) async fn confirm_totp(
        &self,
        user_id: &str,
        session: &str,
        code: &str,
    ) -> Result<bool, Trouble> {
        let found = self.credential(user_id).await?;
        let Some(credential) = found.filter(|found| found.confirmed_at_ms.is_none()) else {
            return Ok(false);
        };
        let Some(step) = self.step_of(user_id, &credential, code)? else {
            return Ok(false);
        };
        let now_ms = self.audit.clock.now_ms();
        let confirm = Statement::new(CONFIRM)
            .timestamp(now_ms)
            .bind(step)
            .bind(&credential.id)
            .bind(user_id);
        let mark = Statement::new(MARK)
            .bind(true)
            .bind(session)
            .bind(user_id)
            .bind(&credential.id)
            .timestamp(now_ms);
        let end_others = Statement::new(END_OTHERS)
            .timestamp(now_ms)
            .bind(user_id)
            .bind(session)
            .bind(&credential.id);
        let batch = vec![confirm, mark, end_others];
        let outcomes = self.audit.database.batch(batch).await?;
        Ok(outcomes
            .first()
            .is_some_and(|confirmed| confirmed.changes > 0))
    }

    /// True if the code is right and was never used.
    pub(super) async fn use_code(&self, user_id: &str, code: &str) -> Result<bool, Trouble> {
        let found = self.credential(user_id).await?;
        let Some(credential) = found.filter(|found| found.confirmed_at_ms.is_some()) else {
            return Ok(false);
        };
        let Some(step) = self.step_of(user_id, &credential, code)? else {
            return Ok(false);
        };
        let statement = Statement::new(USE)
            .bind(step)
            .bind(&credential.id)
            .bind(user_id);
        Ok(self.audit.database.run(statement).await?.changes > 0)
    }

    pub(super) async fn remove_totp(&self, user_id: &str, code: &str) -> Result<bool, Trouble> {
        let Some(credential) = self.credential(user_id).await? else {
            return Ok(false);
        };
        if !self.use_code(user_id, code).await? {
            return Ok(false);
        }
        let statement = Statement::new(REMOVE).bind(&credential.id).bind(user_id);
        Ok(self.audit.database.run(statement).await?.changes > 0)
    }

    fn step_of(
        &self,
        user_id: &str,
        credential: &Credential,
        code: &str,
    ) -> Result<Option<i64>, Trouble> {
        let secret = self.secret_of(user_id, credential)?;
        let now_ms = self.audit.clock.now_ms();
        Ok(totp::matching_step(
            &secret,
            code,
            now_ms,
            credential.last_step,
        ))
    }
}
