//! The files of the log, against their definition in C2SP tlog-tiles.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::fact::LogEntry;
use super::super::hash::Hash;
use super::super::sequencer::Sequencer;
use super::super::store::EntryRow;
use super::super::tiles::{Kind, Tile, added, entry_bytes, hash_bytes, replaced};
use super::super::tree;
use super::memory::{MemoryStore, naive_root};
use super::test_key;

fn hashes(level: u8, index: u64, width: u64) -> Tile {
    let kind = Kind::Hashes(level);
    Tile { kind, index, width }
}

#[test]
fn paths_are_those_of_the_specification() {
    let paths = [
        (hashes(0, 0, 256), "tile/0/000"),
        (hashes(0, 1_234_067, 256), "tile/0/x001/x234/067"),
        (hashes(2, 0, 1), "tile/2/000.p/1"),
        (hashes(1, 1000, 255), "tile/1/x001/000.p/255"),
    ];
    for (tile, path) in paths {
        assert_eq!(tile.to_string(), path);
        assert_eq!(Tile::parse(path), Some(tile));
    }
    let bundle = Tile::parse("tile/entries/273.p/112").unwrap();
    assert_eq!(
        (bundle.kind, bundle.index, bundle.width),
        (Kind::Entries, 273, 112)
    );
}

#[test]
fn what_is_no_path_is_refused() {
    for path in [
        "",
        "tile",
        "tile/",
        "tile/0",
        "tile/0/",
        "tile/00/000",
        "tile/+1/000",
        "tile/7/000",
        "tile/63/000",
        "tile/x/000",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/x000/000",
        "tile/0/001/000",
        "tile/0/xx01/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000.p/1/",
        "tile/0/000/",
        "tile/0/../checkpoint",
        "tile/0/99999999999999999999999",
        // Its positions would have no number of 64 bits.
        "tile/0/x018/x446/x744/x073/x709/x551/615",
        "tile/entries/é",
        "/tile/0/000",
    ] {
        assert_eq!(Tile::parse(path), None, "{path}");
    }
}

/// The example in the specification.
#[test]
fn a_tree_of_70_000_has_the_files_it_should() {
    let tiles: Vec<Tile> = added(0, 70_000).collect();
    let full = |kind| {
        tiles
            .iter()
            .filter(|tile| tile.kind == kind && tile.is_full())
            .count()
    };
    let partial = |kind| {
        tiles
            .iter()
            .find(|tile| tile.kind == kind && !tile.is_full())
    };
    assert_eq!(
        (
            full(Kind::Hashes(0)),
            full(Kind::Hashes(1)),
            full(Kind::Hashes(2))
        ),
        (273, 1, 0)
    );
    assert_eq!(full(Kind::Entries), 273);
    assert_eq!(partial(Kind::Hashes(0)), Some(&hashes(0, 273, 112)));
    assert_eq!(partial(Kind::Hashes(1)), Some(&hashes(1, 1, 17)));
    assert_eq!(partial(Kind::Hashes(2)), Some(&hashes(2, 0, 1)));
    let small: Vec<Tile> = added(0, 256)
        .filter(|tile| tile.kind != Kind::Entries)
        .collect();
    assert_eq!(small, [hashes(0, 0, 256), hashes(1, 0, 1)]);
}

#[test]
fn files_hold_what_they_say() {
    let entry = LogEntry {
        fact_id: Hash::of(b"fact"),
        logged_at_ms: 5,
    };
    let bundle = entry_bytes(&[entry, entry]);
    let text = entry.canonical();
    assert_eq!(
        bundle[..2],
        u16::try_from(text.len()).unwrap().to_be_bytes()
    );
    assert_eq!(&bundle[2..2 + text.len()], text.as_bytes());
    assert_eq!(bundle.len(), 2 * (2 + text.len()));
    let (one, two) = (Hash::of(b"1"), Hash::of(b"2"));
    assert_eq!(
        hash_bytes(&[one, two]),
        [*one.as_bytes(), *two.as_bytes()].concat()
    );
}

