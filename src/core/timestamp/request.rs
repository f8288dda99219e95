use crate::chain::hash::Hash;

/// Bytes of a nonce.
pub const NONCE_BYTES: usize = 8;

/// Up to the hash: version 1, SHA-256.
const START: [u8; 24] = [
    0x30, 0x43, 0x02, 0x01, 0x01, 0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65,
    0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20,
];
/// The certificate is wanted in the reply: without it nobody could check it offline.
const CERTIFICATE_WANTED: [u8; 3] = [0x01, 0x01, 0xff];

/// A request for a time stamp (RFC 3161 section 2.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimestampRequest {
    /// SHA-256 of what is stamped.
    pub hash: Hash,
    nonce: [u8; NONCE_BYTES],
}

impl TimestampRequest {
    /// `random` keeps an old reply from being given again. Its first two bits are fixed, so
    /// that it is a positive number of always the same length.
    #[must_use]
    pub fn new(hash: Hash, random: [u8; NONCE_BYTES]) -> Self {
        let number = u64::from_be_bytes(random) & (u64::MAX >> 2) | (1 << 62);
        let nonce = number.to_be_bytes();
        Self { hash, nonce }
    }

    #[must_use]
    pub const fn nonce(&self) -> &[u8; NONCE_BYTES] {
        &self.nonce
    }

    /// 69 bytes.
    #[must_use]
    pub fn to_der(&self) -> Vec<u8> {
        let length = 0x08;
        [
            &START[..],
            self.hash.as_bytes(),
            &[0x02, length],
            &self.nonce,
            &CERTIFICATE_WANTED,
        ]
        .concat()
    }
}
