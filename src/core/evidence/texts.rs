//! The texts of a package, and the facts filled into them.

use super::dossier::{Anchors, Chain, Dossier, SignedRun};
use crate::anchoring::{TimeVerdict, WitnessVerdict};
use crate::chain::checkpoint::Checkpoint;
use crate::fortress::Manifest;
use crate::time;

const LIMITS: &str = include_str!("texts/LIMITS.txt");
pub const NO_TIMESTAMP: &str = include_str!("texts/NO-TIMESTAMP.txt");
pub const NO_WITNESSES: &str = include_str!("texts/NO-WITNESSES.txt");
pub const CERTIFICATION: &str = include_str!("texts/certification.txt");
pub const PROCESS: &str = include_str!("texts/process.txt");
const FINDING: &str = include_str!("texts/finding.txt");
const RUN_BY_MODEL: &str = include_str!("texts/run-by-model.txt");
const RUN_BY_AGENT: &str = include_str!("texts/run-by-agent.txt");
pub const VERIFY: &str = include_str!("texts/VERIFY.txt");
pub const VERIFY_SH: &str = include_str!("texts/verify.sh");
pub const VERIFY_PY: &str = include_str!("texts/verify.py");

/// What a package does not prove, in short.
pub const LIMITS_SHORT: &str = "This package shows what ChittyMCP recorded: that its fortress signed this \
    manifest, and that its log holds these facts. It does not show that the answer is true, nor \
    by itself that the provider's model gave it. Compare the key fingerprint and the log's \
    verifier key with copies you got elsewhere.";

/// Each with a line end.
pub fn lines<T: AsRef<str>>(items: impl IntoIterator<Item = T>) -> String {
    let mut text = String::new();
    for item in items {
        text.push_str(item.as_ref());
        text.push('\n');
    }
    text
}

/// Names and values for [`fill`].
pub type Values = Vec<(&'static str, String)>;

/// Puts values in the places `{{name}}`. What a value holds is never read as a place.
pub fn fill(template: &str, values: &Values) -> String {
    let mut parts = template.split("{{");
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let Some((name, rest)) = part.split_once("}}") else {
            filled.push_str("{{");
            filled.push_str(part);
            continue;
        };
        if let Some((_, value)) = values.iter().find(|(known, _)| *known == name) {
            filled.push_str(value);
        }
        filled.push_str(rest);
    }
    filled
}

/// What a package does not show, and first what was found of the key that signed.
pub fn limits(run: &SignedRun) -> String {
    let said = |finding: &String| fill(FINDING, &vec![("finding", finding.clone())]);
    let finding = run.finding.as_ref().map(said).unwrap_or_default();
    fill(LIMITS, &vec![("finding", finding)])
}

/// Why there is no time stamp, or no cosigned checkpoint.
pub fn absences(anchors: &Anchors) -> Values {
    let no_time_stamp = match &anchors.anchoring.time {
        TimeVerdict::Stamped { .. } => String::new(),
        TimeVerdict::Fails { reason, .. } => format!("one is kept and does not hold, {reason}."),
        TimeVerdict::NotStamped { .. } => "none had come when it was made.".to_owned(),
        TimeVerdict::NotConfigured => "no authority is configured.".to_owned(),
    };
    let no_witnesses = match &anchors.anchoring.witnesses {
        WitnessVerdict::Witnessed { .. } => String::new(),
        WitnessVerdict::Fails { reason, .. } => format!("some are kept and do not hold, {reason}."),
        WitnessVerdict::NotWitnessed { .. } => "no quorum had come when it was made.".to_owned(),
        WitnessVerdict::NotConfigured => "no witness is configured.".to_owned(),
    };
    vec![
        ("no_time_stamp", no_time_stamp),
        ("no_witnesses", no_witnesses),
    ]
}

