//! Who is calling, and what they may do.

mod principal;

pub use principal::{Principal, PrincipalKind, Scopes};
