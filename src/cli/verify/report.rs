//! The verdicts, apart from each other, as text and as JSON.

use std::fmt::Write;
use std::process::ExitCode;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::findings::{Aspect, Finding, Findings};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Holds,
    Fails,
}

#[derive(Debug, Serialize)]
pub struct Report {
    /// Of the zip, lower hex: compare it with the hash that came with the package.
    pub package_sha256: String,
    pub integrity: Verdict,
    pub findings: Vec<Finding>,
}

impl Report {
    pub fn of(package: &[u8], findings: Findings) -> Self {
        let integrity = match findings.against(Aspect::Integrity).next() {
            None => Verdict::Holds,
            Some(_) => Verdict::Fails,
        };
        Self {
            package_sha256: hex::encode(Sha256::digest(package)),
            integrity,
            findings: findings.0,
        }
    }

    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    pub fn to_text(&self) -> String {
        let mut text = format!(
            "SHA-256    {}\nintegrity  {:?}",
            self.package_sha256, self.integrity
        );
        for finding in &self.findings {
            let place = finding.path.as_deref().unwrap_or("the package");
            // Writing to a string cannot fail.
            let _ = write!(text, "\n  {:?}: {place}: {}", finding.code, finding.problem);
        }
        text
    }

    pub fn exit_code(&self) -> ExitCode {
        match self.integrity {
            Verdict::Holds => ExitCode::SUCCESS,
            Verdict::Fails => ExitCode::FAILURE,
        }
    }
}
