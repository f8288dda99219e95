//! Whether what is on file of an execution goes together. What does not is put in no package:
//! it would be no record of that execution, and whoever checks it would find it false. A key that
//! was replaced or revoked since is another matter: the record is still the record, so the
//! package is made and says what is to be said of the key.

use serde_json::json;

use super::dossier::{Chain, SignedRun, canonical};
use super::error::EvidenceError;
use crate::chain::keys::VerifierKey;
use crate::chain::receipt::verify_fact;
use crate::execution::{ExecutionView, SecurityLevel};
use crate::fortress::{Manifest, VerifyOutput, records_signed};
use crate::openpgp::Reason;

/// Verdicts on a key, of a signature that is right in itself.
const OF_KEYS: [Reason; 6] = [
    Reason::KeyNotYetValid,
    Reason::KeyExpired,
    Reason::KeyRevoked,
    Reason::KeySuperseded,
    Reason::KeyRetired,
    Reason::NotLogged,
];

fn unsound(what: impl Into<String>) -> EvidenceError {
    EvidenceError::Unsound(what.into())
}

/// The manifest, its exact text and its signature, if they are of this execution. None at a level
/// that signs nothing.
pub(super) fn manifest(
    execution: &ExecutionView,
) -> Result<Option<(Manifest, String, String)>, EvidenceError> {
    let results = &execution.results;
    let signed = (
        results.fortress_manifest.clone(),
        results.fortress_signature.clone(),
    );
    let (text, signature) = match signed {
        (Some(text), Some(signature)) => (text, signature),
        (None, None) if execution.security_level == SecurityLevel::Standard.as_str() => {
            return Ok(None);
        }
        (None, _) => return Err(unsound("the manifest of its run is gone")),
        (_, None) => return Err(unsound("the signature of its run is gone")),
    };
    let manifest = Manifest::parse(&text).and_then(|manifest| {
        let job_id = execution.fortress_job_id.as_deref().unwrap_or_default();
        let output = results.fortress_output.as_deref().unwrap_or_default();
        let id = Some(execution.id.as_str());
        manifest.check(job_id, id, &execution.prompt, output)?;
        Ok(manifest)
    });
    let manifest = manifest.map_err(|fault| unsound(fault.to_string()))?;
    Ok(Some((manifest, text, signature)))
}

/// What is to be said of the key that signed; none where its signature holds.
pub(super) fn signature(verdict: &VerifyOutput) -> Result<Option<String>, EvidenceError> {
    if verdict.signature_valid {
        return Ok(None);
    }
    if OF_KEYS.iter().any(|reason| json!(reason) == verdict.reason) {
        return Ok(Some(verdict.explanation.clone()));
    }
    let what = "the signature of its run does not hold";
    Err(unsound(format!("{what}: {}", verdict.explanation)))
}

/// The facts are what was logged, and one of them is of this very run.
pub(super) fn logged(chain: &Chain, run: Option<&SignedRun>) -> Result<(), EvidenceError> {
    let key: Result<VerifierKey, _> = chain.verifier_key.parse();
    let key = key.map_err(|error| unsound(format!("the log's key: {error}")))?;
    for fact in chain.all() {
        let content = canonical(fact);
        let verdicts = verify_fact(content, &fact.receipt, &key);
        let holds = (content.is_none() || verdicts.integrity.holds())
            && verdicts.completeness.holds()
            && verdicts.signer.holds();
        if !holds {
            let id = fact.stored.fact_id;
            let what = format!("what the log now has for the fact {id} is not what it logged");
            return Err(unsound(what));
        }
    }
    // Of an erased fact nobody can tell what it was of.
    let erased = chain.facts.iter().any(|fact| canonical(fact).is_none());
    let is_logged = |run: &SignedRun| {
        let mut facts = chain
            .facts
            .iter()
            .filter_map(|fact| fact.stored.content.fact());
        facts.any(|fact| records_signed(fact, &run.text, &run.signature))
    };
    if erased || run.is_none_or(is_logged) {
        return Ok(());
    }
    Err(unsound("none of the facts that it names records its run"))
}
