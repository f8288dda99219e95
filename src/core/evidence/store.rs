//! Packages on file: rows of `evidence_packages`, and sealed files in object storage.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::dossier::Dossier;
use super::error::EvidenceError;
use super::service::Evidence;
use super::types::PackageFormat;
use crate::auth::Principal;
use crate::digest::sha256_hex;
use crate::ports::{MAX_OBJECT_BYTES, Object};
use crate::seal::Sealer;
use crate::sql::Statement;

/// What files and texts are sealed for.
const PURPOSE: &str = "package";

pub(super) struct NewPackage<'a> {
    pub dossier: &'a Dossier,
    pub format: PackageFormat,
    pub hash: &'a str,
    pub contents: &'a Map<String, Value>,
    pub file: Option<&'a str>,
    pub signature: Option<&'a str>,
}

/// A file as it is given out.
pub(super) struct KeptFile {
    pub name: String,
    pub media_type: &'static str,
    pub hash: String,
    pub bytes: Vec<u8>,
}

/// The file of that owner's package of that id, if it is the one with that hash.
pub(crate) fn open_file(
    sealer: &Sealer,
    owner_and_id: [&str; 2],
    object: &Object,
    hash: &str,
) -> Result<Vec<u8>, EvidenceError> {
    let text = std::str::from_utf8(&object.bytes).map_err(|_| EvidenceError::FileAltered)?;
    let bytes = sealer.open(PURPOSE, &owner_and_id, text)?;
    if sha256_hex(&bytes) == hash {
        return Ok(bytes);
    }
    Err(EvidenceError::FileAltered)
}

fn key(name: &str) -> String {
    format!("evidence/{name}")
}

