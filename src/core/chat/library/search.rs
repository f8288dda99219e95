use super::super::ChatError;
use super::super::service::valid;
use super::Library;
use super::inputs::SearchInput;
use super::list::{Filter, newest_of_owner};
use super::messages::role;
use super::outputs::{SearchHit, SearchOutput};
use super::sessions::with;
use crate::records::Query;
use crate::sql::{DatabaseError, Row, Statement};
use crate::time::to_rfc3339;

/// What is read of a message for its snippet.
const READ_LETTERS: u32 = 16_384;
const LETTERS_BEFORE: usize = 60;
const SNIPPET_LETTERS: usize = 240;

impl Library {
    /// Messages of the owner's that have all the words.
    pub async fn search(
        &self,
        owner: &str,
        input: &SearchInput,
    ) -> Result<SearchOutput, ChatError> {
        valid(input)?;
        let outcome = self.db.run(search(owner, input)).await?;
        let words = input.query.to_lowercase();
        let first_word = words.split_whitespace().next().unwrap_or_default();
        let read = |row| hit(row, first_word);
        let results = outcome.rows.iter().map(read).collect::<Result<Vec<_>, _>>();
        let mut results = results?;
        let limit = usize::try_from(input.limit).unwrap_or(usize::MAX);
        let more = results.len() > limit;
        results.truncate(limit);
        Ok(SearchOutput {
            count: results.len(),
            results,
            next_offset: more.then_some(input.offset.saturating_add(input.limit)),
        })
    }
}

fn search(owner: &str, input: &SearchInput) -> Statement {
    let mut filter = Filter::of(owner);
    filter.on(input.session_id.as_deref(), "s.id = ?");
    filter.on(input.case_id.as_deref(), "(m.case_id = ? OR s.case_id = ?)");
    for (kind, value) in [("label", &input.label), ("document", &input.document_id)] {
        filter.on(
            value.as_deref(),
            &format!(
                "EXISTS (SELECT 1 FROM chat_links l WHERE l.session_id = s.id \
                 AND l.message_id IN ('', m.id) AND l.kind = '{kind}' AND l.value = ?)"
            ),
        );
    }
    let words = Query::parse(&input.query).condition(&mut filter.params, |like| {
        format!("LOWER(m.content) LIKE {like}")
    });
    filter.and(words);
    let limit = filter.place(input.limit.saturating_add(1));
    let offset = filter.place(input.offset);
    let sql = format!(
        "SELECT m.id, m.session_id, s.session_name, m.seq, m.role, m.timestamp, m.case_id, \
         SUBSTR(m.content, 1, {READ_LETTERS}) AS text FROM {} AS s \
         JOIN chat_messages m ON m.session_id = s.id WHERE {} \
         ORDER BY m.timestamp DESC, m.session_id, m.seq DESC LIMIT {limit} OFFSET {offset}",
        newest_of_owner(),
        filter.sql()
    );
    with(sql, filter.params)
}

fn hit(row: &Row, word: &str) -> Result<SearchHit, DatabaseError> {
    Ok(SearchHit {
        session_id: row.text("session_id")?,
        session_name: row.text("session_name")?,
        message_id: row.text("id")?,
        seq: row.int("seq")?,
        role: role(&row.text("role")?),
        timestamp: to_rfc3339(row.timestamp("timestamp")?),
        case_id: row.opt_text("case_id")?,
        snippet: snippet(&row.text("text")?, word),
    })
}

/// The text around the word, or its beginning.
fn snippet(text: &str, word: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    let wanted: Vec<char> = word.chars().collect();
    let lower = |c: &char| c.to_lowercase().next().unwrap_or(*c);
    let found = letters
        .windows(wanted.len().max(1))
        .position(|window| window.iter().map(lower).eq(wanted.iter().copied()));
    let from = found.unwrap_or_default().saturating_sub(LETTERS_BEFORE);
    let shown = letters.iter().skip(from).take(SNIPPET_LETTERS);
    let mut snippet = String::new();
    if from > 0 {
        snippet.push('…');
    }
    snippet.extend(shown);
    if letters.len() > from + SNIPPET_LETTERS {
        snippet.push('…');
    }
    snippet
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snippet_is_cut_around_the_word_by_letters() {
        assert_eq!(snippet("Hello world", "world"), "Hello world");
        let long = format!("{}Ärger{}", "ü".repeat(500), "法".repeat(500));
        let cut = snippet(&long, "ärger");
        assert!(cut.starts_with("…ü") && cut.ends_with("法…") && cut.contains("Ärger"));
        assert_eq!(cut.chars().count(), SNIPPET_LETTERS + 2);
        assert!(snippet(&long, "absent").starts_with("üü"));
        assert_eq!(snippet("", "x"), "");
        assert_eq!(snippet("abc", ""), "abc");
    }
}
