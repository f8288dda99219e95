//! Packages as they are given out.

use serde_json::{Map, Value, json};

use super::bag::Bag;
use super::document;
use super::dossier::Dossier;
use super::error::EvidenceError;
use super::texts;
use crate::digest::sha256_hex;

/// What a package came to.
pub(super) struct Made {
    pub contents: Map<String, Value>,
    pub hash: String,
    /// The file, and what it is called.
    pub file: Option<(Vec<u8>, String)>,
    /// Armored, over the tag manifest.
    pub signature: Option<String>,
}

pub(super) fn json(dossier: &Dossier) -> Result<Made, EvidenceError> {
    let mut contents = Map::new();
    contents.insert("execution".to_owned(), json!(dossier.execution));
    contents.insert("prompt_sha256".to_owned(), json!(dossier.prompt_sha256));
    contents.insert("limits".to_owned(), json!(texts::LIMITS_SHORT));
    if let Some(run) = &dossier.run {
        contents.insert("signature_verdict".to_owned(), json!(run.verdict));
    }
    if !dossier.keys.is_empty() {
        contents.insert("keys".to_owned(), json!(dossier.keys));
    }
    if let Some(chain) = &dossier.chain {
        let proofs: Vec<String> = chain
            .facts
            .iter()
            .map(|fact| fact.receipt.to_proof_text())
            .collect();
        contents.insert(
            "chain".to_owned(),
            json!({
                "facts": chain.facts,
                // C2SP tlog-proof texts, one a fact, for verifiers of others.
                "tlog_proofs": proofs,
                "custody": chain.custody,
                "checkpoint": chain.checkpoint,
                "verifier_key": chain.verifier_key,
                "anchors": chain.anchors,
            }),
        );
    }
    let hash = sha256_hex(serde_json_canonicalizer::to_vec(&contents)?);
    Ok(Made {
        contents,
        hash,
        file: None,
        signature: None,
    })
}

pub(super) fn pdf(dossier: &Dossier) -> Result<Made, EvidenceError> {
    let pdf = document::brief(dossier, &[])?;
    Ok(Made {
        contents: listing(dossier, &Bag::default()),
        hash: sha256_hex(&pdf),
        file: Some((pdf, format!("{}.pdf", dossier.package_id))),
        signature: None,
    })
}

pub(super) fn zip(dossier: &Dossier, bag: &Bag, signature: String) -> Result<Made, EvidenceError> {
    let zip = bag
        .to_zip(&dossier.package_id)
        .map_err(|error| EvidenceError::Encoding(error.to_string()))?;
    Ok(Made {
        contents: listing(dossier, bag),
        hash: sha256_hex(&zip),
        file: Some((zip, format!("{}.zip", dossier.package_id))),
        signature: Some(signature),
    })
}

/// What is in a file, for whoever has only the answer.
fn listing(dossier: &Dossier, bag: &Bag) -> Map<String, Value> {
    let files: Vec<Value> = bag
        .files()
        .map(|(path, bytes)| json!({ "path": path, "bytes": bytes.len(), "sha256": sha256_hex(bytes) }))
        .collect();
    let chain = dossier.chain.as_ref();
    let verdict = dossier.run.as_ref().map(|run| &run.verdict);
    let fields = [
        ("prompt_sha256", json!(dossier.prompt_sha256)),
        ("files", json!(files)),
        ("checkpoint", json!(chain.map(|chain| &chain.checkpoint))),
        (
            "verifier_key",
            json!(chain.map(|chain| &chain.verifier_key)),
        ),
        (
            "key_fingerprint",
            json!(verdict.map(|verdict| &verdict.key_fingerprint)),
        ),
        (
            "package_key_fingerprint",
            json!(dossier.active_key().map(|key| &key.fingerprint)),
        ),
        ("limits", json!(texts::LIMITS_SHORT)),
    ];
    fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
