//! `chitty verify`: an evidence package, checked without a network. Nothing is unpacked to disk
//! and no program of the package is run.

mod archive;
mod bag;
mod findings;
mod keys;
mod log;
mod record;
mod report;
mod signer;
mod vouched;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chitty_core::timestamp::{Stamp, TrustAnchors};
use chitty_core::witness::policy::{PolicyError, WitnessPolicy};
use findings::{Aspect, Findings};
use log::Proven;
use report::{Report, Verdict};

/// Whose fact is not there may be logged, or not; where no fact is erased, it is not.
const HIDDEN: &str = "facts were erased, and none that is left says that the run is logged";

/// Check an evidence package offline.
///
/// Ends with 0 if every verdict that the policy names holds, 1 if one of them fails, 3 if none
/// fails but one could not be checked, 2 if the file cannot be read.
#[derive(clap::Args)]
pub struct Arguments {
    /// The package, a zip
    package: PathBuf,
    /// Fingerprints of the `OpenPGP` keys of run and package, from somewhere else than the package
    #[arg(long, value_delimiter = ',', value_parser = fingerprint)]
    fingerprint: Vec<String>,
    /// The log's verifier key, from somewhere else than the package
    #[arg(long)]
    log_key: Option<String>,
    /// File of certificates (PEM) of who stamps times, from somewhere else too
    #[arg(long, value_parser = authorities)]
    authorities: Option<TrustAnchors>,
    /// File of the witnesses' keys and quorum (C2SP tlog-policy), from somewhere else too
    #[arg(long, value_parser = witnesses)]
    witnesses: Option<WitnessPolicy>,
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

fn authorities(path: &str) -> Result<TrustAnchors, String> {
    let pem = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    TrustAnchors::from_pem(&pem).map_err(|error| error.to_string())
}

fn witnesses(path: &str) -> Result<WitnessPolicy, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    text.parse().map_err(|error: PolicyError| error.to_string())
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
    let key = signer::check(&archive, &arguments.fingerprint, &mut findings);
    let tree = log::check(&archive, arguments.log_key.as_deref(), &mut findings);
    let none = Proven::new();
    let facts = tree.as_ref().map_or(&none, |tree| &tree.facts);
    record::check(&archive, facts, &mut findings);
    if tree.is_some() {
        record::custody(&archive, facts, &mut findings);
    }
    let run = record::logged(&archive, facts);
    let (given, policy) = (arguments.authorities.as_ref(), arguments.witnesses.as_ref());
    let vouched = tree.as_ref().map(|tree| {
        let stamp = vouched::stamp(&archive, tree, run, given, &mut findings);
        let by = vouched::witnesses(&archive, tree, run, policy, &mut findings);
        (stamp, by)
    });
    let (stamp, cosigned_by) = vouched.unwrap_or_default();
    let stamped_by_ms = stamp.as_ref().and_then(Stamp::latest_ms);
    let run_before_compromise =
        key.and_then(|key| keys::check(&key, run, facts, stamped_by_ms, &mut findings));
    let whole = record::is_whole(&archive, facts) && tree.is_some();
    let of = |aspect, open: Option<&str>| match open {
        _ if findings.any_against(aspect) => Verdict::Fails,
        None => Verdict::Holds,
        Some(reason) => Verdict::NotChecked {
            reason: reason.to_owned(),
        },
    };
    let unread = "the checkpoint cannot be relied on";
    let known = !arguments.fingerprint.is_empty() && arguments.log_key.is_some();
    Report {
        package_sha256: chitty_core::digest::sha256_hex(bytes),
        integrity: of(Aspect::Integrity, None),
        completeness: match tree {
            Some(_) => {
                let hidden = run.is_none() && record::erased(facts) > 0;
                of(Aspect::Completeness, hidden.then_some(HIDDEN))
            }
            None => Verdict::NotChecked {
                reason: unread.to_owned(),
            },
        },
        signer: of(
            Aspect::Signer,
            (!known).then_some(
                "the keys in the package fit; give --fingerprint and --log-key from elsewhere",
            ),
        ),
        time: of(
            Aspect::Time,
            match (&stamp, given) {
                (Some(_), Some(_)) => None,
                (Some(_), None) => Some(
                    "a time stamp holds under the certificates in the package; give --authorities from elsewhere",
                ),
                (None, _) => Some("no time stamp: the times are the word of the log's clock"),
            },
        ),
        witnesses: of(
            Aspect::Witnesses,
            match (&cosigned_by, policy) {
                (Some(_), Some(_)) => None,
                (Some(_), None) => Some(
                    "cosignatures hold under the keys in the package; give --witnesses from elsewhere",
                ),
                (None, _) => Some("no cosignature: the log is what whoever holds its key says"),
            },
        ),
        content: if whole {
            Verdict::Holds
        } else {
            Verdict::Fails
        },
        run_before_compromise,
        stamp,
        cosigned_by,
        findings: findings.0,
    }
}
