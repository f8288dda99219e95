//! The published log read by others' code: Cloudflare's `tlog_tiles` and `signed_note`, ports of
//! Go's `sumdb/tlog` and `sumdb/note`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use signed_note::{Note, StandardVerifier, VerifierList};
use tlog_tiles::{
    Checkpoint, Error, TileHashReader, TileReader, check_record, check_tree, prove_record,
    prove_tree, record_hash, tree_hash,
};

use super::super::checkpoint;
use super::super::hash::Hash;
use super::super::sequencer::Sequencer;
use super::super::tiles::{Kind, TILE_WIDTH, Tile, added};
use super::super::tree::{self, consistency_proof, inclusion_proof};
use super::memory::MemoryStore;
use super::tiles::store_of;
use super::{ORIGIN, test_key};

const LARGEST: u64 = 66_000;

fn log() -> Sequencer<MemoryStore> {
    Sequencer::open(store_of(LARGEST), test_key(), None).unwrap()
}

/// The log's files when it had so many leaves, by path.
struct Files {
    size: u64,
    tiles: BTreeMap<String, Vec<u8>>,
    checkpoint: String,
}

impl Files {
    fn of(log: &Sequencer<MemoryStore>, size: u64) -> Self {
        let head = checkpoint::Checkpoint {
            origin: ORIGIN.to_owned(),
            size,
            root: tree::root(log.store(), size).unwrap(),
        };
        let file = |tile: Tile| (tile.to_string(), log.tile(tile).unwrap());
        Self {
            size,
            tiles: added(0, size).map(file).collect(),
            checkpoint: head.sign(&test_key()).unwrap(),
        }
    }

    /// The head that they find signed.
    fn opened(&self) -> Option<Checkpoint> {
        let verifier = StandardVerifier::new(&test_key().verifier().to_string()).unwrap();
        let note = Note::from_bytes(self.checkpoint.as_bytes()).ok()?;
        let known = VerifierList::new(vec![Box::new(verifier)]);
        note.verify(&known).ok()?;
        Checkpoint::from_bytes(note.text()).ok()
    }

    /// Path and place of an entry, by what C2SP tlog-tiles says of bundles.
    fn entry(&self, index: u64) -> (String, Range<usize>) {
        let bundle = index / TILE_WIDTH;
        let tile = Tile {
            kind: Kind::Entries,
            index: bundle,
            width: TILE_WIDTH.min(self.size - bundle * TILE_WIDTH),
        };
        let bytes = &self.tiles[&tile.to_string()];
        let mut entry = 0..0;
        for _ in 0..=index % TILE_WIDTH {
            let (length, _) = bytes[entry.end..].split_first_chunk().unwrap();
            let start = entry.end + 2;
            entry = start..start + usize::from(u16::from_be_bytes(*length));
        }
        (tile.to_string(), entry)
    }

    fn leaf(&self, index: u64) -> tlog_tiles::Hash {
        let (path, entry) = self.entry(index);
        record_hash(&self.tiles[&path][entry])
    }
}

impl TileReader for &Files {
    fn height(&self) -> u8 {
        8
    }

    fn read_tiles(&self, tiles: &[tlog_tiles::Tile]) -> Result<Vec<Vec<u8>>, Error> {
        let read = |tile: &tlog_tiles::Tile| {
            // Their paths are Go's, which begin with the height.
            let path = tile.path().replacen("tile/8/", "tile/", 1);
            self.tiles.get(&path).cloned().ok_or(Error::InvalidTile)
        };
        tiles.iter().map(read).collect()
    }

    fn save_tiles(&self, _: &[tlog_tiles::Tile], _: &[Vec<u8>]) {}
}

fn theirs(hash: Hash) -> tlog_tiles::Hash {
    tlog_tiles::Hash(*hash.as_bytes())
}

fn all_theirs(hashes: &[Hash]) -> Vec<tlog_tiles::Hash> {
    hashes.iter().copied().map(theirs).collect()
}

/// Below, at and above where a tile fills and where a level of tiles begins.
const SIZES: [u64; 11] = [
    1, 2, 255, 256, 257, 1000, 65_280, 65_535, 65_536, 65_537, LARGEST,
];

#[test]
fn they_find_the_same_trees_proofs_and_entries() {
    let log = log();
    for size in SIZES {
        let files = &Files::of(&log, size);
        let head = files.opened().unwrap();
        assert_eq!((head.origin(), head.size()), (ORIGIN, size));
        let root = *head.hash();
        let reader = TileHashReader::new(size, root, &files);
        assert_eq!(tree_hash(size, &reader).unwrap(), root);
        for index in BTreeSet::from([0, size / 3, size / 2, size - 1]) {
            let ours = all_theirs(&inclusion_proof(log.store(), index, size).unwrap());
            check_record(&ours, size, root, index, files.leaf(index)).unwrap();
            assert_eq!(prove_record(size, index, &reader).unwrap(), ours);
        }
        for first in SIZES.into_iter().filter(|first| *first <= size) {
            let older = theirs(tree::root(log.store(), first).unwrap());
            let ours = all_theirs(&consistency_proof(log.store(), first, size).unwrap());
            check_tree(&ours, size, root, first, older).unwrap();
            assert_eq!(prove_tree(size, first, &reader).unwrap(), ours);
        }
    }
}

/// Whether they find the entry at a place by the files and a root that they trust.
fn found(files: &Files, root: tlog_tiles::Hash, index: u64) -> bool {
    let reader = TileHashReader::new(files.size, root, &files);
    let proof = prove_record(files.size, index, &reader);
    let leaf = files.leaf(index);
    proof.is_ok_and(|proof| check_record(&proof, files.size, root, index, leaf).is_ok())
}

#[test]
fn they_refuse_what_was_altered() {
    let mut files = Files::of(&log(), LARGEST);
    let root = *files.opened().unwrap().hash();
    let paths: Vec<String> = files.tiles.keys().cloned().collect();
    // In a full tile at the start, in one of the middle, and in the last, which is partial.
    for (index, over) in [(3, 4), (40_000, 4), (LARGEST - 1, 2)] {
        assert!(found(&files, root, index));
        let mut altered = 0;
        for path in &paths {
            let tile = Tile::parse(path).unwrap();
            let (first, end) = tile.range();
            let at = index >> tile.tree_level();
            if !(first..end).contains(&at) {
                continue;
            }
            let byte = match tile.kind {
                // What the proof takes from it: the sibling, if it is there.
                Kind::Hashes(_) => {
                    let of = if at ^ 1 < end { at ^ 1 } else { at };
                    usize::try_from(32 * (of - first)).unwrap()
                }
                Kind::Entries => files.entry(index).1.start,
            };
            let flip = |files: &mut Files| files.tiles.get_mut(path).unwrap()[byte] ^= 1;
            flip(&mut files);
            assert!(!found(&files, root, index), "{path}");
            flip(&mut files);
            altered += 1;
        }
        assert_eq!(altered, over, "files over entry {index}");
    }
    let signed = files.checkpoint.clone();
    let middle = signed.len() - 40;
    let other = if &signed[middle..=middle] == "A" {
        "B"
    } else {
        "A"
    };
    for altered in [
        signed.replacen("66000", "66001", 1),
        signed.replacen(ORIGIN, "example.com/other", 1),
        format!("{}{other}{}", &signed[..middle], &signed[middle + 1..]),
    ] {
        files.checkpoint = altered;
        assert!(files.opened().is_none(), "{}", files.checkpoint);
    }
}
