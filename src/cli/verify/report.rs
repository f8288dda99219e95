//! The verdicts, apart from each other, as text and as JSON.

use std::fmt::Write;
use std::process::ExitCode;

use chitty_core::digest::sha256_hex;
use serde::Serialize;

use super::findings::{Aspect, Finding};

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    Holds,
    Fails,
    NotChecked { reason: String },
}

#[derive(Debug, Serialize)]
pub struct Report {
    /// Of the zip, lower hex: compare it with the hash that came with the package.
    pub package_sha256: String,
    pub integrity: Verdict,
    pub completeness: Verdict,
    pub signer: Verdict,
    pub time: Verdict,
    /// Holds where everything is there; fails where content was erased.
    pub content: Verdict,
    pub findings: Vec<Finding>,
}

impl Report {
    /// Of a file that is no package.
    pub fn of_nothing(package: &[u8], findings: Vec<Finding>) -> Self {
        let unread = || Verdict::NotChecked {
            reason: "there is no package to read".to_owned(),
        };
        Self {
            package_sha256: sha256_hex(package),
            integrity: Verdict::Fails,
            completeness: unread(),
            signer: unread(),
            time: unread(),
            content: unread(),
            findings,
        }
    }

    fn verdict(&self, aspect: Aspect) -> &Verdict {
        match aspect {
            Aspect::Integrity => &self.integrity,
            Aspect::Completeness => &self.completeness,
            Aspect::Signer => &self.signer,
            Aspect::Time => &self.time,
            Aspect::Content => &self.content,
        }
    }

    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    pub fn to_text(&self) -> String {
        let mut text = format!("SHA-256       {}", self.package_sha256);
        for (name, verdict) in [
            ("integrity", &self.integrity),
            ("completeness", &self.completeness),
            ("signer", &self.signer),
            ("time", &self.time),
            ("content", &self.content),
        ] {
            let said = match verdict {
                Verdict::Holds => "holds",
                Verdict::Fails => "FAILS",
                Verdict::NotChecked { reason } => &format!("not checked: {reason}"),
            };
            // Writing to a string cannot fail.
            let _ = write!(text, "\n{name:13} {said}");
        }
        for finding in &self.findings {
            let place = finding.path.as_deref().unwrap_or("the package");
            let _ = write!(text, "\n  {:?}: {place}: {}", finding.code, finding.problem);
        }
        text
    }

    /// 0 if everything that `policy` names holds, 1 if something of it fails, 3 if something
    /// of it could not be checked.
    pub fn exit_code(&self, policy: &[Aspect]) -> ExitCode {
        let verdicts: Vec<&Verdict> = policy.iter().map(|aspect| self.verdict(*aspect)).collect();
        if verdicts.contains(&&Verdict::Fails) {
            return ExitCode::FAILURE;
        }
        let all = verdicts.iter().all(|verdict| **verdict == Verdict::Holds);
        if all {
            ExitCode::SUCCESS
        } else {
            ExitCode::from(3)
        }
    }
}
