//! The rooms of all sessions, as those outside of them see them.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::auth::{Principal, RequestInfo};
use crate::digest::sha256_hex;
use crate::http::HttpReply;

/// A client on its way into a room, and as the room knows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Entry {
    pub principal: Principal,
    pub session_id: String,
    /// When it is to leave.
    pub until_ms: i64,
    /// Number of the last event it heard.
    pub after: Option<i64>,
    /// It offered [`super::PROTOCOL`].
    pub with_protocol: bool,
    pub request_id: String,
    pub ip: Option<String>,
    pub user_agent: Option<String>,
}

impl Entry {
    /// Of the request that it came by, for the audit log.
    pub fn info(&self, service: &'static str) -> RequestInfo {
        RequestInfo {
            request_id: self.request_id.clone(),
            ip: self.ip.clone(),
            user_agent: self.user_agent.clone(),
            service,
        }
    }
}

#[async_trait(?Send)]
pub trait Rooms {
    /// The connection's beginning, or why there is none.
    async fn enter(&self, room: &str, entry: &Entry) -> Result<HttpReply, RoomsError>;
    /// Ends a room: what was kept is deleted, and everybody leaves.
    async fn close(&self, room: &str) -> Result<(), RoomsError>;
}

#[derive(Debug, thiserror::Error)]
pub enum RoomsError {
    #[error("the room is full")]
    Full,
    /// With the cause, which is for the log.
    #[error("the room does not answer: {0}")]
    Unavailable(String),
}

/// A user's session has one room. Another user's session of the same id has another.
pub fn room_of(user_id: &str, session_id: &str) -> String {
    sha256_hex(json!([user_id, session_id]).to_string().as_bytes())
}
