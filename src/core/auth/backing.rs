//! What a grant or a signed-in browser depends on beside a key: its person and its client.

use super::{Scopes, roles};
use crate::sql::{DatabaseError, Row};

/// Of an identity `i` and a registered client `rc`.
pub const COLUMNS: &str = "i.status AS person, i.roles AS person_roles, rc.status AS client_status";

/// For a grant `g`. Users of keys and clients that did not register have no row.
pub const JOINS: &str = "LEFT JOIN identities i ON i.id = g.user_id
    LEFT JOIN oauth_clients rc ON rc.id = g.client_id";

/// The person and the client of a grant, as they are now.
#[derive(Debug, Clone)]
pub struct Backing {
    pub suspended: bool,
    pub client_disabled: bool,
    /// All that the person may do, where nothing but their roles says so.
    roles: Option<Scopes>,
}

impl Backing {
    /// Reads [`COLUMNS`]. `by_roles`: the person signed in without a key, for themselves.
    pub fn read(row: &Row, by_roles: bool) -> Result<Self, DatabaseError> {
        let inactive = |status: Option<String>| status.is_some_and(|status| status != "active");
        Ok(Self {
            suspended: inactive(row.opt_text("person")?),
            client_disabled: inactive(row.opt_text("client_status")?),
            roles: by_roles.then(|| may(row)).transpose()?,
        })
    }

    /// What is left of `scopes` under the roles that the person has now.
    pub fn narrow(&self, scopes: &Scopes) -> Scopes {
        let roles = self.roles.as_ref();
        roles.map_or_else(|| scopes.clone(), |roles| scopes.within(roles))
    }
}

/// What the roles in `person_roles` allow; none where there is no such person.
pub fn may(row: &Row) -> Result<Scopes, DatabaseError> {
    let names = row.opt_json("person_roles")?.unwrap_or_default();
    let names = names.as_array().into_iter().flatten();
    Ok(roles::scopes_of(names.filter_map(|name| name.as_str())))
}
