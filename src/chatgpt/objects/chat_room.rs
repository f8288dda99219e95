use std::cell::RefCell;
use std::collections::BTreeSet;
use std::panic::RefUnwindSafe;
use std::pin::pin;
use std::rc::Rc;

use chitty_core::chat::Asker;
use chitty_core::chat::room::{
    self, Ask, ClientMessage, Entry, KEPT_MS, MAX_MEMBERS, Members, PROTOCOL, RoomError, SCOPE,
    refusal,
};
use chitty_core::ports::{Clock, Level, Log};
use chitty_core::services::Platform;
use chitty_edge::background::ObjectWait;
use chitty_edge::clock::SystemClock;
use chitty_edge::log::ConsoleLog;
use chitty_edge::object_sql::ObjectSql;
use chitty_edge::platform::{Fault, Worker, loaded};
use chitty_edge::rooms::{ENTRY_PARAMETER, FULL};
use futures::future::select;
use serde_json::json;
use worker::{
    DurableObject, Env, Method, Request, Response, State, WebSocket, WebSocketIncomingMessage,
    WebSocketPair, WebSocketRequestResponsePair, durable_object,
};

use crate::domain::{Chat, ChatGpt};

/// "Policy violation" (RFC 6455 section 7.4.1).
const POLICY: u16 = 1008;
/// How often it is looked who may still hear the model.
const WATCH_MS: u64 = 10_000;
/// Actions in the audit log.
const ASKS: &str = "session_stream_ask";
const STAYS: &str = "session_stream_stay";

type Room = room::Room<ObjectSql>;

/// One session's room, named by user and session. Between questions it hibernates, and its
/// clients stay connected. Its alarm deletes what was kept to be caught up with.
#[durable_object]
pub struct ChatRoom {
    state: Rc<State>,
    env: Env,
    room: RefCell<Option<Rc<Room>>>,
}

// A panic leaves what it keeps whole: a room that was speaking ends its turn while unwinding.
impl RefUnwindSafe for ChatRoom {}

/// All that are connected.
struct Connected(Rc<State>);

impl Connected {
    fn entries(&self) -> impl Iterator<Item = (WebSocket, Entry)> {
        let sockets = self.0.get_websockets().into_iter();
        sockets.filter_map(|socket| {
            let entry = socket.deserialize_attachment().ok().flatten()?;
            Some((socket, entry))
        })
    }

    /// Ends the connections whose time is over.
    fn end_overdue(&self) {
        let now_ms = SystemClock.now_ms();
        for (socket, entry) in self.entries() {
            if entry.until_ms <= now_ms {
                turn_out(&socket, &RoomError::Over, None);
            }
        }
    }

    /// Ends the connections of those who may no longer be here. Each key is looked up once;
    /// `known` may be here.
    async fn end_refused(&self, platform: &Platform, known: Option<&str>) {
        let mut allowed: BTreeSet<String> = known.map(str::to_owned).into_iter().collect();
        for (socket, entry) in self.entries() {
            let token_id = &entry.principal.token_id;
            if entry.until_ms > SystemClock.now_ms() && allowed.contains(token_id) {
                continue;
            }
            match may_stay(platform, &entry).await {
                Ok(()) => {
                    allowed.insert(token_id.clone());
                }
                Err(error) if error.ends() => turn_out(&socket, &error, None),
                // Nothing was learnt of them: they are looked up again soon.
                Err(_) => {}
            }
        }
    }
}

impl Members for Connected {
    fn tell_all(&self, text: &str) {
        for socket in self.0.get_websockets() {
            tell(&socket, text);
        }
    }
}

impl DurableObject for ChatRoom {
    fn new(state: State, env: Env) -> Self {
        // Answered without waking the room.
        if let Ok(pair) = WebSocketRequestResponsePair::new("ping", "pong") {
            state.set_websocket_auto_response(&pair);
        }
        Self {
            state: Rc::new(state),
            env,
            room: RefCell::default(),
        }
    }

    async fn fetch(&self, request: Request) -> worker::Result<Response> {
        if request.method() == Method::Delete {
            return self.close().await;
        }
        let url = request.url()?;
        let mut parameters = url.query_pairs();
        match parameters.find(|(name, _)| name == ENTRY_PARAMETER) {
            Some((_, entry)) => self.enter(&serde_json::from_str(&entry)?).await,
            None => Response::error("say who comes in", 400),
        }
    }

