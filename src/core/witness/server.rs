//! The witness's side of `add-checkpoint` (C2SP tlog-witness v1.0.0).
//!
//! | answer | when |
//! | --- | --- |
//! | 200 | cosigned; the body is a signature line of each key |
//! | 400 | malformed, or an old size above the checkpoint's |
//! | 403 | no signature of the log's key, or one that does not hold |
//! | 404 | no log of this origin is known |
//! | 409 | another old size is expected, which the body says; or same size, other root |
//! | 422 | the consistency proof does not hold |
//!
//! Later drafts of the specification answer 422 to the same size with another root; clients
//! of either see a refusal that no retry mends.

use std::collections::BTreeSet;

use super::keys::CosignerKey;
use super::request::{AddCheckpoint, RequestError};
use super::store::{Fork, ForkKind, SeenHead, WitnessStore};
use crate::chain::hash::Hash;
use crate::chain::keys::VerifierKey;
use crate::chain::note::Note;
use crate::chain::verify::verify_consistency;

/// Media type of a tree size.
pub const SIZE_TYPE: &str = "text/x.tlog.size";
pub const TEXT_TYPE: &str = "text/plain; charset=utf-8";
/// Pairs of heads kept of each kind.
const MAX_FORKS: usize = 32;

/// An HTTP answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub body: String,
}

impl Answer {
    /// Media type of the body.
    #[must_use]
    pub const fn content_type(&self) -> &'static str {
        if self.status == 409 {
            SIZE_TYPE
        } else {
            TEXT_TYPE
        }
    }
}

/// A witness of some logs.
#[derive(Debug)]
pub struct Witness {
    /// Each of them cosigns.
    pub cosigners: Vec<CosignerKey>,
    /// Keys of the logs it knows. A log's origin is its key's name; one with several keys is
    /// changing them.
    pub logs: Vec<VerifierKey>,
}

#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error(transparent)]
    Malformed(#[from] RequestError),
    #[error("this witness does not know a log of this origin; its operator adds it")]
    UnknownLog,
    #[error("not signed by a key of this log that the witness knows")]
    NotSigned,
    #[error("{0}\n")]
    OtherSize(u64),
    #[error("the consistency proof does not hold: {0}")]
    Inconsistent(String),
    #[error("the witness's storage failed, repeat the request: {0}")]
    Storage(String),
}

impl Witness {
    /// Reads a request, and checks that a log the witness knows signed its checkpoint. What
    /// depends on state is for [`Self::add`].
    ///
    /// # Errors
    /// The answer to give.
    pub fn admit(&self, body: &str) -> Result<AddCheckpoint, Answer> {
        let request = AddCheckpoint::parse(body).map_err(Refusal::from)?;
        let keys: Vec<&VerifierKey> = self.keys(&request.head.origin).collect();
        if keys.is_empty() {
            return Err(Refusal::UnknownLog.into());
        }
        let signed = request.note.verify(&keys);
        signed.map_err(|_| Refusal::NotSigned)?;
        Ok(request)
    }

    /// Decides on an admitted request and, if all is well, stores the head and cosigns it.
    /// `now_ms` is the time since 1970.
    pub fn add<S: WitnessStore>(
        &self,
        store: &mut S,
        request: &AddCheckpoint,
        now_ms: u64,
    ) -> Answer {
        match self.decide(store, request, now_ms) {
            Ok(body) => Answer { status: 200, body },
            Err(refusal) => refusal.into(),
        }
    }

    fn decide<S: WitnessStore>(
        &self,
        store: &mut S,
        request: &AddCheckpoint,
        now_ms: u64,
    ) -> Result<String, Refusal> {
        let seen = store.head().map_err(storage)?;
        if let Err((kind, refusal)) = check(seen.as_ref(), request) {
            if let (Some(kind), Some(seen)) = (kind, seen) {
                self.keep(store, kind, &seen, request, now_ms)?;
            }
            return Err(refusal);
        }
        let mut note = self.signed_by_log(request);
        let mut cosignatures = String::new();
        for key in &self.cosigners {
            let line = key.cosign(note.text(), now_ms / 1000);
            let line = line.map_err(RequestError::from)?;
            cosignatures += &line.to_string();
            note.add_signature(line).map_err(RequestError::from)?;
        }
        let head = SeenHead {
            size: request.head.size,
            root: request.head.root,
            note: note.to_string(),
        };
        store.set_head(&head).map_err(storage)?;
        explained(store, request)?;
        Ok(cosignatures)
    }

