//! Driven natively over SQLite, with a fake clock.

mod authorizing;
mod metadata;
mod redirects;
mod tokens;
pub(super) mod world;