    async fn websocket_message(
        &self,
        socket: WebSocket,
        message: WebSocketIncomingMessage,
    ) -> worker::Result<()> {
        let mut reference = None;
        if let Err(error) = self.hear(&socket, message, &mut reference).await {
            if let RoomError::Unavailable(cause) = &error {
                let fields = json!({ "cause": cause });
                console().record(Level::Error, "room_unavailable", fields);
            }
            if error.ends() {
                turn_out(&socket, &error, reference.as_deref());
            } else {
                tell(&socket, &refusal(&error, reference.as_deref()));
            }
        }
        Ok(())
    }

    async fn websocket_close(
        &self,
        socket: WebSocket,
        _code: usize,
        _reason: String,
        _was_clean: bool,
    ) -> worker::Result<()> {
        // The platform may have answered it already.
        let _closed = socket.close(None, None::<&str>);
        Ok(())
    }

    async fn websocket_error(&self, _: WebSocket, _: worker::Error) -> worker::Result<()> {
        Ok(())
    }

    async fn alarm(&self) -> worker::Result<Response> {
        let members = Connected(Rc::clone(&self.state));
        members.end_overdue();
        if self.room()?.is_speaking() {
            self.forget_later().await?;
            return Response::ok("");
        }
        self.forget().await?;
        if members.entries().next().is_some() {
            self.forget_later().await?;
        }
        Response::ok("")
    }
}

impl ChatRoom {
    fn room(&self) -> worker::Result<Rc<Room>> {
        if let Some(room) = &*self.room.borrow() {
            return Ok(Rc::clone(room));
        }
        let sql = ObjectSql::new(&self.state)?;
        let room = Room::open(sql, Rc::new(SystemClock), Rc::new(console()));
        let room = Rc::new(room.map_err(|error| fault(&error))?);
        self.room.replace(Some(Rc::clone(&room)));
        Ok(room)
    }

    async fn enter(&self, entry: &Entry) -> worker::Result<Response> {
        Connected(Rc::clone(&self.state)).end_overdue();
        // One that is set stays: who comes in must not put off the forgetting.
        if self.state.storage().get_alarm().await?.is_none() {
            self.forget_later().await?;
        }
        if self.open_sockets() >= MAX_MEMBERS {
            return Response::error("the room is full", FULL);
        }
        let pair = WebSocketPair::new()?;
        self.state.accept_web_socket(&pair.server);
        pair.server.serialize_attachment(entry)?;
        let mut hear = |text: &str| tell(&pair.server, text);
        let joined = self.room()?.join(&entry.session_id, entry.after, &mut hear);
        joined.map_err(|error| fault(&error))?;
        let mut response = Response::from_websocket(pair.client)?;
        if entry.with_protocol {
            let headers = response.headers_mut();
            headers.set("sec-websocket-protocol", PROTOCOL)?;
        }
        Ok(response)
    }

    fn open_sockets(&self) -> usize {
        let sockets = self.state.get_websockets();
        let open = |socket: &&WebSocket| socket.as_ref().ready_state() == web_sys::WebSocket::OPEN;
        sockets.iter().filter(open).count()
    }

    /// Does what a client says. `reference` is set to the name it gave its question.
    async fn hear(
        &self,
        socket: &WebSocket,
        message: WebSocketIncomingMessage,
        reference: &mut Option<String>,
    ) -> Result<(), RoomError> {
        let WebSocketIncomingMessage::String(text) = message else {
            return Err(RoomError::Unreadable("it is binary".to_owned()));
        };
        let entry: Option<Entry> = socket.deserialize_attachment().map_err(unavailable)?;
        let entry = entry.ok_or_else(|| unavailable("a connection of nobody"))?;
        match ClientMessage::read(&text, &entry.session_id)? {
            ClientMessage::Stop => {
                let (platform, _) = self.services(&entry).map_err(unavailable)?;
                may_stay(&platform, &entry).await?;
                self.room().map_err(unavailable)?.stop()
            }
            ClientMessage::Ask(ask) => {
                reference.clone_from(&ask.reference);
                self.ask(entry, *ask).await
            }
        }
    }

