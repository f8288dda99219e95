//! The published log, read again as anybody reads it (C2SP tlog-tiles), and held against the
//! signed head that the audit began with.
//!
//! From the leaves up: each entry of a bundle is hashed; the hashes are held against the tile of
//! the same entries, and make one hash of the next level, where 256 of them are held against a
//! tile again. In the end what is left at the right edge of each level makes the root. Hashes that
//! no tile was read for yet are all that is kept between two slices.
//!
//! Where two files differ, the log's own proof under the signed head tells which is right; files
//! that were changed alike are found at the next level, or at the root, and named by such proofs.
//! Where the log's storage cannot prove, the finding says so.

mod edge;
mod files;
mod wrong;

use std::collections::BTreeMap;

use futures::{StreamExt, TryStreamExt, stream, try_join};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::auditor::Auditor;
use super::error::AuditError;
use super::finding::Finding;
use super::frontier::Frontier;
use super::progress::{Phase, Progress};
use crate::chain::checkpoint::Checkpoint;
use crate::chain::hash::Hash;
use crate::chain::tiles::{Kind, TILE_WIDTH, Tile};
use crate::chain::verify::verify_inclusion;
use crate::ledger::FactRef;
use files::Found;
pub use files::PublishedLog;

/// Bundles of a step, each with the tile of its hashes. Divides 256.
const BUNDLES: u64 = 32;
/// Of these, read at a time.
const AT_ONCE: usize = 8;
/// Levels of tiles that a tree has at most.
const LEVELS: u8 = 7;

/// What was read of the published log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Figures {
    /// Entries hashed.
    pub leaves: u64,
    pub files: u64,
    pub bytes: u64,
}

/// Where the phase is.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Position {
    /// The bundle that comes next.
    next: u64,
    /// By level of tiles: the hashes since the last full tile, at most 256.
    pending: BTreeMap<u8, Vec<Hash>>,
    /// The level whose partial tile comes next, once all full ones are read.
    edge: u8,
    pub(super) figures: Figures,
}

impl Position {
    fn root(&self) -> Hash {
        let mut frontier = Frontier::default();
        for (level, hashes) in self.pending.iter().rev() {
            for hash in hashes {
                frontier.grow(*hash, u32::from(*level) * 8);
            }
        }
        frontier.root()
    }

    /// The root if `hashes` were what is left of a level.
    fn root_with(&self, level: u8, hashes: &[Hash]) -> Hash {
        let mut other = self.clone();
        other.pending.insert(level, hashes.to_vec());
        other.root()
    }

    fn push(&mut self, level: u8, hash: Hash) {
        self.pending.entry(level).or_default().push(hash);
    }

    /// A level with as many hashes as a full tile.
    fn full(&self) -> Option<u8> {
        let full = |(_, hashes): &(&u8, &Vec<Hash>)| hashes.len() as u64 >= TILE_WIDTH;
        self.pending.iter().find(full).map(|(level, _)| *level)
    }

    fn count(&mut self, found: &Found) {
        self.figures.files += 1;
        self.figures.bytes += found.bytes;
    }
}

/// The root of complete subtrees of one height.
fn root_of(hashes: &[Hash]) -> Hash {
    let mut frontier = Frontier::default();
    for hash in hashes {
        frontier.push(*hash);
    }
    frontier.root()
}

const fn tile(kind: Kind, index: u64, width: u64) -> Tile {
    Tile { kind, index, width }
}

/// A bundle and the tile of its hashes.
struct Pair {
    tiles: [Tile; 2],
    found: [Found; 2],
}

