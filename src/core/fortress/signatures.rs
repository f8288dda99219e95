use super::error::FortressError;
use super::service::FortressService;
use super::types::{CallerKey, SealInput, SealOutput, VerifyInput, VerifyOutput};
use crate::digest::sha256_hex;
use crate::openpgp::{PublicKey, verify};

impl FortressService {
    /// Whether what is signed now would hold, asked before a model is paid for it.
    pub(super) fn can_sign(&self) -> Result<(), FortressError> {
        if self.key.fingerprint() != self.public_key.fingerprint() {
            return Err(FortressError::Signing(
                "the published key is another one than the signing key".to_owned(),
            ));
        }
        let usable = self.public_key.usable_at(self.now_secs());
        usable.map_err(|reason| FortressError::Signing(reason.sentence().to_owned()))
    }

    /// Signs, and checks the signature before anything is built on it.
    pub(super) fn sign(&self, manifest: &str) -> Result<String, FortressError> {
        let now_secs = self.now_secs();
        let signature = self
            .key
            .sign(manifest.as_bytes(), now_secs)
            .map_err(|error| FortressError::Signing(error.to_string()))?;
        let verdict = verify(manifest.as_bytes(), &signature, &self.public_key, now_secs);
        if verdict.valid {
            Ok(signature)
        } else {
            Err(FortressError::Signing(verdict.sentence))
        }
    }

    /// Signs a package of the coordinator's.
    pub fn seal(&self, input: &SealInput) -> Result<SealOutput, FortressError> {
        Ok(SealOutput {
            signature: self.sign(&input.tag_manifest)?,
            key_fingerprint: self.public_key.fingerprint(),
        })
    }

    /// Checks a signature against the fortress's own key.
    pub fn verify(&self, input: &VerifyInput) -> VerifyOutput {
        let now_secs = self.now_secs();
        let content = input.content.as_bytes();
        let own = verify(content, &input.signature, &self.public_key, now_secs);
        let caller_key = input.public_key.as_deref().map(|armor| {
            let (valid, fingerprint, explanation) = match PublicKey::from_armor(armor) {
                Ok(key) => {
                    let verdict = verify(content, &input.signature, &key, now_secs);
                    (verdict.valid, Some(key.fingerprint()), verdict.sentence)
                }
                Err(error) => (false, None, error.to_string()),
            };
            CallerKey {
                is_fortress_key: fingerprint.as_ref() == Some(&self.public_key.fingerprint()),
                signature_valid: valid,
                fingerprint,
                explanation,
            }
        });
        VerifyOutput {
            content_hash: sha256_hex(content),
            signature_valid: own.valid,
            verified_at: crate::time::to_rfc3339(self.clock.now_ms()),
            reason: serde_json::json!(own.reason)
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            explanation: own.sentence,
            key_fingerprint: self.public_key.fingerprint(),
            public_key: self.public_key.to_armor(),
            key_created_at: from_secs(self.public_key.created_at_secs()),
            key_expires_at: self.public_key.expires_at_secs().map(from_secs),
            caller_key,
        }
    }
}

fn from_secs(secs: u64) -> String {
    let ms = i64::try_from(secs)
        .unwrap_or(i64::MAX)
        .saturating_mul(1_000);
    crate::time::to_rfc3339(ms)
}
