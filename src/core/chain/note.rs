//! C2SP signed-note v1.0.0: text with one or more signature lines.
//!
//! ```text
//! <text, ending in a newline>
//! <empty line>
//! — <key name> <base64(key id, 4 bytes big-endian ‖ signature)>
//! ```
//!
//! The text says nothing until [`Note::verify`] accepted it.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::keys::{NamedKey, PublicKey, SignerKey, VerifierKey, check_key_name};

/// Largest note in bytes. Sixteen post-quantum cosignatures fit.
pub const MAX_NOTE_BYTES: usize = 256 * 1024;
/// Most signature lines in a note.
pub const MAX_SIGNATURES: usize = 100;
const DASH: &str = "\u{2014} ";

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    #[error("the note has {bytes} bytes; at most {MAX_NOTE_BYTES} are read")]
    TooLarge { bytes: usize },
    #[error("the note contains control characters other than newline")]
    ControlCharacter,
    #[error("the note's text must end in a newline")]
    TextForm,
    #[error("the note has no block of signature lines after an empty line")]
    NoSignatures,
    #[error("signature line {line} is not an em dash, a key name and base64")]
    SignatureLine { line: usize },
    #[error("the note has more than {MAX_SIGNATURES} signatures")]
    TooManySignatures,
    #[error("the signature of the known key {name} does not match the text: it was altered")]
    BadSignature { name: String },
    #[error("no signature of a known key: expected one of {expected}")]
    NoKnownSignature { expected: String },
}

/// One signature line. Only a verified one means anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    pub name: String,
    pub key_id: u32,
    pub signature: Vec<u8>,
}

impl NoteSignature {
    pub(crate) fn of<P: PublicKey>(key: &NamedKey<P>, signature: Vec<u8>) -> Self {
        Self {
            name: key.name().to_owned(),
            key_id: key.id(),
            signature,
        }
    }

    /// Whether it says to be of this key.
    #[must_use]
    pub fn is_of<P: PublicKey>(&self, key: &NamedKey<P>) -> bool {
        key.name() == self.name && key.id() == self.key_id
    }
}

/// A parsed or freshly signed note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<NoteSignature>,
}

impl Note {
    /// Signs `text`, which must end in a newline.
    ///
    /// # Errors
    /// Text without final newline, with control characters, or too large.
    pub fn sign(text: &str, key: &SignerKey) -> Result<Self, NoteError> {
        check_characters(text)?;
        if !text.ends_with('\n') {
            return Err(NoteError::TextForm);
        }
        let signature = key.sign(text.as_bytes());
        Ok(Self {
            text: text.to_owned(),
            signatures: vec![NoteSignature::of(key.verifier(), signature)],
        })
    }

    /// Reads a note without checking any signature.
    ///
    /// # Errors
    /// Any deviation from the format, or a limit exceeded.
    pub fn parse(note: &str) -> Result<Self, NoteError> {
        check_characters(note)?;
        let split = note.rfind("\n\n").ok_or(NoteError::NoSignatures)?;
        let (text, block) = note.split_at(split + 1);
        let lines = block
            .strip_prefix('\n')
            .and_then(|block| block.strip_suffix('\n'))
            .ok_or(NoteError::NoSignatures)?;
        let signatures = lines
            .split('\n')
            .take(MAX_SIGNATURES + 1)
            .enumerate()
            .map(|(index, line)| {
                parse_signature(line).ok_or(NoteError::SignatureLine { line: index + 1 })
            })
            .collect::<Result<Vec<_>, _>>()?;
        if signatures.len() > MAX_SIGNATURES {
            return Err(NoteError::TooManySignatures);
        }
        Ok(Self {
            text: text.to_owned(),
            signatures,
        })
    }

    /// The signed text, final newline included.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    #[must_use]
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Adds the signature lines of `other`, a note over the same text:
    /// cosignatures of witnesses.
    ///
    /// # Errors
    /// The texts differ, or there would be too many signatures.
    pub fn add_signatures_of(&mut self, other: &Self) -> Result<(), NoteError> {
        if self.text != other.text {
            return Err(NoteError::TextForm);
        }
        let mut added = other.signatures.iter().cloned();
        added.try_for_each(|signature| self.add_signature(signature))
    }

    /// Adds a signature line, unless it is there.
    ///
    /// # Errors
    /// There would be too many.
    pub fn add_signature(&mut self, signature: NoteSignature) -> Result<(), NoteError> {
        if self.signatures.contains(&signature) {
            return Ok(());
        }
        if self.signatures.len() >= MAX_SIGNATURES {
            return Err(NoteError::TooManySignatures);
        }
        self.signatures.push(signature);
        Ok(())
    }

    /// The same text with those signature lines that `keep` wants.
    #[must_use]
    pub fn with_signatures(&self, keep: impl FnMut(&&NoteSignature) -> bool) -> Self {
        Self {
            text: self.text.clone(),
            signatures: self.signatures.iter().filter(keep).cloned().collect(),
        }
    }

    /// Checks the signatures of `known` keys and returns those keys that
    /// signed. Lines of other keys are ignored, as C2SP demands; one wrong
    /// signature of a known key refuses the whole note.
    ///
    /// # Errors
    /// A wrong signature of a known key, or none of a known key.
    pub fn verify<'k>(&self, known: &[&'k VerifierKey]) -> Result<Vec<&'k VerifierKey>, NoteError> {
        let mut signers: Vec<&'k VerifierKey> = Vec::new();
        for line in &self.signatures {
            for key in known.iter().copied().filter(|key| line.is_of(key)) {
                if !key.public().accepts(self.text.as_bytes(), &line.signature) {
                    let name = line.name.clone();
                    return Err(NoteError::BadSignature { name });
                }
                if !signers.contains(&key) {
                    signers.push(key);
                }
            }
        }
        if signers.is_empty() {
            let names: Vec<String> = known.iter().map(ToString::to_string).collect();
            let expected = names.join(", ");
            return Err(NoteError::NoKnownSignature { expected });
        }
        Ok(signers)
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        let mut lines = self.signatures.iter();
        lines.try_for_each(|line| line.fmt(f))
    }
}

/// The line, newline included.
impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = self.key_id.to_be_bytes().to_vec();
        bytes.extend(&self.signature);
        writeln!(f, "{DASH}{} {}", self.name, STANDARD.encode(bytes))
    }
}

fn check_characters(note: &str) -> Result<(), NoteError> {
    if note.len() > MAX_NOTE_BYTES {
        return Err(NoteError::TooLarge { bytes: note.len() });
    }
    if note.bytes().any(|byte| byte < 0x20 && byte != b'\n') {
        return Err(NoteError::ControlCharacter);
    }
    Ok(())
}

fn parse_signature(line: &str) -> Option<NoteSignature> {
    let (name, encoded) = line.strip_prefix(DASH)?.split_once(' ')?;
    check_key_name(name).ok()?;
    let bytes = STANDARD.decode(encoded).ok()?;
    let (id, signature) = bytes.split_first_chunk::<4>()?;
    if signature.is_empty() {
        return None;
    }
    Some(NoteSignature {
        name: name.to_owned(),
        key_id: u32::from_be_bytes(*id),
        signature: signature.to_vec(),
    })
}
