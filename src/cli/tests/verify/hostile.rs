//! Zips made to harm or to mislead: each is refused with a named finding, none is unpacked.

use std::io::Write;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use rawzip::{CompressionMethod, ZipArchiveWriter};

use super::package::{FOLDER, Package, SAMPLE, zip_of};
use super::sample::{chitty, codes};

fn findings(zip: &[u8]) -> Vec<String> {
    let (report, code) = chitty(zip, &[]);
    assert_eq!(code, 1, "{report:#}");
    assert_eq!(report["integrity"]["verdict"], "fails");
    codes(&report).into_iter().map(str::to_owned).collect()
}

fn with(path: &str) -> Vec<u8> {
    let sample = Package::sample().files;
    let mut files: Vec<_> = sample
        .into_iter()
        .map(|(path, bytes)| (format!("{FOLDER}/{path}"), bytes))
        .collect();
    files.push((path.to_owned(), b"x".to_vec()));
    zip_of(files)
}

#[test]
fn paths_that_lead_elsewhere_are_named() {
    for (path, code) in [
        ("../evil", "unsafe_path"),
        ("/etc/passwd", "unsafe_path"),
        ("PKG/../../evil", "unsafe_path"),
        ("PKG/./bagit.txt", "unsafe_path"),
        ("PKG//bagit.txt", "unsafe_path"),
        ("PKG\\evil", "unsafe_path"),
        ("C:/evil", "unsafe_path"),
        ("PKG/a\nb", "unsafe_path"),
        ("PKG/a\0b", "unsafe_path"),
        ("OTHER/evil", "unsafe_path"),
        ("alone", "unsafe_path"),
        ("PKG/bagit.txt", "duplicate_name"),
        ("PKG/BagIt.txt", "duplicate_name"),
        ("PKG/data/", "not_a_file"),
    ] {
        let found = findings(&with(path));
        assert!(found.iter().any(|one| one == code), "{path:?}: {found:?}");
    }
    let long = format!("PKG/{}", "a".repeat(600));
    assert!(findings(&with(&long)).contains(&"unsafe_path".to_owned()));
}

#[test]
fn a_symbolic_link_is_named() {
    let mut zip = ZipArchiveWriter::new(Vec::new());
    let file = zip.new_file("PKG/link").unix_permissions(0o120_777);
    let (mut entry, config) = file.start().unwrap();
    let mut writer = config.wrap(&mut entry);
    writer.write_all(b"/etc/passwd").unwrap();
    let (_, written) = writer.finish().unwrap();
    entry.finish(written).unwrap();
    assert!(findings(&zip.finish().unwrap()).contains(&"not_a_file".to_owned()));
}

/// Over what a package may have.
const BOMB: u64 = 129 * 1024 * 1024;

/// A file of zeros, packed a thousand to one.
fn bomb(bytes: u64) -> Vec<u8> {
    let mut zip = ZipArchiveWriter::new(Vec::new());
    let file = zip
        .new_file("PKG/zeros")
        .compression_method(CompressionMethod::DEFLATE);
    let (mut entry, config) = file.start().unwrap();
    let mut writer = config.wrap(DeflateEncoder::new(&mut entry, Compression::fast()));
    std::io::copy(
        &mut std::io::Read::take(std::io::repeat(0), bytes),
        &mut writer,
    )
    .unwrap();
    let (encoder, written) = writer.finish().unwrap();
    encoder.finish().unwrap();
    entry.finish(written).unwrap();
    zip.finish().unwrap()
}

#[test]
fn a_bomb_is_not_unpacked_whatever_size_it_declares() {
    let honest = bomb(BOMB);
    assert!(findings(&honest).contains(&"too_large".to_owned()));
    let found = findings(&lying(honest, BOMB));
    assert_eq!(
        (found[0].as_str(), found.contains(&"too_large".to_owned())),
        ("damaged_zip", false)
    );
}

/// The zip with another size in its headers: one byte.
fn lying(mut zip: Vec<u8>, size: u64) -> Vec<u8> {
    let declared = u32::try_from(size).unwrap().to_le_bytes();
    while let Some(at) = zip.windows(4).rposition(|window| window == declared) {
        zip[at..at + 4].copy_from_slice(&1_u32.to_le_bytes());
    }
    zip
}

/// One entry's bytes, listed two thousand times in the directory, each time with a size that is
/// far too small: whatever is not charged for is unpacked again and again.
#[test]
fn entries_that_fail_are_not_unpacked_for_free() {
    let one = lying(bomb(BOMB), BOMB);
    let end = one.len() - 22;
    let start = u32::from_le_bytes(one[end + 16..end + 20].try_into().unwrap()) as usize;
    let entry = one[start..end].to_vec();
    let mut many = one[..start].to_vec();
    many.extend(entry.repeat(2_000));
    let size = u32::try_from(many.len() - start).unwrap().to_le_bytes();
    let mut tail = one[end..].to_vec();
    tail[8..12].copy_from_slice(&[0xD0, 7, 0xD0, 7]);
    tail[12..16].copy_from_slice(&size);
    many.extend(tail);
    let found = findings(&many);
    // Each is given up after the byte that it states, and they share their bytes.
    let damaged = found.iter().filter(|one| *one == "damaged_zip");
    assert_eq!(damaged.count(), 2_001);
}

#[test]
fn too_many_entries_are_not_read() {
    let many = (0..2_001).map(|number| (format!("PKG/{number}"), Vec::new()));
    assert!(findings(&zip_of(many)).contains(&"too_many_files".to_owned()));
}

#[test]
fn what_is_cut_or_garbled_is_no_package_and_no_panic() {
    for length in [0, 1, 21, 22, 1_000, SAMPLE.len() / 2, SAMPLE.len() - 1] {
        findings(&SAMPLE[..length]);
    }
    // Headers are where a reader can be led astray: each of the last bytes, one at a time.
    for back in (1..=2_400).step_by(37) {
        let mut garbled = SAMPLE.to_vec();
        let at = garbled.len() - back;
        garbled[at] ^= 0xFF;
        let (report, _) = chitty(&garbled, &[]);
        assert!(report["integrity"]["verdict"].is_string(), "{back}");
    }
}

#[test]
fn two_names_of_one_entry_are_named() {
    let mut zip = SAMPLE.to_vec();
    let name = b"/data/execution/prompt";
    let local = zip
        .windows(name.len())
        .position(|window| window == name)
        .unwrap();
    zip[local + name.len() - 1] = b'T';
    assert!(findings(&zip).contains(&"ambiguous_name".to_owned()));
}
