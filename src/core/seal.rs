//! Sealing (AES-256-GCM) and message authentication (HMAC-SHA256) under one master key.
//!
//! HKDF-SHA256 (RFC 5869) derives a key for each purpose, so what was made for one
//! purpose means nothing to another. Texts carry the id of their master key: older keys
//! go on opening while the primary one seals.

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::ports::{Entropy, EntropyError};
use crate::secret::Secret;

const VERSION: &str = "v1";
const NONCE_BYTES: usize = 12;
/// Largest plaintext, and so the largest sealed row or token.
pub const MAX_PLAINTEXT_BYTES: usize = 8 * 1024 * 1024;
const MAX_SEALED_CHARS: usize = (MAX_PLAINTEXT_BYTES + 64) / 3 * 4 + 64;

/// Seals, opens and authenticates. One random nonce a text: a key seals at most 2^32
/// texts for a purpose (NIST SP 800-38D section 8.3) before it is to be rotated.
pub struct Sealer {
    primary: Master,
    olds: Vec<Master>,
}

struct Master {
    id: String,
    key: Zeroizing<[u8; 32]>,
}

#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error(
        "an encryption key is not 32 bytes in base64 or hex; make one with `openssl rand -base64 32`"
    )]
    BadKey,
    #[error("the text is not one that this service sealed")]
    Malformed,
    #[error("the text was sealed under key {0}, which is not configured; add it to the old keys")]
    UnknownKey(String),
    #[error("the sealed text was changed, or belongs to another owner or place")]
    Refused,
    #[error("at most {MAX_PLAINTEXT_BYTES} bytes can be sealed; shorten the text")]
    TooLarge,
    #[error(transparent)]
    Entropy(#[from] EntropyError),
}

impl Sealer {
    /// `primary` seals; `olds` only open. Each is 32 bytes in base64 or hex.
    pub fn new(primary: &Secret, olds: &[Secret]) -> Result<Self, SealError> {
        Ok(Self {
            primary: Master::new(primary)?,
            olds: olds.iter().map(Master::new).collect::<Result<_, _>>()?,
        })
    }

    /// The id of the key that seals now.
    pub fn key_id(&self) -> &str {
        &self.primary.id
    }

    pub fn has_older_keys(&self) -> bool {
        !self.olds.is_empty()
    }

    /// Whether a text is sealed, and not under the key that seals now.
    pub fn is_older(&self, text: &str) -> bool {
        split(text).is_ok_and(|(id, _)| id != self.primary.id)
    }

    /// `v1.<key id>.<base64url(nonce ‖ ciphertext)>`. `aad` is what the text belongs to,
    /// such as owner and row id: it must be given again, in order, to open.
    pub fn seal(
        &self,
        purpose: &str,
        aad: &[&str],
        plaintext: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<String, SealError> {
        if plaintext.len() > MAX_PLAINTEXT_BYTES {
            return Err(SealError::TooLarge);
        }
        let mut nonce = [0; NONCE_BYTES];
        entropy.fill(&mut nonce)?;
        let bound = bind(&self.primary.id, aad);
        let payload = Payload {
            msg: plaintext,
            aad: &bound,
        };
        let sealed = self
            .primary
            .cipher(purpose)
            .encrypt(&nonce.into(), payload)
            .map_err(|_| SealError::TooLarge)?;
        let mut bytes = nonce.to_vec();
        bytes.extend_from_slice(&sealed);
        let encoded = URL_SAFE_NO_PAD.encode(bytes);
        Ok(format!("{VERSION}.{}.{encoded}", self.primary.id))
    }

    /// The plaintext of a text sealed for the same purpose and `aad`.
    pub fn open(&self, purpose: &str, aad: &[&str], text: &str) -> Result<Vec<u8>, SealError> {
        let (id, encoded) = split(text)?;
        let master = self.master(id)?;
        let bytes = URL_SAFE_NO_PAD
            .decode(encoded)
            .map_err(|_| SealError::Malformed)?;
        let (nonce, sealed) = bytes
            .split_first_chunk::<NONCE_BYTES>()
            .ok_or(SealError::Malformed)?;
        let bound = bind(id, aad);
        let payload = Payload {
            msg: sealed,
            aad: &bound,
        };
        master
            .cipher(purpose)
            .decrypt(nonce.into(), payload)
            .map_err(|_| SealError::Refused)
    }

    /// HMAC-SHA256 of `message` under the primary key. Keep [`Sealer::key_id`] beside it.
    pub fn mac(&self, purpose: &str, message: &[u8]) -> [u8; 32] {
        self.primary.mac(purpose, message)
    }

    /// Compares in constant time.
    pub fn verify_mac(
        &self,
        purpose: &str,
        key_id: &str,
        message: &[u8],
        tag: &[u8],
    ) -> Result<(), SealError> {
        let expected = self.master(key_id)?.mac(purpose, message);
        if crate::secret::same(&expected, tag) {
            Ok(())
        } else {
            Err(SealError::Refused)
        }
    }

    fn master(&self, id: &str) -> Result<&Master, SealError> {
        std::iter::once(&self.primary)
            .chain(&self.olds)
            .find(|master| master.id == id)
            .ok_or_else(|| SealError::UnknownKey(id.to_owned()))
    }
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sealer({})", self.primary.id)
    }
}

