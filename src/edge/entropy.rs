use chitty_core::ports::{Entropy, EntropyError};
use wasm_bindgen::prelude::*;

use crate::message;

/// The most that `crypto.getRandomValues` gives at a time, in bytes.
const MAX_AT_ONCE: usize = 65_536;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(catch, js_namespace = crypto, js_name = getRandomValues)]
    fn get_random_values(bytes: &mut [u8]) -> Result<(), JsValue>;
}

/// `crypto.getRandomValues`. Workers give no entropy while a script starts, only in a
/// request.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        for part in bytes.chunks_mut(MAX_AT_ONCE) {
            get_random_values(part).map_err(|thrown| EntropyError(message(&thrown)))?;
        }
        Ok(())
    }
}
