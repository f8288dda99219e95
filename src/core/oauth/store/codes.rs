//! Authorization codes: one minute, one redemption.

use super::super::settings::{ACCESS_TOKEN_MS, CODE_MS, GRANT_MS, REFRESH_TOKEN_MS};
use super::super::{AuthorizationServer, Grant, NewGrant, OAuthError};
use super::standing::{self, Standing};
use super::{CODE, REFRESH, grants};
use crate::digest::sha256_hex;
use crate::ids;
use crate::sql::{DatabaseError, Outcome, Row, Statement};

/// What a code is bound to, beside its grant.
pub(in crate::oauth) struct NewCode<'a> {
    pub redirect_uri: &'a str,
    pub code_challenge: Option<&'a str>,
    pub nonce: Option<&'a str>,
}

/// A code as stored.
pub(in crate::oauth) struct StoredCode {
    pub standing: Standing,
    pub redirect_uri: String,
    pub code_challenge: Option<String>,
    pub nonce: Option<String>,
    pub expires_at_ms: i64,
    pub redeemed: bool,
    hash: String,
}

/// How an attempt at a code ended.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::oauth) enum Redeemed {
    /// It is this attempt's. With the first refresh token where one was wanted.
    Won(Option<String>),
    /// Another attempt has it.
    Replayed,
    /// Its time or its grant ended meanwhile.
    Ended,
}

/// The same batch is sent again this often when the database does not say what became of it.
const MAX_SENDINGS: u32 = 3;

const INSERT: &str = "INSERT INTO oauth_authorization_codes (code_hash, grant_id, client_id,
    redirect_uri, code_challenge, nonce, created_at, expires_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";

const REDEEM: &str = "UPDATE oauth_authorization_codes SET redeemed_at = ?1, redeemed_by = ?2
    WHERE code_hash = ?3 AND redeemed_at IS NULL AND expires_at > ?1
        AND EXISTS (SELECT 1 FROM oauth_grants
            WHERE id = oauth_authorization_codes.grant_id AND revoked_at IS NULL)";

const START_GRANT: &str = "UPDATE oauth_grants
    SET last_used_at = ?1, expires_at = ?2, dpop_jkt = ?3
    WHERE id = ?4 AND EXISTS (SELECT 1 FROM oauth_authorization_codes
        WHERE code_hash = ?5 AND redeemed_by = ?6)";

const FIRST_REFRESH: &str = "INSERT INTO oauth_refresh_tokens
    (token_hash, grant_id, created_at, expires_at)
    SELECT ?1, grant_id, ?2, ?3 FROM oauth_authorization_codes
    WHERE code_hash = ?4 AND redeemed_by = ?5 ON CONFLICT (token_hash) DO NOTHING";

const WHOSE: &str = "SELECT redeemed_by FROM oauth_authorization_codes WHERE code_hash = ?1";

impl AuthorizationServer {
    /// A grant and its code, in one batch. Returns the code, which is stored as its hash. Until
    /// the code is redeemed the grant lives no longer than the code.
    pub(in crate::oauth) async fn grant_code(
        &self,
        grant: NewGrant,
        code: NewCode<'_>,
    ) -> Result<String, OAuthError> {
        let text = self.fresh(CODE)?;
        let grant = self.made(grant, self.now_ms() + CODE_MS)?;
        let insert = Statement::new(INSERT)
            .bind(sha256_hex(&text))
            .bind(&grant.id)
            .bind(&grant.client_id)
            .bind(code.redirect_uri)
            .bind(code.code_challenge)
            .bind(code.nonce)
            .timestamp(grant.created_at_ms)
            .timestamp(grant.expires_at_ms);
        let statements = vec![grants::insert(&grant), insert];
        self.audit.database.batch(statements).await?;
        Ok(text)
    }

