use std::rc::Rc;

use super::error::FortressError;
use super::jobs::{Job, Jobs};
use super::types::ChainPosition;
use crate::chain::fact::Fact;
use crate::digest::sha256_hex;
use crate::ledger::{AppendRequest, Ledger, LedgerError};
use crate::ports::Database;

const SOURCE: &str = "fortress-mcp";
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
                subject: format!("fortress:job:{}", job.id),
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

/// Logs signed jobs whose worker ended before it could.
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