impl Evidence<'_> {
    /// Sealed: it holds prompt and answer.
    pub(super) async fn keep(
        &self,
        dossier: &Dossier,
        name: &str,
        bytes: &[u8],
    ) -> Result<(), EvidenceError> {
        let files = self.files.ok_or(EvidenceError::NoFiles)?;
        let aad = [dossier.execution.user_id.as_str(), &dossier.package_id];
        let service = self.executions;
        let sealed = service
            .sealer
            .seal(PURPOSE, &aad, bytes, &*service.entropy)?;
        let object = Object {
            bytes: Bytes::from(sealed),
            content_type: "application/octet-stream".to_owned(),
            cache_control: String::new(),
            version: String::new(),
        };
        Ok(files.put(&key(name), object).await?)
    }

    /// The row, and the evidence record's link to it. Contents that stand nowhere else are in
    /// the row, sealed. False, and nothing is put there, if the execution was erased meanwhile.
    pub(super) async fn put_on_file(&self, new: &NewPackage<'_>) -> Result<bool, EvidenceError> {
        let service = self.executions;
        let dossier = new.dossier;
        let owner = dossier.execution.user_id.as_str();
        let text = match new.file {
            Some(_) => None,
            None => Some(service.sealer.seal(
                PURPOSE,
                &[owner, &dossier.package_id],
                &serde_json_canonicalizer::to_vec(new.contents)?,
                &*service.entropy,
            )?),
        };
        let chain = dossier.chain.as_ref();
        let facts: Vec<String> = chain
            .iter()
            .flat_map(|chain| chain.all())
            .map(|fact| fact.stored.fact_id.to_string())
            .collect();
        let checkpoint = json!({ "checkpoint": chain.map(|chain| &chain.checkpoint) });
        let insert = Statement::new(
            "INSERT INTO evidence_packages (id, user_id, case_id, execution_id, package_format, \
             package_text, package_file_path, include_chain_facts, chain_facts_included, \
             package_hash, package_signature, status, legal_metadata, created_at, updated_at) \
             SELECT ?1, ?2, ?3, id, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?14 \
             FROM secure_executions WHERE id = ?4 AND prompt <> ''",
        )
        .bind(dossier.package_id.as_str())
        .bind(owner)
        .bind(dossier.case_id.clone())
        .bind(dossier.execution.id.as_str())
        .bind(new.format.as_str())
        .bind(text)
        .bind(new.file.map(key))
        .bind(chain.is_some())
        .bind(json!(facts))
        .bind(new.hash)
        .bind(new.signature.map(str::to_owned))
        .bind(if new.signature.is_some() {
            "signed"
        } else {
            "created"
        })
        .bind(checkpoint)
        .timestamp(dossier.created_ms);
        let link = Statement::new(
            "UPDATE evidence_records SET evidence_package_id = ?2, package_format = ?3, \
             updated_at = ?4, recorded_fact = NULL WHERE execution_id = ?1 \
             AND EXISTS (SELECT 1 FROM evidence_packages WHERE id = ?2)",
        )
        .bind(dossier.execution.id.as_str())
        .bind(dossier.package_id.as_str())
        .bind(new.format.as_str())
        .timestamp(dossier.created_ms);
        let outcomes = service.db.batch(vec![insert, link]).await?;
        Ok(outcomes.first().is_some_and(|insert| insert.changes > 0))
    }

    pub(super) async fn drop_file(&self, new: &NewPackage<'_>) -> Result<(), EvidenceError> {
        if let (Some(files), Some(name)) = (self.files, new.file) {
            files.delete(&[key(name)]).await?;
        }
        Ok(())
    }

    /// The checkpoint that the owner's last legal brief led to.
    pub(super) async fn checkpoint_before(
        &self,
        owner: &str,
    ) -> Result<Option<String>, EvidenceError> {
        let select = Statement::new(
            "SELECT legal_metadata FROM evidence_packages WHERE user_id = ?1 \
             AND package_format = 'legal_brief' ORDER BY created_at DESC, id DESC LIMIT 1",
        )
        .bind(owner);
        let rows = self.executions.db.run(select).await?.rows;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let metadata = row.json("legal_metadata")?;
        Ok(metadata
            .get("checkpoint")
            .and_then(Value::as_str)
            .map(str::to_owned))
    }

    /// A package's file, opened and compared with the hash on file.
    pub(super) async fn file(
        &self,
        caller: &Principal,
        package_id: &str,
    ) -> Result<KeptFile, EvidenceError> {
        let files = self.files.ok_or(EvidenceError::NoFiles)?;
        let select = Statement::new(
            "SELECT user_id, package_format, package_file_path, package_hash \
             FROM evidence_packages WHERE id = ?1",
        )
        .bind(package_id);
        let rows = self.executions.db.run(select).await?.rows;
        let row = rows.first().ok_or(EvidenceError::NoSuchFile)?;
        let owner = row.text("user_id")?;
        let path = row.opt_text("package_file_path")?;
        let (Some(path), true) = (path, caller.resolve_user(Some(&owner)).is_ok()) else {
            return Err(EvidenceError::NoSuchFile);
        };
        let object = files.get(&path, MAX_OBJECT_BYTES).await?;
        let object = object.ok_or(EvidenceError::FileAltered)?;
        let hash = row.opt_text("package_hash")?.unwrap_or_default();
        let sealer = &self.executions.sealer;
        let bytes = open_file(sealer, [&owner, package_id], &object, &hash)?;
        let (ending, media_type) = match row.text("package_format")?.as_str() {
            "pdf" => PackageFormat::Pdf.file_type(),
            _ => PackageFormat::LegalBrief.file_type(),
        }
        .unwrap_or_default();
        self.mark_delivered(package_id).await?;
        Ok(KeptFile {
            name: format!("{package_id}.{ending}"),
            media_type,
            hash,
            bytes,
        })
    }

    /// Unless it was erased meanwhile.
    async fn mark_delivered(&self, package_id: &str) -> Result<(), EvidenceError> {
        let update = Statement::new(
            "UPDATE evidence_packages SET status = 'delivered', updated_at = ?2, recorded_fact = NULL \
             WHERE id = ?1 AND status <> 'delivered' AND package_file_path IS NOT NULL",
        )
        .bind(package_id)
        .timestamp(self.executions.clock.now_ms());
        self.executions.db.run(update).await?;
        Ok(())
    }
}
