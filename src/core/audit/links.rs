//! What rows name of each other: a run, evidence or a package that is gone is seen by whoever
//! audits what names it, and a row claims no signature that its run does not have.

use super::auditor::{Auditor, among, values};
use super::error::AuditError;
use super::finding::{Code, Finding};
use super::tables::Table;
use crate::sql::{DatabaseError, Narrowed, Row};

const RUNS: &str = "fortress_jobs";
const LINKS: [(&str, &str, &str); 4] = [
    ("secure_executions", "fortress_job_id", RUNS),
    ("secure_executions", "evidence_id", "evidence_records"),
    ("evidence_records", "fortress_job_id", RUNS),
    (
        "evidence_records",
        "evidence_package_id",
        "evidence_packages",
    ),
];
/// The signature of its run that a row has, and what says that it was checked.
const CLAIMS: [(&str, &str, &str); 2] = [
    (
        "secure_executions",
        "fortress_signature",
        "verification_status",
    ),
    ("evidence_records", "pgp_signature", "signature_verified"),
];

impl Auditor<'_> {
    pub(super) async fn check_links(
        &self,
        table: &Table,
        rows: &[Row],
    ) -> Result<Vec<Finding>, AuditError> {
        let mut found = Vec::new();
        for (_, column, target) in LINKS.iter().filter(|(from, ..)| *from == table.name) {
            let there = self.named_rows(target, column, rows).await?;
            for row in rows {
                let Some(id) = named(row, column) else {
                    continue;
                };
                if there
                    .iter()
                    .any(|there| named(there, "id").as_ref() == Some(&id))
                {
                    continue;
                }
                let by = row.text("id")?;
                let what = format!(
                    "{}:{by} names the row, and the database does not have it",
                    table.name
                );
                found.push(Finding::new(
                    Code::RowMissing,
                    format!("{target}:{id}"),
                    what,
                ));
            }
            if *target == RUNS {
                for row in rows {
                    found.extend(unfounded_claim(table, row, &there)?);
                }
            }
        }
        Ok(found)
    }

    /// The rows that a column of these names.
    async fn named_rows(
        &self,
        target: &str,
        column: &str,
        rows: &[Row],
    ) -> Result<Vec<Row>, AuditError> {
        let ids: Vec<String> = rows.iter().filter_map(|row| named(row, column)).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let of_runs = if target == RUNS {
            ", signature, sealed_prompt = '' AS is_erased"
        } else {
            ""
        };
        let select = format!(
            "SELECT id{of_runs} FROM {target} WHERE {}",
            among("id", &ids)
        );
        let asked = Narrowed::new(&select, values(&ids)).finish("", []);
        Ok(self.db.run(asked).await?.rows)
    }
}

fn named(row: &Row, column: &str) -> Option<String> {
    row.opt_text(column).ok().flatten()
}

/// A row that says it has a signature that was checked, other than the one of the run that it names.
fn unfounded_claim(
    table: &Table,
    row: &Row,
    runs: &[Row],
) -> Result<Option<Finding>, DatabaseError> {
    let Some((_, signature, checked)) = CLAIMS.iter().find(|(of, ..)| *of == table.name) else {
        return Ok(None);
    };
    let claimed = named(row, signature);
    let says_checked = row.opt_boolean(checked).ok().flatten() == Some(true);
    if claimed.is_none() && !says_checked {
        return Ok(None);
    }
    let run = named(row, "fortress_job_id");
    let run = run.and_then(|id| {
        runs.iter()
            .find(|run| named(run, "id").as_ref() == Some(&id))
    });
    // What was made by hand of a run stays when the run's content goes.
    let is_founded = match run {
        Some(run) if run.boolean("is_erased")? => true,
        Some(run) => {
            let signed = named(run, "signature").filter(|signature| !signature.is_empty());
            signed.is_some() && claimed.is_none_or(|claimed| Some(claimed) == signed)
        }
        None => false,
    };
    let what = "the row says that it is signed, and names no run that has this signature";
    let name = format!("{}:{}", table.name, row.text("id")?);
    let finding = || Finding::new(Code::SignatureInvalid, name, what).column(*signature);
    Ok((!is_founded).then(finding))
}
