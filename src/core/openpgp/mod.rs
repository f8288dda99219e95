//! OpenPGP v4 Ed25519 detached signatures: made with rPGP, checked strictly.
//!
//! The signature format is RFC 9580 §5.2.3 (version 4, type 0x00, EdDSA legacy), which every
//! supported `gpg` reads. A signature does not protect its own bytes: the unhashed area, MPI
//! bit counts, the packet frame and the armor can change while ordinary verifiers still say
//! "good". [`verify`] therefore accepts exactly one encoding of each frame:
//!
//! - armor without headers, one line width, LF or CRLF throughout, the last line end optional,
//!   the checksum line optional but right, nothing before or after the block;
//! - one signature packet with the shortest length, in `gpg`'s frame (`0x88`) or RFC 9580's;
//! - the issuer's fingerprint among the signed subpackets; the issuer's key id either there too
//!   or as the only unsigned subpacket, as `gpg` writes it.
//!
//! Keys are judged by their own self-signatures: expiry, revocation and signing rights at the
//! time of the check. rPGP answers none of these questions, nor does the exit code of `gpg`.

mod armor;
mod block;
mod certificate;
mod detached;
mod error;
mod key_packet;
mod making;
mod packet;
mod self_signature;
mod signing;
mod verdict;

#[cfg(test)]
pub(crate) mod tests;

pub use certificate::{PublicKey, Revocation};
pub use error::{KeyError, SignError};
pub use making::make_key;
pub use signing::SigningKey;
pub use verdict::{Reason, Verdict, issuer, verify, verify_there};

/// Largest armored key read, in bytes. A minimal Ed25519 key has about 700.
pub const MAX_KEY_TEXT_BYTES: usize = 64 * 1024;
/// Largest armored signature read, in bytes. Ours have about 240.
pub const MAX_SIGNATURE_TEXT_BYTES: usize = 8 * 1024;
/// Clock difference tolerated between signer and verifier, in seconds.
pub const CLOCK_SKEW_SECS: u64 = 300;

/// Most packets in one key block.
const MAX_KEY_PACKETS: usize = 256;

/// An OpenPGP v4 fingerprint (RFC 9580 §5.5.4.2): SHA-1 of the key packet.
type Fingerprint = [u8; 20];

/// The v4 key id: the last eight octets of the fingerprint (RFC 9580 §5.5.4.2).
fn key_id_of(fingerprint: &Fingerprint) -> &[u8] {
    fingerprint.get(12..).unwrap_or_default()
}

fn upper_hex(bytes: &[u8]) -> String {
    hex::encode_upper(bytes)
}
