//! The way in: who comes, to which room.

use serde_json::json;

use super::rooms::{Entry, Rooms, RoomsError, room_of};
use super::ticket;
use super::{MAX_STAY_MS, RoomError};
use crate::auth::{AuthError, Principal, RequestInfo, bearer};
use crate::front::plain_error;
use crate::http::HttpReply;
use crate::oauth::WebRequest;
use crate::ports::Level;
use crate::services::Platform;

const PATH: &str = "/ws/stream/";
const MAX_SESSION_ID: usize = 200;
/// The WebSocket subprotocol (RFC 6455 section 1.9).
pub const PROTOCOL: &str = "chitty.stream.v1";
/// Pages of a browser cannot set headers: they offer a ticket as one more subprotocol.
const TICKET_PROTOCOL: &str = "chitty.ticket.";
/// Needed to come in, and to ask.
pub const SCOPE: &str = "chatgpt:complete";
/// Numbers in JavaScript are exact up to here.
const MAX_SEQ: i64 = (1 << 53) - 1;

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
    Ticket(String),
}

impl From<AuthError> for Refused {
    fn from(error: AuthError) -> Self {
        Self::Caller(error)
    }
}

/// Who was admitted, and until when by the token that was shown.
struct Admitted {
    principal: Principal,
    ends_ms: Option<i64>,
}

impl Entrance<'_> {
    /// The answer to a request whose path it [`knows`]: GET comes in, POST gives a ticket.
    pub async fn answer(&self, web: &WebRequest<'_>) -> HttpReply {
        let request_id = &web.info.request_id;
        let answered = match web.method {
            "GET" => self.enter(web).await,
            "POST" => self.ticket(web).await,
            method => {
                let message = format!("{method} is not served at this path: GET and POST are");
                return plain_error(405, "METHOD_NOT_ALLOWED", &message, request_id)
                    .with_header("allow", "GET, POST, OPTIONS");
            }
        };
        answered.unwrap_or_else(|refused| self.refusal(&refused, request_id))
    }

    async fn enter(&self, web: &WebRequest<'_>) -> Result<HttpReply, Refused> {
        let session_id = session_id(web.path)?;
        let after = after(web)?;
        let upgrade = web.headers.get("upgrade").unwrap_or_default();
        if !upgrade.eq_ignore_ascii_case("websocket") {
            let message =
                "this path is for WebSocket: connect with ws:// or wss://, or POST for a ticket";
            return Err(Refused::Request(426, "UPGRADE_REQUIRED", message));
        }
        let offered = web.headers.get("sec-websocket-protocol");
        let offered: Vec<&str> = offered.iter().flat_map(|all| all.split(',')).collect();
        let mut offered = offered.into_iter().map(str::trim);
        let ticket = offered
            .clone()
            .find_map(|name| name.strip_prefix(TICKET_PROTOCOL));
        let admitted = match ticket {
            Some(ticket) => self.with_ticket(ticket, &session_id, &web.info).await?,
            None => self.with_token(web, "session_stream").await?,
        };
        let room = room_of(&admitted.principal.user_id, &session_id);
        let stays_until = self.platform.clock.now_ms() + MAX_STAY_MS;
        let entry = Entry {
            principal: admitted.principal,
            session_id,
            until_ms: admitted
                .ends_ms
                .map_or(stays_until, |ends| ends.min(stays_until)),
            after,
            with_protocol: offered.any(|name| name == PROTOCOL),
            request_id: web.info.request_id.clone(),
            ip: web.info.ip.clone(),
            user_agent: web.info.user_agent.clone(),
        };
        let entered = self.rooms.enter(&room, &entry).await;
        entered.map_err(Refused::Room)
    }

    async fn ticket(&self, web: &WebRequest<'_>) -> Result<HttpReply, Refused> {
        let session_id = session_id(web.path)?;
        let admitted = self.with_token(web, "session_stream_ticket").await?;
        let now_ms = self.platform.clock.now_ms();
        let (sealer, entropy) = (&self.platform.sealer, &*self.platform.entropy);
        let ticket = ticket::make(&admitted.principal, admitted.ends_ms, &session_id, now_ms);
        let text = ticket
            .seal(sealer, entropy)
            .map_err(|error| Refused::Ticket(error.to_string()))?;
        let body = json!({ "ticket": text, "expires_in": ticket::LIFE_MS / 1_000 });
        Ok(HttpReply::json(201, body.to_string().into_bytes())
            .with_header("cache-control", "no-store")
            .with_header("x-request-id", web.info.request_id.clone()))
    }

    async fn with_token(&self, web: &WebRequest<'_>, action: &str) -> Result<Admitted, Refused> {
        let caller = self.platform.caller(web).await?;
        let authenticator = &self.platform.authenticator;
        authenticator.authorize(&caller, &[SCOPE], action, &web.info)?;
        let authorization = web.headers.get("authorization");
        Ok(Admitted {
            principal: (*caller).clone(),
            ends_ms: bearer::ends_ms(authorization.as_deref()),
        })
    }

    /// By a ticket, which counts once. What its key may do is looked up again.
    async fn with_ticket(
        &self,
        text: &str,
        session_id: &str,
        info: &RequestInfo,
    ) -> Result<Admitted, Refused> {
        let platform = self.platform;
        let now_ms = platform.clock.now_ms();
        let ticket = ticket::open(text, session_id, &platform.sealer, now_ms);
        let ticket = ticket.ok_or(AuthError::Unknown)?;
        let first = ticket::spend(text, &*platform.database, now_ms).await;
        match first {
            Ok(true) => {}
            Ok(false) => return Err(AuthError::Unknown.into()),
            Err(error) => return Err(Refused::Ticket(error.to_string())),
        }
        let authenticator = &platform.authenticator;
        authenticator
            .still_allows(&ticket.principal, &[SCOPE], "session_stream", info)
            .await?;
        Ok(Admitted {
            principal: ticket.principal,
            ends_ms: ticket.ends_ms,
        })
    }

    fn refusal(&self, refused: &Refused, request_id: &str) -> HttpReply {
        match refused {
            Refused::Request(status, code, message) => {
                plain_error(*status, code, message, request_id)
            }
            Refused::Caller(error) => {
                let (status, code) = (error.status(), error.code());
                let mut reply = plain_error(status, code, &error.to_string(), request_id);
                if let Some(seconds) = error.retry_after_s() {
                    reply = reply.with_header("retry-after", seconds.to_string());
                }
                match error.challenge(self.platform.resource.as_deref()) {
                    Some(challenge) => reply.with_header("www-authenticate", challenge),
                    None => reply,
                }
            }
            Refused::Room(RoomsError::Full) => {
                let full = RoomError::Full;
                plain_error(429, full.code(), &full.to_string(), request_id)
            }
            Refused::Room(RoomsError::Unavailable(cause)) | Refused::Ticket(cause) => {
                let fields = json!({ "cause": cause });
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
    (0..=MAX_SEQ)
        .contains(&after)
        .then_some(Some(after))
        .ok_or_else(refused)
}
