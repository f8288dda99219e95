//! Evidence packages: what is on file of an execution, put together so that a stranger can
//! check it offline, and the custody of it.
//!
//! [`custody`] events are facts in the log. A [`Dossier`] is everything that is known of an
//! execution; [`legal_brief`] lays it out as a `BagIt` zip, [`document`] as pages for people.
//! What is not there, such as a time stamp, is said to be missing and never made up.

mod bag;
mod chain;
mod contents;
mod custody;
mod document;
mod dossier;
mod download;
mod error;
mod legal_brief;
pub mod pdf;
mod service;
mod sound;
mod store;
mod texts;
mod types;

#[cfg(test)]
mod tests;

pub use bag::{Bag, parse_manifest};
pub(crate) use custody::PREDICATE as CUSTODY_EVENT;
pub use custody::{CustodyAction, CustodyEvent, CustodyInput, CustodyLine, CustodyOutput};
pub use dossier::Dossier;
pub use download::{PREFIX, RESOURCE};
pub use error::EvidenceError;
pub use service::Evidence;
pub(crate) use store::open_file;
#[cfg(test)]
pub(crate) use texts::VERIFY_PY;
pub use types::{Package, PackageFile, PackageFormat, PackageInput, PackageOutput};
