//! `chitty`: what runs on a machine of one's own. One file a subcommand.

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
    Verify(verify::Arguments),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Verify(arguments) => verify::run(&arguments),
    }
}
