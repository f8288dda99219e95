//! What is wrong with a package: a code for programs, a place, words for people.

use serde::Serialize;

/// What a finding speaks against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// The bytes are those that were packed.
    Integrity,
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
}

impl Code {
    pub fn aspect(self) -> Aspect {
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
            | Self::AlteredFile => Aspect::Integrity,
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

    pub fn against(&self, aspect: Aspect) -> impl Iterator<Item = &Finding> {
        self.0
            .iter()
            .filter(move |finding| finding.aspect == aspect)
    }
}
