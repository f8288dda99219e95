//! What a caller may ask of a key, and how long one lives.

use super::stored::StoredKey;
use super::{
    DAY_MS, DEFAULT_DAYS, HOUR_MS, KeyError, MANAGE_SCOPE, MAX_SERVICE_DAYS, MAX_USER_DAYS,
    MINT_SERVICE_SCOPE, MintInput,
};
use crate::auth::{Principal, PrincipalKind, catalogue};

/// Refuses an OAuth client: a key would outlive the grant that it was made under.
pub(super) fn require_own(caller: &Principal) -> Result<(), KeyError> {
    match caller.client_id {
        Some(_) => Err(KeyError::Client),
        None => Ok(()),
    }
}

pub(super) fn require_for(caller: &Principal, kind: PrincipalKind) -> Result<(), KeyError> {
    let needed: &[&str] = match kind {
        PrincipalKind::User => &[MANAGE_SCOPE],
        PrincipalKind::Service => &[MANAGE_SCOPE, MINT_SERVICE_SCOPE],
    };
    Ok(caller.scopes.require(needed)?)
}

/// What was asked for, all of which the caller has; or what it has that only reads.
pub(super) fn scopes_for(caller: &Principal, input: &MintInput) -> Result<Vec<String>, KeyError> {
    let of_role;
    let asked = match (input.role, input.scopes.as_deref()) {
        (None, None) => return readable(caller),
        (Some(_), Some(_)) => return Err(KeyError::RoleAndScopes),
        (None, Some(asked)) => asked,
        (Some(role), None) => {
            let scopes = role.scopes();
            of_role = scopes.iter().map(str::to_owned).collect::<Vec<_>>();
            &of_role
        }
    };
    if let Some(unknown) = asked.iter().find(|scope| !catalogue::is_known(scope)) {
        return Err(KeyError::UnknownScope(unknown.clone()));
    }
    caller.scopes.require(&borrowed(asked))?;
    let mut scopes = asked.to_vec();
    scopes.sort_unstable();
    scopes.dedup();
    Ok(scopes)
}

fn readable(caller: &Principal) -> Result<Vec<String>, KeyError> {
    let readable = catalogue::read_only();
    let held = readable.iter().filter(|scope| caller.scopes.allows(scope));
    let held: Vec<String> = held.map(str::to_owned).collect();
    if held.is_empty() {
        return Err(KeyError::NoScopes);
    }
    Ok(held)
}

pub(super) fn borrowed(scopes: &[String]) -> Vec<&str> {
    scopes.iter().map(String::as_str).collect()
}

pub(super) fn max_days(kind: PrincipalKind) -> i64 {
    match kind {
        PrincipalKind::User => MAX_USER_DAYS,
        PrincipalKind::Service => MAX_SERVICE_DAYS,
    }
}

/// How long a key was made for, within what its kind may have.
pub(super) fn life_of(key: &StoredKey, kind: PrincipalKind) -> i64 {
    let life_ms = match key.token.ends_at() {
        Some(end) => end.saturating_sub(key.created_at),
        None => DEFAULT_DAYS * DAY_MS,
    };
    life_ms.clamp(HOUR_MS, max_days(kind) * DAY_MS)
}
