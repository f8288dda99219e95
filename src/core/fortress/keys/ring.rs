//! The keys as an isolate knows them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::FRESH_MS;
use super::history::{HistoryEntry, KeyStatus};
use super::rotating::{self, Statement};
use super::table::{self, KeyRow, Place};
use crate::fortress::FortressError;
use crate::fortress::service::FortressService;
use crate::openpgp::{PublicKey, Revocation, SigningKey};
use crate::secret::Secret;

pub(super) const PURPOSE: &str = "fortress_key";

/// What the worker's secrets hold.
pub struct KeySecrets {
    /// `PGP_PRIVATE_KEY`.
    pub key: Rc<SigningKey>,
    /// `PGP_PUBLIC_KEY`: the same key as it is published, perhaps revoked since.
    pub public_key: PublicKey,
    /// `PGP_NEXT_PRIVATE_KEY`: what the next rotation may take instead of making one.
    pub next: Option<Secret>,
}

/// One for an isolate.
pub struct KeyRing {
    pub(in crate::fortress) secrets: KeySecrets,
    known: RefCell<Option<Rc<Known>>>,
    /// When it was last tried to log what is due.
    settled_at: Cell<Option<i64>>,
}

/// All keys that are believed, at one moment.
pub(in crate::fortress) struct Known {
    pub(super) keys: Vec<KnownKey>,
    read_at: i64,
}

pub(super) struct KnownKey {
    pub row: KeyRow,
    /// As it is published.
    pub public: PublicKey,
    /// Without a revocation of the whole key.
    pub before: PublicKey,
    /// None: the first key.
    pub rotation: Option<Statement>,
}

/// The key that signs now.
pub(in crate::fortress) struct Signer {
    pub key: Rc<SigningKey>,
    pub public: PublicKey,
}

impl KeyRing {
    pub fn new(secrets: KeySecrets) -> Self {
        Self {
            secrets,
            known: RefCell::default(),
            settled_at: Cell::default(),
        }
    }

    fn fresh(&self, now_ms: i64) -> Option<Rc<Known>> {
        let known = self.known.borrow();
        let age = |known: &Known| now_ms.checked_sub(known.read_at);
        let is_fresh =
            |known: &&Rc<Known>| age(known).is_some_and(|ms| (0..FRESH_MS).contains(&ms));
        known.as_ref().filter(is_fresh).map(Rc::clone)
    }
}

impl Known {
    /// The newest key whose rotation is logged.
    pub(super) fn active(&self) -> Option<&KnownKey> {
        self.keys
            .iter()
            .rev()
            .find(|key| key.row.valid_from.is_some())
    }

    /// The one whose primary key this is.
    pub(super) fn of(&self, fingerprint: &str) -> Option<&KnownKey> {
        self.keys
            .iter()
            .find(|key| key.row.fingerprint == fingerprint)
    }

    /// The one with this fingerprint, of the primary key or of a subkey.
    pub(super) fn named(&self, fingerprint: &str) -> Option<&KnownKey> {
        self.keys.iter().find(|key| key.public.has(fingerprint))
    }

    /// As it is published: of one that was revoked by hand its row says nothing.
    pub(super) fn entry(&self, key: &KnownKey) -> HistoryEntry {
        HistoryEntry {
            status: self.status(key),
            public_key: key.public.to_armor(),
            ..key.row.entry(self.active_number())
        }
    }

    pub(super) fn status(&self, key: &KnownKey) -> KeyStatus {
        let by_row = key.row.status(self.active_number());
        match (by_row, key.public.revocation()) {
            (KeyStatus::Compromised, _) | (_, Some(Revocation::Hard)) => KeyStatus::Compromised,
            (KeyStatus::Retired, _) | (_, Some(Revocation::Retired)) => KeyStatus::Retired,
            (KeyStatus::Superseded, _) | (_, Some(Revocation::Superseded)) => KeyStatus::Superseded,
            (status, None) => status,
        }
    }

    fn active_number(&self) -> Option<i64> {
        self.active().map(|key| key.row.number)
    }

    pub(in crate::fortress) fn is_of_ours(&self, fingerprint: &str) -> bool {
        self.of(fingerprint).is_some()
    }
}

impl FortressService {
    /// All keys, at most [`FRESH_MS`] old.
    pub(in crate::fortress) async fn known_keys(&self) -> Result<Rc<Known>, FortressError> {
        match self.keys.fresh(self.clock.now_ms()) {
            Some(known) => Ok(known),
            None => self.read_keys().await,
        }
    }

