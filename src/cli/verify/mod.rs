//! `chitty verify`: an evidence package, checked without a network.

mod archive;
mod bag;
mod findings;
mod report;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use findings::Findings;
use report::Report;

/// Ends with 0 if the verdicts that the policy names all hold, 1 if one of them fails, 2 if
/// the package cannot be read.
#[derive(clap::Args)]
pub struct Arguments {
    /// The package, a zip
    package: PathBuf,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
}

pub fn run(arguments: &Arguments) -> ExitCode {
    let bytes = match read(&arguments.package) {
        Ok(bytes) => bytes,
        Err(problem) => {
            eprintln!("error: {}: {problem}", arguments.package.display());
            return ExitCode::from(2);
        }
    };
    let mut findings = Findings::default();
    if let Some(archive) = archive::read(&bytes, &mut findings) {
        bag::check(&archive, &mut findings);
    }
    let report = Report::of(&bytes, findings);
    if arguments.json {
        println!("{}", report.to_json());
    } else {
        println!("{}", report.to_text());
    }
    report.exit_code()
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
