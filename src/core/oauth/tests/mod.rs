//! Driven natively over SQLite, with a fake clock.

mod world;
