//! The worker's Durable Objects, one file each.

mod chain_sequencer;
