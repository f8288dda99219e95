use sha2::{Digest, Sha256};

/// SHA-256 in lower hex, as all hashes are written that stand in a column or a document.
pub fn sha256_hex(bytes: impl AsRef<[u8]>) -> String {
    hex::encode(Sha256::digest(bytes))
}
