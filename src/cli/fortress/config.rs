//! What the server is told: by its command line, its environment, and files for secrets.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use chitty_core::digest::sha256_hex;
use chitty_core::fortress::{Policy, SandboxPolicy};
use chitty_core::llm::BaseUrl;
use chitty_core::openpgp::SigningKey;
use chitty_core::secret::Secret;
use clap::Args;
use url::Url;

const MIB: u64 = 1 << 20;
const MAX_SECRET_BYTES: u64 = 64 << 10;
const MAX_AGENT_FILE_BYTES: u64 = 512 * MIB;
const MIN_API_KEY_CHARS: usize = 32;

/// Secrets come from the environment, as NAME, or from a file, as `NAME_FILE`:
/// `FORTRESS_API_KEY` (what callers send), `PGP_PRIVATE_KEY` (signs), `OPENAI_API_KEY` (the
/// model's; may be left out).
#[derive(Debug, Args)]
pub struct Serve {
    /// Address and port to listen at, by plain HTTP
    #[arg(long, env = "FORTRESS_LISTEN", default_value = "127.0.0.1:8000")]
    listen: SocketAddr,
    /// Folder for inputs, outputs and the database; nobody else's
    #[arg(long, env = "FORTRESS_DATA")]
    data: PathBuf,
    /// The only host that a run may reach, and the way to its API
    #[arg(
        long,
        env = "OPENAI_BASE_URL",
        default_value = "https://api.openai.com/v1"
    )]
    model_url: String,
    /// Model of inputs that name none
    #[arg(long, env = "FORTRESS_MODEL", default_value = "gpt-4")]
    model: String,
    /// Allow a model on this machine, by plain HTTP
    #[arg(long, env = "FORTRESS_DEVELOPMENT")]
    development: bool,
    /// File or folder that the agent sees, read-only, at its own place; repeatable
    #[arg(long)]
    bind: Vec<PathBuf>,
    /// Days for which a job is kept after it ended, or was ingested and never run, and a fact
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    keep_days: u32,
    /// Runs at the same time
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    concurrency: u32,
    #[command(flatten)]
    limits: LimitOptions,
    /// The agent: its program, by its whole path, and its arguments
    #[arg(last = true, required = true)]
    agent: Vec<String>,
}

#[derive(Debug, Args)]
struct LimitOptions {
    /// Seconds that a run may take; a fortress worker waits 60 for it, and for its turn
    #[arg(long, default_value_t = 45, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    time_secs: u64,
    /// Seconds of processor that its processes may use together
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    cpu_secs: u64,
    /// Memory of its processes together, in MiB
    #[arg(long, default_value_t = 512, value_parser = clap::value_parser!(u64).range(16..=65_536))]
    memory_mib: u64,
    /// Processes and threads at the same time
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=4_096))]
    processes: u64,
    /// Size of the output directory, and of the one for scratch, in MiB
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=4_096))]
    disk_mib: u64,
    /// Files in both
    #[arg(long, default_value_t = 4_096, value_parser = clap::value_parser!(u64).range(8..=1_000_000))]
    files: u64,
    /// Calls to the model
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(0..=50))]
    model_calls: u32,
    /// Size of all requests to the model together, in KiB
    #[arg(long, default_value_t = 1_024, value_parser = clap::value_parser!(u16).range(1..=8_192))]
    model_kib: u16,
}

/// A sound configuration.
pub struct Config {
    pub listen: SocketAddr,
    pub data: PathBuf,
    pub model_url: BaseUrl,
    pub model: String,
    pub model_key: Option<Secret>,
    pub api_key: Secret,
    pub key: SigningKey,
    pub binds: Vec<PathBuf>,
    pub concurrency: usize,
    pub keep_days: u32,
    pub policy: Policy,
    pub limits: SandboxPolicy,
}

impl Serve {
    /// As many as can wait for the model at once.
    pub fn most_calls(&self) -> usize {
        let calls = self.concurrency.saturating_mul(self.limits.model_calls);
        usize::try_from(calls).unwrap_or(usize::MAX).max(1)
    }

