//! Event streams, WHATWG HTML section 9.2.6: only the `data` of each event is kept, since
//! the API names no event types.

/// Takes bytes as they arrive, cut anywhere, and gives whole events' data.
#[derive(Debug)]
pub(super) struct SseParser {
    line: Vec<u8>,
    data: String,
    has_data: bool,
    after_cr: bool,
    at_start: bool,
    max_bytes: usize,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum SseError {
    /// A line, or one event's data, is over the limit.
    TooLong,
    NotUtf8,
}

impl SseParser {
    /// `max_bytes` bounds a line and the data of an event.
    pub fn new(max_bytes: usize) -> Self {
        Self {
            line: Vec::new(),
            data: String::new(),
            has_data: false,
            after_cr: false,
            at_start: true,
            max_bytes,
        }
    }

    /// The data of the events that `chunk` completes.
    pub fn feed(&mut self, chunk: &[u8]) -> Result<Vec<String>, SseError> {
        let mut events = Vec::new();
        let mut rest = chunk;
        while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let (line, tail) = rest.split_at(end);
            let (ending, tail) = tail.split_at(1);
            // CR LF is one ending, also where a chunk ends between the two.
            let second_half = self.after_cr && line.is_empty() && ending == b"\n";
            self.after_cr = ending == b"\r";
            rest = tail;
            if !second_half {
                self.grow(line)?;
                events.extend(self.end_line()?);
            }
        }
        if !rest.is_empty() {
            self.after_cr = false;
            self.grow(rest)?;
        }
        Ok(events)
    }

    fn grow(&mut self, bytes: &[u8]) -> Result<(), SseError> {
        if self.line.len() + bytes.len() > self.max_bytes {
            return Err(SseError::TooLong);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self) -> Result<Option<String>, SseError> {
        let bytes = std::mem::take(&mut self.line);
        let line = std::str::from_utf8(&bytes).map_err(|_| SseError::NotUtf8)?;
        let line = if std::mem::take(&mut self.at_start) {
            line.strip_prefix('\u{feff}').unwrap_or(line)
        } else {
            line
        };
        if line.is_empty() {
            let data = std::mem::take(&mut self.data);
            return Ok(std::mem::take(&mut self.has_data).then_some(data));
        }
        // A line that begins with a colon is a comment: its field name is empty.
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        if field == "data" {
            self.add_data(value.strip_prefix(' ').unwrap_or(value))?;
        }
        Ok(None)
    }

    fn add_data(&mut self, value: &str) -> Result<(), SseError> {
        if self.data.len() + value.len() + 1 > self.max_bytes {
            return Err(SseError::TooLong);
        }
        if self.has_data {
            self.data.push('\n');
        }
        self.data.push_str(value);
        self.has_data = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(chunks: &[&[u8]]) -> Vec<String> {
        let mut parser = SseParser::new(100);
        chunks
            .iter()
            .flat_map(|chunk| parser.feed(chunk).unwrap())
            .collect()
    }

    const STREAM: &str = "\u{feff}: hello\r\ndata: {\"a\":\"ä€😀\"}\r\n\r\nevent: x\ndata:one\ndata: two\n\nid: 1\r\rdata\n\nretry: 5\rdata:  z\r\rdata: unfinished";

    #[test]
    fn every_split_gives_the_same_events() {
        let expected = ["{\"a\":\"ä€😀\"}", "one\ntwo", "", " z"];
        let bytes = STREAM.as_bytes();
        assert_eq!(all(&[bytes]), expected);
        for at in 0..=bytes.len() {
            assert_eq!(
                all(&[&bytes[..at], &bytes[at..]]),
                expected,
                "split at {at}"
            );
        }
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(all(&single), expected);
    }

    #[test]
    fn limits_hold_for_lines_and_for_events() {
        let mut parser = SseParser::new(10);
        assert_eq!(parser.feed(b"data: 12345"), Err(SseError::TooLong));
        let mut parser = SseParser::new(10);
        assert_eq!(parser.feed(b"data:1234\ndata:5678\ndata:9"), Ok(vec![]));
        assert_eq!(parser.feed(b"\n"), Err(SseError::TooLong));
    }

    #[test]
    fn bad_utf8_is_refused() {
        assert_eq!(
            SseParser::new(10).feed(b"data:\xff\n"),
            Err(SseError::NotUtf8)
        );
    }
}
