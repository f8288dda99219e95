use std::rc::Rc;

use super::error::FortressError;
use super::jobs::{Job, Jobs};
use super::types::{ChainPosition, SealInput, SealOutput};
use crate::chain::fact::Fact;
use crate::digest::sha256_hex;
use crate::ledger::{AppendRequest, Ledger, LedgerError};
use crate::ports::Database;

pub(super) const SOURCE: &str = "fortress-mcp";

/// Whether a fact is of this very text and signature.
pub(crate) fn records_signed(fact: &Fact, text: &str, signature: &str) -> bool {
    let says = |name: &str, text: &str| fact.metadata.get(name) == Some(&sha256_hex(text));
    fact.source == SOURCE && says("manifest_sha256", text) && says("signature_sha256", signature)
}
const SWEPT_AT_ONCE: usize = 20;
const SWEPT_AT_MOST: usize = 100;

/// Logs a completed job, once however often it is called.
pub(super) async fn log_job(ledger: &dyn Ledger, job: &Job) -> Result<ChainPosition, LedgerError> {
    let hash = |text: &Option<String>| sha256_hex(text.as_deref().unwrap_or_default());
    let metadata = [
        ("user_id", job.user_id.clone()),
        ("manifest_sha256", hash(&job.manifest)),
        // The signature's own bytes, which a signature does not protect.
        ("signature_sha256", hash(&job.signature)),
        (
            "key_fingerprint",
            job.fingerprint.clone().unwrap_or_default(),
        ),
    ];
    let receipt = ledger
        .append(&AppendRequest {
            idempotency_key: format!("fortress:job:{}:executed", job.id),
            fact: Fact {
                subject: job_subject(&job.id),
                predicate: "executed_securely".to_owned(),
                object: format!("output:{}", job.output_file.as_deref().unwrap_or_default()),
                source: SOURCE.to_owned(),
                timestamp_ms: job
                    .completed_at_ms
                    .and_then(|ms| u64::try_from(ms).ok())
                    .unwrap_or_default(),
                execution_id: job.evidence_id.clone(),
                evidence_id: None,
                metadata: metadata.map(|(key, value)| (key.to_owned(), value)).into(),
            },
        })
        .await?;
    Ok(ChainPosition::from(&receipt))
}

/// What the facts about a job are about.
pub(super) fn job_subject(id: &str) -> String {
    format!("fortress:job:{id}")
}

/// What the facts about a sealed package are about.
pub(super) fn seal_subject(tag_manifest: &str) -> String {
    format!("fortress:seal:{}", sha256_hex(tag_manifest))
}

/// Logs the seal of a package: by its place in the log it outlives its key.
pub(super) async fn log_seal(
    ledger: &dyn Ledger,
    input: &SealInput,
    sealed: &SealOutput,
    now_secs: u64,
) -> Result<(), LedgerError> {
    let signature = sha256_hex(&sealed.signature);
    let metadata = [
        ("manifest_sha256", sha256_hex(&input.tag_manifest)),
        ("signature_sha256", signature.clone()),
        ("key_fingerprint", sealed.key_fingerprint.clone()),
    ];
    let request = AppendRequest {
        idempotency_key: format!("fortress:seal:{}:{signature}", input.package_id),
        fact: Fact {
            subject: seal_subject(&input.tag_manifest),
            predicate: "package_sealed".to_owned(),
            object: format!("package:{}", input.package_id),
            source: SOURCE.to_owned(),
            // Within one second a key signs the same twice, and the fact is the same.
            timestamp_ms: now_secs * 1_000,
            execution_id: None,
            evidence_id: None,
            metadata: metadata.map(|(key, value)| (key.to_owned(), value)).into(),
        },
    };
    ledger.append(&request).await.map(drop)
}

/// Logs signed jobs whose worker ended before it could. Of what was erased meanwhile there is
/// nothing left to log.
pub async fn log_unlogged(
    db: &Rc<dyn Database>,
    ledger: &dyn Ledger,
    now_ms: i64,
) -> Result<usize, FortressError> {
    let jobs = Jobs::new(Rc::clone(db));
    let mut logged = 0;
    // Those that the log does not take must not keep the others out: they are passed over.
    let (mut skipped, mut refusal) = (0, None);
    while logged + skipped < SWEPT_AT_MOST {
        let due = jobs.unlogged(SWEPT_AT_ONCE, skipped).await?;
        for job in &due {
            match log_job(ledger, job).await {
                Ok(position) => {
                    jobs.logged(&job.id, &position.fact_id, now_ms).await?;
                    logged += 1;
                }
                Err(error @ LedgerError::Refused { .. }) => {
                    skipped += 1;
                    refusal = Some(error);
                }
                Err(error) => return Err(error.into()),
            }
        }
        if due.len() < SWEPT_AT_ONCE {
            break;
        }
    }
    refusal.map_or(Ok(logged), |error| Err(error.into()))
}
