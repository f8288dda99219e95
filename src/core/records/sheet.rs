//! A record as text.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{Record, RecordId};

const MAX_TITLE_CHARS: usize = 120;
/// Of all the text of a record. `ChatGPT` takes about 100 KB of JSON.
pub(super) const MAX_TEXT: usize = 64_000;

/// `{kind}: {text}` on one line.
pub(super) fn headline(kind: &str, text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    let line = format!("{kind}: {}", words.join(" "));
    if line.chars().count() <= MAX_TITLE_CHARS {
        return line;
    }
    let kept: String = line.chars().take(MAX_TITLE_CHARS - 1).collect();
    format!("{}…", kept.trim_end())
}

/// Collects properties and texts of a record.
pub(super) struct Sheet {
    title: String,
    facts: String,
    parts: String,
    metadata: BTreeMap<String, String>,
}

impl Sheet {
    pub fn new(title: String, kind: &str) -> Self {
        let metadata = BTreeMap::from([("kind".to_owned(), kind.to_owned())]);
        Self {
            title,
            facts: String::new(),
            parts: String::new(),
            metadata,
        }
    }

    /// A property, in the text and under `key` in the metadata; nothing if there is none.
    pub fn fact(&mut self, key: &str, value: Option<impl Into<String>>) {
        let Some(value) = value.map(Into::into) else {
            return;
        };
        let _ = writeln!(self.facts, "{key}: {value}");
        self.metadata.insert(key.to_owned(), value);
    }

    /// A text under a heading, cut to what there is still room for.
    pub fn part(&mut self, heading: &str, text: &str) {
        let room = MAX_TEXT.saturating_sub(self.facts.len() + self.parts.len());
        let _ = write!(self.parts, "\n{heading}\n");
        let mut end = text.len().min(room);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.parts.push_str(text.get(..end).unwrap_or_default());
        let left_out = text.len() - end;
        if left_out > 0 {
            let _ = write!(self.parts, "\n[{left_out} more bytes are left out here]");
        }
        self.parts.push('\n');
    }

    pub fn into_record(self, id: &RecordId, origin: &str) -> Record {
        Record {
            id: id.to_string(),
            text: format!("{}\n\n{}{}", self.title, self.facts, self.parts),
            title: self.title,
            url: id.url(origin),
            metadata: self.metadata,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_headline_is_one_line_of_bounded_length() {
        assert_eq!(headline("Case", " a\n b\t"), "Case: a b");
        let long = headline("Case", &"ü".repeat(400));
        assert_eq!(long.chars().count(), MAX_TITLE_CHARS);
        assert!(long.ends_with('…'));
    }

    #[test]
    fn long_texts_are_cut_between_letters_and_say_so() {
        let mut sheet = Sheet::new("t".into(), "session");
        sheet.part("One", &"ü".repeat(MAX_TEXT));
        sheet.part("Two", "short");
        let record = sheet.into_record(&RecordId::parse("session:s").unwrap(), "https://a.example");
        assert!(record.text.len() < MAX_TEXT + 300, "{}", record.text.len());
        assert_eq!(
            record.text.matches("more bytes are left out here").count(),
            2
        );
        assert!(record.text.contains("Two\n"));
    }
}
