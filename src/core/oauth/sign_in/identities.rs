//! People as the provider tells of them: rows of `identities`.

use super::trouble::Trouble;
use crate::ids;
use crate::oauth::AuthorizationServer;
use crate::sql::{DatabaseError, Row, Statement};

const LOOK_UP: &str = "SELECT id, chitty_id, email, name, roles, status FROM identities
    WHERE id = ?1";

/// One person for each subject of a provider, whatever runs beside.
const UPSERT: &str = "INSERT INTO identities (id, issuer, subject, email, email_verified, name,
        roles, created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8)
    ON CONFLICT (issuer, subject) DO UPDATE SET email = excluded.email,
        email_verified = excluded.email_verified, name = excluded.name,
        updated_at = excluded.updated_at
    RETURNING id, chitty_id, email, name, roles, status";

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Person {
    pub id: String,
    pub chitty_id: Option<String>,
    pub email: Option<String>,
    pub name: Option<String>,
    pub roles: Vec<String>,
    pub active: bool,
}

/// What a provider says of whoever signed in there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Claimed {
    pub subject: String,
    pub email: Option<String>,
    pub email_verified: bool,
    pub name: Option<String>,
    /// More than one factor was used there.
    pub second_factor: bool,
}

impl Person {
    fn read(row: &Row) -> Result<Self, DatabaseError> {
        let roles = serde_json::from_value(row.json("roles")?);
        Ok(Self {
            id: row.text("id")?,
            chitty_id: row.opt_text("chitty_id")?,
            email: row.opt_text("email")?,
            name: row.opt_text("name")?,
            // Anything but a list of names gives nothing.
            roles: roles.unwrap_or_default(),
            active: row.text("status")? == "active",
        })
    }
}

impl AuthorizationServer {
    /// None for users of keys that nobody has written down.
    pub(super) async fn person(&self, user_id: &str) -> Result<Option<Person>, DatabaseError> {
        let statement = Statement::new(LOOK_UP).bind(user_id);
        let outcome = self.audit.database.run(statement).await?;
        outcome.first().map(Person::read).transpose()
    }

    /// Who signs in for the first time gets `role`; roles are the operator's after that.
    pub(super) async fn know(
        &self,
        issuer: &str,
        claimed: &Claimed,
        role: &str,
    ) -> Result<Person, Trouble> {
        let id = ids::prefixed("USER", &*self.audit.clock, &*self.audit.entropy)?;
        let statement = Statement::new(UPSERT)
            .bind(id)
            .bind(issuer)
            .bind(&claimed.subject)
            .bind(claimed.email.clone())
            .bind(claimed.email_verified)
            .bind(claimed.name.clone())
            .bind(serde_json::json!([role]))
            .timestamp(self.audit.clock.now_ms());
        let outcome = self.audit.database.run(statement).await?;
        let row = outcome.first();
        let row = row.ok_or_else(|| Trouble::ours("the upsert returned no row"))?;
        Ok(Person::read(row)?)
    }
}
