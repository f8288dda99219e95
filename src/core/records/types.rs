use std::collections::BTreeMap;
use std::fmt;

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

/// What to look for.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct SearchInput {
    /// Words that a record must all contain, in any order; letters' case does not matter.
    /// Ids, case ids, models and states such as `failed` count as words.
    #[garde(length(chars, min = 1, max = 500))]
    pub query: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SearchOutput {
    /// Newest first, at most 20.
    pub results: Vec<Found>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Found {
    /// For fetch.
    pub id: String,
    pub title: String,
    /// A page that shows it, to cite.
    pub url: String,
}

/// Which record to read.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct FetchInput {
    /// An id from the results of search.
    #[garde(length(chars, min = 1, max = 300))]
    pub id: String,
}

/// A record, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Record {
    pub id: String,
    pub title: String,
    /// What is on file, in words. Long parts are cut, which is said where it happens.
    pub text: String,
    /// A page that shows it, to cite.
    pub url: String,
    /// Its properties by name. Times are RFC 3339.
    pub metadata: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Execution,
    Evidence,
    Session,
    Case,
}

/// `{kind}:{key}`. Keys of sessions and cases are their owners' text and may have any form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordId {
    pub kind: Kind,
    pub key: String,
}

impl Kind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Execution => "execution",
            Self::Evidence => "evidence",
            Self::Session => "session",
            Self::Case => "case",
        }
    }
}

impl RecordId {
    pub fn new(kind: Kind, key: impl Into<String>) -> Self {
        Self {
            kind,
            key: key.into(),
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        let (kind, key) = text.split_once(':')?;
        let kinds = [Kind::Execution, Kind::Evidence, Kind::Session, Kind::Case];
        let kind = kinds.into_iter().find(|known| known.as_str() == kind)?;
        (!key.is_empty()).then(|| Self::new(kind, key))
    }

    /// Its page below `origin`.
    pub fn url(&self, origin: &str) -> String {
        let Ok(mut url) = Url::parse(origin) else {
            return String::new();
        };
        if let Ok(mut segments) = url.path_segments_mut() {
            segments
                .pop_if_empty()
                .push("records")
                .push(&self.to_string());
        }
        url.into()
    }
}

impl fmt::Display for RecordId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.as_str(), self.key)
    }
}
