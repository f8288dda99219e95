//! `chitty fortress`: the server that runs agents in a sandbox and signs what they answer.

mod account;
mod asked;
mod calls;
mod config;
mod connections;
mod error;
mod execution;
mod facts;
mod folders;
mod jobs;
mod log;
mod model;
mod retention;
mod routes;
mod sandbox;
mod serve;
mod store;
mod system;
mod trial;
mod under_way;

use std::process::ExitCode;

use clap::{Args, Subcommand};

const ABOUT: &str =
    "Serve the Fortress API: each input is run by the agent in a sandbox of its own, \
and what it answers is signed.

Secrets come from the environment, as NAME, or from a file, as NAME_FILE:
  FORTRESS_API_KEY  what callers send as x-api-key
  PGP_PRIVATE_KEY   armored OpenPGP v4 Ed25519 key that signs (PGP_PASSPHRASE, if it has one)
  OPENAI_API_KEY    the model's; agents never see it

The agent reads /input/content.txt (and /input/system.txt, what it is told beside), asks the model \
at OPENAI_BASE_URL, and writes its answer to /output/output.txt.";

#[derive(Subcommand)]
pub enum Command {
    /// Serve the Fortress API
    #[command(long_about = ABOUT)]
    Serve(Box<config::Serve>),
    /// What runs first inside a sandbox
    #[command(hide = true)]
    SandboxInit(Inside),
    /// Tells from inside whether a sandbox holds
    #[command(hide = true)]
    SandboxProbe {
        /// What must not be reachable, as JSON
        outside: String,
    },
}

#[derive(Args)]
pub struct Inside {
    /// Limits, as JSON
    orders: String,
    /// The agent's command line
    #[arg(last = true, required = true)]
    agent: Vec<String>,
}

pub fn run(command: Command) -> ExitCode {
    match command {
        Command::Serve(options) => serve::run(*options),
        Command::SandboxInit(inside) => sandbox::init::run(&inside.orders, &inside.agent),
        Command::SandboxProbe { outside } => sandbox::probe::run(&outside),
    }
}
