//! Where a page ended, as text for callers. It holds nothing secret, and a forged one reads the
//! owner's rows only.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::super::ChatError;

pub(super) fn write<T: Serialize>(place: &T) -> String {
    URL_SAFE_NO_PAD.encode(json!(place).to_string())
}

pub(super) fn read<T: DeserializeOwned>(text: &str) -> Result<T, ChatError> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok();
    let place = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    place.ok_or_else(|| {
        ChatError::InvalidInput("cursor: not one of ours: leave it out to begin anew".to_owned())
    })
}
