//! The server as a caller meets it, over fakes.

mod asking;
mod calling;
mod cancelling;
mod deferring;
mod eras;
mod listening;
mod listing;
mod peers;
mod tools;
mod world;
