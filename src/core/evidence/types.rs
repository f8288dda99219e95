use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::validation::printable_if_some;

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
    /// Put the facts and their proofs in. A `legal_brief` always has them.
    #[garde(skip)]
    #[serde(default = "yes")]
    pub include_chain_facts: bool,
    /// json: all of it in the answer. pdf: a document for people. `legal_brief`: a zip that
    /// checks offline, with the document, drafts for counsel and the means to check it.
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
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Pdf => "pdf",
            Self::LegalBrief => "legal_brief",
        }
    }

    /// How a file of this format is called and what it is. None where there is no file.
    pub(super) fn file_type(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Json => None,
            Self::Pdf => Some(("pdf", "application/pdf")),
            Self::LegalBrief => Some(("zip", "application/zip")),
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct PackageOutput {
    pub evidence_package: Package,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct Package {
    pub package_id: String,
    pub execution_id: String,
    pub case_id: Option<String>,
    pub format: PackageFormat,
    pub created_at: String,
    /// SHA-256, lower hex: of the file; of `contents` in RFC 8785 form where there is none.
    pub package_hash: String,
    /// Why the run's signature does not hold by its key as it is now; absent where it holds. It
    /// stands in the package, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<String>,
    /// Id of the fact in the log that records this package under its hash.
    pub custody_fact_id: String,
    /// Where the file is to be had. Absent where the package is all in `contents`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<PackageFile>,
    /// The package itself, or a list of what is in the file.
    pub contents: Map<String, Value>,
}

/// A package's file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PackageFile {
    pub name: String,
    pub media_type: String,
    pub bytes: usize,
    /// GET it with the same authorization as this call.
    pub url: String,
}
