//! C2SP tlog-policy: which logs are believed, and which witnesses must have seen them.
//!
//! ```text
//! log <verifier key> [<url>]
//! witness <name> <verifier key> [<url>]
//! group <name> <k>|all|any <name>...
//! quorum <name>|none
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::client::RemoteWitness;
use super::keys::WitnessKey;
use crate::chain::keys::{KeyError, VerifierKey};
use crate::chain::note::{Note, NoteError};

/// Longest policy, in bytes.
pub const MAX_POLICY_BYTES: usize = 128 * 1024;
/// Most logs, witnesses and groups together.
const MAX_DEFINITIONS: usize = 128;
const NO_QUORUM: &str = "none";

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    #[error("the policy has {bytes} bytes; at most {MAX_POLICY_BYTES} are read")]
    TooLarge { bytes: usize },
    #[error("line {line} of the policy: {what}")]
    Line { line: usize, what: LineError },
    #[error("the policy has no quorum line; `quorum none` asks for no cosignature")]
    NoQuorum,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    #[error("it is none of: log, witness, group, quorum, with what belongs to it")]
    Form,
    #[error("control characters other than tab")]
    ControlCharacter,
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error("the name {0} is taken")]
    NameTaken(String),
    #[error("the same key a second time")]
    KeyTaken,
    #[error("{0} is not defined above")]
    NotDefined(String),
    #[error("{0} is a member of a group already")]
    InAnotherGroup(String),
    #[error("a group asks for 1 to all of its members")]
    Threshold,
    #[error("a second quorum")]
    SecondQuorum,
    #[error("more than {MAX_DEFINITIONS} definitions")]
    TooMany,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Definition {
    Witness(WitnessKey),
    Group { k: usize, members: Vec<String> },
}

/// Whom to believe that a checkpoint is the same for everybody.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WitnessPolicy {
    pub logs: Vec<VerifierKey>,
    /// Witnesses with a URL, which can be asked.
    pub reachable: Vec<RemoteWitness>,
    /// Witnesses, groups and quorum as a policy has them, without URLs.
    pub text: String,
    definitions: BTreeMap<String, Definition>,
    /// `None` asks for no cosignature.
    quorum: Option<String>,
}

/// Who cosigned, and whether they are enough.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witnessed {
    /// The policy's quorum has cosigned. False where the policy asks for nobody.
    pub quorum_met: bool,
    pub by: Vec<WitnessedBy>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WitnessedBy {
    /// The witness's verifier key.
    pub witness: String,
    /// Its clock, in seconds since 1970.
    pub time_s: u64,
}

impl WitnessPolicy {
    /// Whether no cosignature is asked for.
    #[must_use]
    pub const fn asks_nobody(&self) -> bool {
        self.quorum.is_none()
    }

    /// Which of the policy's witnesses cosigned `note`.
    ///
    /// # Errors
    /// A cosignature of a known witness that does not hold.
    pub fn judge(&self, note: &Note) -> Result<Witnessed, NoteError> {
        let mut by = Vec::new();
        let mut names = BTreeSet::new();
        for (name, definition) in &self.definitions {
            let Definition::Witness(key) = definition else {
                continue;
            };
            let found = key.cosignatures(note)?;
            if let Some(newest) = found.iter().max_by_key(|found| found.time_s) {
                names.insert(name.as_str());
                by.push(WitnessedBy {
                    witness: key.to_string(),
                    time_s: newest.time_s,
                });
            }
        }
        let met = |quorum: &String| self.is_met(quorum, &names);
        let quorum_met = self.quorum.as_ref().is_some_and(met);
        Ok(Witnessed { quorum_met, by })
    }

    /// Ends, since a group names only what is defined before it.
    fn is_met(&self, name: &str, cosigned: &BTreeSet<&str>) -> bool {
        match self.definitions.get(name) {
            Some(Definition::Witness(_)) => cosigned.contains(name),
            Some(Definition::Group { k, members }) => {
                let met = members.iter().filter(|name| self.is_met(name, cosigned));
                met.count() >= *k
            }
            None => false,
        }
    }
}

