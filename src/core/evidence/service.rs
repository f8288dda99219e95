use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::bag::Bag;
use super::custody::{CustodyAction, CustodyEvent, Subject};
use super::document;
use super::dossier::{Chain, Dossier, SignedRun, in_order};
use super::error::EvidenceError;
use super::legal_brief;
use super::store::NewPackage;
use super::texts;
use super::types::{Package, PackageFile, PackageFormat, PackageInput, PackageOutput};
use crate::chain::checkpoint::Checkpoint;
use crate::chain::hash::Hash;
use crate::chain::receipt::ConsistencyProof;
use crate::digest::sha256_hex;
use crate::execution::{Asker, ExecutionService, ExecutionView};
use crate::fortress::{Manifest, VerifyInput};
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

/// What a package came to.
struct Made {
    contents: Map<String, Value>,
    hash: String,
    /// The file, and what it is called.
    file: Option<(Vec<u8>, String)>,
    /// Armored, over the tag manifest.
    signature: Option<String>,
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
        if format == PackageFormat::LegalBrief && execution.results.fortress_manifest.is_none() {
            return Err(EvidenceError::NotSigned);
        }
        let dossier = self.dossier(asker, input, execution).await?;
        let made = match format {
            PackageFormat::Json => json_contents(&dossier)?,
            PackageFormat::Pdf => pdf(&dossier)?,
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
        let run = match format {
            PackageFormat::Json => None,
            _ => self.signed_run(asker, &execution).await?,
        };
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
            dossier.chain = Some(self.chain(&dossier, format).await?);
        }
        Ok(dossier)
    }

    /// The signed text, with what the fortress's key says of it now. None where nothing was
    /// signed.
    async fn signed_run(
        &self,
        asker: &Asker<'_>,
        execution: &ExecutionView,
    ) -> Result<Option<SignedRun>, EvidenceError> {
        let results = &execution.results;
        let (Some(text), Some(signature)) =
            (&results.fortress_manifest, &results.fortress_signature)
        else {
            return Ok(None);
        };
        let unsound = |fault: &dyn ToString| EvidenceError::Signature(fault.to_string());
        let manifest = Manifest::parse(text).map_err(|fault| unsound(&fault))?;
        let question = VerifyInput {
            content: text.clone(),
            signature: signature.clone(),
            public_key: None,
        };
        let verdict = self
            .executions
            .workers
            .verify_signature(asker, &question)
            .await?;
        Ok(Some(SignedRun {
            text: text.clone(),
            manifest,
            signature: signature.clone(),
            verdict,
        }))
    }

    async fn chain(
        &self,
        dossier: &Dossier,
        format: PackageFormat,
    ) -> Result<Chain, EvidenceError> {
        let ledger = &self.executions.ledger;
        let head = ledger.head().await?;
        let facts: Vec<Hash> = dossier
            .execution
            .results
            .chain_facts
            .iter()
            .map(|id| Hash::from_hex(id).map_err(|_| EvidenceError::FactMissing(id.clone())))
            .collect::<Result<_, _>>()?;
        let custody = self.custody_ids(&subject(dossier)).await?;
        let logged = ledger.facts(&[facts.as_slice(), &custody].concat()).await?;
        let missing = |id: Hash| EvidenceError::FactMissing(id.to_string());
        // The one the proofs lead to: the log may have grown since its head was asked for.
        let newest = logged.first().map(|fact| fact.receipt.checkpoint.clone());
        let checkpoint = newest.unwrap_or(head.checkpoint);
        let previous = match format {
            PackageFormat::LegalBrief => self.previous(dossier, &checkpoint).await?,
            _ => None,
        };
        Ok(Chain {
            facts: in_order(&facts, &logged).map_err(missing)?,
            custody: in_order(&custody, &logged).map_err(missing)?,
            checkpoint,
            verifier_key: head.verifier_key,
            previous,
        })
    }

    /// That the log only grew since the owner's package before.
    async fn previous(
        &self,
        dossier: &Dossier,
        checkpoint: &str,
    ) -> Result<Option<ConsistencyProof>, EvidenceError> {
        let size = |note: &str| {
            Checkpoint::parse_unverified(note)
                .ok()
                .map(|head| head.size)
        };
        let Some(before) = self.checkpoint_before(&dossier.execution.user_id).await? else {
            return Ok(None);
        };
        let (Some(first), Some(second)) = (size(&before), size(checkpoint)) else {
            return Ok(None);
        };
        if first > second {
            return Err(EvidenceError::LogShrunk);
        }
        let proof = self.executions.ledger.consistency(first, second).await?;
        Ok(Some(ConsistencyProof {
            first_checkpoint: before,
            second_checkpoint: checkpoint.to_owned(),
            ..proof
        }))
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
        legal_brief::sign(&mut bag, &sealed.signature);
        let zip = bag
            .to_zip(&dossier.package_id)
            .map_err(|error| EvidenceError::Encoding(error.to_string()))?;
        Ok(Made {
            contents: listing(dossier, &bag),
            hash: sha256_hex(&zip),
            file: Some((zip, format!("{}.zip", dossier.package_id))),
            signature: Some(sealed.signature),
        })
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

fn subject(dossier: &Dossier) -> Subject<'_> {
    Subject {
        execution_id: &dossier.execution.id,
        evidence_id: &dossier.evidence_id,
        owner: &dossier.execution.user_id,
    }
}