    /// All keys as they are now. The key of the worker's secrets is put among them. Nothing is
    /// logged: whoever only reads does not wait for the log.
    pub(super) async fn read_keys(&self) -> Result<Rc<Known>, FortressError> {
        let mut rows = self.key_rows().await?;
        let own = self.keys.secrets.public_key.fingerprint();
        if !rows.iter().any(|row| row.fingerprint == own) {
            // Rather than the last row one that is vouched for, if there is any.
            let believed = self.believed(rows.clone());
            let row = match believed.last().map(|key| &key.row).or(rows.last()) {
                None => self.first_key(&own),
                Some(last) => self.stray_key(last)?,
            };
            self.db.run(table::insert(&row)).await?;
            rows = self.key_rows().await?;
        }
        let known = Rc::new(Known {
            keys: self.believed(rows),
            read_at: self.clock.now_ms(),
        });
        *self.keys.known.borrow_mut() = Some(Rc::clone(&known));
        Ok(known)
    }

    async fn key_rows(&self) -> Result<Vec<KeyRow>, FortressError> {
        let found = self.db.run(table::all()).await?;
        Ok(found
            .rows
            .iter()
            .map(KeyRow::read)
            .collect::<Result<_, _>>()?)
    }

    /// The key of a deployment that never rotated one: valid since the log began.
    fn first_key(&self, fingerprint: &str) -> KeyRow {
        let public = &self.keys.secrets.public_key;
        let made_ms = i64::try_from(public.created_at_secs() * 1_000).unwrap_or_default();
        KeyRow {
            valid_from: Some(Place {
                index: 0,
                at: made_ms,
            }),
            ..rotating::row(1, fingerprint, public, made_ms)
        }
    }

    /// Of secrets that were replaced by hand: the key comes next, and nobody before vouches.
    fn stray_key(&self, last: &KeyRow) -> Result<KeyRow, FortressError> {
        let secrets = &self.keys.secrets;
        let rotation = rotating::Rotation {
            before: last,
            old: None,
            new: &secrets.key,
            public: &secrets.public_key,
        };
        rotation.row(self.clock.now_ms())
    }

    /// The key that signs now, if what it signs would hold.
    pub(in crate::fortress) async fn signer(&self) -> Result<Signer, FortressError> {
        self.settle_sometimes().await?;
        let known = self.known_keys().await?;
        let active = known.active().ok_or_else(|| {
            let words =
                "no key that is vouched for is logged: try again, and look at fortress_keys";
            FortressError::Signing(words.to_owned())
        })?;
        let key = self.private_half(active)?;
        let usable = active.public.usable_at(self.now_secs());
        usable.map_err(|reason| FortressError::Signing(reason.sentence().to_owned()))?;
        let public = active.public.clone();
        Ok(Signer { key, public })
    }

    /// Logs what is due, once in [`FRESH_MS`]. Where the log does not answer, what is logged
    /// still counts; whoever needs more finds no active key.
    async fn settle_sometimes(&self) -> Result<(), FortressError> {
        let now_ms = self.clock.now_ms();
        let known = self.known_keys().await?;
        let waited = |at: i64| !(0..FRESH_MS).contains(&now_ms.saturating_sub(at));
        if known.is_due(now_ms) && self.keys.settled_at.get().is_none_or(waited) {
            self.keys.settled_at.set(Some(now_ms));
            self.settle_keys().await.ok();
        }
        Ok(())
    }

    /// From the table, or the worker's secrets.
    pub(super) fn private_half(&self, key: &KnownKey) -> Result<Rc<SigningKey>, FortressError> {
        let print = &key.row.fingerprint;
        if let Some(sealed) = &key.row.private_key {
            let opened = self.sealer.open(PURPOSE, &[print], sealed)?;
            let opened = zeroize::Zeroizing::new(opened);
            let text = std::str::from_utf8(&opened).unwrap_or_default();
            let read = SigningKey::from_armor(text, None);
            let damaged =
                |error: crate::openpgp::KeyError| FortressError::Signing(error.to_string());
            return read.map(Rc::new).map_err(damaged);
        }
        let own = &self.keys.secrets.key;
        if own.public_key().fingerprint() == *print {
            return Ok(Rc::clone(own));
        }
        Err(FortressError::Signing(format!(
            "the private half of {print} is neither stored nor in PGP_PRIVATE_KEY"
        )))
    }
}