impl FromStr for WitnessPolicy {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        if text.len() > MAX_POLICY_BYTES {
            return Err(PolicyError::TooLarge { bytes: text.len() });
        }
        let mut draft = Draft::default();
        for (index, line) in text.split('\n').enumerate() {
            draft.line(line).map_err(|what| PolicyError::Line {
                line: index + 1,
                what,
            })?;
        }
        let quorum = draft.quorum.ok_or(PolicyError::NoQuorum)?;
        Ok(Self {
            quorum: (quorum != NO_QUORUM).then_some(quorum),
            ..draft.policy
        })
    }
}

#[derive(Default)]
struct Draft {
    policy: WitnessPolicy,
    /// Names that are members of a group.
    members: BTreeSet<String>,
    quorum: Option<String>,
}

impl Draft {
    fn line(&mut self, line: &str) -> Result<(), LineError> {
        if line.chars().any(|c| c.is_ascii_control() && c != '\t') {
            return Err(LineError::ControlCharacter);
        }
        let words: Vec<&str> = line
            .split([' ', '\t'])
            .filter(|word| !word.is_empty())
            .collect();
        match words.as_slice() {
            [] => return Ok(()),
            [first, ..] if first.starts_with('#') => return Ok(()),
            ["log", key] | ["log", key, _] => return self.log(key),
            ["witness", name, key] => self.witness(name, key, None),
            ["witness", name, key, url] => self.witness(name, key, Some(url)),
            ["group", name, k, members @ ..] => self.group(name, k, members),
            ["quorum", name] => self.set_quorum(name),
            _ => Err(LineError::Form),
        }?;
        let kept = if let ["witness", name, key, _] = words.as_slice() {
            &["witness", name, key][..]
        } else {
            &words
        };
        self.policy.text += &kept.join(" ");
        self.policy.text.push('\n');
        Ok(())
    }

    fn log(&mut self, key: &str) -> Result<(), LineError> {
        let key: VerifierKey = key.parse()?;
        if self.policy.logs.contains(&key) {
            return Err(LineError::KeyTaken);
        }
        self.check_room()?;
        self.policy.logs.push(key);
        Ok(())
    }

    fn witness(&mut self, name: &str, key: &str, url: Option<&str>) -> Result<(), LineError> {
        let key: WitnessKey = key.parse()?;
        let taken = |definition: &Definition| matches!(definition, Definition::Witness(known) if known.public() == key.public());
        if self.policy.definitions.values().any(taken) {
            return Err(LineError::KeyTaken);
        }
        self.define(name, Definition::Witness(key.clone()))?;
        self.policy.reachable.extend(url.map(|url| RemoteWitness {
            key,
            url: url.trim_end_matches('/').to_owned(),
        }));
        Ok(())
    }

    fn group(&mut self, name: &str, k: &str, members: &[&str]) -> Result<(), LineError> {
        let k = match k {
            "any" => Some(1),
            "all" => Some(members.len()),
            k => k.parse().ok(),
        };
        let k = k.filter(|k| (1..=members.len()).contains(k));
        let k = k.ok_or(LineError::Threshold)?;
        for member in members {
            self.check_defined(member)?;
            if !self.members.insert((*member).to_owned()) {
                return Err(LineError::InAnotherGroup((*member).to_owned()));
            }
        }
        let members = members.iter().map(|name| (*name).to_owned()).collect();
        self.define(name, Definition::Group { k, members })
    }

    fn set_quorum(&mut self, name: &str) -> Result<(), LineError> {
        if self.quorum.is_some() {
            return Err(LineError::SecondQuorum);
        }
        if name != NO_QUORUM {
            self.check_defined(name)?;
        }
        self.quorum = Some(name.to_owned());
        Ok(())
    }

    fn define(&mut self, name: &str, definition: Definition) -> Result<(), LineError> {
        self.check_room()?;
        if name == NO_QUORUM || self.policy.definitions.contains_key(name) {
            return Err(LineError::NameTaken(name.to_owned()));
        }
        self.policy.definitions.insert(name.to_owned(), definition);
        Ok(())
    }

    fn check_defined(&self, name: &str) -> Result<(), LineError> {
        if self.policy.definitions.contains_key(name) {
            return Ok(());
        }
        Err(LineError::NotDefined(name.to_owned()))
    }

    fn check_room(&self) -> Result<(), LineError> {
        if self.policy.definitions.len() + self.policy.logs.len() >= MAX_DEFINITIONS {
            return Err(LineError::TooMany);
        }
        Ok(())
    }
}
