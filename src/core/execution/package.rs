use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::error::ExecutionError;
use super::service::ExecutionService;
use crate::auth::Principal;
use crate::chain::hash::Hash;
use crate::digest::sha256_hex;
use crate::ids;
use crate::sql::Statement;
use crate::validation::printable_if_some;

/// What the package does not prove, said inside it.
const LIMITS: &str = "This package shows what ChittyMCP recorded: that its fortress signed this \
    manifest, and that its log holds these facts. It does not show that the answer is true, nor \
    by itself that the provider's model gave it. Compare the key fingerprint and the log's \
    verifier key with copies you got elsewhere.";

/// Which execution to package.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct PackageInput {
    #[garde(length(bytes, min = 1, max = 128))]
    pub execution_id: String,
    /// The case it is for. Default: the execution's own.
    #[garde(length(bytes, min = 1, max = 128), custom(printable_if_some))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case_id: Option<String>,
    /// Put the facts and their proofs in.
    #[garde(skip)]
    #[serde(default = "yes")]
    pub include_chain_facts: bool,
    #[garde(skip)]
    #[serde(default)]
    pub package_format: PackageFormat,
}

fn yes() -> bool {
    true
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PackageFormat {
    #[default]
    Json,
    Pdf,
    LegalBrief,
}

impl PackageFormat {
    fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Pdf => "pdf",
            Self::LegalBrief => "legal_brief",
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PackageOutput {
    pub evidence_package: Package,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[expect(clippy::struct_field_names, reason = "the contract's names")]
pub struct Package {
    pub package_id: String,
    pub execution_id: String,
    pub case_id: Option<String>,
    pub format: PackageFormat,
    pub created_at: String,
    /// SHA-256 of `contents` in RFC 8785 form, lower hex.
    pub package_hash: String,
    pub contents: Map<String, Value>,
}

impl ExecutionService {
    /// Everything on file of an execution, with what is needed to check it offline.
    pub async fn package(
        &self,
        caller: &Principal,
        input: &PackageInput,
    ) -> Result<PackageOutput, ExecutionError> {
        if input.package_format != PackageFormat::Json {
            return Err(ExecutionError::Format(
                input.package_format.as_str().to_owned(),
            ));
        }
        let stored = self.stored(caller, &input.execution_id).await?;
        let owner = stored.user_id.clone();
        if stored.status != "completed" {
            return Err(ExecutionError::NotReady(stored.status));
        }
        let case_id = input.case_id.clone().or_else(|| stored.case_id.clone());
        let facts = stored.chain_facts.clone();
        let prompt_hash = stored.prompt_hash.clone();
        let execution = self.view(stored)?;
        let mut contents = Map::new();
        contents.insert("execution".to_owned(), json!(execution));
        contents.insert("prompt_sha256".to_owned(), json!(prompt_hash));
        contents.insert("limits".to_owned(), json!(LIMITS));
        if input.include_chain_facts {
            contents.insert("chain".to_owned(), self.proofs(&facts).await?);
        }
        let text = serde_json_canonicalizer::to_string(&contents)?;
        let now_ms = self.clock.now_ms();
        let package = Package {
            package_id: ids::prefixed("PKG", &*self.clock, &*self.entropy)?,
            execution_id: input.execution_id.clone(),
            case_id,
            format: input.package_format,
            created_at: crate::time::to_rfc3339(now_ms),
            package_hash: sha256_hex(&text),
            contents,
        };
        self.file_package(&owner, &package, &text, input, now_ms)
            .await?;
        Ok(PackageOutput {
            evidence_package: package,
        })
    }

    async fn proofs(&self, facts: &[String]) -> Result<Value, ExecutionError> {
        let head = self.ledger.head().await?;
        let hashes: Vec<Hash> = facts
            .iter()
            .filter_map(|id| Hash::from_hex(id).ok())
            .collect();
        let logged = self.ledger.facts(&hashes).await?;
        let proofs: Vec<String> = logged
            .iter()
            .map(|fact| fact.receipt.to_proof_text())
            .collect();
        let has = |id: &String| {
            logged
                .iter()
                .any(|fact| fact.stored.fact_id.to_string() == *id)
        };
        if let Some(missing) = facts.iter().find(|id| !has(id)) {
            return Err(ExecutionError::FactMissing(missing.clone()));
        }
        // The one the proofs lead to: the log may have grown since its head was asked for.
        let checkpoint = logged
            .first()
            .map_or(&head.checkpoint, |fact| &fact.receipt.checkpoint);
        Ok(json!({
            "facts": logged,
            // C2SP tlog-proof texts, one a fact, for verifiers of others.
            "tlog_proofs": proofs,
            "checkpoint": checkpoint,
            "verifier_key": head.verifier_key,
        }))
    }

    /// The text is sealed: it holds prompt and answer.
    async fn file_package(
        &self,
        owner: &str,
        package: &Package,
        text: &str,
        input: &PackageInput,
        now_ms: i64,
    ) -> Result<(), ExecutionError> {
        let sealed = self.sealer.seal(
            "package",
            &[owner, &package.package_id],
            text.as_bytes(),
            &*self.entropy,
        )?;
        let insert = Statement::new(
            "INSERT INTO evidence_packages (id, user_id, case_id, execution_id, package_format, \
             package_text, include_chain_facts, package_hash, status, created_at, updated_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 'created', ?9, ?9)",
        )
        .bind(package.package_id.as_str())
        .bind(owner)
        .bind(package.case_id.clone())
        .bind(package.execution_id.as_str())
        .bind(input.package_format.as_str())
        .bind(sealed)
        .bind(input.include_chain_facts)
        .bind(package.package_hash.as_str())
        .timestamp(now_ms);
        let link = Statement::new(
            "UPDATE evidence_records SET evidence_package_id = ?2, package_format = ?3, \
             updated_at = ?4 WHERE execution_id = ?1",
        )
        .bind(package.execution_id.as_str())
        .bind(package.package_id.as_str())
        .bind(input.package_format.as_str())
        .timestamp(now_ms);
        self.db.batch(vec![insert, link]).await?;
        Ok(())
    }
}
