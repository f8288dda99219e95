//! Refresh tokens: a chain for each grant, with one live token at its end.
//!
//! The successor of a token is derived from its text, so the same successor can be given
//! again to a client whose reply was lost, though only hashes are stored.

use super::super::settings::REFRESH_TOKEN_MS;
use super::super::{AuthorizationServer, OAuthError};
use super::REFRESH;
use super::standing::{self, Standing};
use crate::digest::sha256_hex;
use crate::sql::{DatabaseError, Outcome, Row, Statement};

/// A refresh token as stored.
pub(in crate::oauth) struct StoredRefresh {
    pub standing: Standing,
    pub expires_at_ms: i64,
    /// When its successor was first given out.
    pub replaced_at_ms: Option<i64>,
}

/// Where a token stands in its chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::oauth) enum Place {
    Last,
    /// It was replaced.
    Before,
}

const REPLACE: &str = "UPDATE oauth_refresh_tokens SET replaced_at = ?1
    WHERE token_hash = ?2 AND replaced_at IS NULL
        AND EXISTS (SELECT 1 FROM oauth_grants
            WHERE id = oauth_refresh_tokens.grant_id AND revoked_at IS NULL AND expires_at > ?1)";

/// A chain has one end: nothing is added while there is one, whatever key derived it.
const SUCCEED: &str = "INSERT INTO oauth_refresh_tokens
    (token_hash, grant_id, created_at, expires_at)
    SELECT ?1, r.grant_id, ?2, CASE WHEN g.expires_at < ?3 THEN g.expires_at ELSE ?3 END
    FROM oauth_refresh_tokens r JOIN oauth_grants g ON g.id = r.grant_id
    WHERE r.token_hash = ?4 AND r.replaced_at IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM oauth_refresh_tokens n
            WHERE n.grant_id = r.grant_id AND n.replaced_at IS NULL)
    ON CONFLICT (token_hash) DO NOTHING";

const USED: &str = "UPDATE oauth_grants SET last_used_at = ?1 WHERE id = ?2";

const PLACE: &str = "SELECT replaced_at FROM oauth_refresh_tokens WHERE token_hash = ?1";

impl AuthorizationServer {
    pub(in crate::oauth) async fn refresh_token(
        &self,
        token: &str,
    ) -> Result<Option<StoredRefresh>, OAuthError> {
        let columns = ", r.expires_at AS token_expires_at, r.replaced_at";
        let from = "oauth_refresh_tokens r JOIN oauth_grants g ON g.id = r.grant_id";
        let sql = standing::select(columns, from) + " WHERE r.token_hash = ?2";
        let statement = Statement::new(sql)
            .timestamp(self.now_ms())
            .bind(sha256_hex(token));
        let outcome = self.audit.database.run(statement).await?;
        Ok(outcome.first().map(StoredRefresh::read).transpose()?)
    }

    /// The token that follows `token` in its chain.
    pub(in crate::oauth) fn successor(&self, token: &str) -> String {
        let mac = self.sealer.mac("refresh", token.as_bytes());
        format!("{REFRESH}{}", hex::encode(mac))
    }

    /// Replaces a token by its successor: both or neither. Of many that try at once all see
    /// the same one. Returns the successor's place, none if the grant ended meanwhile.
    pub(in crate::oauth) async fn replace(
        &self,
        token: &str,
        grant_id: &str,
    ) -> Result<Option<Place>, OAuthError> {
        let now_ms = self.now_ms();
        let (old, next) = (sha256_hex(token), sha256_hex(self.successor(token)));
        let statements = vec![
            Statement::new(REPLACE).timestamp(now_ms).bind(&old),
            Statement::new(SUCCEED)
                .bind(&next)
                .timestamp(now_ms)
                .timestamp(now_ms + REFRESH_TOKEN_MS)
                .bind(&old),
            Statement::new(USED).timestamp(now_ms).bind(grant_id),
            Statement::new(PLACE).bind(&next),
        ];
        let outcomes = self.audit.database.batch(statements).await?;
        let row = outcomes.last().and_then(Outcome::first);
        let replaced_at = row
            .map(|row| row.opt_timestamp("replaced_at"))
            .transpose()?;
        Ok(replaced_at.map(Place::of))
    }
}

impl Place {
    fn of(replaced_at_ms: Option<i64>) -> Self {
        match replaced_at_ms {
            None => Self::Last,
            Some(_) => Self::Before,
        }
    }
}

impl StoredRefresh {
    pub fn place(&self) -> Place {
        Place::of(self.replaced_at_ms)
    }

    fn read(row: &Row) -> Result<Self, DatabaseError> {
        Ok(Self {
            standing: Standing::read(row)?,
            expires_at_ms: row.timestamp("token_expires_at")?,
            replaced_at_ms: row.opt_timestamp("replaced_at")?,
        })
    }
}
