//! A grant together with what may end it from outside: its key, its user and its client.

use super::super::{Grant, GrantKind};
use super::grants::COLUMNS;
use crate::auth::Scopes;
use crate::auth::backing::{self, Backing};
use crate::sql::{DatabaseError, Row};

/// A grant as it was read, and whether those it depends on still stand.
#[derive(Debug, Clone)]
pub(in crate::oauth) struct Standing {
    pub grant: Grant,
    /// The key that its user signed in with is there and active; true where there is none.
    key_active: bool,
    backing: Backing,
}

/// Why a grant gives nothing any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::oauth) enum Ended {
    Revoked,
    Expired,
    Key,
    Suspended,
    Client,
}

impl Ended {
    /// For the audit log.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Revoked => "grant_revoked",
            Self::Expired => "grant_expired",
            Self::Key => "key_ended",
            Self::Suspended => "user_suspended",
            Self::Client => "client_disabled",
        }
    }
}

/// `SELECT` of a grant `g`, its key and its user. `?1` is now; `from` joins the grant to a row that
/// is asked for by `?2`.
pub(super) fn select(columns: &str, from: &str) -> String {
    let (backing, joins) = (backing::COLUMNS, backing::JOINS);
    format!(
        "SELECT {COLUMNS}{columns}, {backing},
        (t.status = 'active' AND t.revoked_at IS NULL
            AND (t.expires_at IS NULL OR t.expires_at > ?1)) AS key_active
        FROM {from} LEFT JOIN api_tokens t ON t.id = g.token_id {joins}"
    )
}

impl Standing {
    pub(super) fn read(row: &Row) -> Result<Self, DatabaseError> {
        let grant = Grant::read(row)?;
        let key_active = row.opt_boolean("key_active")?.unwrap_or(false);
        let by_roles = grant.kind == GrantKind::Code && grant.token_id.is_none();
        Ok(Self {
            key_active: key_active || grant.token_id.is_none(),
            backing: Backing::read(row, by_roles)?,
            grant,
        })
    }

    /// What is left of `scopes`, which were granted, under the roles that the user has now.
    pub fn narrow(&self, scopes: &Scopes) -> Scopes {
        self.backing.narrow(scopes)
    }

    /// The grant with what is left of its own scopes.
    pub(super) fn narrowed(mut self) -> Grant {
        self.grant.scopes = self.narrow(&self.grant.scopes);
        self.grant
    }

    pub fn check(&self, now_ms: i64) -> Result<(), Ended> {
        if self.grant.revoked_at_ms.is_some() {
            return Err(Ended::Revoked);
        }
        if self.grant.expires_at_ms <= now_ms {
            return Err(Ended::Expired);
        }
        if !self.key_active {
            return Err(Ended::Key);
        }
        if self.backing.suspended {
            return Err(Ended::Suspended);
        }
        if self.backing.client_disabled {
            return Err(Ended::Client);
        }
        Ok(())
    }
}