/// A log of so many entries, put together without sequencing.
pub(super) fn store_of(size: u64) -> MemoryStore {
    let mut store = MemoryStore::default();
    for index in 0..size {
        let row = EntryRow {
            index,
            fact_id: Hash::of(&index.to_be_bytes()),
            idempotency_key: String::new(),
            logged_at_ms: index,
            content: None,
        };
        for node in tree::append(&store, index, row.entry().leaf_hash()).unwrap() {
            store.nodes.insert((node.level, node.index), node.hash);
        }
        store.entries.insert(index, row);
    }
    store
}

/// Each hash of each level is, by its definition, the root of the full tile below it, and the
/// hashes of level 0 are those of the entries.
#[test]
fn the_files_of_a_large_log_follow_from_its_entries() {
    let size = 66_000;
    let log = Sequencer::open(store_of(size), test_key(), None).unwrap();
    let bytes: BTreeMap<Tile, Vec<u8>> = added(0, size)
        .map(|tile| (tile, log.tile(tile).unwrap()))
        .collect();
    let of_level = |level| {
        let tiles = bytes
            .iter()
            .filter(|(tile, _)| tile.kind == Kind::Hashes(level));
        tiles
            .flat_map(|(_, bytes)| bytes.clone())
            .collect::<Vec<u8>>()
    };
    let mut below: Vec<Hash> = Vec::new();
    for (tile, bundle) in bytes.iter().filter(|(tile, _)| tile.kind == Kind::Entries) {
        let mut rest = bundle.as_slice();
        while let Some((length, after)) = rest.split_first_chunk::<2>() {
            let (entry, after) = after.split_at(usize::from(u16::from_be_bytes(*length)));
            below.push(Hash::leaf(entry));
            rest = after;
        }
        assert_eq!(below.len() as u64, tile.range().1);
    }
    assert_eq!(below.len() as u64, size);
    let root = naive_root(&below);
    assert_eq!(tree::root(log.store(), size).unwrap(), root);
    for level in 0..3 {
        assert_eq!(of_level(level), hash_bytes(&below), "level {level}");
        below = below.chunks_exact(256).map(naive_root).collect();
    }
    assert!(of_level(3).is_empty());
}

#[test]
fn a_file_with_a_part_missing_is_not_made() {
    let mut store = store_of(300);
    store.nodes.remove(&(0, 70));
    store.entries.remove(&280);
    let log = Sequencer::open(store, test_key(), None).unwrap();
    let broken: Vec<String> = added(0, 300)
        .filter(|tile| {
            log.tile(*tile)
                .is_err_and(|error| error.code() == "log_damaged")
        })
        .map(|tile| tile.to_string())
        .collect();
    assert_eq!(broken, ["tile/entries/001.p/44", "tile/0/000"]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Grown in any steps, all files of the whole tree are there, and no partial one too many.
    #[test]
    fn files_do_not_depend_on_the_rounds(steps in prop::collection::vec(1..700_u64, 1..6)) {
        let size: u64 = steps.iter().sum();
        let mut files: BTreeMap<String, Tile> = BTreeMap::new();
        let mut before = 0;
        for step in steps {
            let after = before + step;
            files.extend(added(before, after).map(|tile| (tile.to_string(), tile)));
            for tile in replaced(before, after) {
                prop_assert!(!tile.is_full());
                let full = Tile { width: 256, ..tile };
                prop_assert!(files.contains_key(&full.to_string()), "{full}");
                files.remove(&tile.to_string());
            }
            before = after;
        }
        // All that a client of the newest checkpoint needs is there.
        for tile in added(0, size) {
            prop_assert!(files.contains_key(&tile.to_string()), "{tile}");
        }
        // Partial files of full ones are gone.
        for tile in files.values().filter(|tile| !tile.is_full()) {
            let level = if let Kind::Hashes(level) = tile.kind { level } else { 0 };
            prop_assert_eq!(tile.index, (size >> (8 * level)) / 256, "{} stayed", tile);
        }
    }
}
