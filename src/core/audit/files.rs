//! Files of packages, read again.

use super::auditor::Auditor;
use super::error::AuditError;
use super::finding::{Code, Finding};
use super::tables::Table;
use crate::evidence::open_file;
use crate::ports::{BucketError, MAX_OBJECT_BYTES};
use crate::sql::Row;

impl Auditor<'_> {
    /// Whether the rows of a table have files that this audit reads.
    pub(super) fn reads_files(&self, table: &Table) -> bool {
        table.name == "evidence_packages" && self.scope.files
    }

    /// What is wrong with the file that a package's row names. What the row says is held against
    /// its record elsewhere.
    pub(super) async fn check_file(&self, row: &Row) -> Result<Option<Finding>, AuditError> {
        let text = |column| row.opt_text(column).ok().flatten().unwrap_or_default();
        let path = text("package_file_path");
        if path.is_empty() {
            return Ok(None);
        }
        let name = format!("evidence_packages:{}", row.text("id")?);
        let missing = |what: &str| {
            let finding = Finding::new(Code::FileMissing, name.as_str(), what);
            finding
                .column("package_file_path")
                .evidence(path.clone(), None)
        };
        let Some(files) = self.files else {
            let what = "there is no place for package files any more: EVIDENCE_FILES is not bound";
            return Ok(Some(missing(what)));
        };
        let (owner, id, hash) = (text("user_id"), text("id"), text("package_hash"));
        self.published.count_request();
        let wrong = match files.get(&path, MAX_OBJECT_BYTES).await {
            Ok(Some(object)) => open_file(self.sealer, [&owner, &id], &object, &hash)
                .err()
                .map(|error| error.to_string()),
            Ok(None) => return Ok(Some(missing("the package's file is gone"))),
            Err(error @ BucketError::TooLarge { .. }) => Some(error.to_string()),
            Err(error) => return Err(error.into()),
        };
        Ok(wrong.map(|why| {
            let what = format!("the package's file is not the one that was made: {why}");
            let finding = Finding::new(Code::FileAltered, name, what);
            finding.column("package_file_path").evidence(hash, None)
        }))
    }
}
