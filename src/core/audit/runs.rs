//! Signatures of runs, checked again: in pages of their own, of the columns that they need.

use super::auditor::Auditor;
use super::error::AuditError;
use super::finding::{Code, Finding};
use super::pages::after;
use super::progress::{Phase, Progress};
use super::tables::Table;
use crate::digest::sha256_hex;
use crate::fortress::{Manifest, SignedText};
use crate::sql::Row;

const TABLE: &str = "fortress_jobs";
/// Runs that are read at a time, where they are short.
const PAGE: usize = 500;

/// What a row says of its run.
struct Run {
    id: String,
    prompt_hash: Option<String>,
    signed: SignedText,
}

impl Auditor<'_> {
    /// The signatures of the next runs.
    pub(super) async fn signed_runs(&self, progress: &mut Progress) -> Result<(), AuditError> {
        let table = Table::named(TABLE).filter(|_| self.scope.signatures);
        let Some(table) = table else {
            progress.phase = Phase::Head;
            return Ok(());
        };
        let select = table.page_of(&["id", "prompt_hash", "manifest", "signature"], "");
        let rows = self.page(table, &select, &progress.after, PAGE).await?;
        let mut runs = Vec::new();
        for row in &rows {
            runs.extend(Run::of(row)?);
        }
        let texts: Vec<SignedText> = runs.iter().map(|run| run.signed.clone()).collect();
        let verdicts = self.signatures.check_all(&texts).await;
        let verdicts = verdicts.map_err(AuditError::Signatures)?;
        if verdicts.len() != runs.len() {
            let what = "there are not as many verdicts as signatures";
            return Err(AuditError::Signatures(what.to_owned()));
        }
        let judged = runs.iter().zip(verdicts);
        progress.add(judged.filter_map(|(run, verdict)| run.fault(verdict)));
        progress.signatures += runs.len() as u64;
        match after(&rows)? {
            Some(id) => progress.after = id,
            None => progress.phase = Phase::Head,
        }
        Ok(())
    }
}

impl Run {
    /// None where there is no signature to check.
    fn of(row: &Row) -> Result<Option<Self>, AuditError> {
        let texts = (row.opt_text("manifest"), row.opt_text("signature"));
        let (Ok(Some(content)), Ok(Some(signature))) = texts else {
            return Ok(None);
        };
        // Both are empty where content was erased.
        if content.is_empty() && signature.is_empty() {
            return Ok(None);
        }
        Ok(Some(Self {
            id: row.text("id")?,
            prompt_hash: row.opt_text("prompt_hash").ok().flatten(),
            signed: SignedText { content, signature },
        }))
    }

    fn fault(&self, verdict: Result<(), String>) -> Option<Finding> {
        let why = match (verdict, Manifest::parse(&self.signed.content)) {
            (Err(why), _) => why,
            (Ok(()), Err(fault)) => fault.to_string(),
            (Ok(()), Ok(manifest))
                if Some(&manifest.prompt_sha256) != self.prompt_hash.as_ref() =>
            {
                "the manifest is of another prompt than the row".to_owned()
            }
            _ => return None,
        };
        let name = format!("{TABLE}:{}", self.id);
        let finding = Finding::new(Code::SignatureInvalid, name, why).column("signature");
        Some(finding.evidence(None, sha256_hex(&self.signed.signature)))
    }
}
