use std::collections::BTreeMap;

use super::contents::{self, Made};
use super::custody::{CustodyAction, CustodyEvent, Subject};
use super::dossier::{Dossier, SignedRun};
use super::error::EvidenceError;
use super::legal_brief;
use super::sound;
use super::store::NewPackage;
use super::types::{Package, PackageFile, PackageFormat, PackageInput, PackageOutput};
use crate::chain::hash::Hash;
use crate::digest::sha256_hex;
use crate::execution::{Asker, ExecutionService, ExecutionView};
use crate::fortress::VerifyInput;
use crate::fortress::keys::HistoryEntry;
use crate::ids;
use crate::ports::Bucket;

/// Where our own events take place.
const HERE: &str = "ChittyMCP coordinator";

/// Packages and custody, for one request.
pub struct Evidence<'a> {
    pub executions: &'a ExecutionService,
    /// Where package files are kept. None: only the format json is to be had.
    pub files: Option<&'a dyn Bucket>,
    /// Base URL of downloads, such as `https://mcp.example.com`.
    pub origin: &'a str,
}

impl Evidence<'_> {
    /// Everything on file of an execution, with what is needed to check it offline. That it
    /// was packaged is recorded, under the package's hash.
    pub async fn package(
        &self,
        asker: &Asker<'_>,
        input: &PackageInput,
    ) -> Result<PackageOutput, EvidenceError> {
        let execution = self
            .executions
            .status(asker.principal, &input.execution_id)
            .await?
            .execution;
        if execution.content_erased {
            return Err(EvidenceError::Erased);
        }
        if execution.status != "completed" {
            return Err(EvidenceError::NotReady(execution.status));
        }
        let format = input.package_format;
        if format.file_type().is_some() && self.files.is_none() {
            return Err(EvidenceError::NoFiles);
        }
        let dossier = self.dossier(asker, input, execution).await?;
        let made = match format {
            PackageFormat::Json => contents::json(&dossier)?,
            PackageFormat::Pdf => contents::pdf(&dossier)?,
            PackageFormat::LegalBrief => self.legal_brief(asker, &dossier).await?,
        };
        self.deliver(asker, input, &dossier, made).await
    }

    async fn dossier(
        &self,
        asker: &Asker<'_>,
        input: &PackageInput,
        execution: ExecutionView,
    ) -> Result<Dossier, EvidenceError> {
        let service = self.executions;
        let format = input.package_format;
        let package_id = ids::prefixed("PKG", &*service.clock, &*service.entropy)?;
        let (run, keys) = self.signed_run(asker, &execution).await?.unzip();
        if format == PackageFormat::LegalBrief && run.is_none() {
            return Err(EvidenceError::NotSigned);
        }
        let evidence_id = execution
            .evidence_id
            .clone()
            .unwrap_or_else(|| execution.id.clone());
        let mut dossier = Dossier {
            package_id,
            created_ms: service.clock.now_ms(),
            case_id: input.case_id.clone().or_else(|| execution.case_id.clone()),
            evidence_id,
            prompt_sha256: sha256_hex(&execution.prompt),
            execution,
            run,
            keys: keys.unwrap_or_default(),
            chain: None,
        };
        if format == PackageFormat::LegalBrief {
            // So that the custody inside the package begins with its making.
            let purpose = format!("to make the evidence package {}", dossier.package_id);
            self.own_event(
                asker,
                &dossier,
                CustodyAction::Collected,
                &purpose,
                BTreeMap::new(),
            )
            .await?;
        }
        if input.include_chain_facts || format == PackageFormat::LegalBrief {
            let chain = self.chain(&dossier, format).await?;
            sound::logged(&chain, dossier.run.as_ref())?;
            dossier.chain = Some(chain);
        }
        Ok(dossier)
    }

    /// What was signed, if it is of this execution, and all keys of the fortress's. None at a
    /// level that signs nothing.
    async fn signed_run(
        &self,
        asker: &Asker<'_>,
        execution: &ExecutionView,
    ) -> Result<Option<(SignedRun, Vec<HistoryEntry>)>, EvidenceError> {
        let Some((manifest, text, signature)) = sound::manifest(execution)? else {
            return Ok(None);
        };
        let question = VerifyInput {
            content: text.clone(),
            signature: signature.clone(),
            public_key: None,
            include_keys: true,
        };
        let workers = &self.executions.workers;
        let mut verdict = workers.verify_signature(asker, &question).await?;
        let finding = sound::signature(&verdict)?;
        let keys = verdict.keys.take().unwrap_or_default();
        let run = SignedRun {
            text,
            manifest,
            signature,
            verdict,
            finding,
        };
        Ok(Some((run, keys)))
    }

    async fn legal_brief(
        &self,
        asker: &Asker<'_>,
        dossier: &Dossier,
    ) -> Result<Made, EvidenceError> {
        let mut bag = legal_brief::fill(dossier)?;
        let tags = legal_brief::close(&mut bag, dossier);
        let sealed = self
            .executions
            .workers
            .seal_package(asker, &dossier.package_id, &tags)
            .await?;
        let active = dossier.active_key();
        if active.is_none_or(|key| key.fingerprint != sealed.key_fingerprint) {
            return Err(EvidenceError::KeyReplaced);
        }
        legal_brief::sign(&mut bag, &sealed.signature);
        contents::zip(dossier, &bag, sealed.signature)
    }

    /// Keeps the file, records that the package was made, and puts it on file.
    async fn deliver(
        &self,
        asker: &Asker<'_>,
        input: &PackageInput,
        dossier: &Dossier,
        made: Made,
    ) -> Result<PackageOutput, EvidenceError> {
        let file = made
            .file
            .as_ref()
            .map(|(bytes, name)| (bytes.as_slice(), name.as_str()));
        if let Some((bytes, name)) = file {
            self.keep(dossier, name, bytes).await?;
        }
        let more = [
            ("package_id", dossier.package_id.clone()),
            ("package_sha256", made.hash.clone()),
            ("package_format", input.package_format.as_str().to_owned()),
        ];
        let more = more.map(|(name, value)| (name.to_owned(), value)).into();
        let purpose = "packaged as evidence on request";
        let fact = self
            .own_event(asker, dossier, CustodyAction::Packaged, purpose, more)
            .await?;
        let new = NewPackage {
            dossier,
            format: input.package_format,
            hash: &made.hash,
            contents: &made.contents,
            file: file.map(|(_, name)| name),
            signature: made.signature.as_deref(),
        };
        if !self.put_on_file(&new).await? {
            self.drop_file(&new).await?;
            return Err(EvidenceError::Erased);
        }
        Ok(PackageOutput {
            evidence_package: Package {
                package_id: dossier.package_id.clone(),
                execution_id: dossier.execution.id.clone(),
                case_id: dossier.case_id.clone(),
                format: input.package_format,
                created_at: crate::time::to_rfc3339(dossier.created_ms),
                package_hash: made.hash,
                finding: dossier.run.as_ref().and_then(|run| run.finding.clone()),
                custody_fact_id: fact.to_string(),
                file: file.map(|(bytes, name)| self.file_at(dossier, input, name, bytes.len())),
                contents: made.contents,
            },
        })
    }

    fn file_at(
        &self,
        dossier: &Dossier,
        input: &PackageInput,
        name: &str,
        bytes: usize,
    ) -> PackageFile {
        let (_, media_type) = input.package_format.file_type().unwrap_or_default();
        PackageFile {
            name: name.to_owned(),
            media_type: media_type.to_owned(),
            bytes,
            url: format!(
                "{}{}{}/file",
                self.origin,
                super::PREFIX,
                dossier.package_id
            ),
        }
    }

    async fn own_event(
        &self,
        asker: &Asker<'_>,
        dossier: &Dossier,
        action: CustodyAction,
        purpose: &str,
        more: BTreeMap<String, String>,
    ) -> Result<Hash, EvidenceError> {
        let event = CustodyEvent {
            action,
            actor: None,
            location: HERE.to_owned(),
            purpose: purpose.to_owned(),
            authority: format!("request of {}", asker.principal.user_id),
            changes: None,
            responsible: None,
            occurred_at: None,
        };
        self.record(&subject(dossier), asker.principal, &event, more)
            .await
    }
}

pub(super) fn subject(dossier: &Dossier) -> Subject<'_> {
    Subject {
        execution_id: &dossier.execution.id,
        evidence_id: &dossier.evidence_id,
        owner: &dossier.execution.user_id,
    }
}