    pub(in crate::oauth) async fn code(
        &self,
        code: &str,
    ) -> Result<Option<StoredCode>, OAuthError> {
        let columns = ", c.code_hash, c.redirect_uri, c.code_challenge, c.nonce,
            c.expires_at AS code_expires_at, c.redeemed_at";
        let from = "oauth_authorization_codes c JOIN oauth_grants g ON g.id = c.grant_id";
        let sql = standing::select(columns, from) + " WHERE c.code_hash = ?2";
        let statement = Statement::new(sql)
            .timestamp(self.now_ms())
            .bind(sha256_hex(code));
        let outcome = self.audit.database.run(statement).await?;
        Ok(outcome.first().map(StoredCode::read).transpose()?)
    }

    /// Marks a code as redeemed by this attempt alone, starts its grant and stores the first
    /// refresh token: all or nothing. `grant` is as it is to be from now on.
    pub(in crate::oauth) async fn redeem(
        &self,
        code: &StoredCode,
        grant: &Grant,
        with_refresh: bool,
    ) -> Result<Redeemed, OAuthError> {
        let attempt = ids::plain(&*self.audit.clock, &*self.audit.entropy)?;
        let refresh = with_refresh.then(|| self.fresh(REFRESH)).transpose()?;
        let statements = redemption(code, grant, &attempt, refresh.as_deref(), self.now_ms());
        let outcomes = self.send(statements).await?;
        let whose = outcomes.last().and_then(Outcome::first);
        let whose = whose.map(|row| row.opt_text("redeemed_by")).transpose()?;
        Ok(match whose.flatten() {
            Some(winner) if winner == attempt => Redeemed::Won(refresh),
            Some(_) => Redeemed::Replayed,
            None => Redeemed::Ended,
        })
    }

    /// A lost reply is no reason to burn the code: the batch names its attempt, so sending it
    /// again changes nothing and tells who won.
    async fn send(&self, statements: Vec<Statement>) -> Result<Vec<Outcome>, OAuthError> {
        let mut sendings = 0;
        loop {
            sendings += 1;
            match self.audit.database.batch(statements.clone()).await {
                Err(DatabaseError::Unavailable(_)) if sendings < MAX_SENDINGS => {}
                result => return Ok(result?),
            }
        }
    }
}

fn redemption(
    code: &StoredCode,
    grant: &Grant,
    attempt: &str,
    refresh: Option<&str>,
    now_ms: i64,
) -> Vec<Statement> {
    let redeem = Statement::new(REDEEM)
        .timestamp(now_ms)
        .bind(attempt)
        .bind(&code.hash);
    let start = Statement::new(START_GRANT)
        .timestamp(now_ms)
        .timestamp(grant.expires_at_ms)
        .bind(grant.dpop_jkt.clone())
        .bind(&grant.id)
        .bind(&code.hash)
        .bind(attempt);
    let first = refresh.map(|refresh| {
        Statement::new(FIRST_REFRESH)
            .bind(sha256_hex(refresh))
            .timestamp(now_ms)
            .timestamp((now_ms + REFRESH_TOKEN_MS).min(grant.expires_at_ms))
            .bind(&code.hash)
            .bind(attempt)
    });
    let whose = Statement::new(WHOSE).bind(&code.hash);
    [redeem, start]
        .into_iter()
        .chain(first)
        .chain([whose])
        .collect()
}

/// When a grant ends whose code is redeemed now: with its only access token where it has no
/// refresh token.
pub(in crate::oauth) fn grant_end(now_ms: i64, with_refresh: bool) -> i64 {
    now_ms
        + if with_refresh {
            GRANT_MS
        } else {
            ACCESS_TOKEN_MS
        }
}

impl StoredCode {
    fn read(row: &Row) -> Result<Self, DatabaseError> {
        Ok(Self {
            standing: Standing::read(row)?,
            redirect_uri: row.text("redirect_uri")?,
            code_challenge: row.opt_text("code_challenge")?,
            nonce: row.opt_text("nonce")?,
            expires_at_ms: row.timestamp("code_expires_at")?,
            redeemed: row.opt_timestamp("redeemed_at")?.is_some(),
            hash: row.text("code_hash")?,
        })
    }
}
