//! Keeps keys out of what is shown or logged of a provider's error.

/// Longest provider text that is shown, in characters.
const MAX_SHOWN: usize = 500;
/// A run of key characters this long, with letters and digits, is taken for a key.
const KEY_LENGTH: usize = 40;
const KEY_BEGINNINGS: [&str; 5] = ["sk-", "sk_", "sess-", "eyJ", "rk-"];
const HIDDEN: &str = "[hidden]";

/// The first 500 characters of `text`, without control characters, the `key` or anything
/// that looks like one.
pub(super) fn scrub(text: &str, key: &str) -> String {
    let text = if key.is_empty() {
        text.to_owned()
    } else {
        text.replace(key, HIDDEN)
    };
    let mut clean = String::with_capacity(text.len().min(MAX_SHOWN * 4));
    let mut rest = text.as_str();
    let mut after_bearer = false;
    while !rest.is_empty() {
        let word_end = rest.find(|c| !key_character(c)).unwrap_or(rest.len());
        let (word, tail) = rest.split_at(word_end);
        clean.push_str(if after_bearer || key_like(word) {
            HIDDEN
        } else {
            word
        });
        let gap_end = tail.find(key_character).unwrap_or(tail.len());
        let (gap, tail) = tail.split_at(gap_end);
        clean.extend(gap.chars().map(|c| if c.is_control() { ' ' } else { c }));
        after_bearer = word.eq_ignore_ascii_case("bearer") && gap == " ";
        rest = tail;
    }
    shorten(&clean)
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// `*` too: providers show keys as `sk-abc***xyz`.
fn key_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '*' | '.' | '+')
}

fn key_like(word: &str) -> bool {
    let begins = KEY_BEGINNINGS
        .iter()
        .any(|start| word.len() >= start.len() + 4 && word.starts_with(start));
    let opaque = word.len() >= KEY_LENGTH
        && word.bytes().any(|b| b.is_ascii_digit())
        && word.bytes().any(|b| b.is_ascii_alphabetic());
    begins || opaque
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_hidden_wherever_they_stand() {
        let key = "weird key/with spaces";
        for text in [
            "Incorrect API key provided: sk-proj-a1b2***c3d4. See https://x.test",
            "Authorization: Bearer abc.def",
            "x weird key/with spaces y",
            "token=eyJhbGciOi.eyJz.sig",
            "k: 0123456789abcdef0123456789abcdef01234567",
        ] {
            let clean = scrub(text, key);
            assert!(clean.contains("[hidden]"), "{clean}");
            for part in ["a1b2", "c3d4", "abc.def", "spaces", "eyJ", "0123456789ab"] {
                assert!(!clean.contains(part), "{clean}");
            }
        }
    }

    #[test]
    fn ordinary_text_stays() {
        let text = r#"{"error":{"message":"Rate limit for gpt-4o-2024-08-06 in org on tokens: 3.5s – näher","code":"rate_limit_exceeded"}}"#;
        assert_eq!(scrub(text, "sk-secret"), text);
        assert_eq!(scrub("a\u{1b}[31m\nb", ""), "a [31m b");
    }

    #[test]
    fn long_text_is_cut_at_500_characters() {
        let clean = scrub(&"ä".repeat(600), "");
        assert_eq!(clean.chars().count(), 501);
        assert!(clean.ends_with('…'));
    }
}
