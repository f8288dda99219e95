//! The layout of a `legal_brief`: a bag that a stranger can check with gpg, sha256sum, openssl
//! and Python, on a machine that has never seen this project.
//!
//! ```text
//! bagit.txt bag-info.txt manifest-sha256.txt tagmanifest-sha256.txt(.asc)
//! data/execution/  prompt output [direct-output] params.json execution.json(.asc)
//! data/chain/      N.leaf N.tlog-proof [N.fact.json] checkpoint policy [previous-checkpoint consistency]
//! data/custody/    custody.jsonl: the canonical bytes of each event's fact, one a line
//! data/keys/       fortress.asc fingerprints.txt key-history.json
//! data/time/       checkpoint checkpoint.tsr authorities.pem [consistency], or NO-TIMESTAMP.txt
//! data/witnesses/  checkpoint policy [consistency], or NO-WITNESSES.txt
//! data/legal/      brief.pdf certification-902-13-14.DRAFT process-description-901b9 LIMITS.txt
//! verify/          VERIFY.txt verify.sh verify.py
//! ```
//! `N` is a leaf's index. A fact without `N.fact.json` was erased; its proof still holds. Each
//! `consistency` connects the checkpoint beside it with that of `data/chain`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use super::bag::{Bag, TAG_MANIFEST};
use super::document;
use super::dossier::{Chain, Dossier, SignedRun, canonical};
use super::error::EvidenceError;
use super::texts;
use crate::anchoring::{TimeVerdict, WitnessVerdict};
use crate::chain::hash::Hash;
use crate::chain::receipt::ConsistencyProof;
use crate::time;

/// Everything but the manifests.
pub(super) fn fill(dossier: &Dossier) -> Result<Bag, EvidenceError> {
    let (Some(run), Some(chain)) = (&dossier.run, &dossier.chain) else {
        return Err(EvidenceError::NotSigned);
    };
    let mut bag = Bag::default();
    execution(&mut bag, dossier, run)?;
    log(&mut bag, chain);
    custody(&mut bag, chain);
    keys(&mut bag, dossier, run, chain)?;
    time_stamp(&mut bag, chain)?;
    witnesses(&mut bag, chain);
    legal(&mut bag, dossier, run, chain)?;
    let verify = texts::fill(texts::VERIFY, &texts::values(dossier, run, chain));
    bag.add("verify/VERIFY.txt", verify);
    bag.add("verify/verify.sh", texts::VERIFY_SH);
    bag.add("verify/verify.py", texts::VERIFY_PY);
    Ok(bag)
}

/// Writes the manifests. Returns the tag manifest, to be signed.
pub(super) fn close(bag: &mut Bag, dossier: &Dossier) -> String {
    let mut date = time::to_rfc3339(dossier.created_ms);
    date.truncate(10);
    let software = concat!("ChittyMCP ", env!("CARGO_PKG_VERSION")).to_owned();
    let mut info = vec![
        ("Source-Organization", "ChittyMCP".to_owned()),
        ("External-Identifier", dossier.package_id.clone()),
        ("Internal-Sender-Identifier", dossier.execution.id.clone()),
        ("Bagging-Date", date),
        ("Bag-Software-Agent", software),
    ];
    info.extend(
        dossier
            .case_id
            .clone()
            .map(|case| ("Bag-Group-Identifier", case)),
    );
    bag.close(&info)
}

/// Puts the signature over the tag manifest beside it.
pub(super) fn sign(bag: &mut Bag, signature: &str) {
    bag.add(format!("{TAG_MANIFEST}.asc"), signature);
}

fn execution(bag: &mut Bag, dossier: &Dossier, run: &SignedRun) -> Result<(), EvidenceError> {
    let execution = &dossier.execution;
    let results = &execution.results;
    bag.add("data/execution/prompt", execution.prompt.as_str());
    bag.add(
        "data/execution/output",
        results.fortress_output.clone().unwrap_or_default(),
    );
    if let Some(direct) = &results.chatgpt_response {
        bag.add("data/execution/direct-output", direct.as_str());
    }
    bag.add("data/execution/execution.json", run.text.as_str());
    bag.add("data/execution/execution.json.asc", run.signature.as_str());
    let params = json!({
        "execution_id": execution.id,
        "security_level": execution.security_level,
        "case_id": dossier.case_id,
        "created_at": execution.created_at,
        "completed_at": execution.completed_at,
        "model_requested": run.manifest.model_requested,
        "model_answered": run.manifest.model_answered,
        "parameters": run.manifest.parameters,
        "policy": run.manifest.policy,
        "provider": run.manifest.provider,
        "answers_identical": execution.verification.as_ref().and_then(|v| v.answers_identical),
    });
    bag.add(
        "data/execution/params.json",
        serde_json_canonicalizer::to_vec(&params)?,
    );
    Ok(())
}