    /// Keeps both heads, once for each pair. Anybody can send a log's own checkpoint without
    /// its proof, so of those the newest are kept; what is proof by itself is kept for good.
    fn keep<S: WitnessStore>(
        &self,
        store: &mut S,
        kind: ForkKind,
        seen: &SeenHead,
        request: &AddCheckpoint,
        now_ms: u64,
    ) -> Result<(), Refusal> {
        let refused = self.signed_by_log(request).to_string();
        let mut forks = store.forks().map_err(storage)?;
        let (mut of_kind, mut is_known) = (0, false);
        for fork in forks.iter().filter(|fork| fork.kind == kind) {
            of_kind += 1;
            is_known |= fork.refused == refused;
        }
        let is_full = of_kind >= MAX_FORKS;
        if is_known || (is_full && kind == ForkKind::SameSize) {
            return Ok(());
        }
        if is_full && let Some(oldest) = forks.iter().position(|fork| fork.kind == kind) {
            forks.remove(oldest);
        }
        forks.push(Fork {
            kind,
            cosigned: seen.note.clone(),
            refused,
            seen_at_ms: now_ms,
        });
        store.set_forks(&forks).map_err(storage)
    }

    /// The checkpoint with the signatures that were checked, and no others.
    fn signed_by_log(&self, request: &AddCheckpoint) -> Note {
        request
            .note
            .with_signatures(|line| self.keys(&request.head.origin).any(|key| line.is_of(key)))
    }

    /// The origins of the logs it knows.
    #[must_use]
    pub fn origins(&self) -> BTreeSet<&str> {
        self.logs.iter().map(VerifierKey::name).collect()
    }

    /// The keys of one of them.
    pub fn keys<'a>(&'a self, origin: &'a str) -> impl Iterator<Item = &'a VerifierKey> {
        self.logs.iter().filter(move |key| key.name() == origin)
    }
}

/// A head that came without its proof before, and has it now, is no fork.
fn explained<S: WitnessStore>(store: &mut S, request: &AddCheckpoint) -> Result<(), Refusal> {
    let is_this = |fork: &Fork| {
        let refused = Note::parse(&fork.refused);
        fork.kind == ForkKind::Unproven
            && refused.is_ok_and(|note| note.text() == request.note.text())
    };
    let mut forks = store.forks().map_err(storage)?;
    let before = forks.len();
    forks.retain(|fork| !is_this(fork));
    if forks.len() < before {
        store.set_forks(&forks).map_err(storage)?;
    }
    Ok(())
}

/// What the specification asks of state. With a refusal comes whether it is a sign of a fork.
fn check(
    seen: Option<&SeenHead>,
    request: &AddCheckpoint,
) -> Result<(), (Option<ForkKind>, Refusal)> {
    let new = &request.head;
    let old_size = seen.map_or(0, |seen| seen.size);
    let old_root = seen.map_or_else(Hash::empty_root, |seen| seen.root);
    // Whatever old size was named: both heads are signed.
    if seen.is_some_and(|seen| seen.size == new.size && seen.root != new.root) {
        return Err((Some(ForkKind::SameSize), Refusal::OtherSize(old_size)));
    }
    if request.old_size != old_size {
        return Err((None, Refusal::OtherSize(old_size)));
    }
    verify_consistency(old_size, new.size, &request.proof, &old_root, &new.root).map_err(|error| {
        let refusal = Refusal::Inconsistent(error.to_string());
        (Some(ForkKind::Unproven), refusal)
    })
}

fn storage<E: std::fmt::Display>(error: E) -> Refusal {
    Refusal::Storage(error.to_string())
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        let status = match &refusal {
            Refusal::Malformed(_) => 400,
            Refusal::NotSigned => 403,
            Refusal::UnknownLog => 404,
            Refusal::OtherSize(_) => 409,
            Refusal::Inconsistent(_) => 422,
            Refusal::Storage(_) => 503,
        };
        Self {
            status,
            body: refusal.to_string(),
        }
    }
}
