//! Reads a zip that a stranger made. Nothing is written to disk.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use rawzip::{CompressionMethod, ZipArchive, ZipFileHeaderRecord, ZipSliceArchive};

use super::findings::{Code, Findings};

/// Largest package read, in bytes, and largest sum of its unpacked files.
pub const MAX_BYTES: u64 = 128 * 1024 * 1024;
const MAX_FILES: u64 = 2_000;
const MAX_PATH_BYTES: usize = 512;
/// Entries are checked for overlaps: unpacking one's bytes twice is how small bombs are made.
type Range = (u64, u64);

/// The files by path, below the one folder that a bag in a zip has (RFC 8493 section 4).
#[derive(Debug, Default)]
pub struct Archive {
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Archive {
    pub fn bytes(&self, path: &str) -> Option<&[u8]> {
        self.files.get(path).map(Vec::as_slice)
    }

    /// None also where it is not UTF-8: no text of a package is anything else.
    pub fn text(&self, path: &str) -> Option<&str> {
        std::str::from_utf8(self.bytes(path)?).ok()
    }
}

/// Unpacks in memory; what is wrong with an entry is a finding, and the entry is left out.
/// None if the bytes are no zip at all.
pub fn read(bytes: &[u8], findings: &mut Findings) -> Option<Archive> {
    let zip = match ZipArchive::from_slice(bytes) {
        Ok(zip) => zip,
        Err(error) => {
            findings.add(Code::NotAZip, None, error.to_string());
            return None;
        }
    };
    let mut reading = Reading::new(findings);
    let mut entries = zip.entries();
    let mut count = 0;
    loop {
        match entries.next_entry() {
            Ok(Some(_)) if count == MAX_FILES => {
                let said = format!("more than {MAX_FILES} entries; the rest is not read");
                reading.findings.add(Code::TooManyFiles, None, said);
                break;
            }
            Ok(Some(entry)) => reading.take(&zip, &entry),
            Ok(None) => break,
            Err(error) => {
                reading
                    .findings
                    .add(Code::DamagedZip, None, error.to_string());
                break;
            }
        }
        count += 1;
    }
    if count != zip.entries_hint() {
        let said = format!("{count} entries of {} stated", zip.entries_hint());
        reading.findings.add(Code::DamagedZip, None, said);
    }
    Some(reading.finish())
}

struct Reading<'f> {
    findings: &'f mut Findings,
    files: BTreeMap<String, Vec<u8>>,
    /// Names in one case: on some systems two of them would be one file.
    folded: BTreeSet<String>,
    folder: Option<String>,
    ranges: Vec<Range>,
    left: u64,
}

impl<'f> Reading<'f> {
    fn new(findings: &'f mut Findings) -> Self {
        Self {
            findings,
            files: BTreeMap::new(),
            folded: BTreeSet::new(),
            folder: None,
            ranges: Vec::new(),
            left: MAX_BYTES,
        }
    }

    fn take(&mut self, zip: &ZipSliceArchive<&[u8]>, entry: &ZipFileHeaderRecord<'_>) {
        let shown = String::from_utf8_lossy(entry.file_path().as_bytes())
            .escape_debug()
            .to_string();
        if let Err((code, said)) = self.unpack(zip, entry) {
            self.findings.add(code, Some(&shown), said);
        }
    }

    fn unpack(
        &mut self,
        zip: &ZipSliceArchive<&[u8]>,
        entry: &ZipFileHeaderRecord<'_>,
    ) -> Result<(), (Code, String)> {
        let path = self.path_of(entry)?;
        let local = zip
            .get_entry(entry.wayfinder())
            .map_err(|error| (Code::DamagedZip, error.to_string()))?;
        if local.local_header().file_path().as_bytes() != entry.file_path().as_bytes() {
            let said = "its two headers name two files: programs would unpack different ones";
            return Err((Code::AmbiguousName, said.to_owned()));
        }
        self.ranges.push(local.compressed_data_range());
        let stated = entry.uncompressed_size_hint();
        // Taken off whatever comes of it: entries that fail cost as much as those that do not.
        self.left = self.left.checked_sub(stated).ok_or_else(|| {
            let said = format!("unpacked, the package has over {MAX_BYTES} bytes");
            (Code::TooLarge, said)
        })?;
        let bytes = inflate(local.data(), entry, stated)?;
        local
            .claim_verifier()
            .valid(rawzip::ZipVerification {
                crc: rawzip::crc32(&bytes),
                uncompressed_size: bytes.len() as u64,
            })
            .map_err(|error| (Code::DamagedZip, error.to_string()))?;
        if !self.folded.insert(path.to_lowercase()) {
            let said = "the name comes twice, or differs from another in upper and lower case only";
            return Err((Code::DuplicateName, said.to_owned()));
        }
        self.files.insert(path, bytes);
        Ok(())
    }

    /// The path below the bag's folder.
    fn path_of(&mut self, entry: &ZipFileHeaderRecord<'_>) -> Result<String, (Code, String)> {
        let unsafe_path = |said: &str| (Code::UnsafePath, said.to_owned());
        let raw = entry.file_path();
        let path = std::str::from_utf8(raw.as_bytes()).map_err(|_| unsafe_path("not UTF-8"))?;
        if entry.mode().is_symlink() {
            return Err((Code::NotAFile, "a symbolic link".to_owned()));
        }
        if entry.is_dir() {
            return Err((
                Code::NotAFile,
                "a folder entry; packages have files only".to_owned(),
            ));
        }
        if entry.flags().is_encrypted() {
            return Err((Code::DamagedZip, "encrypted".to_owned()));
        }
        if path.len() > MAX_PATH_BYTES {
            return Err(unsafe_path("too long"));
        }
        let odd = |c: char| c.is_control() || matches!(c, '\\' | ':');
        if path.contains(odd) || path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return Err(unsafe_path("absolute, or with parts that lead elsewhere"));
        }
        let (folder, inside) = path
            .split_once('/')
            .ok_or_else(|| unsafe_path("not in the package's folder"))?;
        let expected = self.folder.get_or_insert_with(|| folder.to_owned());
        if expected != folder {
            return Err(unsafe_path("in a second top folder"));
        }
        Ok(inside.to_owned())
    }

    fn finish(mut self) -> Archive {
        self.ranges.sort_unstable();
        let overlap = self.ranges.windows(2).any(|pair| match pair {
            [(_, end), (start, _)] => end > start,
            _ => false,
        });
        if overlap {
            let said = "entries share bytes, as in a zip bomb".to_owned();
            self.findings.add(Code::DamagedZip, None, said);
        }
        Archive { files: self.files }
    }
}

/// Unpacks to the size that the entry states, and no further.
fn inflate(
    data: &[u8],
    entry: &ZipFileHeaderRecord<'_>,
    stated: u64,
) -> Result<Vec<u8>, (Code, String)> {
    let damaged = |said: String| (Code::DamagedZip, said);
    let mut bytes = Vec::new();
    let read = match entry.compression_method() {
        CompressionMethod::STORE => data.take(stated + 1).read_to_end(&mut bytes),
        CompressionMethod::DEFLATE => flate2::read::DeflateDecoder::new(data)
            .take(stated + 1)
            .read_to_end(&mut bytes),
        other => return Err(damaged(format!("compressed by the method {other:?}"))),
    };
    read.map_err(|error| damaged(error.to_string()))?;
    if bytes.len() as u64 > stated {
        return Err(damaged(format!(
            "larger than the {stated} bytes that it states"
        )));
    }
    Ok(bytes)
}
