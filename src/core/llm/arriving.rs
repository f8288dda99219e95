use super::answer::Part;
use super::dialects::{Protocol, Reader};
use super::draft::{Draft, Event, Fault};
use super::sse::{SseError, SseParser};
use super::{Delta, Limits};

/// An answer as it arrives. Kept outside of the future that reads, so that what arrived
/// survives a timeout.
pub(super) struct Arriving {
    protocol: &'static dyn Protocol,
    parser: SseParser,
    reader: Box<dyn Reader>,
    limits: Limits,
    received_bytes: usize,
    /// Whether the provider has begun to answer.
    pub begun: bool,
    pub draft: Draft,
    pub provider_request_id: Option<String>,
    pub first_token_at_ms: Option<i64>,
}

impl Arriving {
    pub fn new(protocol: &'static dyn Protocol, limits: Limits) -> Self {
        Self {
            protocol,
            parser: SseParser::new(limits.max_line_bytes),
            reader: protocol.reader(),
            limits,
            received_bytes: 0,
            begun: false,
            draft: Draft::default(),
            provider_request_id: None,
            first_token_at_ms: None,
        }
    }

    /// Takes a plain answer.
    pub fn take_whole(&mut self, body: &[u8]) -> Result<(), Fault> {
        let mut events = Vec::new();
        let read = self.protocol.read_whole(body, &mut events);
        for event in events {
            self.draft.take(&event, self.limits.max_answer_bytes)?;
        }
        read
    }

    /// Takes a piece of a stream and hands on what is new. True once the stream has ended.
    pub fn take(
        &mut self,
        bytes: &[u8],
        now_ms: i64,
        on_delta: &mut dyn FnMut(&Delta),
    ) -> Result<bool, Fault> {
        self.received_bytes += bytes.len();
        if self.received_bytes > self.limits.max_stream_bytes {
            return Err(Fault::TooLarge(self.limits.max_stream_bytes));
        }
        let parsed = self.parser.feed(bytes).map_err(|error| match error {
            SseError::TooLong => Fault::TooLarge(self.limits.max_line_bytes),
            SseError::NotUtf8 => Fault::Shape("the stream is not UTF-8".to_owned()),
        })?;
        for data in parsed {
            let mut events = Vec::new();
            let read = self.reader.read(&data, &mut events);
            for event in events {
                self.take_event(&event, now_ms, on_delta)?;
            }
            read?;
            if self.draft.done {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn take_event(
        &mut self,
        event: &Event,
        now_ms: i64,
        on_delta: &mut dyn FnMut(&Delta),
    ) -> Result<(), Fault> {
        self.draft.take(event, self.limits.max_answer_bytes)?;
        if let Event::Delta(delta) = event {
            if !matches!(delta.part, Part::Logprobs(_) | Part::Fields(_)) {
                self.first_token_at_ms.get_or_insert(now_ms);
            }
            on_delta(delta);
        }
        Ok(())
    }
}
