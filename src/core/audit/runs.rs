//! Signatures of runs, checked again.

use super::auditor::Auditor;
use super::error::AuditError;
use super::finding::{Code, Finding};
use super::tables::Table;
use crate::digest::sha256_hex;
use crate::fortress::Manifest;
use crate::sql::Row;

impl Auditor<'_> {
    /// The signature of a run, again. False where there is none to check.
    pub(super) async fn check_run(
        &self,
        table: &Table,
        row: &Row,
        found: &mut Vec<Finding>,
    ) -> Result<bool, AuditError> {
        if !self.scope.signatures || table.name != "fortress_jobs" {
            return Ok(false);
        }
        let texts = (row.opt_text("manifest"), row.opt_text("signature"));
        let (Ok(Some(manifest)), Ok(Some(signature))) = texts else {
            return Ok(false);
        };
        // Both are empty where content was erased.
        if manifest.is_empty() && signature.is_empty() {
            return Ok(false);
        }
        let verdict = self.signatures.check(&manifest, &signature).await;
        let verdict = verdict.map_err(AuditError::Signatures)?;
        let named = row.opt_text("prompt_hash").ok().flatten();
        let covered = Manifest::parse(&manifest);
        let why = match (verdict, covered) {
            (Err(why), _) => Some(why),
            (Ok(()), Err(fault)) => Some(fault.to_string()),
            (Ok(()), Ok(manifest)) if Some(&manifest.prompt_sha256) != named.as_ref() => {
                Some("the manifest is of another prompt than the row".to_owned())
            }
            _ => None,
        };
        if let Some(why) = why {
            let name = format!("{}:{}", table.name, row.text("id")?);
            let evidence = sha256_hex(&signature);
            let finding = Finding::new(Code::SignatureInvalid, name, why).column("signature");
            found.push(finding.evidence(None, evidence));
        }
        Ok(true)
    }
}
