//! Checks that inputs of several services share, most in garde's form.

/// One to `max_bytes` visible ASCII characters: a key of storage and a word of a log line.
pub(crate) fn is_word(text: &str, max_bytes: usize) -> bool {
    let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
    !text.is_empty() && text.len() <= max_bytes && visible
}

/// Nothing that a log line or a database would stumble over, such as NUL or a line break.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "garde's form")]
pub(crate) fn printable(text: &str, _: &()) -> garde::Result {
    if text.contains(char::is_control) {
        return Err(garde::Error::new("must not contain control characters"));
    }
    Ok(())
}

/// The same, of what may be left out.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    clippy::ref_option,
    reason = "garde's form"
)]
pub(crate) fn printable_if_some(text: &Option<String>, context: &()) -> garde::Result {
    text.as_deref()
        .map_or(Ok(()), |text| printable(text, context))
}