fn log(bag: &mut Bag, chain: &Chain) {
    for fact in chain.all() {
        let index = fact.stored.leaf_index;
        let path = |kind: &str| format!("data/chain/{index}.{kind}");
        bag.add(path("leaf"), fact.receipt.entry().canonical());
        bag.add(path("tlog-proof"), fact.receipt.to_proof_text());
        if let Some(text) = canonical(fact) {
            bag.add(path("fact.json"), text);
        }
    }
    bag.add("data/chain/checkpoint", chain.checkpoint.as_str());
    bag.add("data/chain/policy", policy(&chain.verifier_key));
    if let Some(proof) = &chain.previous {
        bag.add(
            "data/chain/previous-checkpoint",
            proof.first_checkpoint.as_str(),
        );
        bag.add("data/chain/consistency", consistency(proof));
    }
}

/// C2SP tlog-policy: whose checkpoints count. No witness is asked for: those who have signed one
/// stand in `data/witnesses`.
fn policy(verifier_key: &str) -> String {
    format!("log {verifier_key}\nquorum none\n")
}

/// The authority's reply as it came, over exactly the checkpoint beside it.
fn time_stamp(bag: &mut Bag, chain: &Chain) -> Result<(), EvidenceError> {
    let anchors = &chain.anchors;
    let TimeVerdict::Stamped {
        checkpoint,
        kept,
        trust_anchors,
        ..
    } = &anchors.anchoring.time
    else {
        let said = texts::fill(texts::NO_TIMESTAMP, &texts::absences(anchors));
        bag.add("data/time/NO-TIMESTAMP.txt", said);
        return Ok(());
    };
    let reply = STANDARD.decode(&kept.reply);
    let reply = reply.map_err(|error| EvidenceError::Encoding(error.to_string()))?;
    bag.add("data/time/checkpoint", checkpoint.as_str());
    bag.add("data/time/checkpoint.tsr", reply);
    bag.add("data/time/authorities.pem", trust_anchors.as_str());
    if let Some(proof) = &anchors.stamped {
        bag.add("data/time/consistency", consistency(proof));
    }
    Ok(())
}

fn witnesses(bag: &mut Bag, chain: &Chain) {
    let anchors = &chain.anchors;
    let WitnessVerdict::Witnessed {
        checkpoint, policy, ..
    } = &anchors.anchoring.witnesses
    else {
        let said = texts::fill(texts::NO_WITNESSES, &texts::absences(anchors));
        return bag.add("data/witnesses/NO-WITNESSES.txt", said);
    };
    bag.add("data/witnesses/checkpoint", checkpoint.as_str());
    let policy = format!("log {}\n{policy}", chain.verifier_key);
    bag.add("data/witnesses/policy", policy);
    if let Some(proof) = &anchors.witnessed {
        bag.add("data/witnesses/consistency", consistency(proof));
    }
}

/// As the body of C2SP tlog-witness's add-checkpoint: the old size, the proof, the checkpoint.
fn consistency(proof: &ConsistencyProof) -> String {
    let hashes = texts::lines(proof.proof.iter().map(Hash::to_base64));
    format!("old {}\n{hashes}\n{}", proof.first, proof.second_checkpoint)
}

fn custody(bag: &mut Bag, chain: &Chain) {
    let lines = chain.custody.iter().filter_map(canonical);
    let lines = texts::lines(lines);
    bag.add("data/custody/custody.jsonl", lines);
}

/// Of a key that was replaced since, too: the run was signed by one, the package by another.
fn keys(
    bag: &mut Bag,
    dossier: &Dossier,
    run: &SignedRun,
    chain: &Chain,
) -> Result<(), EvidenceError> {
    let blocks: String = dossier
        .signers()
        .map(|key| key.public_key.as_str())
        .collect();
    bag.add("data/keys/fortress.asc", blocks);
    let verdict = &run.verdict;
    let package_key = dossier.active_key().map(|key| key.fingerprint.as_str());
    bag.add(
        "data/keys/fingerprints.txt",
        format!(
            "These prove nothing by being here: compare them with copies from elsewhere.\n\
             OpenPGP, of the run      {}\n\
             OpenPGP, of the package  {}\n\
             log                      {}\n",
            verdict.key_fingerprint,
            package_key.unwrap_or_default(),
            chain.verifier_key,
        ),
    );
    let history = json!({
        "as_of": verdict.verified_at,
        "run": {
            "fingerprint": verdict.key_fingerprint,
            "signs_with": run.manifest.signer_fingerprint,
            "verdict_when_packaged": verdict.reason,
            "standing": verdict.key,
        },
        "package": { "fingerprint": package_key },
        "keys": dossier.keys,
    });
    bag.add(
        "data/keys/key-history.json",
        serde_json_canonicalizer::to_vec(&history)?,
    );
    Ok(())
}

fn legal(
    bag: &mut Bag,
    dossier: &Dossier,
    run: &SignedRun,
    chain: &Chain,
) -> Result<(), EvidenceError> {
    let values = texts::values(dossier, run, chain);
    let certification = texts::fill(texts::CERTIFICATION, &values);
    let process = texts::fill(texts::PROCESS, &values);
    bag.add("data/legal/certification-902-13-14.DRAFT", certification);
    bag.add("data/legal/process-description-901b9", process);
    bag.add("data/legal/LIMITS.txt", texts::limits(run));
    let exhibits: Vec<document::Exhibit> = bag.files().map(document::Exhibit::of).collect();
    bag.add("data/legal/brief.pdf", document::brief(dossier, &exhibits)?);
    Ok(())
}
