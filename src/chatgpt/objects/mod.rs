//! The worker's Durable Objects, one file each.

mod user_ledger;
