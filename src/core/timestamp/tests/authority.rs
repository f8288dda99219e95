//! Time stamping authorities of `openssl`, each in a folder of its own.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU64, Ordering};

use super::super::TrustAnchors;

/// A root, an authority's certificate below it, and what it answers with.
pub(crate) struct Authority {
    folder: PathBuf,
}

/// How an authority is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Made {
    /// Arguments of `openssl genpkey`.
    pub key: &'static [&'static str],
    pub usage: &'static str,
    /// Validity of its certificate.
    pub years: [&'static str; 2],
    /// Its certificate hangs on an intermediate one.
    pub intermediate: bool,
    pub certificate_hash: &'static str,
    pub digest: &'static str,
}

pub(crate) const RSA: Made = Made {
    key: &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    usage: "extendedKeyUsage=critical,timeStamping",
    years: ["2020", "2049"],
    intermediate: false,
    certificate_hash: "sha256",
    digest: "sha256",
};
pub(crate) const P256: Made = Made {
    key: &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    ..RSA
};

pub(crate) fn p256() -> Authority {
    Authority::make(&P256)
}

impl Drop for Authority {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.folder).unwrap();
    }
}

impl Authority {
    pub fn make(made: &Made) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("chitty-tsa-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        let authority = Self { folder };
        authority.write("ca.ext", b"basicConstraints=critical,CA:TRUE\n");
        authority.write("tsa.ext", made.usage.as_bytes());
        authority.write("serial", b"01\n");
        authority.write("index", b"");
        authority.write("ca.cnf", CA_CONFIG.as_bytes());
        authority.write("tsa.cnf", config(made).as_bytes());
        authority.certificate("root", None, "ca.ext", made);
        let parent = if made.intermediate {
            authority.certificate("middle", Some("root"), "ca.ext", made);
            "middle"
        } else {
            "root"
        };
        authority.certificate("tsa", Some(parent), "tsa.ext", made);
        // The chain in the order opposite to the DER one of a set.
        let chain: Vec<u8> = ["root.pem", "middle.pem"]
            .iter()
            .filter_map(|name| fs::read(authority.path(name)).ok())
            .flatten()
            .collect();
        authority.write("chain.pem", &chain);
        authority
    }

    fn certificate(&self, name: &str, parent: Option<&str>, extensions: &str, made: &Made) {
        let key = format!("{name}.key");
        self.openssl(&[&["genpkey", "-out", &key], made.key].concat());
        let subject = format!("/O=Example/CN=Example {name}");
        self.openssl(&[
            "req", "-new", "-key", &key, "-subj", &subject, "-out", "csr",
        ]);
        // An authority that has expired stands below a root that has not.
        let years = if name == "tsa" {
            made.years
        } else {
            ["2020", "2049"]
        };
        let [from, to] = years.map(|year| format!("{year}0101000000Z"));
        let out = format!("{name}.pem");
        let mut arguments = vec![
            "ca",
            "-batch",
            "-notext",
            "-config",
            "ca.cnf",
            "-in",
            "csr",
            "-out",
            &out,
            "-extfile",
            extensions,
            "-startdate",
            &from,
            "-enddate",
            &to,
            "-keyfile",
        ];
        let parents = parent.map(|parent| [format!("{parent}.pem"), format!("{parent}.key")]);
        match &parents {
            Some([certificate, key]) => arguments.extend([key, "-cert", certificate]),
            None => arguments.extend([key.as_str(), "-selfsign"]),
        }
        self.openssl(&arguments);
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).unwrap();
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    pub fn anchors(&self) -> TrustAnchors {
        TrustAnchors::from_pem(&String::from_utf8(self.read("root.pem")).unwrap()).unwrap()
    }

    /// The answer to a query.
    pub fn reply(&self, query: &[u8]) -> Vec<u8> {
        self.write("query.tsq", query);
        self.openssl(&[
            "ts",
            "-reply",
            "-config",
            "tsa.cnf",
            "-queryfile",
            "query.tsq",
            "-out",
            "reply.tsr",
        ]);
        self.read("reply.tsr")
    }

    /// The content of a reply, signed anew with this authority's key and certificate, which
    /// `openssl ts` would refuse to use.
    pub fn sign_anew(&self, reply: &[u8]) -> Vec<u8> {
        self.write("good.tsr", reply);
        self.openssl(&[
            "ts",
            "-reply",
            "-in",
            "good.tsr",
            "-token_out",
            "-out",
            "good.tst",
        ]);
        self.openssl(&[
            "cms",
            "-verify",
            "-noverify",
            "-inform",
            "DER",
            "-in",
            "good.tst",
            "-out",
            "content",
        ]);
        self.openssl(&[
            "cms",
            "-sign",
            "-binary",
            "-nodetach",
            "-nosmimecap",
            "-cades",
            "-md",
            "sha256",
            "-econtent_type",
            "1.2.840.113549.1.9.16.1.4",
            "-signer",
            "tsa.pem",
            "-inkey",
            "tsa.key",
            "-in",
            "content",
            "-outform",
            "DER",
            "-out",
            "new.tst",
        ]);
        self.openssl(&[
            "ts",
            "-reply",
            "-in",
            "new.tst",
            "-token_in",
            "-out",
            "new.tsr",
        ]);
        self.read("new.tsr")
    }

    /// What `openssl ts -verify` says of a reply to `query`, trusting this authority's root.
    pub fn openssl_accepts(&self, query: &[u8], reply: &[u8]) -> bool {
        self.write("judged.tsq", query);
        self.write("judged.tsr", reply);
        let arguments = [
            "ts",
            "-verify",
            "-queryfile",
            "judged.tsq",
            "-in",
            "judged.tsr",
            "-CAfile",
            "root.pem",
        ];
        run(&self.folder, &arguments).status.success()
    }

    pub fn openssl(&self, arguments: &[&str]) {
        let output = run(&self.folder, arguments);
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "openssl {arguments:?}: {told}");
    }
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new("openssl");
    command.current_dir(folder).args(arguments);
    command.output().expect("openssl is installed")
}

const CA_CONFIG: &str = "[ca]\ndefault_ca = one\n[one]\ndatabase = index\nnew_certs_dir = .\n\
    default_md = sha256\nunique_subject = no\nrand_serial = yes\npolicy = any\n\
    [any]\norganizationName = optional\ncommonName = supplied\n";

fn config(made: &Made) -> String {
    let mut config = String::from("[tsa]\ndefault_tsa = one\n[one]\n");
    for (name, value) in [
        ("serial", "serial"),
        ("signer_cert", "tsa.pem"),
        ("signer_key", "tsa.key"),
        ("signer_digest", made.digest),
        ("default_policy", "1.2.3.4.1"),
        ("digests", "sha256"),
        ("accuracy", "secs:1, millisecs:500, microsecs:100"),
        ("clock_precision_digits", "3"),
        ("ess_cert_id_chain", "no"),
        ("ess_cert_id_alg", made.certificate_hash),
    ] {
        writeln!(config, "{name} = {value}").unwrap();
    }
    if made.intermediate {
        config.push_str("certs = chain.pem\n");
    }
    config
}
