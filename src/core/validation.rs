//! Checks that inputs of several services share, in garde's form.

/// Nothing that a log line or a database would stumble over, such as NUL or a line break.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    clippy::ref_option,
    reason = "garde's form"
)]
pub(crate) fn printable(text: &Option<String>, _: &()) -> garde::Result {
    if text
        .as_deref()
        .is_some_and(|text| text.contains(char::is_control))
    {
        return Err(garde::Error::new("must not contain control characters"));
    }
    Ok(())
}
