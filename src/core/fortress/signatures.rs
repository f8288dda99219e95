use super::error::FortressError;
use super::keys::{Judged, Signer};
use super::logging::log_seal;
use super::service::FortressService;
use super::types::{
    CallerKey, SealInput, SealOutput, VerifyAllInput, VerifyAllOutput, VerifyInput, VerifyOutput,
};
use crate::digest::sha256_hex;
use crate::openpgp::{PublicKey, verify};

impl FortressService {
    /// Signs, and checks the signature before anything is built on it.
    pub(super) fn sign(&self, text: &str, signer: &Signer) -> Result<String, FortressError> {
        let now_secs = self.now_secs();
        let signature = signer
            .key
            .sign(text.as_bytes(), now_secs)
            .map_err(|error| FortressError::Signing(error.to_string()))?;
        let verdict = verify(text.as_bytes(), &signature, &signer.public, now_secs);
        if verdict.valid {
            Ok(signature)
        } else {
            Err(FortressError::Signing(verdict.sentence))
        }
    }

    /// Signs a package of the coordinator's, and logs that. May be repeated.
    pub async fn seal(&self, input: &SealInput) -> Result<SealOutput, FortressError> {
        let signer = self.signer().await?;
        let sealed = SealOutput {
            signature: self.sign(&input.tag_manifest, &signer)?,
            key_fingerprint: signer.public.fingerprint(),
        };
        // While the log did not answer, the table said who signs.
        let judged = self.judge(&input.tag_manifest, &sealed.signature).await?;
        if !judged.verdict.valid {
            return Err(FortressError::Signing(judged.verdict.sentence));
        }
        log_seal(&*self.ledger, input, &sealed, self.now_secs()).await?;
        Ok(sealed)
    }

    /// Checks a signature against the fortress's own keys.
    pub async fn verify(&self, input: &VerifyInput) -> Result<VerifyOutput, FortressError> {
        let judged = self.judge(&input.content, &input.signature).await?;
        let caller_key = match input.public_key.as_deref() {
            Some(armor) => Some(self.callers_key(input, armor).await?),
            None => None,
        };
        let keys = if input.include_keys {
            Some(self.key_history().await?.keys)
        } else {
            None
        };
        let own = judged.verdict;
        Ok(VerifyOutput {
            content_hash: sha256_hex(&input.content),
            signature_valid: own.valid,
            verified_at: crate::time::to_rfc3339(self.clock.now_ms()),
            reason: serde_json::json!(own.reason)
                .as_str()
                .unwrap_or_default()
                .to_owned(),
            explanation: own.sentence,
            key_fingerprint: judged.public.fingerprint(),
            public_key: judged.public.to_armor(),
            key_created_at: from_secs(judged.public.created_at_secs()),
            key_expires_at: judged.public.expires_at_secs().map(from_secs),
            key: judged.standing,
            caller_key,
            keys,
        })
    }

    /// Checks many signatures as [`FortressService::verify`] does each.
    pub async fn verify_all(
        &self,
        input: &VerifyAllInput,
    ) -> Result<VerifyAllOutput, FortressError> {
        let texts = input.texts.iter();
        let texts: Vec<_> = texts
            .map(|text| (&*text.content, &*text.signature))
            .collect();
        let judged = self.judge_all(&texts).await?;
        let fault = |judged: Judged| (!judged.verdict.valid).then_some(judged.verdict.sentence);
        Ok(VerifyAllOutput {
            faults: judged.into_iter().map(fault).collect(),
        })
    }

    /// What a key says that nobody here vouches for.
    async fn callers_key(
        &self,
        input: &VerifyInput,
        armor: &str,
    ) -> Result<CallerKey, FortressError> {
        let (content, now_secs) = (input.content.as_bytes(), self.now_secs());
        let (valid, fingerprint, explanation) = match PublicKey::from_armor(armor) {
            Ok(key) => {
                let verdict = verify(content, &input.signature, &key, now_secs);
                (verdict.valid, Some(key.fingerprint()), verdict.sentence)
            }
            Err(error) => (false, None, error.to_string()),
        };
        let known = self.known_keys().await?;
        let is_ours = fingerprint
            .as_deref()
            .is_some_and(|print| known.is_of_ours(print));
        Ok(CallerKey {
            is_fortress_key: is_ours,
            signature_valid: valid,
            fingerprint,
            explanation,
        })
    }
}

fn from_secs(secs: u64) -> String {
    let ms = i64::try_from(secs)
        .unwrap_or(i64::MAX)
        .saturating_mul(1_000);
    crate::time::to_rfc3339(ms)
}
