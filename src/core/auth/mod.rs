//! Who is calling, and what they may do.
//!
//! A request carries `Authorization: Bearer {token}`. [`Authenticator`] takes it through
//! seven steps: extract, hash, look up, status, expiry, scopes, audit. The token is a key of
//! its owner, or an [`access_token`] that a client was given for him. Calls between our own
//! workers carry an [`assertion`] instead. A caller acts as itself unless it holds
//! [`DELEGATION_SCOPE`].

pub mod access_token;
pub mod assertion;
mod audit;
mod authenticator;
pub mod backing;
pub(crate) mod bearer;
mod cache;
pub mod catalogue;
mod delegation;
pub mod dpop;
mod error;
pub mod keys;
mod principal;
pub mod protected_resource;
pub mod records;
pub mod rest;
pub mod roles;
mod standing;
pub mod throttle;
mod token;
pub mod used_once;

pub use audit::{AuditEvent, AuditLog, AuditQueue, Decision};
pub use authenticator::{Authenticator, Credential, Domain, RequestInfo};
pub use cache::TokenCache;
pub use delegation::{DELEGATION_SCOPE, DelegationError};
pub use error::AuthError;
pub use principal::{Principal, PrincipalKind, Scopes};
pub use throttle::{Attempt, Throttle};

#[cfg(test)]
mod tests;
