//! C2SP tlog-cosignature: keys of witnesses, and what they sign.
//!
//! Ed25519, type 0x04, signs the checkpoint's whole text:
//! ```text
//! cosignature/v1
//! time <seconds since 1970>
//! <the checkpoint's text>
//! ```
//! ML-DSA-44, type 0x06, signs what the checkpoint says, and who cosigns (integers big-endian):
//! ```text
//! "subtree/v1\n\0" ‖ len8 ‖ witness ‖ time 64 ‖ len8 ‖ origin ‖ start 64 = 0 ‖ end 64 = size ‖ root
//! ```
//! A signature is the time, 8 bytes big-endian, and 64 or 2,420 bytes.

use super::ml_dsa::{self, MlDsaKey, MlDsaSecret};
use crate::chain::checkpoint::{Checkpoint, CheckpointError};
use crate::chain::ed25519::{Ed25519, Ed25519Secret};
use crate::chain::keys::{KeyError, NamedKey, NamedSecret, PublicKey, SEED_BYTES, SecretKey};
use crate::chain::note::{Note, NoteError, NoteSignature};

/// Signature type byte of timestamped Ed25519 cosignatures.
const COSIGNATURE: u8 = 0x04;

/// The public key of a witness.
pub type WitnessKey = NamedKey<CosignerPublic>;
/// The secret key of a witness. Its seed serves nothing else.
pub type CosignerKey = NamedSecret<CosignerSecret>;

#[derive(Clone, PartialEq, Eq)]
pub enum CosignerPublic {
    Ed25519(Ed25519<COSIGNATURE>),
    MlDsa44(MlDsaKey),
}

#[derive(Clone)]
pub enum CosignerSecret {
    Ed25519(Ed25519Secret<COSIGNATURE>),
    MlDsa44(MlDsaSecret),
}

/// A cosignature that was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosignature {
    pub witness: WitnessKey,
    /// The witness's clock, in seconds since 1970.
    pub time_s: u64,
    pub line: NoteSignature,
}

impl PublicKey for CosignerPublic {
    fn read(kind: u8, bytes: &[u8]) -> Result<Self, KeyError> {
        Ok(match kind {
            ml_dsa::KIND => Self::MlDsa44(MlDsaKey::read(kind, bytes)?),
            _ => Self::Ed25519(Ed25519::read(kind, bytes)?),
        })
    }

    fn kind(&self) -> u8 {
        match self {
            Self::Ed25519(key) => key.kind(),
            Self::MlDsa44(key) => key.kind(),
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Ed25519(key) => key.bytes(),
            Self::MlDsa44(key) => key.bytes(),
        }
    }

    fn accepts(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Ed25519(key) => key.accepts(message, signature),
            Self::MlDsa44(key) => key.accepts(message, signature),
        }
    }
}

impl SecretKey for CosignerSecret {
    type Public = CosignerPublic;

    fn from_seed(kind: u8, seed: &[u8; SEED_BYTES]) -> Result<Self, KeyError> {
        Ok(match kind {
            ml_dsa::KIND => Self::MlDsa44(MlDsaSecret::from_seed(kind, seed)?),
            _ => Self::Ed25519(Ed25519Secret::from_seed(kind, seed)?),
        })
    }

    fn seed(&self) -> &[u8] {
        match self {
            Self::Ed25519(key) => key.seed(),
            Self::MlDsa44(key) => key.seed(),
        }
    }

    fn public(&self) -> CosignerPublic {
        match self {
            Self::Ed25519(key) => CosignerPublic::Ed25519(key.public()),
            Self::MlDsa44(key) => CosignerPublic::MlDsa44(key.public()),
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Ed25519(key) => key.sign(message),
            Self::MlDsa44(key) => key.sign(message),
        }
    }
}

impl WitnessKey {
    /// The cosignatures of this key on `note`; lines of others are ignored.
    ///
    /// # Errors
    /// A line that names this key and does not hold.
    pub fn cosignatures(&self, note: &Note) -> Result<Vec<Cosignature>, NoteError> {
        let lines = note.signatures().iter();
        lines
            .filter(|line| line.is_of(self))
            .map(|line| {
                let time_s = self.check(note.text(), &line.signature);
                let altered = || NoteError::BadSignature {
                    name: self.name().to_owned(),
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
        let usable = time_s != 0 && i64::try_from(time_s).is_ok();
        let holds = || {
            let message = self.message(text, time_s);
            message.is_ok_and(|message| self.public().accepts(&message, signature))
        };
        (usable && holds()).then_some(time_s)
    }

    fn message(&self, text: &str, time_s: u64) -> Result<Vec<u8>, CheckpointError> {
        match self.public() {
            CosignerPublic::Ed25519(_) => {
                Ok(format!("cosignature/v1\ntime {time_s}\n{text}").into_bytes())
            }
            CosignerPublic::MlDsa44(_) => {
                let head = Checkpoint::parse_head(text)?;
                let mut message = b"subtree/v1\n\0".to_vec();
                put_name(&mut message, self.name());
                message.extend(time_s.to_be_bytes());
                put_name(&mut message, &head.origin);
                message.extend([0, head.size].map(u64::to_be_bytes).concat());
                message.extend(head.root.as_bytes());
                Ok(message)
            }
        }
    }
}

/// Key names, of which an origin is one, have at most 255 bytes.
fn put_name(message: &mut Vec<u8>, name: &str) {
    message.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
    message.extend(name.as_bytes());
}

impl CosignerKey {
    /// The signature line of a checkpoint's text: as of `time_s`, this is the largest
    /// consistent tree that the witness has seen of the log.
    ///
    /// # Errors
    /// The text is no checkpoint.
    pub fn cosign(&self, text: &str, time_s: u64) -> Result<NoteSignature, CheckpointError> {
        let message = self.verifier().message(text, time_s)?;
        let mut signature = time_s.to_be_bytes().to_vec();
        signature.extend(self.sign(&message));
        Ok(NoteSignature::of(self.verifier(), signature))
    }
}
