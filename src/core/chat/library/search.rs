use super::super::ChatError;
use super::super::service::valid;
use super::Library;
use super::inputs::SearchInput;
use super::list::Filter;
use super::messages::role;
use super::outputs::{SearchHit, SearchOutput};
use super::sessions::with;
use crate::cursor;
use crate::records::Query;
use crate::sql::{DatabaseError, Outcome, Row, Statement, Value};
use crate::time::to_rfc3339;

/// What is read of a message for its snippet.
const READ_LETTERS: u32 = 16_384;
const LETTERS_BEFORE: usize = 60;
const SNIPPET_LETTERS: usize = 240;

/// Messages that a page looks for words in.
const SEARCHED_MESSAGES: u32 = 1_000;

/// After which message the next page begins: when it was said, its session and its number there.
type Place = (i64, String, i64);

const NEWEST: &str = "ORDER BY timestamp DESC, session_id DESC, seq DESC";

impl Library {
    /// Messages of the owner's that have all the words.
    pub async fn search(
        &self,
        owner: &str,
        input: &SearchInput,
    ) -> Result<SearchOutput, ChatError> {
        valid(input)?;
        let after = input.cursor.as_deref().map(cursor::read).transpose()?;
        let outcomes = self.db.batch(search(owner, input, after)).await?;
        let rows = outcomes.first().map_or(&[][..], |found| &found.rows);
        let words = input.query.to_lowercase();
        let first_word = words.split_whitespace().next().unwrap_or_default();
        let limit = usize::try_from(input.limit).unwrap_or(usize::MAX);
        let shown = rows.get(..limit).unwrap_or(rows);
        let results = shown.iter().map(|row| hit(row, first_word));
        let results = results.collect::<Result<Vec<_>, _>>()?;
        let last = if rows.len() > limit {
            shown.last()
        } else {
            outcomes.get(1).and_then(Outcome::first)
        };
        let next = last.map(place).transpose()?;
        Ok(SearchOutput {
            count: results.len(),
            results,
            next_cursor: next.as_ref().map(cursor::write::<Place>),
        })
    }
}

fn place(row: &Row) -> Result<Place, DatabaseError> {
    Ok((
        row.timestamp("timestamp")?,
        row.text("session_id")?,
        row.int("seq")?,
    ))
}

/// The page, one message longer, and the last message looked at, if there may be others after it.
pub(super) fn search(owner: &str, input: &SearchInput, after: Option<Place>) -> Vec<Statement> {
    let mut filter = Filter::of(owner);
    let looked_at = looked_at(&mut filter, input, after);
    let last = format!(
        "SELECT timestamp, session_id, seq FROM ({looked_at}) AS c {NEWEST} LIMIT 1 OFFSET {}",
        SEARCHED_MESSAGES - 1
    );
    let last = with(last, filter.params.clone());
    let words = Query::parse(&input.query).condition(&mut filter.params, |like| {
        format!("LOWER(m.content) LIKE {like}")
    });
    filter.and(words);
    let limit = filter.place(input.limit.saturating_add(1));
    let sql = format!(
        "SELECT m.id, c.session_id, s.session_name, c.seq, m.role, c.timestamp, m.case_id, \
         SUBSTR(m.content, 1, {READ_LETTERS}) AS text FROM ({looked_at}) AS c \
         JOIN chat_messages m ON m.session_id = c.session_id AND m.seq = c.seq \
         JOIN chat_sessions s ON s.id = c.session_id WHERE {} \
         ORDER BY c.timestamp DESC, c.session_id DESC, c.seq DESC LIMIT {limit}",
        filter.sql()
    );
    vec![with(sql, filter.params), last]
}

/// Where words are looked for: the newest messages after the place that the filters leave. They
/// come out of indexes by whichever filter there is, and none of their text is read.
fn looked_at(filter: &mut Filter, input: &SearchInput, after: Option<Place>) -> String {
    let mut conditions = Vec::new();
    let mut sources = vec!["chat_messages m WHERE m.user_id = ?1".to_owned()];
    if let Some(case) = &input.case_id {
        let case = filter.place(case);
        conditions.push(format!(
            "(m.case_id = {case} OR EXISTS (SELECT 1 FROM chat_sessions k \
             WHERE k.id = m.session_id AND k.case_id = {case}))"
        ));
        sources = vec![
            format!("chat_messages m WHERE m.user_id = ?1 AND m.case_id = {case}"),
            format!(
                "chat_sessions f JOIN chat_messages m ON m.session_id = f.id \
                 WHERE f.user_id = ?1 AND f.case_id = {case}"
            ),
        ];
    }
    for (kind, value) in [("label", &input.label), ("document", &input.document_id)] {
        let Some(value) = value else { continue };
        let value = filter.place(value);
        conditions.push(format!(
            "EXISTS (SELECT 1 FROM chat_links l WHERE l.session_id = m.session_id \
             AND l.message_id IN ('', m.id) AND l.kind = '{kind}' AND l.value = {value})"
        ));
        let linked = format!("f.user_id = ?1 AND f.kind = '{kind}' AND f.value = {value}");
        sources = vec![
            format!("chat_links f JOIN chat_messages m ON m.id = f.message_id WHERE {linked}"),
            format!(
                "chat_links f JOIN chat_messages m ON m.session_id = f.session_id \
                 WHERE {linked} AND f.message_id = ''"
            ),
        ];
    }
    if let Some(session) = &input.session_id {
        let session = filter.place(session);
        sources = vec![format!(
            "chat_messages m WHERE m.user_id = ?1 AND m.session_id = {session}"
        )];
    }
    if let Some((timestamp, session, seq)) = after {
        let at = filter.place(Value::Timestamp(timestamp));
        let (session, seq) = (filter.place(session), filter.place(seq));
        conditions.push(format!(
            "(m.timestamp, m.session_id, m.seq) < ({at}, {session}, {seq})"
        ));
    }
    let rest = conditions
        .iter()
        .fold(String::new(), |rest, each| rest + " AND " + each);
    let newest = |source: &String| {
        format!(
            "SELECT * FROM (SELECT m.timestamp, m.session_id, m.seq FROM {source}{rest} \
             {NEWEST_MESSAGES} LIMIT {SEARCHED_MESSAGES}) AS n"
        )
    };
    let newest: Vec<_> = sources.iter().map(newest).collect();
    format!(
        "{} {NEWEST} LIMIT {SEARCHED_MESSAGES}",
        newest.join(" UNION ")
    )
}

const NEWEST_MESSAGES: &str = "ORDER BY m.timestamp DESC, m.session_id DESC, m.seq DESC";

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
