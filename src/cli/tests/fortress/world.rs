use std::fs;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

pub const API_KEY: &str = "test-0123456789abcdef0123456789abcdef";
pub const MODEL_KEY: &str = "sk-test-which-no-agent-may-see";
/// The agent runs the content.
pub const SHELL: [&str; 2] = ["/bin/sh", "/input/content.txt"];
/// More than the longest time a run is given here.
const PATIENCE: Duration = Duration::from_secs(90);
/// Numbers of worlds.
static NEXT: AtomicU32 = AtomicU32::new(0);

pub struct World {
    pub folder: PathBuf,
    uid: u32,
    options: Vec<String>,
    environment: Vec<(String, String)>,
    server: Option<Child>,
    pub address: SocketAddr,
}

/// A server that was started, or what it said instead.
pub enum Started {
    Serving(Child, SocketAddr),
    Refused(String),
}

impl World {
    pub fn start(options: &[&str]) -> Self {
        let mut world = Self::prepare(options);
        world.restart();
        world
    }

    /// All but the server.
    pub fn prepare(options: &[&str]) -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("chf-{}-{number}", std::process::id()));
        fs::create_dir_all(folder.join("data")).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(folder.join("key.asc"), private_key()).unwrap();
        let is_root = nix::unistd::geteuid().is_root();
        // A user for each, so that what is left of one can be told from the others'.
        let uid = if is_root {
            1_000_000 + std::process::id() % 100_000 * 1_000 + number
        } else {
            nix::unistd::geteuid().as_raw()
        };
        for path in ["data", "key.asc"] {
            std::os::unix::fs::chown(folder.join(path), Some(uid), None).unwrap();
        }
        let environment = [
            ("PATH", "/usr/local/bin:/usr/bin:/bin".to_owned()),
            ("FORTRESS_API_KEY", API_KEY.to_owned()),
            ("OPENAI_API_KEY", MODEL_KEY.to_owned()),
            (
                "PGP_PRIVATE_KEY_FILE",
                folder.join("key.asc").display().to_string(),
            ),
        ];
        Self {
            uid,
            options: options.iter().map(|&option| option.to_owned()).collect(),
            environment: environment
                .map(|(name, value)| (name.to_owned(), value))
                .into(),
            server: None,
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            folder,
        }
    }

    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.retain(|(other, _)| other != name);
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Starts the server on the same data.
    pub fn restart(&mut self) {
        match self.launch(true) {
            Started::Serving(server, address) => {
                self.server = Some(server);
                self.address = address;
            }
            Started::Refused(said) => panic!("the server does not start: {said}"),
        }
    }

    /// A program to be run by the user that the server has.
    pub fn as_its_user(&self, program: &Path) -> Command {
        if !nix::unistd::geteuid().is_root() {
            return Command::new(program);
        }
        let mut command = Command::new("/usr/bin/setpriv");
        let id = self.uid.to_string();
        command.args(["--reuid", &id, "--regid", &id, "--clear-groups", "--"]);
        command.arg(program);
        command
    }

    /// As a user that is not root, or as the one that runs the test.
    pub fn launch(&self, dropping: bool) -> Started {
        let mut command = if dropping {
            self.as_its_user(program())
        } else {
            Command::new(program())
        };
        let data = self.folder.join("data");
        command.args(["fortress", "serve", "--listen", "127.0.0.1:0", "--data"]);
        command.arg(data).args(&self.options);
        if !self.options.iter().any(|option| option == "--") {
            command.arg("--").args(SHELL);
        }
        command
            .current_dir("/")
            .env_clear()
            .envs(self.environment.clone());
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        listening(command.spawn().unwrap())
    }

    pub fn pid(&self) -> u32 {
        self.server.as_ref().unwrap().id()
    }

    pub fn kill(&mut self) {
        let mut server = self.server.take().unwrap();
        server.kill().unwrap();
        server.wait().unwrap();
    }

    /// Asks, and gives status and body.
    pub fn ask(&self, method: &str, path: &str, body: &str, key: &str) -> (u16, Value) {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(PATIENCE))
            .build()
            .into();
        let url = format!("http://{}{path}", self.address);
        let mut response = if method == "GET" {
            agent.get(url).header("x-api-key", key).call().unwrap()
        } else {
            let request = agent.post(url).header("x-api-key", key);
            request.content_type("application/json").send(body).unwrap()
        };
        let text = response.body_mut().read_to_string().unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        (response.status().as_u16(), body)
    }

    pub fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.ask("POST", path, &body.to_string(), API_KEY)
    }

    pub fn get(&self, path: &str) -> (u16, Value) {
        self.ask("GET", path, "", API_KEY)
    }

    pub fn ingest(&self, script: &str) -> String {
        let (status, body) = self.post("/ingest", &json!({ "content": script, "label": "test" }));
        assert_eq!(status, 200, "{body}");
        body["input_id"].as_str().unwrap().to_owned()
    }

    pub fn run(&self, id: &str) -> (u16, Value) {
        self.post(&format!("/run/{id}"), &Value::Null)
    }

    /// Runs a script that must go well, and gives what `/output` has.
    pub fn good(&self, script: &str) -> Value {
        let id = self.ingest(script);
        let (status, body) = self.run(&id);
        assert_eq!(
            (status, &body["status"]),
            (200, &json!("completed")),
            "{body}"
        );
        let (status, output) = self.get(&format!(
            "/output/{}",
            body["output_file"].as_str().unwrap()
        ));
        assert_eq!(status, 200, "{output}");
        output
    }

    /// Runs a script that must fail, and gives the reason.
    pub fn bad(&self, script: &str) -> String {
        let id = self.ingest(script);
        let (status, body) = self.run(&id);
        assert_eq!(
            (status, &body["error"]["code"]),
            (422, &json!("RUN_FAILED")),
            "{body}"
        );
        body["error"]["message"].as_str().unwrap().to_owned()
    }

    /// Processes in a sandbox of this server.
    pub fn sandboxed(&self) -> Vec<String> {
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").unwrap().flatten() {
            let path = entry.path();
            let is_ours =
                fs::metadata(&path).is_ok_and(|found| found.uid() == self.uid || found.uid() == 0);
            let status = fs::read_to_string(path.join("status")).unwrap_or_default();
            let line = |name: &str| {
                status
                    .lines()
                    .find(|line| line.starts_with(name))
                    .unwrap_or_default()
                    .to_owned()
            };
            let is_nested = line("NSpid:").split_whitespace().count() > 2;
            let is_its = line("Uid:").split_whitespace().nth(1) == Some(&self.uid.to_string());
            // Dead, and waiting for this machine's init to be told.
            let is_dead = line("State:").contains('Z');
            if is_ours && is_nested && is_its && !is_dead {
                found.push(
                    fs::read_to_string(path.join("cmdline"))
                        .unwrap_or_default()
                        .replace('\0', " "),
                );
            }
        }
        found
    }

    /// Processes that it started or adopted and has not buried.
    pub fn children(&self) -> String {
        let pid = self.pid();
        fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap()
    }

    pub fn files(&self) -> Vec<String> {
        let mut found = Vec::new();
        let data = self.folder.join("data");
        walk(&data, &mut |path| {
            found.push(path.strip_prefix(&data).unwrap().display().to_string());
        });
        found.sort();
        found
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if self.server.is_some() {
            self.kill();
        }
        fs::remove_dir_all(&self.folder).unwrap();
    }
}