impl Auditor<'_> {
    pub(super) async fn published(&self, progress: &mut Progress) -> Result<(), AuditError> {
        let Some(head) = progress.head() else {
            progress.phase = Phase::Facts;
            return Ok(());
        };
        let position = &progress.published;
        if let Some(level) = position.full() {
            return self.full_tile(progress, &head, level).await;
        }
        if position.next < head.size / TILE_WIDTH {
            return self.bundles(progress, &head).await;
        }
        match position.edge {
            LEVELS => self.end_published(progress, &head).await,
            level => self.partial_tile(progress, &head, level).await,
        }
    }

    async fn bundles(&self, progress: &mut Progress, head: &Checkpoint) -> Result<(), AuditError> {
        let next = progress.published.next;
        let past = ((next / BUNDLES + 1) * BUNDLES).min(head.size / TILE_WIDTH);
        let pairs = (next..past).map(|index| self.pair(index, TILE_WIDTH));
        let mut pairs = stream::iter(pairs).buffered(AT_ONCE);
        while let Some(pair) = pairs.try_next().await? {
            let (root, findings) = self.settled(head, &pair).await;
            let position = &mut progress.published;
            pair.found.iter().for_each(|found| position.count(found));
            let read = pair
                .found
                .first()
                .and_then(|found| found.hashes.as_ref().ok());
            position.figures.leaves += read.map_or(0, |leaves| leaves.len() as u64);
            position.push(1, root);
            position.next += 1;
            progress.add(findings);
        }
        Ok(())
    }

    async fn pair(&self, index: u64, width: u64) -> Result<Pair, AuditError> {
        let tiles = [Kind::Entries, Kind::Hashes(0)].map(|kind| tile(kind, index, width));
        let [bundle, hashes] = &tiles;
        let (bundle, hashes) = try_join!(self.published.read(bundle), self.published.read(hashes))?;
        let found = [bundle, hashes];
        Ok(Pair { tiles, found })
    }

    /// The root of a full bundle, and what is wrong with its two files.
    async fn settled(&self, head: &Checkpoint, pair: &Pair) -> (Hash, Vec<Finding>) {
        let [bundle, hashes] = &pair.found;
        if let (Ok(leaves), Ok(same)) = (&bundle.hashes, &hashes.hashes)
            && leaves == same
        {
            return (root_of(leaves), Vec::new());
        }
        let [tile, _] = &pair.tiles;
        let truth = self.proven(head, 1, tile.index).await;
        let read = pair
            .found
            .iter()
            .filter_map(|found| found.hashes.as_ref().ok());
        let right = read
            .map(Vec::as_slice)
            .find(|hashes| truth.is_none_or(|truth| root_of(hashes) == truth));
        let files = pair.tiles.iter().zip(&pair.found);
        let wrong = |(tile, found): (&Tile, &Found)| {
            wrong::file(tile, &found.hashes, right, truth.is_some())
        };
        let findings = files.filter_map(wrong).collect();
        // Without either the root below cannot be right: there is a finding of it already.
        let root = truth
            .or(right.map(root_of))
            .unwrap_or_else(Hash::empty_root);
        (root, findings)
    }

    /// Holds 256 hashes of a level against their tile.
    async fn full_tile(
        &self,
        progress: &mut Progress,
        head: &Checkpoint,
        level: u8,
    ) -> Result<(), AuditError> {
        let position = &progress.published;
        let ours = position.pending.get(&level).cloned().unwrap_or_default();
        let read = position.next >> (u32::from(level) * 8);
        let index = read.saturating_sub(1);
        let tile = tile(Kind::Hashes(level), index, TILE_WIDTH);
        let found = self.published.read(&tile).await?;
        let truth = self.proven(head, level + 1, index).await;
        let is_right = |hashes: &[Hash]| truth.is_none_or(|truth| root_of(hashes) == truth);
        let (first, _) = tile.range();
        let right = match &found.hashes {
            _ if is_right(&ours) => ours.clone(),
            Ok(theirs) if is_right(theirs) => theirs.clone(),
            // Most would only be counted.
            _ if progress.is_full() => ours.clone(),
            _ => self.proven_each(head, level, first, &ours).await.0,
        };
        let position = &mut progress.published;
        position.count(&found);
        position.pending.remove(&level);
        position.push(level + 1, truth.unwrap_or_else(|| root_of(&right)));
        progress.add(wrong::file(
            &tile,
            &found.hashes,
            Some(&right),
            truth.is_some(),
        ));
        progress.add(wrong::below(level, first, &ours, &right));
        Ok(())
    }

    /// The root of a complete subtree that a hash of that level stands for, as the log proves it to
    /// be in the head. None where it does not.
    async fn proven(&self, head: &Checkpoint, level: u8, index: u64) -> Option<Hash> {
        self.published.count_request();
        let height = u32::from(level) * 8;
        let first = index << height;
        let place = self
            .ledger
            .inclusion(FactRef::Index(first), Some(head.size));
        let place = place.await.ok()?;
        let (leaf, proof) = (&place.leaf_hash, &place.proof);
        verify_inclusion(leaf, first, head.size, proof, &head.root).ok()?;
        // Of the subtree's first leaf: what is within comes first, and is to its right.
        let within = proof.iter().take(usize::try_from(height).ok()?);
        Some(within.fold(*leaf, |left, right| Hash::node(&left, right)))
    }

    /// The hashes of a level from `first` on as the log proves each, or else as they are; and whether
    /// all are proven.
    async fn proven_each(
        &self,
        head: &Checkpoint,
        level: u8,
        first: u64,
        hashes: &[Hash],
    ) -> (Vec<Hash>, bool) {
        let places = (first..).take(hashes.len());
        let proofs = places.map(|index| self.proven(head, level, index));
        let proofs: Vec<Option<Hash>> = stream::iter(proofs).buffered(AT_ONCE).collect().await;
        let all = proofs.iter().all(Option::is_some);
        let right = proofs.iter().zip(hashes);
        (
            right.map(|(proof, hash)| proof.unwrap_or(*hash)).collect(),
            all,
        )
    }
}
