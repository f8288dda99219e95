//! A throw-away `gpg` home.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

static COUNTER: AtomicU32 = AtomicU32::new(0);

pub(super) struct Gpg {
    home: PathBuf,
}

/// What the status lines say; the exit code says too little.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) good: bool,
    pub(super) valid: bool,
}

impl Gpg {
    pub(super) fn new() -> Self {
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let home = std::env::temp_dir().join(format!("opgp-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&home).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        std::fs::set_permissions(&home, mode).unwrap();
        // The least passphrase stretching, so that unoptimised tests stay quick.
        std::fs::write(home.join("gpg-agent.conf"), "s2k-count 65536\n").unwrap();
        Self { home }
    }

    fn spawn(&self, args: &[&str], input: &[u8]) -> Output {
        let mut child = Command::new("gpg")
            .arg("--homedir")
            .arg(&self.home)
            .args(["--no-tty", "--quiet", "--pinentry-mode", "loopback"])
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("gpg is needed for these tests; install it with: apt-get install gnupg");
        // GnuPG may refuse a signature before it has read the content.
        if let Err(error) = child.stdin.take().unwrap().write_all(input) {
            assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
        }
        child.wait_with_output().unwrap()
    }

    pub(super) fn run(&self, args: &[&str], input: &[u8]) -> String {
        let output = self.spawn(args, input);
        assert!(
            output.status.success(),
            "gpg {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub(super) fn make_key(
        &self,
        name: &str,
        algorithm: &str,
        usage: &str,
        expiry: &str,
    ) -> String {
        self.make_key_with(&["--passphrase", ""], name, algorithm, usage, expiry)
    }

    pub(super) fn make_key_with(
        &self,
        options: &[&str],
        name: &str,
        algorithm: &str,
        usage: &str,
        expiry: &str,
    ) -> String {
        let mut args = vec!["--batch"];
        args.extend(options);
        args.extend(["--quick-generate-key", name, algorithm, usage, expiry]);
        self.run(&args, b"");
        let listing = self.run(&["--batch", "--with-colons", "--list-keys"], b"");
        let line = listing
            .lines()
            .rfind(|line| line.starts_with("pub:"))
            .unwrap();
        let after = &listing[listing.find(line).unwrap()..];
        let fingerprint = after.lines().find(|line| line.starts_with("fpr:")).unwrap();
        fingerprint.split(':').nth(9).unwrap().to_owned()
    }

    pub(super) fn add_subkey(&self, fingerprint: &str, algorithm: &str, usage: &str) {
        self.run(
            &[
                "--batch",
                "--passphrase",
                "",
                "--quick-add-key",
                fingerprint,
                algorithm,
                usage,
                "1y",
            ],
            b"",
        );
    }

    pub(super) fn export(&self, fingerprint: &str) -> String {
        self.run(&["--batch", "--armor", "--export", fingerprint], b"")
    }

    pub(super) fn export_secret(&self, fingerprint: &str) -> String {
        self.export_secret_with("--export-secret-keys", fingerprint, "")
    }

    pub(super) fn export_secret_with(
        &self,
        command: &str,
        fingerprint: &str,
        pass: &str,
    ) -> String {
        self.run(
            &[
                "--batch",
                "--passphrase",
                pass,
                "--armor",
                command,
                fingerprint,
            ],
            b"",
        )
    }

    pub(super) fn sign(&self, fingerprint: &str, options: &[&str], content: &[u8]) -> String {
        let user = format!("{fingerprint}!");
        let mut args = vec!["--batch", "--passphrase", "", "--armor", "-u", &user];
        args.extend(options);
        if !options.contains(&"--clear-sign") && !options.contains(&"--sign") {
            args.push("--detach-sign");
        }
        self.run(&args, content)
    }

    /// Revokes the key; `menu` is `gpg`'s number: 0 no reason, 1 compromised, 2 superseded,
    /// 3 no longer used.
    pub(super) fn revoke(&self, fingerprint: &str, menu: u8) {
        let answers = format!("y\n{menu}\n\ny\n");
        let certificate = self.run(
            &[
                "--command-fd",
                "0",
                "--passphrase",
                "",
                "--gen-revoke",
                fingerprint,
            ],
            answers.as_bytes(),
        );
        self.run(&["--batch", "--import"], certificate.as_bytes());
    }

    pub(super) fn verify(&self, signature: &str, content: &[u8], options: &[&str]) -> Status {
        let signature_file = self.home.join("signature.asc");
        std::fs::write(&signature_file, signature).unwrap();
        let path = signature_file.to_str().unwrap();
        let mut args = vec!["--batch", "--status-fd", "1"];
        args.extend(options);
        args.extend(["--verify", path, "-"]);
        let output = self.spawn(&args, content);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let count = |word: &str| text.lines().filter(|line| line.starts_with(word)).count();
        let bad = ["BADSIG", "ERRSIG", "REVKEYSIG", "EXPKEYSIG", "EXPSIG"]
            .iter()
            .any(|word| count(&format!("[GNUPG:] {word} ")) > 0);
        Status {
            good: count("[GNUPG:] GOODSIG ") == 1 && !bad,
            valid: count("[GNUPG:] VALIDSIG ") == 1,
        }
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf")
            .arg("--homedir")
            .arg(&self.home)
            .args(["--kill", "all"])
            .output();
        let _ = std::fs::remove_dir_all(&self.home);
    }
}
