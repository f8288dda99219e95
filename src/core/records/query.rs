//! Words of a query, for SQL and for texts that only we can open.

use crate::sql::Value;

const MAX_WORDS: usize = 8;
/// D1 refuses a LIKE pattern of more than 50 bytes: longer words match by their beginning.
const MAX_PATTERN: usize = 50;

/// Words that must all occur.
pub(crate) struct Query(Vec<Word>);

struct Word {
    lower: String,
    /// Two where letters beyond ASCII may be stored in either case: SQLite's LOWER leaves
    /// them as they are.
    patterns: Vec<String>,
}

impl Query {
    /// Past [`MAX_WORDS`] words are left out.
    pub fn parse(text: &str) -> Self {
        let words = text.split_whitespace().filter_map(Word::new);
        Self(words.take(MAX_WORDS).collect())
    }

    /// Whether a text that is not in the database in clear has them all.
    pub fn matches(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        self.0.iter().all(|word| text.contains(&word.lower))
    }

    /// A condition of SQL, and its values appended to `params`. `like` says where one word is
    /// looked for, given the placeholder of its pattern.
    pub fn condition(&self, params: &mut Vec<Value>, like: impl Fn(&str) -> String) -> String {
        let mut words = Vec::new();
        for word in &self.0 {
            let mut ways = Vec::new();
            for pattern in &word.patterns {
                params.push(pattern.into());
                ways.push(like(&format!("?{} ESCAPE '\\'", params.len())));
            }
            words.push(format!("({})", ways.join(" OR ")));
        }
        if words.is_empty() {
            return "1 = 1".to_owned();
        }
        words.join(" AND ")
    }
}

impl Word {
    /// Without the NUL that Postgres refuses in any text.
    fn new(word: &str) -> Option<Self> {
        let lower = word.replace('\0', "").to_lowercase();
        if lower.is_empty() {
            return None;
        }
        let raised = |c: char| {
            if c.is_ascii() {
                c.to_string()
            } else {
                c.to_uppercase().to_string()
            }
        };
        let upper: String = lower.chars().map(raised).collect();
        let mut patterns = vec![pattern(&lower), pattern(&upper)];
        patterns.dedup();
        Some(Self { lower, patterns })
    }
}

/// `%…%`, wildcards in the word escaped.
fn pattern(word: &str) -> String {
    let mut pattern = "%".to_owned();
    for c in word.chars() {
        let escape = matches!(c, '%' | '_' | '\\');
        if pattern.len() + usize::from(escape) + c.len_utf8() >= MAX_PATTERN {
            break;
        }
        if escape {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_are_escaped_and_patterns_fit_the_database() {
        assert_eq!(pattern("50%_\\x"), "%50\\%\\_\\\\x%");
        for word in [
            "a".repeat(400),
            "%".repeat(60),
            "ü".repeat(80),
            "法".repeat(70),
        ] {
            let made = pattern(&word);
            assert!(made.len() <= MAX_PATTERN, "{}", made.len());
            assert!(made.len() > MAX_PATTERN - 6 && made.ends_with('%'));
        }
        // An escape without its letter would be refused.
        let escaped = pattern(&"%".repeat(60));
        let count = |c| escaped.matches(c).count();
        assert_eq!(count('\\') + 2, count('%'));
    }

    #[test]
    fn every_word_becomes_a_condition_with_its_values() {
        let mut params = vec![Value::from("ann")];
        let sql = Query::parse(" Two  ÄRGER\t").condition(&mut params, |p| format!("x LIKE {p}"));
        assert_eq!(
            sql,
            "(x LIKE ?2 ESCAPE '\\') AND (x LIKE ?3 ESCAPE '\\' OR x LIKE ?4 ESCAPE '\\')"
        );
        let texts = ["ann", "%two%", "%ärger%", "%Ärger%"];
        assert_eq!(params, texts.map(Value::from));
        let many = "w ".repeat(500);
        let mut params = Vec::new();
        Query::parse(&many).condition(&mut params, |p| format!("x LIKE {p}"));
        assert_eq!(params.len(), MAX_WORDS);
        assert_eq!(
            Query::parse(" \0 ").condition(&mut Vec::new(), str::to_owned),
            "1 = 1"
        );
    }

    #[test]
    fn opened_texts_match_in_any_case_and_order() {
        let query = Query::parse("zwei ÄRGER");
        assert!(query.matches("Ärger und Zwei"));
        assert!(!query.matches("Ärger"));
        assert!(Query::parse("").matches(""));
    }
}
