//! What is wrong with a package: a code for programs, a place, words for people.

use clap::ValueEnum;
use serde::Serialize;

/// What is judged, each by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// The files are those that were packed, and agree with the signed record.
    Integrity,
    /// Facts and custody are in the signed tree, none is missing, the tree extends the last.
    Completeness,
    /// The keys that were compared signed record, package and tree.
    Signer,
    /// Somebody else than the log vouches for the time.
    Time,
    /// Others saw the log only grow.
    Witnesses,
    /// Prompt, answer and facts are all there.
    Content,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    NotAZip,
    DamagedZip,
    TooManyFiles,
    TooLarge,
    UnsafePath,
    AmbiguousName,
    DuplicateName,
    NotAFile,
    NotABag,
    MissingFile,
    ExtraFile,
    AlteredFile,
    OtherRecord,
    NotLogged,
    NoProof,
    BadProof,
    OtherFact,
    NotExtended,
    OtherCustody,
    CustodyGap,
    BadKey,
    OtherKey,
    BadSignature,
    BadCheckpoint,
    KeyRevoked,
    KeyReplaced,
    BadStamp,
    BadCosignature,
}

impl Code {
    fn aspect(self) -> Aspect {
        match self {
            Self::NotAZip
            | Self::DamagedZip
            | Self::TooManyFiles
            | Self::TooLarge
            | Self::UnsafePath
            | Self::AmbiguousName
            | Self::DuplicateName
            | Self::NotAFile
            | Self::NotABag
            | Self::MissingFile
            | Self::ExtraFile
            | Self::AlteredFile
            | Self::OtherRecord
            | Self::NotLogged => Aspect::Integrity,
            Self::NoProof
            | Self::BadProof
            | Self::OtherFact
            | Self::NotExtended
            | Self::OtherCustody
            | Self::CustodyGap => Aspect::Completeness,
            Self::BadKey
            | Self::OtherKey
            | Self::BadSignature
            | Self::BadCheckpoint
            | Self::KeyRevoked
            | Self::KeyReplaced => Aspect::Signer,
            Self::BadStamp => Aspect::Time,
            Self::BadCosignature => Aspect::Witnesses,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub aspect: Aspect,
    pub code: Code,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    pub problem: String,
}

#[derive(Debug, Default)]
pub struct Findings(pub Vec<Finding>);

impl Findings {
    pub fn add(&mut self, code: Code, path: Option<&str>, problem: impl Into<String>) {
        self.0.push(Finding {
            aspect: code.aspect(),
            code,
            path: path.map(ToOwned::to_owned),
            problem: problem.into(),
        });
    }

    pub fn any_against(&self, aspect: Aspect) -> bool {
        self.0.iter().any(|finding| finding.aspect == aspect)
    }
}
