//! Driven natively over SQLite, with a fake clock.

mod metadata;
mod redirects;
mod tokens;
mod world;
