//! `chitty verify`: an evidence package, checked without a network. Nothing is unpacked to disk
//! and no program of the package is run.

mod archive;
mod bag;
mod findings;
mod log;
mod record;
mod report;
mod signer;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use archive::Archive;
use findings::{Aspect, Findings};
use report::{Report, Verdict};

/// Check an evidence package offline.
///
/// Ends with 0 if every verdict that the policy names holds, 1 if one of them fails, 3 if none
/// fails but one could not be checked, 2 if the file cannot be read.
#[derive(clap::Args)]
pub struct Arguments {
    /// The package, a zip
    package: PathBuf,
    /// Fingerprint of the `OpenPGP` key, from somewhere else than the package
    #[arg(long, value_parser = fingerprint)]
    fingerprint: Option<String>,
    /// The log's verifier key, from somewhere else than the package
    #[arg(long)]
    log_key: Option<String>,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// Verdicts that must hold
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "integrity,completeness,signer"
    )]
    policy: Vec<Aspect>,
}

fn fingerprint(text: &str) -> Result<String, String> {
    let digits: String = text.chars().filter(|c| *c != ' ').collect();
    if digits.len() == 40 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(digits.to_ascii_uppercase());
    }
    Err("a fingerprint is 40 hex digits".to_owned())
}

pub fn run(arguments: &Arguments) -> ExitCode {
    let bytes = match read(&arguments.package) {
        Ok(bytes) => bytes,
        Err(problem) => {
            eprintln!("error: {}: {problem}", arguments.package.display());
            return ExitCode::from(2);
        }
    };
    let report = judge(&bytes, arguments);
    if arguments.json {
        println!("{}", report.to_json());
    } else {
        println!("{}", report.to_text());
    }
    report.exit_code(&arguments.policy)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    file.take(archive::MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    if bytes.len() as u64 > archive::MAX_BYTES {
        return Err(format!(
            "over {} bytes, which no package has",
            archive::MAX_BYTES
        ));
    }
    Ok(bytes)
}

pub(crate) fn judge(bytes: &[u8], arguments: &Arguments) -> Report {
    let mut findings = Findings::default();
    let Some(archive) = archive::read(bytes, &mut findings) else {
        return Report::of_nothing(bytes, findings.0);
    };
    bag::check(&archive, &mut findings);
    signer::check(&archive, arguments.fingerprint.as_deref(), &mut findings);
    let proven = log::check(&archive, arguments.log_key.as_deref(), &mut findings);
    let facts = proven.clone().unwrap_or_default();
    record::check(&archive, &facts, &mut findings);
    if proven.is_some() {
        record::custody(&archive, &facts, &mut findings);
    }
    let of = |aspect| {
        if findings.any_against(aspect) {
            Verdict::Fails
        } else {
            Verdict::Holds
        }
    };
    let known = arguments.fingerprint.is_some() && arguments.log_key.is_some();
    Report {
        package_sha256: chitty_core::digest::sha256_hex(bytes),
        integrity: of(Aspect::Integrity),
        completeness: match proven {
            None => Verdict::NotChecked {
                reason: "the checkpoint cannot be relied on".to_owned(),
            },
            Some(_) => of(Aspect::Completeness),
        },
        signer: match of(Aspect::Signer) {
            Verdict::Holds if !known => Verdict::NotChecked {
                reason:
                    "the keys in the package fit; give --fingerprint and --log-key from elsewhere"
                        .to_owned(),
            },
            verdict => verdict,
        },
        time: time(&archive),
        content: if record::is_whole(&archive, &facts) && proven.is_some() {
            Verdict::Holds
        } else {
            Verdict::Fails
        },
        findings: findings.0,
    }
}

fn time(archive: &Archive) -> Verdict {
    let stamped = archive.files.contains_key("data/time/checkpoint.tsr");
    Verdict::NotChecked {
        reason: if stamped {
            "a time stamp is there: check it with verify/verify.sh and its authority's certificates"
        } else {
            "no time stamp: the times are the word of the log's clock"
        }
        .to_owned(),
    }
}