/// What others vouch for, in words.
pub fn vouched(anchors: &Anchors) -> [String; 2] {
    let time = match &anchors.anchoring.time {
        TimeVerdict::Stamped {
            tree_size, stamp, ..
        } => format!(
            "{} stamped the tree of {tree_size} entries at {} (RFC 3161)",
            stamp.authority,
            time::to_rfc3339(stamp.time_ms)
        ),
        _ => "By the log's own clock. No third party has stamped it".to_owned(),
    };
    let witnesses = match &anchors.anchoring.witnesses {
        WitnessVerdict::Witnessed { tree_size, by, .. } => {
            let names: Vec<&str> = by
                .iter()
                .filter_map(|one| one.witness.split('+').next())
                .collect();
            format!(
                "{} cosigned the tree of {tree_size} entries",
                names.join(" and ")
            )
        }
        _ => "No witness has cosigned it".to_owned(),
    };
    [time, witnesses]
}

pub fn values(dossier: &Dossier, run: &SignedRun, chain: &Chain) -> Values {
    let manifest = &run.manifest;
    let head = Checkpoint::parse_unverified(&chain.checkpoint).ok();
    let provider = &manifest.provider;
    let [time_vouched, witnesses_vouched] = vouched(&chain.anchors);
    let package_key = dossier.active_key().map(|key| key.fingerprint.clone());
    let mut values = how_it_ran(manifest);
    values.extend([
        ("package", dossier.package_id.clone()),
        ("prepared", time::to_rfc3339(dossier.created_ms)),
        (
            "case",
            dossier
                .case_id
                .clone()
                .unwrap_or_else(|| "[not stated]".to_owned()),
        ),
        ("execution", dossier.execution.id.clone()),
        ("job", manifest.job_id.clone()),
        ("level", dossier.execution.security_level.clone()),
        ("started", time::to_rfc3339(manifest.started_at_ms)),
        ("completed", time::to_rfc3339(manifest.completed_at_ms)),
        ("model_requested", manifest.model_requested.clone()),
        (
            "request_id",
            provider
                .request_id
                .clone()
                .unwrap_or_else(|| "none given".to_owned()),
        ),
        ("max_tokens", manifest.parameters.max_tokens.to_string()),
        ("temperature", manifest.parameters.temperature.clone()),
        ("prompt_sha256", manifest.prompt_sha256.clone()),
        ("output_sha256", manifest.output_sha256.clone()),
        ("policy_sha256", manifest.policy_sha256.clone()),
        ("run_fingerprint", run.verdict.key_fingerprint.clone()),
        ("package_fingerprint", package_key.unwrap_or_default()),
        ("time_vouched", time_vouched),
        ("witnesses_vouched", witnesses_vouched),
        ("verdict", run.verdict.explanation.clone()),
        ("verified_at", run.verdict.verified_at.clone()),
        ("log_key", chain.verifier_key.clone()),
        ("facts", chain.facts.len().to_string()),
        ("events", chain.custody.len().to_string()),
        (
            "tree_size",
            head.as_ref()
                .map(|head| head.size.to_string())
                .unwrap_or_default(),
        ),
        (
            "root",
            head.map(|head| head.root.to_string()).unwrap_or_default(),
        ),
    ]);
    values
}

/// Who was given the prompt: the model, or an agent that may have asked it.
pub(super) fn how_it_ran(manifest: &Manifest) -> Values {
    let host = ("host", manifest.provider.host.clone());
    let (told, to_whom) = match manifest.policy.sandbox {
        None => (RUN_BY_MODEL, "to"),
        Some(_) => (RUN_BY_AGENT, "to an agent in a sandbox, which could ask"),
    };
    let answered = match manifest.model_answered.as_str() {
        "" => "none",
        model => model,
    };
    let told = fill(told, &vec![host.clone()]);
    vec![
        ("how_it_ran", told),
        ("to_whom", to_whom.to_owned()),
        ("model_answered", answered.to_owned()),
        host,
    ]
}
