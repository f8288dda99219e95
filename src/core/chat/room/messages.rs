//! What is said over the connection, each a JSON text with its `type`.

use serde_json::{Map, Value, json};

use super::MAX_MESSAGE;
use super::error::RoomError;
use crate::chat::service::check;
use crate::chat::{ChatError, ChatMessage, CompletionInput, CompletionOutput};
use crate::validation::is_word;

const MAX_REF: usize = 128;

/// What a client says.
#[derive(Debug)]
pub enum ClientMessage {
    Ask(Box<Ask>),
    /// Ends the answer under way, for everybody.
    Stop,
}

/// A question to the room's session.
#[derive(Debug, Clone)]
pub struct Ask {
    /// The client's own name for the question: one that comes again is not asked again.
    pub reference: Option<String>,
    pub input: CompletionInput,
}

impl ClientMessage {
    /// `{"type": "stop"}`, or `{"type": "ask", "ref"?, …}` with the arguments of
    /// `chatgpt_stream` but for the session.
    pub fn read(text: &str, session_id: &str) -> Result<Self, RoomError> {
        if text.len() > MAX_MESSAGE {
            return Err(RoomError::TooLarge);
        }
        let mut fields: Map<String, Value> = serde_json::from_str(text).map_err(unreadable)?;
        match fields.remove("type").as_ref().and_then(Value::as_str) {
            Some("stop") => Ok(Self::Stop),
            Some("ask") => Ask::read(fields, session_id).map(|ask| Self::Ask(Box::new(ask))),
            _ => Err(RoomError::Unreadable("its type is neither".to_owned())),
        }
    }
}

impl Ask {
    fn read(mut fields: Map<String, Value>, session_id: &str) -> Result<Self, RoomError> {
        let reference = match fields.remove("ref") {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) if is_word(&text, MAX_REF) => Some(text),
            Some(_) => return Err(RoomError::InvalidRef),
        };
        if fields.contains_key("session_id") {
            return Err(RoomError::OtherSession);
        }
        fields.insert("session_id".to_owned(), json!(session_id));
        let input: CompletionInput =
            serde_json::from_value(Value::Object(fields)).map_err(unreadable)?;
        check(&input).map_err(|error| RoomError::Invalid(error.to_string()))?;
        Ok(Self { reference, input })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the form map_err wants")]
fn unreadable(error: serde_json::Error) -> RoomError {
    RoomError::Unreadable(error.to_string())
}

/// What happens in a room.
pub(super) enum Event<'a> {
    Asked(&'a Ask),
    Delta(&'a str),
    Done(&'a CompletionOutput),
    Failed(&'a ChatError),
}

impl Event<'_> {
    pub fn text(&self, seq: i64) -> String {
        let event = match self {
            Self::Asked(ask) => {
                let messages: &[ChatMessage] = &ask.input.messages;
                json!({ "type": "asked", "seq": seq, "ref": ask.reference, "messages": messages })
            }
            Self::Delta(text) => json!({ "type": "delta", "seq": seq, "text": text }),
            Self::Done(answer) => json!({ "type": "done", "seq": seq, "answer": answer }),
            Self::Failed(error) => {
                let (code, message) = (error.code(), error.to_string());
                let billed = error.may_have_billed();
                let error = json!({ "code": code, "message": message, "may_have_billed": billed });
                json!({ "type": "failed", "seq": seq, "error": error })
            }
        };
        event.to_string()
    }
}

/// What a client hears first. `seq` is the last event's number, 0 where there was none.
pub(super) fn joined(session_id: &str, seq: i64, speaking: bool) -> String {
    json!({ "type": "joined", "session_id": session_id, "seq": seq, "speaking": speaking })
        .to_string()
}

/// Why what a client said was not done. It is told alone, so it has no number.
pub fn refusal(error: &RoomError, reference: Option<&str>) -> String {
    let (code, message) = (error.code(), error.to_string());
    let error = json!({ "code": code, "message": message });
    json!({ "type": "error", "ref": reference, "error": error }).to_string()
}
