//! The published files, as anybody reads them. What comes is a stranger's word: it is bounded,
//! and only its hashes go on.

use std::cell::Cell;
use std::rc::Rc;

use crate::audit::AuditError;
use crate::chain::hash::Hash;
use crate::chain::tiles::{Kind, TILE_WIDTH, Tile};
use crate::ledger::published::PREFIX;
use crate::ports::{Http, HttpError};

const TIMEOUT_MS: u64 = 10_000;
/// Tries of a request that is not answered.
const ATTEMPTS: usize = 3;
/// Largest bundle read, in bytes: twice what 256 commitments with their times have.
const MAX_BUNDLE: usize = 64 * 1024;
const HASH_BYTES: usize = 32;
/// Requests of one invocation for audits. A Worker has at most 1,000 of them, for the last step and
/// for what else the invocation does too.
const ENOUGH: u32 = 500;
/// Of a step, to database and log; those that may be more are counted one by one.
const OF_STEP: u32 = 10;

/// The log's files under [`PREFIX`] of the worker that serves them to everybody.
pub struct PublishedLog {
    http: Rc<dyn Http>,
    asked: Cell<u32>,
}

/// Why a file is of no use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    Missing,
    Unreadable(String),
}

/// What a file has: the hashes of a tile, or those of a bundle's entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub hashes: Result<Vec<Hash>, Fault>,
    pub bytes: u64,
}

impl PublishedLog {
    pub fn new(http: Rc<dyn Http>) -> Self {
        Self {
            http,
            asked: Cell::new(0),
        }
    }

    /// Whether the rest is for another invocation.
    pub(in crate::audit) fn is_asked_enough(&self) -> bool {
        self.asked.get() >= ENOUGH
    }

    pub(in crate::audit) fn count_request(&self) {
        self.count(1);
    }

    pub(in crate::audit) fn count_step(&self) {
        self.count(OF_STEP);
    }

    fn count(&self, requests: u32) {
        self.asked.set(self.asked.get().saturating_add(requests));
    }

    /// As many hashes as the tile has, of which each may be wrong. A partial file may have given
    /// way to the full one.
    pub(super) async fn read(&self, tile: &Tile) -> Result<Found, AuditError> {
        let (mut file, mut body) = (*tile, self.get(&tile.to_string(), limit(tile)).await?);
        if body == Err(Fault::Missing) && !tile.is_full() {
            file.width = TILE_WIDTH;
            body = self.get(&file.to_string(), limit(&file)).await?;
        }
        let bytes = body.as_ref().map_or(0, |body| body.len() as u64);
        let hashes = body.and_then(|body| {
            let mut hashes = match tile.kind {
                Kind::Hashes(_) => parse_hashes(&body),
                Kind::Entries => parse_entries(&body),
            }?;
            let (width, found) = (file.width, hashes.len() as u64);
            if found != width {
                let why = format!("it has {found} parts, not {width}");
                return Err(Fault::Unreadable(why));
            }
            hashes.truncate(usize::try_from(tile.width).unwrap_or(usize::MAX));
            Ok(hashes)
        });
        Ok(Found { hashes, bytes })
    }

    /// The file of that name. An error means that it may be had later.
    pub(super) async fn get(
        &self,
        name: &str,
        limit: usize,
    ) -> Result<Result<Vec<u8>, Fault>, AuditError> {
        let mut last = String::new();
        for _ in 0..ATTEMPTS {
            match self.ask(name, limit).await {
                Ok(answer) => return Ok(answer),
                Err(cause) => last = cause,
            }
        }
        Err(AuditError::Published(format!("{name}: {last}")))
    }

    async fn ask(&self, name: &str, limit: usize) -> Result<Result<Vec<u8>, Fault>, String> {
        self.count_request();
        let url = format!("https://fortress.internal{PREFIX}{name}");
        match self.http.get(&url, limit, TIMEOUT_MS).await {
            Ok((200, body)) => Ok(Ok(body)),
            Ok((404, _)) => Ok(Err(Fault::Missing)),
            Ok((status, _)) if status == 429 || status > 500 => Err(format!("status {status}")),
            Ok((status, _)) => {
                let why = format!("the answer has status {status}");
                Ok(Err(Fault::Unreadable(why)))
            }
            Err(error @ HttpError::TooLarge { .. }) => {
                Ok(Err(Fault::Unreadable(error.to_string())))
            }
            Err(error) => Err(error.to_string()),
        }
    }
}

fn limit(tile: &Tile) -> usize {
    match tile.kind {
        Kind::Hashes(_) => usize::try_from(tile.width).unwrap_or_default() * HASH_BYTES,
        Kind::Entries => MAX_BUNDLE,
    }
}

fn parse_hashes(body: &[u8]) -> Result<Vec<Hash>, Fault> {
    let (hashes, rest) = body.as_chunks::<HASH_BYTES>();
    if !rest.is_empty() {
        return Err(Fault::Unreadable("its last hash is cut".to_owned()));
    }
    Ok(hashes
        .iter()
        .map(|bytes| Hash::from_bytes(*bytes))
        .collect())
}

/// The leaf hashes of a bundle's entries, each after its length in two bytes.
fn parse_entries(body: &[u8]) -> Result<Vec<Hash>, Fault> {
    let (mut leaves, mut rest) = (Vec::with_capacity(256), body);
    while !rest.is_empty() {
        let cut = || Fault::Unreadable("its last entry is cut".to_owned());
        let (length, tail) = rest.split_first_chunk::<2>().ok_or_else(cut)?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (entry, tail) = tail.split_at_checked(length).ok_or_else(cut)?;
        leaves.push(Hash::leaf(entry));
        rest = tail;
    }
    Ok(leaves)
}
