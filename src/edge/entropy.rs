use chitty_core::ports::{Entropy, EntropyError};

/// `crypto.getRandomValues`. Workers give no entropy while a script starts, only in a
/// request.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        getrandom::getrandom(bytes).map_err(|error| EntropyError(error.to_string()))
    }
}
