//! What clients may know of a person.

use serde_json::{Map, Value, json};

use super::{AuthorizationServer, OAuthError};
use crate::auth::Scopes;
use crate::sql::{DatabaseError, Row, Statement};

const LOOK_UP: &str = "SELECT chitty_id, email, email_verified, name FROM identities WHERE id = ?1";

/// Claims about people, for the metadata.
pub(super) const CLAIMS: [&str; 5] = ["sub", "chitty_id", "name", "email", "email_verified"];

struct Identity {
    chitty_id: Option<String>,
    email: Option<String>,
    email_verified: bool,
    name: Option<String>,
}

impl AuthorizationServer {
    /// `sub` and the claims that the scopes allow (`OpenID` Connect Core section 5.4), for id
    /// tokens and `UserInfo`. The `ChittyID` comes with `openid`. A user without a row, such as
    /// the owner of a key, has `sub` alone.
    pub(super) async fn claims_about(
        &self,
        user_id: &str,
        scopes: &Scopes,
    ) -> Result<Map<String, Value>, OAuthError> {
        let mut claims = Map::new();
        claims.insert("sub".to_owned(), json!(user_id));
        let statement = Statement::new(LOOK_UP).bind(user_id);
        let outcome = self.audit.database.run(statement).await?;
        if let Some(row) = outcome.first() {
            Identity::read(row)?.tell(scopes, &mut claims);
        }
        Ok(claims)
    }
}

impl Identity {
    fn read(row: &Row) -> Result<Self, DatabaseError> {
        Ok(Self {
            chitty_id: row.opt_text("chitty_id")?,
            email: row.opt_text("email")?,
            email_verified: row.boolean("email_verified")?,
            name: row.opt_text("name")?,
        })
    }

    fn tell(self, scopes: &Scopes, claims: &mut Map<String, Value>) {
        // Not `allows`: `admin:*` is about what a caller may do, not about whom it may know.
        let granted = |scope| scopes.iter().any(|granted| granted == scope);
        let mut add = |name: &str, value: Value| claims.insert(name.to_owned(), value);
        if let (true, Some(id)) = (granted("openid"), self.chitty_id) {
            add("chitty_id", json!(id));
        }
        if let (true, Some(name)) = (granted("profile"), self.name) {
            add("name", json!(name));
        }
        if let (true, Some(email)) = (granted("email"), self.email) {
            add("email", json!(email));
            add("email_verified", json!(self.email_verified));
        }
    }
}
