use std::fmt::Write;

use serde_json::json;

use super::super::ChatError;
use super::super::output::SessionView;
use super::super::service::valid;
use super::Library;
use super::inputs::{ExportFormat, SessionExportInput, SessionGetInput};
use super::outputs::{SessionExportOutput, SessionGetOutput};

const PAGE_MESSAGES: u32 = 500;

impl Library {
    /// A session as a document, a page of its messages at a time.
    pub async fn export_session(
        &self,
        owner: &str,
        input: &SessionExportInput,
    ) -> Result<SessionExportOutput, ChatError> {
        valid(input)?;
        let page = SessionGetInput {
            user_id: None,
            session_id: input.session_id.clone(),
            include_messages: true,
            after_seq: input.after_seq,
            message_limit: PAGE_MESSAGES,
        };
        let SessionGetOutput {
            session,
            next_after_seq,
        } = self.session(owner, &page).await?;
        let (media_type, content) = match input.format {
            ExportFormat::Json => (
                "application/json",
                json!({ "session": session }).to_string(),
            ),
            ExportFormat::Markdown => (
                "text/markdown",
                markdown(&session, input.after_seq.is_none()),
            ),
        };
        Ok(SessionExportOutput {
            session_id: session.id,
            media_type: media_type.to_owned(),
            content,
            next_after_seq,
        })
    }
}

/// A heading for each message. Its text follows as it is, in a fence that it cannot end.
fn markdown(session: &SessionView, with_head: bool) -> String {
    let mut text = String::new();
    // Writing to a String does not fail.
    if with_head {
        let _ = write!(
            text,
            "# {}\n\n- Session: `{}`\n- Created: {}\n- Changed: {}\n- Messages: {}\n- Tokens: {}\n- Cost: ${}\n",
            one_line(&session.session_name),
            session.id,
            session.created_at,
            session.updated_at,
            session.total_messages,
            session.total_tokens,
            session.total_cost,
        );
        for (name, values) in [
            ("Documents", &session.document_ids),
            ("Labels", &session.labels),
        ] {
            if !values.is_empty() {
                let _ = writeln!(text, "- {name}: {}", values.join(", "));
            }
        }
        if let Some(case_id) = &session.case_id {
            let _ = writeln!(text, "- Case: {case_id}");
        }
    }
    for message in &session.messages {
        let fence = fence_for(&message.content);
        let _ = write!(
            text,
            "\n## {} · {}\n\n{fence}text\n{}\n{fence}\n",
            message.role.as_str(),
            message.timestamp,
            message.content,
        );
    }
    text
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Longer than any run of backticks in the text (`CommonMark` 0.31 section 4.5).
fn fence_for(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max();
    "`".repeat(longest.unwrap_or_default().saturating_add(1).max(3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_ends_its_fence() {
        assert_eq!(fence_for("plain `code`"), "```");
        assert_eq!(fence_for("```rust\n```"), "````");
        assert_eq!(fence_for(&"`".repeat(9)), "`".repeat(10));
    }
}
