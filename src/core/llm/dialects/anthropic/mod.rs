//! Anthropic's Messages, version 2023-06-01 (`MessageCreateParams`, `Message`,
//! `RawMessageStreamEvent` of its published client).

mod answers;
mod requests;

use serde_json::Value;

use super::{Encoded, Protocol, Reader, Unsupported};
use crate::llm::ModelRequest;
use crate::llm::draft::{Event, Fault};

const VERSION: &str = "2023-06-01";

pub(super) struct Messages;

impl Protocol for Messages {
    fn path(&self) -> &'static str {
        "/messages"
    }

    fn headers(&self, key: &str) -> Vec<(&'static str, String)> {
        vec![
            ("x-api-key", key.to_owned()),
            ("anthropic-version", VERSION.to_owned()),
        ]
    }

    fn encode(
        &self,
        request: &ModelRequest,
        model: &str,
        streamed: bool,
    ) -> Result<Encoded, Unsupported> {
        let mut to = requests::encode(request)?;
        to.set("model", model);
        if streamed {
            to.set("stream", Value::Bool(true));
        }
        Ok(to)
    }

    fn read_whole(&self, body: &[u8], events: &mut Vec<Event>) -> Result<(), Fault> {
        answers::read_whole(body, events)
    }

    fn reader(&self) -> Box<dyn Reader> {
        Box::new(answers::EventReader::default())
    }
}
