//! The verdicts, apart from each other, as text and as JSON.

use std::fmt::Write;
use std::process::ExitCode;

use chitty_core::digest::sha256_hex;
use chitty_core::time::to_rfc3339;
use chitty_core::timestamp::Stamp;
use chitty_core::witness::policy::WitnessedBy;
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
    pub witnesses: Verdict,
    /// Holds where everything is there; fails where content was erased.
    pub content: Verdict,
    /// Of a run by a key that was revoked as compromised: whether it is provably logged, and
    /// stamped if it is, before the declared time. Its signature does not hold either way.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_before_compromise: Option<bool>,
    /// The time stamp, where one holds under the certificates used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stamp: Option<Stamp>,
    /// The witnesses, where their cosignatures hold under the keys used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cosigned_by: Option<Vec<WitnessedBy>>,
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
            witnesses: unread(),
            content: unread(),
            run_before_compromise: None,
            stamp: None,
            cosigned_by: None,
            findings,
        }
    }

    fn verdict(&self, aspect: Aspect) -> &Verdict {
        match aspect {
            Aspect::Integrity => &self.integrity,
            Aspect::Completeness => &self.completeness,
            Aspect::Signer => &self.signer,
            Aspect::Time => &self.time,
            Aspect::Witnesses => &self.witnesses,
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
            ("witnesses", &self.witnesses),
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
        if let Some(stamp) = &self.stamp {
            let at = to_rfc3339(stamp.time_ms);
            let _ = write!(text, "\n  stamped {at} by {}", stamp.authority);
        }
        for one in self.cosigned_by.iter().flatten() {
            let at = i64::try_from(one.time_s.saturating_mul(1_000)).map(to_rfc3339);
            let _ = write!(
                text,
                "\n  cosigned {} by {}",
                at.unwrap_or_default(),
                one.witness
            );
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
