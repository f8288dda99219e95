//! Driven natively over SQLite, with a fake clock.

mod metadata;
mod tokens;
mod world;
