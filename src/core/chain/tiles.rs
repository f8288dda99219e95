//! C2SP tlog-tiles: the log as files.
//!
//! ```text
//! checkpoint                     the newest signed checkpoint
//! tile/<L>/<N>[.p/<W>]           256 (or W) hashes of the tree's level 8 * L
//! tile/entries/<N>[.p/<W>]       256 (or W) entries, each after its length in two bytes
//! ```
//! `<N>` is written in groups of three digits, `x001/x234/067`. A file of 256 never changes; one
//! of fewer is made for each checkpoint and may go once the one of 256 is there.

use std::fmt;

use super::fact::LogEntry;
use super::hash::Hash;

/// Where the newest checkpoint is.
pub const CHECKPOINT: &str = "checkpoint";
/// Hashes or entries of a full tile.
pub const TILE_WIDTH: u64 = 256;
/// Levels of the tree that one level of tiles spans.
const TILE_HEIGHT: u32 = 8;
/// Most leaves of a log: JSON carries no larger number exactly.
const MAX_LEAVES: u64 = 1 << 53;
/// Highest level of tiles of a tree of so many leaves.
const MAX_LEVEL: u8 = 6;
/// Largest file in bytes: a full bundle of the largest entries.
pub const MAX_FILE_BYTES: usize = 256 * (2 + u16::MAX as usize);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Hashes of this level of tiles.
    Hashes(u8),
    Entries,
}

/// One file of the tree. `Display` writes its path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tile {
    pub kind: Kind,
    pub index: u64,
    /// 1 to [`TILE_WIDTH`].
    pub width: u64,
}

impl Tile {
    /// Reads a path; accepts only what `Display` writes.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let (kind, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let kind = match kind {
            "entries" => Kind::Entries,
            level => Kind::Hashes(level.parse().ok()?),
        };
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => (index, width.parse().ok()?),
            None => (rest, TILE_WIDTH),
        };
        let groups = index.split('/').map(|group| group.trim_start_matches('x'));
        let index = groups.collect::<String>().parse().ok()?;
        let tile = Self { kind, index, width };
        let fits = (1..=TILE_WIDTH).contains(&width)
            && tile.level() <= MAX_LEVEL
            && index < MAX_LEAVES / TILE_WIDTH;
        (fits && tile.to_string() == path).then_some(tile)
    }

    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.width == TILE_WIDTH
    }

    /// Positions within the level, first and past the last.
    #[must_use]
    pub const fn range(&self) -> (u64, u64) {
        let first = self.index * TILE_WIDTH;
        (first, first + self.width)
    }

    /// The tree's level that the hashes are of.
    #[must_use]
    pub const fn tree_level(&self) -> u8 {
        self.level() * 8
    }

    const fn level(&self) -> u8 {
        match self.kind {
            Kind::Hashes(level) => level,
            Kind::Entries => 0,
        }
    }
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Hashes(level) => write!(f, "tile/{level}/")?,
            Kind::Entries => write!(f, "tile/entries/")?,
        }
        let mut above = self.index / 1000;
        let mut groups = vec![format!("{:03}", self.index % 1000)];
        while above > 0 {
            groups.push(format!("x{:03}", above % 1000));
            above /= 1000;
        }
        groups.reverse();
        f.write_str(&groups.join("/"))?;
        if self.is_full() {
            return Ok(());
        }
        write!(f, ".p/{}", self.width)
    }
}

/// The files of the tree of `to` leaves that the tree of `from` leaves does not have.
pub fn added(from: u64, to: u64) -> impl Iterator<Item = Tile> {
    kinds().flat_map(move |(kind, level)| {
        let (before, after) = (hashes(from, level), hashes(to, level));
        let tiles = if before < after {
            before / TILE_WIDTH..after.div_ceil(TILE_WIDTH)
        } else {
            0..0
        };
        tiles.map(move |index| Tile {
            kind,
            index,
            width: TILE_WIDTH.min(after - index * TILE_WIDTH),
        })
    })
}

/// The partial files of trees up to `from` leaves whose full ones the tree of `to` leaves has.
pub fn replaced(from: u64, to: u64) -> impl Iterator<Item = Tile> {
    kinds().flat_map(move |(kind, level)| {
        let before = hashes(from, level);
        let index = before / TILE_WIDTH;
        let partial = !before.is_multiple_of(TILE_WIDTH);
        let full = hashes(to, level) / TILE_WIDTH > index;
        let widths = if partial && full { 1..TILE_WIDTH } else { 1..1 };
        widths.map(move |width| Tile { kind, index, width })
    })
}

/// The bytes of a tile of hashes.
#[must_use]
pub fn hash_bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

/// The bytes of a bundle of entries.
#[must_use]
pub fn entry_bytes(entries: &[LogEntry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        let entry = entry.canonical();
        // A commitment and a time: some 120 bytes.
        let length = u16::try_from(entry.len()).unwrap_or(u16::MAX);
        bytes.extend(length.to_be_bytes());
        bytes.extend(entry.into_bytes());
    }
    bytes
}

fn kinds() -> impl Iterator<Item = (Kind, u8)> {
    let hashes = (0..=MAX_LEVEL).map(|level| (Kind::Hashes(level), level));
    std::iter::once((Kind::Entries, 0)).chain(hashes)
}

/// How many hashes a level of tiles has in a tree of `size` leaves.
const fn hashes(size: u64, level: u8) -> u64 {
    size >> (TILE_HEIGHT * level as u32)
}