fn json_contents(dossier: &Dossier) -> Result<Made, EvidenceError> {
    let mut contents = Map::new();
    contents.insert("execution".to_owned(), json!(dossier.execution));
    contents.insert("prompt_sha256".to_owned(), json!(dossier.prompt_sha256));
    contents.insert("limits".to_owned(), json!(texts::LIMITS_SHORT));
    if let Some(chain) = &dossier.chain {
        let proofs: Vec<String> = chain
            .facts
            .iter()
            .map(|fact| fact.receipt.to_proof_text())
            .collect();
        contents.insert(
            "chain".to_owned(),
            json!({
                "facts": chain.facts,
                // C2SP tlog-proof texts, one a fact, for verifiers of others.
                "tlog_proofs": proofs,
                "custody": chain.custody,
                "checkpoint": chain.checkpoint,
                "verifier_key": chain.verifier_key,
            }),
        );
    }
    let hash = sha256_hex(serde_json_canonicalizer::to_vec(&contents)?);
    Ok(Made {
        contents,
        hash,
        file: None,
        signature: None,
    })
}

fn pdf(dossier: &Dossier) -> Result<Made, EvidenceError> {
    let pdf = document::brief(dossier, &[])?;
    Ok(Made {
        contents: listing(dossier, &Bag::default()),
        hash: sha256_hex(&pdf),
        file: Some((pdf, format!("{}.pdf", dossier.package_id))),
        signature: None,
    })
}

/// What is in a file, for whoever has only the answer.
fn listing(dossier: &Dossier, bag: &Bag) -> Map<String, Value> {
    let files: Vec<Value> = bag
        .files()
        .map(|(path, bytes)| json!({ "path": path, "bytes": bytes.len(), "sha256": sha256_hex(bytes) }))
        .collect();
    let chain = dossier.chain.as_ref();
    let verdict = dossier.run.as_ref().map(|run| &run.verdict);
    let fields = [
        ("prompt_sha256", json!(dossier.prompt_sha256)),
        ("files", json!(files)),
        ("checkpoint", json!(chain.map(|chain| &chain.checkpoint))),
        (
            "verifier_key",
            json!(chain.map(|chain| &chain.verifier_key)),
        ),
        (
            "key_fingerprint",
            json!(verdict.map(|verdict| &verdict.key_fingerprint)),
        ),
        ("limits", json!(texts::LIMITS_SHORT)),
    ];
    fields
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}
