//! `BagIt` 1.0 (RFC 8493): files with a manifest of their hashes, as one zip.

use std::collections::BTreeMap;
use std::io::{self, Write};

use rawzip::ZipArchiveWriter;
use rawzip::time::UtcDateTime;

use super::texts::lines;
use crate::digest::sha256_hex;

const DECLARATION: &str = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";
pub(super) const TAG_MANIFEST: &str = "tagmanifest-sha256.txt";
const PLAIN: u32 = 0o100_644;
const EXECUTABLE: u32 = 0o100_755;

/// Files by path, `data/…` the payload.
#[derive(Debug, Clone, Default)]
pub struct Bag {
    files: BTreeMap<String, Vec<u8>>,
}

impl Bag {
    pub fn add(&mut self, path: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.files.insert(path.into(), bytes.into());
    }

    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files
            .iter()
            .map(|(path, bytes)| (path.as_str(), bytes.as_slice()))
    }

    /// Writes declaration, `info` and both manifests. Returns the text of the tag manifest,
    /// which covers everything but what is added over it.
    pub fn close(&mut self, info: &[(&str, String)]) -> String {
        let payload = |path: &str| path.starts_with("data/");
        let (count, bytes) = self
            .files()
            .filter(|(path, _)| payload(path))
            .fold((0_u64, 0_usize), |(count, bytes), (_, file)| {
                (count + 1, bytes + file.len())
            });
        let info = lines(info.iter().map(|(name, value)| format!("{name}: {value}")));
        self.add("bagit.txt", DECLARATION);
        self.add(
            "bag-info.txt",
            format!("{info}Payload-Oxum: {bytes}.{count}\n"),
        );
        self.add("manifest-sha256.txt", self.manifest(payload));
        let tags = self.manifest(|path| !payload(path));
        self.add(TAG_MANIFEST, tags.as_str());
        tags
    }

    /// Lines as `sha256sum` reads them.
    fn manifest(&self, covers: impl Fn(&str) -> bool) -> String {
        let files = self.files().filter(|(path, _)| covers(path));
        lines(files.map(|(path, bytes)| format!("{}  {path}", sha256_hex(bytes))))
    }

    /// One zip with everything in `folder`, which is the only thing at its top (RFC 8493
    /// section 4). Nothing is compressed and all times are alike: the same files give the same
    /// bytes, and what is unpacked is never larger than what came.
    pub fn to_zip(&self, folder: &str) -> io::Result<Vec<u8>> {
        let mut zip = ZipArchiveWriter::new(Vec::new());
        let midnight = UtcDateTime::from_components(1980, 1, 1, 0, 0, 0, 0);
        for (path, bytes) in &self.files {
            let path = format!("{folder}/{path}");
            let program = ["sh", "py"]
                .iter()
                .any(|kind| path.ends_with(&format!(".{kind}")));
            let file = zip.new_file(&*path);
            let file = file.unix_permissions(if program { EXECUTABLE } else { PLAIN });
            let file = match midnight {
                Some(midnight) => file.last_modified(midnight),
                None => file,
            };
            let (mut entry, config) = file.start().map_err(io::Error::other)?;
            let mut writer = config.wrap(&mut entry);
            writer.write_all(bytes)?;
            let (_, written) = writer.finish().map_err(io::Error::other)?;
            entry.finish(written).map_err(io::Error::other)?;
        }
        zip.finish().map_err(io::Error::other)
    }
}

/// Paths and lower-case hashes of a manifest in the one form that is written here: each path
/// once, two spaces, a line end after each line. None for any other text.
pub fn parse_manifest(text: &str) -> Option<BTreeMap<&str, &str>> {
    let mut listed = BTreeMap::new();
    for line in text.strip_suffix('\n')?.split('\n') {
        let (hash, path) = line.split_once("  ")?;
        let digit = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
        let well_formed = hash.len() == 64 && hash.bytes().all(digit) && !path.is_empty();
        if !well_formed || listed.insert(path, hash).is_some() {
            return None;
        }
    }
    Some(listed)
}