    /// Reads the secrets too.
    ///
    /// # Errors
    /// A sentence that names what to set.
    pub fn read(self) -> Result<Config, String> {
        let model_url = BaseUrl::parse(&self.model_url, self.development)
            .map_err(|error| format!("--model-url: {error}"))?;
        let host = Url::parse(model_url.as_str()).map_err(|error| error.to_string())?;
        let host = host.host_str().unwrap_or_default();
        let api_key = secret("FORTRESS_API_KEY")?.ok_or_else(|| unset("FORTRESS_API_KEY"))?;
        if api_key.expose().len() < MIN_API_KEY_CHARS {
            let advice = "make one with `openssl rand -hex 32`";
            return Err(format!(
                "FORTRESS_API_KEY has fewer than {MIN_API_KEY_CHARS} characters: {advice}"
            ));
        }
        let private = secret("PGP_PRIVATE_KEY")?.ok_or_else(|| unset("PGP_PRIVATE_KEY"))?;
        let passphrase = secret("PGP_PASSPHRASE")?;
        let key = SigningKey::from_armor(private.expose(), passphrase.as_ref().map(Secret::expose))
            .map_err(|error| format!("PGP_PRIVATE_KEY: {error}"))?;
        let limits = self.limits.read(self.agent)?;
        Ok(Config {
            listen: self.listen,
            data: folder(&self.data)?,
            model: self.model,
            model_key: secret("OPENAI_API_KEY")?,
            api_key,
            key,
            binds: self
                .bind
                .iter()
                .map(|path| bind(path))
                .collect::<Result<_, _>>()?,
            concurrency: usize::try_from(self.concurrency).unwrap_or(1),
            keep_days: self.keep_days,
            policy: Policy {
                timeout_ms: self.limits.time_secs * 1_000,
                tools_allowed: true,
                sandbox: Some(limits.clone()),
                ..Policy::current(host)
            },
            limits,
            model_url,
        })
    }
}

impl LimitOptions {
    fn read(&self, agent: Vec<String>) -> Result<SandboxPolicy, String> {
        if !agent
            .first()
            .is_some_and(|program| program.starts_with('/'))
        {
            return Err("the agent's program must be given by its whole path".to_owned());
        }
        Ok(SandboxPolicy {
            agent_files: hashes(&agent)?,
            agent,
            max_cpu_secs: self.cpu_secs,
            max_memory_bytes: self.memory_mib * MIB,
            max_processes: self.processes,
            max_disk_bytes: self.disk_mib * MIB,
            max_files: self.files,
            max_diagnostic_bytes: 256 << 10,
            max_model_calls: self.model_calls,
            max_request_bytes: usize::from(self.model_kib) << 10,
        })
    }
}

/// SHA-256 of each file that the command line names, as it is when the server starts.
fn hashes(agent: &[String]) -> Result<BTreeMap<String, String>, String> {
    let mut hashes = BTreeMap::new();
    for word in agent.iter().filter(|word| word.starts_with('/')) {
        let Ok(found) = fs::metadata(word) else {
            continue;
        };
        if !found.is_file() {
            continue;
        }
        if found.len() > MAX_AGENT_FILE_BYTES {
            return Err(format!("{word} has more than {MAX_AGENT_FILE_BYTES} bytes"));
        }
        let bytes = fs::read(word).map_err(|error| format!("{word}: {error}"))?;
        hashes.insert(word.clone(), sha256_hex(bytes));
    }
    Ok(hashes)
}

/// The folder, made if there is none, for this user alone.
fn folder(path: &Path) -> Result<PathBuf, String> {
    use std::os::unix::fs::PermissionsExt;
    let own = fs::create_dir_all(path)
        .and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o700)))
        .and_then(|()| fs::canonicalize(path));
    own.map_err(|error| format!("--data {}: {error}", path.display()))
}

fn bind(path: &Path) -> Result<PathBuf, String> {
    let found =
        fs::canonicalize(path).map_err(|error| format!("--bind {}: {error}", path.display()))?;
    let reserved = ["/proc", "/dev", "/sys", "/input", "/output", "/etc/shadow"];
    let is_top = found.parent().is_none_or(|parent| parent == Path::new("/"));
    if is_top || reserved.iter().any(|other| found.starts_with(other)) {
        return Err(format!(
            "--bind {}: name a folder of the agent's own, not one of the system",
            path.display()
        ));
    }
    Ok(found)
}

fn unset(name: &str) -> String {
    format!("{name} is not set: set it in the environment, or {name}_FILE to the path of a file")
}

/// From the environment, or from the file it names. White space around it is none of it.
fn secret(name: &str) -> Result<Option<Secret>, String> {
    let file = std::env::var_os(format!("{name}_FILE")).filter(|path| !path.is_empty());
    let text = match file {
        None => std::env::var(name).unwrap_or_default(),
        Some(path) => {
            let problem = |error: String| format!("{name}_FILE: {error}");
            let size = fs::metadata(&path).map_err(|error| problem(error.to_string()))?;
            if size.len() > MAX_SECRET_BYTES {
                return Err(problem(format!("has more than {MAX_SECRET_BYTES} bytes")));
            }
            fs::read_to_string(&path).map_err(|error| problem(error.to_string()))?
        }
    };
    let text = text.trim();
    Ok((!text.is_empty()).then(|| Secret::new(text)))
}
