//! A package whose files can be changed.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use chitty_core::digest::sha256_hex;
use rawzip::{ZipArchive, ZipArchiveWriter};

/// As `chitty-core`'s tests make it.
pub const SAMPLE: &[u8] = include_bytes!("../../../../tests/packages/legal-brief.zip");
/// Of a run whose key was superseded since, and of one whose key was compromised.
pub const SUPERSEDED: &[u8] = include_bytes!("../../../../tests/packages/key-superseded.zip");
pub const COMPROMISED: &[u8] = include_bytes!("../../../../tests/packages/key-compromised.zip");
pub const FOLDER: &str = "PKG";

pub struct Package {
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Package {
    pub fn sample() -> Self {
        Self::of(SAMPLE)
    }

    pub fn of(zip: &[u8]) -> Self {
        let zip = ZipArchive::from_slice(zip).unwrap();
        let mut entries = zip.entries();
        let mut files = BTreeMap::new();
        while let Some(entry) = entries.next_entry().unwrap() {
            let path = std::str::from_utf8(entry.file_path().as_bytes()).unwrap();
            let (_, path) = path.split_once('/').unwrap();
            let data = zip.get_entry(entry.wayfinder()).unwrap().data().to_vec();
            files.insert(path.to_owned(), data);
        }
        Self { files }
    }

    pub fn zip(&self) -> Vec<u8> {
        let named =
            |(path, bytes): (&String, &Vec<u8>)| (format!("{FOLDER}/{path}"), bytes.clone());
        zip_of(self.files.iter().map(named))
    }

    /// Writes both manifests anew, as a forger without a key can.
    pub fn list_again(&mut self) {
        for (manifest, of_payload) in [
            ("manifest-sha256.txt", true),
            ("tagmanifest-sha256.txt", false),
        ] {
            let covered = |path: &str| {
                path.starts_with("data/") == of_payload && !path.starts_with("tagmanifest")
            };
            let mut text = String::new();
            for (path, bytes) in self.files.iter().filter(|(path, _)| covered(path)) {
                writeln!(text, "{}  {path}", sha256_hex(bytes)).unwrap();
            }
            self.files.insert(manifest.to_owned(), text.into_bytes());
        }
    }

    /// Writes the files below a new folder and returns it.
    pub fn unpack(&self) -> PathBuf {
        let folder = scratch();
        for (path, bytes) in &self.files {
            let path = folder.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        folder
    }
}

/// Files as they are, not compressed.
pub fn zip_of(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Vec<u8> {
    let mut zip = ZipArchiveWriter::new(Vec::new());
    for (path, bytes) in files {
        let path = rawzip::path::EntryPath::verbatim(path.into_bytes());
        let (mut entry, config) = zip.new_file(path).start().unwrap();
        let mut writer = config.wrap(&mut entry);
        writer.write_all(&bytes).unwrap();
        let (_, written) = writer.finish().unwrap();
        entry.finish(written).unwrap();
    }
    zip.finish().unwrap()
}

/// A folder of the test's own.
pub fn scratch() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("verify-{}-{number}", std::process::id());
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
