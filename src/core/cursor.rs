//! Where a page ended, as text for callers. It holds nothing secret, and a forged one reads the
//! owner's rows only.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cursor: not one of ours: leave it out to begin anew")]
pub struct BadCursor;

pub(crate) fn write<T: Serialize>(place: &T) -> String {
    URL_SAFE_NO_PAD.encode(json!(place).to_string())
}

pub(crate) fn read<T: DeserializeOwned>(text: &str) -> Result<T, BadCursor> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok();
    let place = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    place.ok_or(BadCursor)
}
