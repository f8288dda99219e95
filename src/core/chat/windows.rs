//! How many tokens question and answer may have together, by family of models. From the
//! providers' model pages; a family is the longest prefix that fits.

/// Of a model that no family here fits: what the smallest in use still take.
pub const UNKNOWN_WINDOW: u64 = 8_192;

const WINDOWS: &[(&str, u64)] = &[
    ("gpt-3.5-turbo", 16_385),
    ("gpt-3.5-turbo-instruct", 4_096),
    ("gpt-4", 8_192),
    ("gpt-4-32k", 32_768),
    ("gpt-4-turbo", 128_000),
    ("gpt-4-0125", 128_000),
    ("gpt-4-1106", 128_000),
    ("gpt-4o", 128_000),
    ("gpt-4.1", 1_047_576),
    ("gpt-4.5", 128_000),
    ("gpt-5", 400_000),
    ("gpt-5-chat", 128_000),
    ("chatgpt-4o", 128_000),
    ("o1", 200_000),
    ("o1-mini", 128_000),
    ("o1-preview", 128_000),
    ("o3", 200_000),
    ("o4-mini", 200_000),
    ("claude", 200_000),
    ("claude-2.0", 100_000),
    ("claude-instant", 100_000),
];

/// The window of `model` in tokens; `None` if its family is unknown. A vendor's prefix
/// (`openai/`) and the mark of a fine-tuned model (`ft:`) do not count.
pub fn window_of(model: &str) -> Option<u64> {
    let name = model.rsplit('/').next().unwrap_or(model);
    let name = name.strip_prefix("ft:").unwrap_or(name);
    let fits = |(family, _): &&(&str, u64)| {
        // `gpt-4` is no prefix of `gpt-40`, nor `o1` of `o10`.
        name.strip_prefix(family)
            .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
    };
    let fitting = WINDOWS.iter().filter(fits);
    fitting
        .max_by_key(|(family, _)| family.len())
        .map(|(_, tokens)| *tokens)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_family_decides() {
        for (model, window) in [
            ("gpt-4", 8_192),
            ("gpt-4-0613", 8_192),
            ("gpt-4-32k-0613", 32_768),
            ("gpt-4-turbo-2024-04-09", 128_000),
            ("gpt-4o-mini", 128_000),
            ("gpt-4.1-nano", 1_047_576),
            ("openai/gpt-5-mini", 400_000),
            ("ft:gpt-3.5-turbo:acme::1", 16_385),
            ("gpt-3.5-turbo-instruct-0914", 4_096),
            ("o1", 200_000),
            ("o1-mini-2024-09-12", 128_000),
            ("claude-sonnet-4-5", 200_000),
        ] {
            assert_eq!(window_of(model), Some(window), "{model}");
        }
    }

    #[test]
    fn what_only_looks_alike_is_unknown() {
        for model in ["gpt-40", "o10", "o3x", "llama3.2", "claudette", "gpt-", ""] {
            assert_eq!(window_of(model), None, "{model}");
        }
    }
}