impl Master {
    fn new(text: &Secret) -> Result<Self, SealError> {
        let key = decode_key(text.expose().trim()).ok_or(SealError::BadKey)?;
        let named = derive(&key, "key id");
        let id = hex::encode(Sha256::digest(named)).chars().take(8).collect();
        Ok(Self { id, key })
    }

    fn cipher(&self, purpose: &str) -> Aes256Gcm {
        let key = derive(&self.key, &format!("seal {purpose}"));
        Aes256Gcm::new((&*key).into())
    }

    fn mac(&self, purpose: &str, message: &[u8]) -> [u8; 32] {
        let key = derive(&self.key, &format!("mac {purpose}"));
        // HMAC pads a key to the block with zeros (RFC 2104); done here, it cannot fail.
        let mut block = Zeroizing::new([0; 64]);
        for (padded, byte) in block.iter_mut().zip(key.iter()) {
            *padded = *byte;
        }
        let mac = <Hmac<Sha256> as KeyInit>::new((&*block).into());
        mac.chain_update(message).finalize().into_bytes().into()
    }
}

fn derive(key: &[u8; 32], label: &str) -> Zeroizing<[u8; 32]> {
    let mut derived = Zeroizing::new([0; 32]);
    let info = format!("chitty {VERSION} {label}");
    // Fails past 255 blocks of output only; one is asked for.
    let _one_block = Hkdf::<Sha256>::new(None, key).expand(info.as_bytes(), &mut *derived);
    derived
}

fn decode_key(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let bytes = Zeroizing::new(if text.len() == 64 {
        hex::decode(text).ok()?
    } else {
        [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD]
            .iter()
            .find_map(|engine| engine.decode(text).ok())?
    });
    let key: [u8; 32] = bytes.as_slice().try_into().ok()?;
    Some(Zeroizing::new(key))
}

/// Length-prefixed, so no two lists of parts give the same bytes.
fn bind(key_id: &str, parts: &[&str]) -> Vec<u8> {
    let mut bound = Vec::new();
    for part in [VERSION, key_id].iter().chain(parts) {
        bound.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bound.extend_from_slice(part.as_bytes());
    }
    bound
}

