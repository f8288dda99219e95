//! Published files that are changed, removed or exchanged.

use super::*;
use crate::testing::MemoryBucket;

/// What is done to a file.
pub(super) const HARM: [&str; 3] = ["changed", "removed", "swapped"];

/// The published files of a log of one bundle, by what they are.
pub(super) fn files(office: &Office) -> [(&'static str, String); 3] {
    let size = office.world.log.size();
    [
        ("an entry bundle", format!("tile/entries/000.p/{size}")),
        ("a tile", format!("tile/0/000.p/{size}")),
        ("the checkpoint", "checkpoint".to_owned()),
    ]
}

/// What an audit finds after that. The file is put back.
pub(super) fn harmed(office: &Office, name: &str, how: &str) -> Vec<Finding> {
    let files = office.world.log.files();
    let before = files.0.borrow().clone();
    match how {
        "changed" => flip(files, name, 60),
        "removed" => drop(files.0.borrow_mut().remove(name)),
        _ => swap(files, name),
    }
    let found = office.findings();
    *files.0.borrow_mut() = before;
    found
}

pub(super) fn flip(files: &MemoryBucket, name: &str, at: usize) {
    let mut files = files.0.borrow_mut();
    let file = files.get_mut(name).unwrap();
    let mut bytes = file.bytes.to_vec();
    bytes[at] ^= 1;
    file.bytes = bytes.into();
}

/// Another of the same size takes its place: the one of another log.
fn swap(files: &MemoryBucket, name: &str) {
    let other = Office::with(1);
    let theirs = other.world.log.files().0.borrow();
    let kind = name.split('.').next().unwrap();
    let mut theirs = theirs.iter().filter(|(name, _)| name.starts_with(kind));
    let theirs = theirs.next_back().unwrap().1.clone();
    files.0.borrow_mut().insert(name.to_owned(), theirs);
}

fn subjects(found: &[Finding]) -> Vec<&str> {
    found.iter().map(|finding| &*finding.subject).collect()
}

#[test]
fn a_file_that_is_changed_removed_or_exchanged_is_named() {
    let office = Office::with(2);
    assert_eq!(office.findings(), []);
    for (_, name) in files(&office) {
        for how in HARM {
            let found = harmed(&office, &name, how);
            let code = match how {
                "removed" => Code::PublishedMissing,
                _ => Code::PublishedAltered,
            };
            let named = found
                .iter()
                .map(|finding| (finding.code, &*finding.subject));
            let named: Vec<_> = named.collect();
            assert_eq!(
                named,
                [(code, &*format!("log:{name}"))],
                "{how}: {found:#?}"
            );
        }
    }
}

#[test]
fn every_entry_and_every_hash_is_held_against_the_head() {
    let office = Office::with(1);
    let size = office.world.log.size();
    let files = office.world.log.files();
    let [(_, bundle), (_, hashes), _] = super::published::files(&office);
    let length = files.0.borrow()[&bundle].bytes.len() / usize::try_from(size).unwrap();
    for index in 0..size {
        let at = usize::try_from(index).unwrap();
        for (name, at) in [(&bundle, at * length + 40), (&hashes, at * 32 + 31)] {
            flip(files, name, at);
            let found = office.findings();
            assert_eq!(subjects(&found), [format!("log:{name}")]);
            let what = format!("of entry {index}");
            assert!(found[0].what.ends_with(&what), "{found:#?}");
            assert!(found[0].expected.is_some() && found[0].expected != found[0].found);
            flip(files, name, at);
        }
    }
}

#[test]
fn files_that_are_changed_alike_are_named_by_the_logs_own_proofs() {
    let office = Office::with(1);
    let [(_, bundle), (_, hashes), _] = files(&office);
    let files = office.world.log.files();
    flip(files, &bundle, 40);
    let entry = files.0.borrow()[&bundle].bytes.clone();
    let length = usize::from(u16::from_be_bytes([entry[0], entry[1]]));
    let leaf = crate::chain::hash::Hash::leaf(&entry[2..2 + length]);
    let mut tile = files.0.borrow()[&hashes].bytes.to_vec();
    tile[..32].copy_from_slice(leaf.as_bytes());
    files.0.borrow_mut().get_mut(&hashes).unwrap().bytes = tile.into();
    let found = office.findings();
    assert_eq!(
        subjects(&found),
        [bundle, hashes].map(|name| format!("log:{name}"))
    );
    assert!(
        found
            .iter()
            .all(|finding| finding.what.ends_with("head signs of entry 0"))
    );
}

#[test]
fn files_of_any_length_and_form_are_no_yes_and_stop_no_audit() {
    let office = Office::with(1);
    let [(_, bundle), (_, hashes), _] = files(&office);
    let files = office.world.log.files();
    let before = files.0.borrow().clone();
    let whole = before[&bundle].bytes.clone();
    let forms = [
        Vec::new(),
        vec![0],
        vec![0; 31],
        vec![0; 32],
        vec![0xFF; 70_000],
        vec![0; 20_000_000],
        whole[..whole.len() - 1].to_vec(),
        [&whole[..], &[0]].concat(),
        [&whole[..], &whole[..]].concat(),
    ];
    for form in forms {
        for name in [&bundle, &hashes] {
            let length = form.len();
            let mut file = before[name].clone();
            file.bytes = form.clone().into();
            files.0.borrow_mut().insert(name.clone(), file);
            let found = office.findings();
            assert_eq!(subjects(&found), [format!("log:{name}")], "{length}");
            assert_eq!(found[0].code, Code::PublishedAltered);
            *files.0.borrow_mut() = before.clone();
        }
    }
}

#[test]
fn an_altered_log_leaves_open_which_of_two_files_is_right() {
    let office = Office::with(1);
    let [(_, bundle), (_, hashes), _] = files(&office);
    flip(office.world.log.files(), &bundle, 40);
    flip(office.world.log.files(), &hashes, 0);
    office.world.log.alter(0, None);
    let found = office.findings();
    let what = |name: &str| {
        let subject = format!("log:{name}");
        let found = found.iter().find(|finding| finding.subject == subject);
        found.map_or("", |finding| &finding.what)
    };
    assert!(
        what(&hashes).contains("does not tell which of them is right"),
        "{found:#?}"
    );
    assert!(
        found
            .iter()
            .any(|finding| finding.code == Code::FactMissing)
    );
    let whole = "the published files do not make the root that the log's head signs";
    assert!(found.iter().any(|finding| finding.what == whole));
}

#[test]
fn the_published_files_are_read_by_forensic_audits_alone() {
    let office = Office::with(1);
    office.world.log.files().0.borrow_mut().clear();
    for level in [Level::Basic, Level::Comprehensive] {
        let scope = Scope {
            level,
            ..forensic(&[])
        };
        let audit = office.audit(&scope);
        assert_eq!(
            (audit.findings, audit.published.figures),
            (Vec::new(), Figures::default())
        );
    }
    let codes: Vec<Code> = office
        .findings()
        .iter()
        .map(|finding| finding.code)
        .collect();
    assert_eq!(codes[..3], [Code::PublishedMissing; 3]);
}

#[test]
fn an_empty_log_has_no_files() {
    assert_eq!(Office::with(0).findings(), []);
}
