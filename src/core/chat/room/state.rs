//! What a room knows, and how it speaks.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use serde_json::json;

use super::error::RoomError;
use super::events::EventLog;
use super::messages::{Ask, Event, joined};
use crate::chat::{Asker, ChatError, ChatService, Heard};
use crate::llm::Stop;
use crate::ports::{Clock, Level, Log};
use crate::sql::{DatabaseError, Sql};

/// Events in a millisecond, at most. A clock ahead of all the numbers given before makes them
/// ascend though nothing is kept of them.
const IN_A_MILLISECOND: i64 = 1_000;

/// The clients that are connected.
pub trait Members {
    fn tell_all(&self, text: &str);
}

/// A room, as long as its program lives. One question is answered at a time.
pub struct Room<S> {
    events: EventLog<S>,
    clock: Rc<dyn Clock>,
    log: Rc<dyn Log>,
    last: Cell<i64>,
    closed: Cell<bool>,
    speaking: RefCell<Option<Speaking>>,
}

/// A question under way.
struct Speaking {
    asked: i64,
    /// Events since, which are written down nowhere.
    pieces: Vec<(i64, String)>,
    /// Ends the call, once there is one.
    stop: Option<Stop>,
    stopped: bool,
}

impl<S: Sql> Room<S> {
    /// A question whose program died is ended here.
    pub fn open(sql: S, clock: Rc<dyn Clock>, log: Rc<dyn Log>) -> Result<Self, DatabaseError> {
        let events = EventLog::open(sql)?;
        let last = events.last()?;
        let room = Self {
            events,
            clock,
            log,
            last: Cell::new(last.seq),
            closed: Cell::default(),
            speaking: RefCell::default(),
        };
        if last.open {
            let seq = room.next();
            let text = Event::Failed(&ChatError::BrokenOff).text(seq);
            room.events.put_end(seq, &text)?;
        }
        Ok(room)
    }

    pub fn is_speaking(&self) -> bool {
        self.speaking.borrow().is_some()
    }

    /// What a client hears when it comes in: `joined`, then what came after `after`. Left out,
    /// that is the question under way, if there is one.
    pub fn join(
        &self,
        session_id: &str,
        after: Option<i64>,
        hear: &mut dyn FnMut(&str),
    ) -> Result<(), DatabaseError> {
        let speaking = self.speaking.borrow();
        hear(&joined(session_id, self.last.get(), speaking.is_some()));
        let asked = speaking.as_ref().map(|speaking| speaking.asked);
        let after = after.or(asked.map(|seq| seq - 1));
        let Some(after) = after else {
            return Ok(());
        };
        self.events.after(after, hear)?;
        let pieces = speaking.iter().flat_map(|speaking| &speaking.pieces);
        for (_, text) in pieces.filter(|(seq, _)| *seq > after) {
            hear(text);
        }
        Ok(())
    }

    /// Whether the question may be asked, as far as the room knows.
    pub fn may_ask(&self, ask: &Ask) -> Result<(), RoomError> {
        if self.is_speaking() {
            return Err(RoomError::Speaking);
        }
        match &ask.reference {
            Some(reference) => match self.events.find(reference)? {
                Some(seq) => Err(RoomError::asked(reference, seq)),
                None => Ok(()),
            },
            None => Ok(()),
        }
    }

    /// Writes the question down. From here on the room speaks, until [`Self::speak`] has ended.
    pub fn ask(&self, ask: &Ask, members: &dyn Members) -> Result<(), RoomError> {
        self.may_ask(ask)?;
        let seq = self.next();
        let text = Event::Asked(ask).text(seq);
        let reference = ask.reference.as_deref();
        self.events.put_question(seq, reference, &text)?;
        *self.speaking.borrow_mut() = Some(Speaking {
            asked: seq,
            pieces: Vec::new(),
            stop: None,
            stopped: false,
        });
        members.tell_all(&text);
        Ok(())
    }

    /// Ends the answer under way: the call is broken off, and billed as an estimate.
    pub fn stop(&self) -> Result<(), RoomError> {
        let mut speaking = self.speaking.borrow_mut();
        let speaking = speaking.as_mut().ok_or(RoomError::Silent)?;
        speaking.stopped = true;
        if let Some(stop) = &speaking.stop {
            stop.abort();
        }
        Ok(())
    }

    /// Asks the model what was written down, and lets everybody hear it.
    pub async fn speak(
        &self,
        service: &ChatService,
        asker: Asker<'_>,
        ask: &Ask,
        members: &dyn Members,
    ) {
        let turn = Turn {
            room: self,
            members,
            ended: Cell::new(false),
        };
        match service.begin_stream(asker, None, &ask.input).await {
            Err(error) => turn.end(&Event::Failed(&error)),
            Ok(mut listener) => {
                self.may_stop(listener.stop());
                while let Some(heard) = listener.next().await {
                    match heard {
                        Heard::Text(text) => turn.piece(&text),
                        Heard::Done(done) => turn.end(&match &*done {
                            Ok(output) => Event::Done(output),
                            Err(error) => Event::Failed(error),
                        }),
                    }
                }
            }
        }
    }

    /// Breaks off what is said, and writes nothing down any more: the session is gone.
    pub fn close(&self) {
        self.closed.set(true);
        // There may be nothing to stop.
        let _silent = self.stop();
    }

    fn may_stop(&self, stop: Stop) {
        if let Some(speaking) = self.speaking.borrow_mut().as_mut() {
            if speaking.stopped {
                stop.abort();
            }
            speaking.stop = Some(stop);
        }
    }

    fn next(&self) -> i64 {
        let by_time = self.clock.now_ms().saturating_mul(IN_A_MILLISECOND);
        let next = by_time.max(self.last.get() + 1);
        self.last.set(next);
        next
    }
}

/// The room speaking. Dropped before its end, as by a panic, it ends the question all the same.
struct Turn<'a, S: Sql> {
    room: &'a Room<S>,
    members: &'a dyn Members,
    ended: Cell<bool>,
}

impl<S: Sql> Turn<'_, S> {
    fn piece(&self, text: &str) {
        let seq = self.room.next();
        let text = Event::Delta(text).text(seq);
        if let Some(speaking) = self.room.speaking.borrow_mut().as_mut() {
            speaking.pieces.push((seq, text.clone()));
        }
        self.members.tell_all(&text);
    }

    fn end(&self, event: &Event<'_>) {
        self.ended.set(true);
        if let Event::Failed(error) = event {
            let cause = match error {
                ChatError::Storage(error) => Some(error.to_string()),
                _ => None,
            };
            let fields = json!({ "code": error.code(), "cause": cause });
            self.room.log.record(Level::Warn, "question_failed", fields);
        }
        let seq = self.room.next();
        let text = event.text(seq);
        self.room.speaking.take();
        if self.room.closed.get() {
            return;
        }
        // The session has the answer: what cannot be written here is lost to catching up alone.
        if let Err(error) = self.room.events.put_end(seq, &text) {
            let (log, cause) = (&self.room.log, error.to_string());
            let fields = json!({ "cause": cause });
            log.record(Level::Error, "room_end_not_kept", fields);
        }
        self.members.tell_all(&text);
    }
}

impl<S: Sql> Drop for Turn<'_, S> {
    fn drop(&mut self) {
        if !self.ended.get() {
            self.end(&Event::Failed(&ChatError::BrokenOff));
        }
    }
}