/// Key id and encoded bytes.
fn split(text: &str) -> Result<(&str, &str), SealError> {
    if text.len() > MAX_SEALED_CHARS {
        return Err(SealError::Malformed);
    }
    let (id, encoded) = text
        .strip_prefix(VERSION)
        .and_then(|rest| rest.strip_prefix('.'))
        .and_then(|rest| rest.split_once('.'))
        .ok_or(SealError::Malformed)?;
    if id.len() != 8 || !id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(SealError::Malformed);
    }
    Ok((id, encoded))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::FakeEntropy;

    fn key(byte: u8) -> Secret {
        Secret::new(STANDARD.encode([byte; 32]))
    }

    fn sealer() -> Sealer {
        Sealer::new(&key(1), &[]).unwrap()
    }

    #[test]
    fn opens_what_it_sealed() {
        let entropy = FakeEntropy::default();
        for plaintext in [&b""[..], b"a", "prompt 🦀".as_bytes()] {
            let text = sealer()
                .seal("prompt", &["user", "row"], plaintext, &entropy)
                .unwrap();
            assert!(text.starts_with(&format!("v1.{}.", sealer().key_id())));
            let opened = sealer().open("prompt", &["user", "row"], &text).unwrap();
            assert_eq!(opened, plaintext);
        }
    }

    #[test]
    fn refuses_other_purposes_owners_and_groupings() {
        let text = sealer()
            .seal("prompt", &["ab", "c"], b"x", &FakeEntropy::default())
            .unwrap();
        for (purpose, aad) in [
            ("state", vec!["ab", "c"]),
            ("prompt", vec!["a", "bc"]),
            ("prompt", vec!["abc"]),
            ("prompt", vec!["ab"]),
            ("prompt", vec!["ab", "c", ""]),
        ] {
            let opened = sealer().open(purpose, &aad, &text);
            assert!(
                matches!(opened, Err(SealError::Refused)),
                "{purpose} {aad:?}"
            );
        }
    }

    #[test]
    fn no_flipped_character_passes() {
        let text = sealer()
            .seal("prompt", &["u"], b"some plaintext", &FakeEntropy::default())
            .unwrap();
        for index in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[index] = if changed[index] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            assert!(
                sealer().open("prompt", &["u"], &changed).is_err(),
                "{index}"
            );
        }
    }

    #[test]
    fn old_keys_open_and_unknown_ones_are_named() {
        let entropy = FakeEntropy::default();
        let old = sealer().seal("prompt", &[], b"x", &entropy).unwrap();
        let rotated = Sealer::new(&key(2), &[key(1)]).unwrap();
        assert_eq!(rotated.open("prompt", &[], &old).unwrap(), b"x");
        let new = rotated.seal("prompt", &[], b"x", &entropy).unwrap();
        assert_eq!(split(&new).unwrap().0, rotated.key_id());
        let error = sealer().open("prompt", &[], &new).unwrap_err();
        assert!(error.to_string().contains(rotated.key_id()));
    }

    #[test]
    fn keys_are_hex_or_base64_of_32_bytes() {
        let hex = Secret::new("01".repeat(32));
        let one = Sealer::new(&hex, &[]).unwrap();
        assert_eq!(one.key_id(), sealer().key_id());
        let unpadded = Secret::new(URL_SAFE_NO_PAD.encode([1; 32]));
        assert_eq!(Sealer::new(&unpadded, &[]).unwrap().key_id(), one.key_id());
        for wrong in ["", "short", &"zz".repeat(32), &STANDARD.encode([1; 31])] {
            let error = Sealer::new(&Secret::new(wrong), &[]).unwrap_err();
            assert!(matches!(error, SealError::BadKey));
            assert!(wrong.is_empty() || !error.to_string().contains(wrong));
        }
    }

    #[test]
    fn malformed_texts_are_told_apart_from_refused_ones() {
        for text in [
            "",
            "v1",
            "v1.",
            "v1.0123.AA",
            "v2.01234567.AA",
            "v1.0123456g.AA",
        ] {
            let opened = sealer().open("prompt", &[], text);
            assert!(matches!(opened, Err(SealError::Malformed)), "{text}");
        }
        let short = format!("v1.{}.AA", sealer().key_id());
        assert!(matches!(
            sealer().open("prompt", &[], &short),
            Err(SealError::Malformed)
        ));
    }

    #[test]
    fn macs_hold_for_one_purpose_and_message() {
        let sealer = sealer();
        let tag = sealer.mac("assertion", b"m");
        let check =
            |purpose, message: &[u8]| sealer.verify_mac(purpose, sealer.key_id(), message, &tag);
        assert!(check("assertion", b"m").is_ok());
        assert!(check("assertion", b"n").is_err());
        assert!(check("mailbox", b"m").is_err());
        assert!(
            sealer
                .verify_mac("assertion", sealer.key_id(), b"m", &tag[..31])
                .is_err()
        );
        assert_ne!(tag, [0; 32]);
    }

    #[test]
    fn the_mac_is_hmac_sha256_under_the_hkdf_key() {
        let prk = Hkdf::<Sha256>::new(None, &[1; 32]);
        let mut key = [0; 32];
        prk.expand(b"chitty v1 mac assertion", &mut key).unwrap();
        let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&key).unwrap();
        mac.update(b"m");
        let expected: [u8; 32] = mac.finalize().into_bytes().into();
        assert_eq!(sealer().mac("assertion", b"m"), expected);
    }

    #[test]
    fn a_sealer_does_not_print_its_key() {
        let printed = format!("{:?}", sealer());
        assert_eq!(printed, format!("Sealer({})", sealer().key_id()));
    }

    #[test]
    fn no_entropy_no_seal() {
        let sealed = sealer().seal("prompt", &[], b"x", &FakeEntropy::broken());
        assert!(matches!(sealed, Err(SealError::Entropy(_))));
    }
}
