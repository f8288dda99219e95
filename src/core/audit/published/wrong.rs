//! Findings about published files.

use super::files::Fault;
use crate::audit::finding::{Code, Finding};
use crate::chain::hash::Hash;
use crate::chain::tiles::{Kind, Tile};

/// Stretches of entries that a finding names; more are counted.
const MOST_STRETCHES: usize = 8;

/// Entries that the positions of a level of tiles stand for, in words.
pub(super) fn entries(level: u8, positions: impl IntoIterator<Item = u64>) -> String {
    let mut stretches: Vec<(u64, u64)> = Vec::new();
    for position in positions {
        let height = u32::from(level) * 8;
        let (first, past) = (position << height, (position + 1) << height);
        match stretches.last_mut() {
            Some((_, end)) if *end == first => *end = past,
            _ => stretches.push((first, past)),
        }
    }
    let named = stretches.iter().take(MOST_STRETCHES);
    let named: Vec<String> = named.map(|(first, past)| stretch(*first, *past)).collect();
    let more = match stretches.len().saturating_sub(MOST_STRETCHES) {
        0 => String::new(),
        more => format!(", and {more} more stretches"),
    };
    format!("{}{more}", named.join(", "))
}

fn stretch(first: u64, past: u64) -> String {
    match past.saturating_sub(1) {
        last if last == first => format!("entry {first}"),
        last => format!("entries {first} to {last}"),
    }
}

/// What is wrong with a file whose hashes should be `right`: null where that is not known, though
/// it is known that these are not. `sure`: by the signed head, else by the other file alone.
pub(super) fn file(
    tile: &Tile,
    found: &Result<Vec<Hash>, Fault>,
    right: Option<&[Hash]>,
    sure: bool,
) -> Option<Finding> {
    let (first, past) = tile.range();
    let level = level_of(tile);
    let all = || entries(level, first..past);
    let found = match found {
        Err(Fault::Missing) => {
            let what = format!("the published log does not have the file, of {}", all());
            return Some(Finding::new(Code::PublishedMissing, name(tile), what));
        }
        Err(Fault::Unreadable(why)) => {
            let what = format!(
                "the published file cannot be read: {why}; it is of {}",
                all()
            );
            return Some(Finding::new(Code::PublishedAltered, name(tile), what));
        }
        Ok(found) => found,
    };
    let Some(right) = right else {
        let what = format!(
            "the published file is not what the log's head signs of {}",
            all()
        );
        return Some(Finding::new(Code::PublishedAltered, name(tile), what));
    };
    let differing = differing(first, found, right);
    let (_, expected, now) = differing.first()?;
    let of = entries(level, differing.iter().map(|(position, ..)| *position));
    let what = if sure {
        format!("the published file is not what the log's head signs of {of}")
    } else {
        format!(
            "the published file does not agree with the other one of {of}, and the log's storage \
             does not tell which of them is right"
        )
    };
    let finding = Finding::new(Code::PublishedAltered, name(tile), what);
    Some(finding.evidence(expected.to_string(), now.to_string()))
}

/// Files that agree with each other and not with the log: those below the places of a level from
/// `first` on where `ours` is not `right`.
pub(super) fn below(level: u8, first: u64, ours: &[Hash], right: &[Hash]) -> Vec<Finding> {
    let finding = |(position, expected, now): &(u64, Hash, Hash)| {
        let of = entries(level, [*position]);
        let lower = level.saturating_sub(1);
        let tile = |kind| Tile {
            kind,
            index: *position,
            width: crate::chain::tiles::TILE_WIDTH,
        };
        let hashes = tile(Kind::Hashes(lower));
        let (named, beside) = match lower {
            0 => (tile(Kind::Entries), hashes.to_string()),
            _ => (hashes, "those below it".to_owned()),
        };
        let what = format!(
            "the published file and {beside} agree on something else than the log's head signs of {of}"
        );
        let finding = Finding::new(Code::PublishedAltered, name(&named), what);
        finding.evidence(expected.to_string(), now.to_string())
    };
    differing(first, ours, right).iter().map(finding).collect()
}

/// Places, what should be there, and what is.
fn differing(first: u64, found: &[Hash], right: &[Hash]) -> Vec<(u64, Hash, Hash)> {
    let places = (first..).zip(right).zip(found);
    let places = places.map(|((place, right), found)| (place, *right, *found));
    places.filter(|(_, right, found)| right != found).collect()
}

fn name(tile: &Tile) -> String {
    format!("log:{tile}")
}

fn level_of(tile: &Tile) -> u8 {
    match tile.kind {
        Kind::Hashes(level) => level,
        Kind::Entries => 0,
    }
}
