//! What `init` tells the server: one line of JSON, then the answer.

use serde::{Deserialize, Serialize};

/// Longest line of JSON.
pub const MAX_LINE_BYTES: usize = 256;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case", deny_unknown_fields)]
pub enum Report {
    /// The bytes of the answer follow.
    Answer {
        bytes: usize,
    },
    Exited {
        code: i32,
    },
    Killed {
        signal: i32,
    },
    /// The agent could not be started.
    NotStarted {
        cause: String,
    },
    /// The answer is missing, or no plain file.
    NoAnswer {
        cause: String,
    },
    AnswerTooLong,
    /// Nothing more could be written, whatever the agent made of that.
    DiskFull,
}

impl Report {
    /// Reads what arrived; None if it is none of this form.
    pub fn parse(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let end = bytes.iter().position(|&byte| byte == b'\n')?;
        let (line, rest) = bytes.split_at_checked(end)?;
        let report: Self = serde_json::from_slice(line).ok()?;
        let answer = rest.get(1..)?;
        let expected = match &report {
            Self::Answer { bytes } => *bytes,
            _ => 0,
        };
        (answer.len() == expected).then_some((report, answer))
    }

    pub fn line(&self) -> String {
        let mut line = serde_json::json!(self).to_string();
        line.push('\n');
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_taken_whole_or_not_at_all() {
        let report = Report::Answer { bytes: 2 };
        let text = report.line() + "hi";
        let parsed = Report::parse(text.as_bytes());
        assert_eq!(parsed, Some((report, b"hi".as_slice())));
        for cut in 0..text.len() {
            assert_eq!(Report::parse(&text.as_bytes()[..cut]), None, "{cut}");
        }
        assert_eq!(Report::parse((text + "!").as_bytes()), None);
        assert_eq!(
            Report::parse(b"{\"outcome\":\"exited\",\"code\":1}\nmore"),
            None
        );
    }
}
