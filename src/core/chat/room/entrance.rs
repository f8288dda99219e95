//! The way in: who comes, to which room.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::MAX_STAY_MS;
use crate::auth::{AuthError, Principal};
use crate::digest::sha256_hex;
use crate::front::plain_error;
use crate::http::HttpReply;
use crate::oauth::WebRequest;
use crate::ports::Level;
use crate::services::Platform;

const PATH: &str = "/ws/stream/";
const MAX_SESSION_ID: usize = 200;
/// The WebSocket subprotocol (RFC 6455 section 1.9).
pub const PROTOCOL: &str = "chitty.stream.v1";
/// Pages of a browser cannot set headers: they offer their token as one more subprotocol.
const TOKEN_PROTOCOL: &str = "chitty.bearer.";
/// Needed to come in, and to ask.
pub const SCOPE: &str = "chatgpt:complete";

/// A client on its way into a room.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Entry {
    pub principal: Principal,
    pub session_id: String,
    /// When it is to leave.
    pub until_ms: i64,
    /// Number of the last event it heard.
    pub after: Option<i64>,
    /// It offered [`PROTOCOL`].
    pub with_protocol: bool,
}

/// The rooms of all sessions.
#[async_trait(?Send)]
pub trait Rooms {
    /// The connection's beginning, or why there is none.
    async fn enter(&self, room: &str, entry: &Entry) -> Result<HttpReply, RoomsError>;
    /// Ends a room: what was kept is deleted, and everybody leaves.
    async fn close(&self, room: &str) -> Result<(), RoomsError>;
}

#[derive(Debug, thiserror::Error)]
#[error("the room does not answer: {0}")]
pub struct RoomsError(pub String);

/// A user's session has one room. Another user's session of the same id has another.
pub fn room_of(user_id: &str, session_id: &str) -> String {
    sha256_hex(json!([user_id, session_id]).to_string().as_bytes())
}

/// True for a path that [`Entrance::answer`] answers.
pub fn knows(path: &str) -> bool {
    path.strip_prefix(PATH).is_some_and(|id| !id.is_empty())
}

/// The way in, for one request.
pub struct Entrance<'a> {
    pub platform: &'a Platform,
    pub rooms: &'a dyn Rooms,
}

enum Refused {
    Caller(AuthError),
    Request(u16, &'static str, &'static str),
    Room(RoomsError),
}

impl Entrance<'_> {
    /// The answer to a request whose path it [`knows`]; None for a method other than GET.
    pub async fn answer(&self, web: &WebRequest<'_>) -> Option<HttpReply> {
        if web.method != "GET" {
            return None;
        }
        let refused = match self.enter(web).await {
            Ok(reply) => return Some(reply),
            Err(refused) => refused,
        };
        Some(self.refusal(&refused, &web.info.request_id))
    }

    async fn enter(&self, web: &WebRequest<'_>) -> Result<HttpReply, Refused> {
        let session_id = session_id(web.path)?;
        let after = after(web)?;
        let upgrade = web.headers.get("upgrade").unwrap_or_default();
        if !upgrade.eq_ignore_ascii_case("websocket") {
            let message = "this path is for WebSocket: connect with ws:// or wss://";
            return Err(Refused::Request(426, "UPGRADE_REQUIRED", message));
        }
        let offered = web.headers.get("sec-websocket-protocol");
        let offered: Vec<&str> = offered.iter().flat_map(|all| all.split(',')).collect();
        let mut offered = offered.into_iter().map(str::trim);
        let token = offered
            .clone()
            .find_map(|name| name.strip_prefix(TOKEN_PROTOCOL));
        let authorization = match token {
            Some(token) => Some(format!("Bearer {token}")),
            None => web.headers.get("authorization"),
        };
        let caller = self.platform.caller_with(web, authorization.as_deref());
        let caller = caller.await.map_err(Refused::Caller)?;
        let authenticator = &self.platform.authenticator;
        authenticator
            .authorize(&caller, &[SCOPE], "session_stream", &web.info)
            .map_err(Refused::Caller)?;
        let room = room_of(&caller.user_id, &session_id);
        let entry = Entry {
            principal: (*caller).clone(),
            session_id,
            until_ms: self.platform.clock.now_ms() + MAX_STAY_MS,
            after,
            with_protocol: offered.any(|name| name == PROTOCOL),
        };
        let entered = self.rooms.enter(&room, &entry).await;
        entered.map_err(Refused::Room)
    }

    fn refusal(&self, refused: &Refused, request_id: &str) -> HttpReply {
        match refused {
            Refused::Request(status, code, message) => {
                plain_error(*status, code, message, request_id)
            }
            Refused::Caller(error) => {
                let (status, code) = (error.status(), error.code());
                let reply = plain_error(status, code, &error.to_string(), request_id);
                match error.challenge(self.platform.resource.as_deref()) {
                    Some(challenge) => reply.with_header("www-authenticate", challenge),
                    None => reply,
                }
            }
            Refused::Room(error) => {
                let fields = json!({ "cause": error.to_string() });
                let log = &self.platform.log;
                log.record(Level::Error, "room_unavailable", fields);
                let message = "the session's stream cannot be reached just now: try again";
                plain_error(503, "ROOM_UNAVAILABLE", message, request_id)
            }
        }
    }
}

fn session_id(path: &str) -> Result<String, Refused> {
    let id = path.strip_prefix(PATH).unwrap_or_default();
    let id = percent_encoding::percent_decode_str(id).decode_utf8();
    let id = id.ok().filter(|id| {
        let length = id.chars().count();
        (1..=MAX_SESSION_ID).contains(&length) && !id.contains(char::is_control)
    });
    let message = "the session id is 1 to 200 characters, percent-encoded, none of them a control";
    let refused = Refused::Request(400, "INVALID_SESSION_ID", message);
    id.map(String::from).ok_or(refused)
}

fn after(web: &WebRequest<'_>) -> Result<Option<i64>, Refused> {
    let message = "after is the number of the last event that was heard: a whole number from 0";
    let refused = || Refused::Request(400, "INVALID_AFTER", message);
    let query = web.query().map_err(|_| refused())?;
    let Some(after) = query.get("after") else {
        return Ok(None);
    };
    let after: i64 = after.parse().map_err(|_| refused())?;
    (after >= 0).then_some(Some(after)).ok_or_else(refused)
}