/// Made by gpg, once for all tests.
fn private_key() -> &'static str {
    static KEY: OnceLock<String> = OnceLock::new();
    KEY.get_or_init(|| {
        let home = std::env::temp_dir().join(format!("chf-gpg-{}", std::process::id()));
        fs::create_dir(&home).unwrap();
        fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
        let gpg = |arguments: &[&str]| {
            let mut command = Command::new("gpg");
            command
                .arg("--homedir")
                .arg(&home)
                .args(["--batch", "--quiet", "--passphrase", ""]);
            let done = command.args(arguments).output().unwrap();
            assert!(
                done.status.success(),
                "{}",
                String::from_utf8_lossy(&done.stderr)
            );
            String::from_utf8(done.stdout).unwrap()
        };
        gpg(&[
            "--quick-generate-key",
            "Fortress <fortress@example.org>",
            "ed25519",
            "sign",
            "never",
        ]);
        let key = gpg(&["--armor", "--export-secret-keys"]);
        let mut agent = Command::new("gpgconf");
        agent
            .arg("--homedir")
            .arg(&home)
            .args(["--kill", "gpg-agent"]);
        agent.status().unwrap();
        fs::remove_dir_all(&home).unwrap();
        key
    })
}

fn walk(folder: &Path, see: &mut impl FnMut(&Path)) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            walk(&path, see);
        } else {
            see(&path);
        }
    }
}

/// Where any user can start it.
fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let folder = std::env::temp_dir().join("chitty-fortress-tests");
        fs::create_dir_all(&folder).unwrap();
        let program = folder.join("chitty");
        // Renamed into place: another test's may be running.
        let partial = folder.join(format!("chitty-{}", std::process::id()));
        fs::copy(env!("CARGO_BIN_EXE_chitty"), &partial).unwrap();
        fs::set_permissions(&partial, fs::Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(&partial, &program).unwrap();
        program
    })
}

fn listening(mut child: Child) -> Started {
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut said = String::new();
    for line in &mut lines {
        let line = line.unwrap();
        let event: Value = serde_json::from_str(&line).unwrap_or_default();
        if event["event"] == "listening" {
            let address = event["fields"]["address"]
                .as_str()
                .unwrap()
                .parse()
                .unwrap();
            // A pipe that nobody reads would stop the server.
            std::thread::spawn(move || lines.for_each(drop));
            return Started::Serving(child, address);
        }
        said.push_str(&line);
        said.push('\n');
    }
    assert!(!child.wait().unwrap().success());
    Started::Refused(said)
}

/// Asks again until it is so.
pub fn until(what: &str, mut probe: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !probe() {
        assert!(Instant::now() < end, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