    async fn ask(&self, entry: Entry, ask: Ask) -> Result<(), RoomError> {
        let room = self.room().map_err(unavailable)?;
        room.may_ask(&ask)?;
        let (platform, chat) = self.services(&entry).map_err(unavailable)?;
        let token_id = &entry.principal.token_id;
        if !chat.gateway.shield.passes(token_id).await {
            return Err(RoomError::Flood);
        }
        may_stay(&platform, &entry).await?;
        let members = Connected(Rc::clone(&self.state));
        members.end_refused(&platform, Some(token_id)).await;
        let (authenticator, info) = (&platform.authenticator, entry.info(platform.service));
        authenticator.authorize(&entry.principal, &[SCOPE], ASKS, &info)?;
        self.forget_later().await.map_err(unavailable)?;
        room.ask(&ask, &members)?;
        let background = Rc::clone(&platform.background);
        background.spawn(Box::pin(async move {
            let asker = Asker {
                user_id: &entry.principal.user_id,
                key_id: Some(&entry.principal.token_id),
            };
            let speak = pin!(room.speak(&chat.service, asker, &ask, &members));
            let watch = pin!(watch(&members, &platform));
            select(speak, watch).await;
        }));
        Ok(())
    }

    /// The worker as a request would find it.
    fn services(&self, entry: &Entry) -> Result<(Platform, Chat), Fault> {
        let worker = loaded::<ChatGpt>(crate::kept(), &self.env)?;
        let background = Rc::new(ObjectWait(Rc::clone(&self.state)));
        let isolate = worker.isolate();
        let platform = isolate.platform(&self.env, background, ChatGpt::NAME, &entry.request_id)?;
        let chat = worker.domain(&self.env, &platform)?;
        Ok((platform, chat))
    }

    async fn forget_later(&self) -> worker::Result<()> {
        self.state.storage().set_alarm(KEPT_MS).await
    }

    /// Deletes all that is kept. Numbers go by the clock, so that they ascend all the same.
    async fn forget(&self) -> worker::Result<()> {
        self.room.take();
        self.state.storage().delete_all().await
    }

    /// The session is gone.
    async fn close(&self) -> worker::Result<Response> {
        self.room()?.close();
        for socket in self.state.get_websockets() {
            // Fails where the client has just gone.
            let _gone = socket.close(Some(POLICY), Some("SESSION_NOT_FOUND"));
        }
        self.forget().await?;
        self.state.storage().delete_alarm().await?;
        Ok(Response::empty()?.with_status(204))
    }
}

async fn may_stay(platform: &Platform, entry: &Entry) -> Result<(), RoomError> {
    if entry.until_ms <= SystemClock.now_ms() {
        return Err(RoomError::Over);
    }
    let info = entry.info(platform.service);
    let authenticator = &platform.authenticator;
    let allows = authenticator.still_allows(&entry.principal, &[SCOPE], STAYS, &info);
    Ok(allows.await?)
}

/// While the model speaks, looks again and again who may hear it. Never ends.
async fn watch(members: &Connected, platform: &Platform) {
    loop {
        platform.clock.sleep(WATCH_MS).await;
        members.end_refused(platform, None).await;
    }
}

fn turn_out(socket: &WebSocket, error: &RoomError, reference: Option<&str>) {
    tell(socket, &refusal(error, reference));
    // Fails where the client has just gone.
    let _gone = socket.close(Some(POLICY), Some(error.code()));
}

fn tell(socket: &WebSocket, text: &str) {
    // Fails where the client has just gone.
    let _gone = socket.send_with_str(text);
}

#[expect(clippy::needless_pass_by_value, reason = "the form map_err wants")]
fn unavailable(cause: impl ToString) -> RoomError {
    RoomError::Unavailable(cause.to_string())
}

fn fault(error: &impl ToString) -> worker::Error {
    worker::Error::RustError(error.to_string())
}

fn console() -> ConsoleLog {
    ConsoleLog {
        level: Level::Info,
        service: "chat_room",
        request_id: String::new(),
    }
}
