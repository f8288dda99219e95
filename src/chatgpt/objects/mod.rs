//! The worker's Durable Objects, one file each.

mod chat_room;
mod user_ledger;
