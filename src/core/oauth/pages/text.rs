//! Texts of others, fit to be shown, and times and addresses in words.

use chrono::DateTime;
use url::Url;

const MAX_NAME_CHARS: usize = 60;

/// A name that somebody else chose: on one line, of bounded length, without characters that
/// hide or reorder others. Markup escapes it besides.
pub(in crate::oauth) fn shown_name(text: &str) -> String {
    let shown = shown(text, MAX_NAME_CHARS);
    if shown.is_empty() {
        "(without a name)".to_owned()
    } else {
        shown
    }
}

pub(in crate::oauth) fn shown(text: &str, max_chars: usize) -> String {
    let visible: String = text
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !is_hidden(*c))
        .take(max_chars.saturating_mul(8))
        .collect();
    let words: Vec<_> = visible.split(' ').filter(|word| !word.is_empty()).collect();
    let line = words.join(" ");
    if line.chars().count() <= max_chars {
        return line;
    }
    let cut: String = line.chars().take(max_chars.saturating_sub(1)).collect();
    format!("{}…", cut.trim_end())
}

/// Control and format characters, those that stack on others, and blanks that look like none.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
            | '\u{300}'..='\u{36f}' | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}'
            | '\u{20d0}'..='\u{20ff}')
}

/// `21 November 2026, 11:59 UTC`.
pub(in crate::oauth) fn time(ms: i64) -> String {
    DateTime::from_timestamp_millis(ms).map_or_else(
        || "an unknown time".to_owned(),
        |time| time.format("%-d %B %Y, %H:%M UTC").to_string(),
    )
}

/// `mcp.example.com`, with its port where it has one of its own. International names stay in
/// their ASCII form, so that no letter passes for another.
pub(in crate::oauth) fn host_of(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    let host = url.host_str()?;
    let shown = match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    };
    Some(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_hide_reorder_or_flood() {
        assert_eq!(shown_name("Claude"), "Claude");
        assert_eq!(shown_name("a\u{202e}b\u{200b}c\u{0}d\r\ne"), "abcd e");
        assert_eq!(shown_name(" \u{2066}\u{feff}\t"), "(without a name)");
        assert_eq!(shown_name("z\u{336}\u{336}\u{336}algo"), "zalgo");
        let long = shown_name(&"x".repeat(100_000));
        assert_eq!(long.chars().count(), MAX_NAME_CHARS);
        assert!(long.ends_with('…'));
    }

    #[test]
    fn international_hosts_stay_ascii() {
        assert_eq!(
            host_of("https://аpple.com/x").as_deref(),
            Some("xn--pple-43d.com")
        );
        assert_eq!(host_of("http://[::1]:9/x").as_deref(), Some("[::1]:9"));
        assert_eq!(host_of("https://a.test:443/x").as_deref(), Some("a.test"));
        assert_eq!(host_of("cursor:x"), None);
    }

    #[test]
    fn times_are_in_words() {
        assert_eq!(time(1_795_262_349_123), "21 November 2026, 11:59 UTC");
    }
}
