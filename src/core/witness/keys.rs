//! C2SP tlog-cosignature v1.0.0, Ed25519: keys of witnesses, and what they sign.
//!
//! ```text
//! cosignature/v1
//! time <seconds since 1970>
//! <the checkpoint's text>
//! ```
//!
//! A signature is the time, 8 bytes big-endian, and 64 bytes of Ed25519. Keys are written as
//! those of logs, with type 0x04.

use std::fmt;
use std::str::FromStr;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};

use crate::chain::keys::{
    KeyError, SECRET_PREFIX, check_id, check_key_name, key_id, split_key, typed_base64, typed_bytes,
};
use crate::chain::note::{Note, NoteError, NoteSignature};

/// Signature type byte of timestamped Ed25519 cosignatures.
const COSIGNATURE: u8 = 0x04;

/// The public key of a witness. Its text is a C2SP verifier key.
#[derive(Clone, PartialEq, Eq)]
pub struct WitnessKey {
    name: String,
    id: u32,
    point: VerifyingKey,
}

/// A cosignature that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosignature {
    pub witness: WitnessKey,
    /// The witness's clock, in seconds since 1970.
    pub time_s: u64,
    pub line: NoteSignature,
}

impl WitnessKey {
    fn from_point(name: &str, point: VerifyingKey) -> Self {
        Self {
            name: name.to_owned(),
            id: key_id(name, COSIGNATURE, point.as_bytes()),
            point,
        }
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The key without its name and type: two texts with the same one are one key.
    #[must_use]
    pub fn material(&self) -> &[u8] {
        self.point.as_bytes()
    }

    /// The cosignatures of this witness on `note`; lines of others are ignored.
    ///
    /// # Errors
    /// A line that names this key and does not hold.
    pub fn cosignatures(&self, note: &Note) -> Result<Vec<Cosignature>, NoteError> {
        let lines = note.signatures().iter();
        lines
            .filter(|line| line.name == self.name && line.key_id == self.id)
            .map(|line| {
                let time_s = self.check(note.text(), &line.signature);
                let altered = || NoteError::BadSignature {
                    name: self.name.clone(),
                };
                Ok(Cosignature {
                    witness: self.clone(),
                    time_s: time_s.ok_or_else(altered)?,
                    line: line.clone(),
                })
            })
            .collect()
    }

    /// When it was signed, if it holds. A checkpoint's cosignature says its time.
    fn check(&self, text: &str, timestamped: &[u8]) -> Option<u64> {
        let (time, signature) = timestamped.split_first_chunk::<8>()?;
        let time_s = u64::from_be_bytes(*time);
        let signature = Signature::from_slice(signature).ok()?;
        let usable = time_s != 0 && i64::try_from(time_s).is_ok();
        let holds = || {
            let message = message(time_s, text);
            let checked = self.point.verify_strict(message.as_bytes(), &signature);
            checked.is_ok()
        };
        (usable && holds()).then_some(time_s)
    }
}

impl fmt::Display for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let material = typed_base64(COSIGNATURE, self.point.as_bytes());
        write!(f, "{}+{:08x}+{material}", self.name, self.id)
    }
}

impl fmt::Debug for WitnessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WitnessKey({self})")
    }
}

impl FromStr for WitnessKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (name, id, material) = split_key(text).ok_or(KeyError::VerifierForm)?;
        check_key_name(name)?;
        let public_key = typed_bytes(material, COSIGNATURE, KeyError::VerifierForm)?;
        let point = VerifyingKey::from_bytes(&public_key).map_err(|_| KeyError::BadPoint)?;
        if point.is_weak() {
            return Err(KeyError::BadPoint);
        }
        let key = Self::from_point(name, point);
        check_id(key.id, id, KeyError::VerifierForm)?;
        Ok(key)
    }
}

/// The secret key of a witness, with its name. Never printed by `Debug`; wiped when dropped.
#[derive(Clone)]
pub struct CosignerKey {
    verifier: WitnessKey,
    secret: SigningKey,
}

impl CosignerKey {
    /// The key of a 32-byte seed, which must come from a secure random source and serve
    /// nothing else.
    ///
    /// # Errors
    /// A bad name.
    pub fn from_seed(name: &str, seed: &[u8; 32]) -> Result<Self, KeyError> {
        check_key_name(name)?;
        let secret = SigningKey::from_bytes(seed);
        let verifier = WitnessKey::from_point(name, secret.verifying_key());
        Ok(Self { verifier, secret })
    }

    /// Reads `PRIVATE+KEY+<name>+<key id>+<base64(0x04 ‖ seed)>`.
    ///
    /// # Errors
    /// Any deviation from the form, or a key id that does not match.
    pub fn from_secret_text(text: &str) -> Result<Self, KeyError> {
        let rest = text
            .strip_prefix(SECRET_PREFIX)
            .ok_or(KeyError::SignerForm)?;
        let (name, id, material) = split_key(rest).ok_or(KeyError::SignerForm)?;
        let seed = typed_bytes(material, COSIGNATURE, KeyError::SignerForm)?;
        let key = Self::from_seed(name, &seed)?;
        check_id(key.verifier.id, id, KeyError::SignerForm)?;
        Ok(key)
    }

    #[must_use]
    pub const fn verifier(&self) -> &WitnessKey {
        &self.verifier
    }

    /// The signature line of a checkpoint's text: as of `time_s`, this is the largest
    /// consistent tree that the witness has seen of the log.
    #[must_use]
    pub fn cosign(&self, text: &str, time_s: u64) -> NoteSignature {
        let mut signature = time_s.to_be_bytes().to_vec();
        let message = message(time_s, text);
        signature.extend(self.secret.sign(message.as_bytes()).to_bytes());
        NoteSignature {
            name: self.verifier.name.clone(),
            key_id: self.verifier.id,
            signature,
        }
    }
}

impl fmt::Debug for CosignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CosignerKey({}, secret hidden)", self.verifier)
    }
}

fn message(time_s: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {time_s}\n{text}")
}
