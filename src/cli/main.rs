//! `chitty`: what runs on a machine of one's own. One file a subcommand.

#[cfg(target_os = "linux")]
mod fortress;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "chitty",
    version,
    about = "AI work with receipts, on a machine of your own"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check an evidence package offline
    Verify(Box<verify::Arguments>),
    /// Run agents in a sandbox and sign what they answer
    #[cfg(target_os = "linux")]
    #[command(subcommand)]
    Fortress(fortress::Command),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Verify(arguments) => verify::run(&arguments),
        #[cfg(target_os = "linux")]
        Command::Fortress(command) => fortress::run(command),
    }
}
