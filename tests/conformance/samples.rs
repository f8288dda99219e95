//! The smallest files of their kinds, and a resource of text.

use chitty_core::mcp::types::ResourceContent;

/// One red pixel.
pub const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";
/// A header without samples.
pub const WAV: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQAAAAA=";

pub fn text_resource(uri: &str, mime_type: &str, text: &str) -> ResourceContent {
    ResourceContent {
        uri: uri.to_owned(),
        mime_type: Some(mime_type.to_owned()),
        text: Some(text.to_owned()),
        blob: None,
        meta: None,
    }
}
