//! A session as a room: who of its user's clients is connected hears the model speak, may ask,
//! and may stop it. Over WebSocket (RFC 6455) at `/ws/stream/{sessionId}`.
//!
//! Each event of a room has a sequence number. They ascend, with gaps, and never come twice, so
//! a client that was away asks for what came after the last one it saw. A question and how it
//! ended are written down; the pieces in between live as long as the call, whose end brings the
//! text whole. What is written down is gone an hour after the last answer: the session has it.

mod entrance;
mod error;
mod events;
mod messages;
mod rooms;
mod state;
mod ticket;

pub use entrance::{Entrance, PROTOCOL, SCOPE, knows};
pub use error::RoomError;
pub use messages::{Ask, ClientMessage, refusal};
pub use rooms::{Entry, Rooms, RoomsError, room_of};
pub use state::{Members, Room};

/// How long events can be caught up with after the last of them.
pub const KEPT_MS: i64 = 60 * 60 * 1_000;
/// Connected at once to one room.
pub const MAX_MEMBERS: usize = 16;
/// A connection ends after this, so that none outlives for long what its key may do.
pub const MAX_STAY_MS: i64 = 60 * 60 * 1_000;
/// Of a message to the room, in bytes.
pub const MAX_MESSAGE: usize = 262_144;
