use serde_json::json;

use super::error::FortressError;
use super::jobs::Job;
use super::manifest::Manifest;
use super::service::FortressService;
use super::types::{ChainPosition, LoggedDue, SealInput, SealOutput};
use crate::chain::fact::Fact;
use crate::digest::sha256_hex;
use crate::ledger::{AppendRequest, Ledger, LedgerError};
use crate::ports::Level;

pub(super) const SOURCE: &str = "fortress-mcp";
const SWEPT_AT_ONCE: usize = 20;
const SWEPT_AT_MOST: usize = 100;
const MINUTE_MS: i64 = 60_000;

/// Whether a fact is of this very text and signature.
pub(crate) fn records_signed(fact: &Fact, text: &str, signature: &str) -> bool {
    let says = |name: &str, text: &str| fact.metadata.get(name) == Some(&sha256_hex(text));
    fact.source == SOURCE && says("manifest_sha256", text) && says("signature_sha256", signature)
}

impl FortressService {
    /// Logs a completed job, once however often it is called; if it is what was signed, for its
    /// row alone is no proof of that.
    pub(super) async fn log_job(&self, job: &Job) -> Result<ChainPosition, FortressError> {
        let request = executed(job);
        match self.check_signed(job).await {
            // What the log has already it only repeats: who reads the row is told how it differs.
            Err(FortressError::NotAsSigned(why)) => {
                let key = [request.idempotency_key.clone()];
                let logged = self.ledger.keyed(&key).await;
                let logged = logged.map_err(FortressError::Unlogged)?;
                if logged.iter().all(|found| found.facts.is_empty()) {
                    return Err(FortressError::NotAsSigned(why));
                }
            }
            Err(FortressError::Ledger(error)) => return Err(FortressError::Unlogged(error)),
            checked => checked?,
        }
        let logged = self.ledger.append(&request).await;
        let receipt = logged.map_err(FortressError::Unlogged)?;
        Ok(ChainPosition::from(&receipt))
    }

    /// The answer opens for its owner's job only, the manifest names it, and the signature over
    /// that holds.
    async fn check_signed(&self, job: &Job) -> Result<(), FortressError> {
        let refused = |why: &dyn ToString| Err(FortressError::NotAsSigned(why.to_string()));
        let (manifest, signature) = (
            job.manifest.as_deref().unwrap_or_default(),
            job.signature.as_deref().unwrap_or_default(),
        );
        let parsed = match Manifest::parse(manifest) {
            Ok(parsed) => parsed,
            Err(fault) => return refused(&fault),
        };
        let sealed = job.sealed_output.as_deref().unwrap_or_default();
        let aad = [job.user_id.as_str(), job.id.as_str()];
        let Ok(output) = self.sealer.open("output", &aad, sealed) else {
            return refused(&"the answer on file does not open");
        };
        let evidence_id = job.evidence_id.as_deref();
        let hashes = (job.prompt_hash.as_str(), sha256_hex(&output));
        if let Err(fault) = parsed.check_hashes(&job.id, evidence_id, hashes.0, &hashes.1) {
            return refused(&fault);
        }
        let verdict = self.judge(manifest, signature).await?.verdict;
        if !verdict.valid {
            return refused(&verdict.sentence);
        }
        // The fact names both, as the row does.
        let prints = [&verdict.fingerprint, &Some(parsed.signer_fingerprint)];
        if prints.iter().any(|print| **print != job.fingerprint) {
            return refused(&"the row names another key");
        }
        if job.output_file != Some(output_file(&job.id)) {
            return refused(&"the row names another output file");
        }
        Ok(())
    }

    /// Logs what is due: the first key, what was decided about keys, and signed jobs. What fails
    /// keeps nothing else out.
    pub async fn log_due(&self) -> Result<LoggedDue, FortressError> {
        let first_key = self.log_first_key().await;
        let (keys, runs) = (self.settle_keys().await, self.log_unlogged().await);
        first_key?;
        let (keys, runs) = (keys?, runs?);
        Ok(LoggedDue {
            keys,
            runs: runs.logged,
            refused: runs.refused.len(),
        })
    }

    /// Logs signed jobs whose worker ended before it could. Of what was erased meanwhile there is
    /// nothing left to log.
    pub(super) async fn log_unlogged(&self) -> Result<LoggedLate, FortressError> {
        let jobs = self.jobs();
        let mut late = LoggedLate::default();
        // Those that cannot be logged must not keep the others out: they are passed over, and where
        // there are more than are tried at once, each minute has its part of them.
        let parts = jobs.unlogged_count().await?.div_ceil(SWEPT_AT_MOST).max(1);
        let minute = usize::try_from(self.clock.now_ms() / MINUTE_MS).unwrap_or_default();
        let before = minute % parts * SWEPT_AT_MOST;
        while late.logged + late.refused.len() < SWEPT_AT_MOST {
            let skipped = before + late.refused.len();
            let due = jobs.unlogged(SWEPT_AT_ONCE, skipped).await?;
            for job in &due {
                match self.log_job(job).await {
                    Ok(position) => {
                        let now_ms = self.clock.now_ms();
                        jobs.logged(&job.id, &position.fact_id, now_ms).await?;
                        late.logged += 1;
                    }
                    Err(
                        error @ (FortressError::NotAsSigned(_)
                        | FortressError::Unlogged(LedgerError::Refused { .. })),
                    ) => {
                        let fields = json!({ "job": job.id, "cause": error.to_string() });
                        let log = &self.gateway.log;
                        log.record(Level::Error, "run_not_logged", fields);
                        late.refused.push(error);
                    }
                    Err(error) => return Err(error),
                }
            }
            if due.len() < SWEPT_AT_ONCE {
                break;
            }
        }
        Ok(late)
    }
}

/// How many jobs were logged late, and why others cannot be.
#[derive(Default)]
pub(super) struct LoggedLate {
    pub logged: usize,
    pub refused: Vec<FortressError>,
}

fn executed(job: &Job) -> AppendRequest {
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
    AppendRequest {
        idempotency_key: format!("{}:executed", job_subject(&job.id)),
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
    }
}

/// The name of a run's answer.
pub(super) fn output_file(id: &str) -> String {
    format!("{id}.txt")
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
    let subject = seal_subject(&input.tag_manifest);
    let metadata = [
        ("manifest_sha256", sha256_hex(&input.tag_manifest)),
        ("signature_sha256", signature.clone()),
        ("key_fingerprint", sealed.key_fingerprint.clone()),
    ];
    let request = AppendRequest {
        idempotency_key: format!("{subject}:{signature}"),
        fact: Fact {
            subject,
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
