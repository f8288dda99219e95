//! A resource that an answer tells of, linked beside it (2025-06-18, "Tools", Resource Links).

use serde_json::{Value, json};

use super::tool::structured;

/// A file that the caller can read with `resources/read`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    pub uri: String,
    /// Such as a file's name.
    pub name: String,
    pub media_type: String,
    pub bytes: usize,
}

/// The result of a typed answer with the link after its text, for callers that know links.
pub(super) fn linked(value: Value, link: Option<Link>) -> Value {
    let mut result = structured(value);
    let content = result.get_mut("content").and_then(Value::as_array_mut);
    if let (Some(content), Some(link)) = (content, link) {
        content.push(json!({
            "type": "resource_link",
            "uri": link.uri,
            "name": link.name,
            "mimeType": link.media_type,
            "size": link.bytes,
        }));
    }
    result
}

#[cfg(test)]
mod tests {
    use super::super::era::{Era, knows_links};
    use super::*;

    #[test]
    fn a_link_follows_the_text_for_callers_that_know_links() {
        let link = Link {
            uri: "chitty://things/1".to_owned(),
            name: "1.zip".to_owned(),
            media_type: "application/zip".to_owned(),
            bytes: 7,
        };
        let value = json!({ "a": 1 });
        let plain = linked(value.clone(), None);
        assert_eq!(plain, structured(value.clone()));
        let result = linked(value, Some(link));
        assert_eq!(result["content"][0], plain["content"][0]);
        let block = json!({
            "type": "resource_link", "uri": "chitty://things/1", "name": "1.zip",
            "mimeType": "application/zip", "size": 7,
        });
        assert_eq!(result["content"][1], block);
        let read = serde_json::from_value::<tower_mcp_types::protocol::Content>(block);
        assert!(read.is_ok(), "it is of the protocol's own form");
    }

    #[test]
    fn links_came_with_2025_06_18() {
        assert!(knows_links(Era::Modern, Some("2026-07-28")));
        for (version, known) in [
            (Some("2025-11-25"), true),
            (Some("2025-06-18"), true),
            (Some("2025-03-26"), false),
            (None, false),
        ] {
            assert_eq!(knows_links(Era::Legacy, version), known, "{version:?}");
        }
    }
}
