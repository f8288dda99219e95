//! The worker's Durable Objects, one file each.

mod chain_anchors;
mod chain_sequencer;
