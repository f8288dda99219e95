#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod asking;
pub(crate) mod authority;
mod hostile;
mod judging;

use super::TimestampRequest;
use crate::chain::hash::Hash;

pub(crate) const DATA: &[u8] = b"log.example/chain\n7\nroot\n";

pub(crate) fn request() -> TimestampRequest {
    TimestampRequest::new(Hash::of(DATA), [0xff, 2, 3, 4, 5, 6, 7, 8])
}
