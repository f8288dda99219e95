use async_trait::async_trait;
use garde::Validate as _;

use super::auditor::Signatures;
use crate::execution::{Asker, Workers};
use crate::fortress::VerifyInput;

/// Signatures checked by the fortress, which knows its keys.
pub struct FortressSignatures<'a> {
    pub workers: &'a Workers,
    pub asker: &'a Asker<'a>,
}

#[async_trait(?Send)]
impl Signatures for FortressSignatures<'_> {
    async fn check(&self, manifest: &str, signature: &str) -> Result<Result<(), String>, String> {
        let question = VerifyInput {
            content: manifest.to_owned(),
            signature: signature.to_owned(),
            public_key: None,
            include_keys: false,
        };
        // The fortress refuses to look at these, however often it is asked.
        if let Err(faults) = question.validate() {
            return Ok(Err(faults.to_string()));
        }
        let asked = self.workers.verify_signature(self.asker, &question).await;
        let verdict = asked.map_err(|error| error.to_string())?;
        Ok(if verdict.signature_valid {
            Ok(())
        } else {
            Err(verdict.explanation)
        })
    }
}
