//! The keys as an isolate knows them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use serde_json::json;

use super::FRESH_MS;
use super::history::{HistoryEntry, KeyStatus};
use super::rotating;
use super::table::{self, KeyRow};
use super::vouching::row_of;
use crate::fortress::FortressError;
use crate::fortress::service::FortressService;
use crate::openpgp::{PublicKey, Revocation, SigningKey};
use crate::ports::Level;
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

/// All keys that count, at one moment.
pub(in crate::fortress) struct Known {
    pub(super) keys: Vec<KnownKey>,
    /// Fingerprint of the newest key that the log names.
    active: Option<String>,
    /// The newest key, logged or not, and even if nobody has its row any more.
    pub(super) last: Option<KeyRow>,
    read_at: i64,
}

pub(super) struct KnownKey {
    pub row: KeyRow,
    /// As it is published.
    pub public: PublicKey,
    /// Without a revocation of the whole key.
    pub before: PublicKey,
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
    /// The newest key that the log names, if its row is there.
    pub(super) fn active(&self) -> Option<&KnownKey> {
        self.of(self.active.as_deref()?)
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
        match key.revocation() {
            Some(Revocation::Hard) => KeyStatus::Compromised,
            Some(Revocation::Retired) => KeyStatus::Retired,
            Some(Revocation::Superseded) => KeyStatus::Superseded,
            None => key.row.status(self.active_number()),
        }
    }

    fn active_number(&self) -> Option<i64> {
        self.active().map(|key| key.row.number)
    }

    pub(in crate::fortress) fn is_of_ours(&self, fingerprint: &str) -> bool {
        self.of(fingerprint).is_some()
    }
}

impl KnownKey {
    /// By the log or its row; or only by the public key, where an operator revoked it by hand.
    pub(super) fn revocation(&self) -> Option<Revocation> {
        let said = self.row.revocation.as_ref();
        let said = said.map(|said| match said.reason.as_str() {
            "superseded" => Revocation::Superseded,
            "retired" => Revocation::Retired,
            _ => Revocation::Hard,
        });
        self.public.revocation().max(said)
    }
}

/// The newest key, be it logged or not.
fn last_of(keys: &[KnownKey], logged: &[KeyRow]) -> Option<KeyRow> {
    let newest = keys.last().map(|key| &key.row);
    let newest = newest.filter(|row| row.valid_from.is_none());
    newest.or(logged.last()).cloned()
}

impl FortressService {
    /// All keys, at most [`FRESH_MS`] old.
    pub(in crate::fortress) async fn known_keys(&self) -> Result<Rc<Known>, FortressError> {
        match self.keys.fresh(self.clock.now_ms()) {
            Some(known) => Ok(known),
            None => self.read_keys().await,
        }
    }

    /// All keys as they are now; rows that say otherwise are put right. A key of the worker's
    /// secrets that is new comes next. Nothing is logged: whoever only reads waits for no append.
    pub(super) async fn read_keys(&self) -> Result<Rc<Known>, FortressError> {
        let own = self.keys.secrets.public_key.fingerprint();
        let mut rows = self.key_rows().await?;
        let mut logged = self.logged_keys().await?;
        // A key that came in between the two has its row by now. The rows first, so that none of
        // them says more than the log.
        if logged
            .iter()
            .any(|key| row_of(&rows, &key.fingerprint).is_none())
        {
            rows = self.key_rows().await?;
            logged = self.logged_keys().await?;
        }
        if logged.is_empty() {
            logged.push(KeyRow::first(&own));
        }
        let mut keys = self.believed(&rows, &logged);
        if let Some(last) = last_of(&keys, &logged)
            && row_of(&logged, &own).is_none()
            && keys.iter().all(|key| key.row.fingerprint != own)
        {
            let row = self.stray_key(&last)?;
            self.db.run(table::insert(&row)).await?;
            rows = self.key_rows().await?;
            keys = self.believed(&rows, &logged);
        }
        self.put_right(&rows, &keys).await;
        let known = Rc::new(self.known(keys, logged));
        *self.keys.known.borrow_mut() = Some(Rc::clone(&known));
        Ok(known)
    }

    fn known(&self, keys: Vec<KnownKey>, mut logged: Vec<KeyRow>) -> Known {
        Known {
            last: last_of(&keys, &logged),
            active: logged.pop().map(|key| key.fingerprint),
            keys,
            read_at: self.clock.now_ms(),
        }
    }

    async fn key_rows(&self) -> Result<Vec<KeyRow>, FortressError> {
        let found = self.db.run(table::all()).await?;
        Ok(found
            .rows
            .iter()
            .map(KeyRow::read)
            .collect::<Result<_, _>>()?)
    }

    /// Has each row say what is known of its key. Where that fails it is done the next time:
    /// nobody believes the row meanwhile.
    async fn put_right(&self, rows: &[KeyRow], keys: &[KnownKey]) {
        for KnownKey { row, .. } in keys {
            let stored = row_of(rows, &row.fingerprint);
            if stored == Some(row) {
                continue;
            }
            let before = stored.and_then(|stored| stored.revocation.as_ref());
            let before = before.map(|revoked| revoked.statement.as_str());
            let mut statements = vec![table::update(row, before)];
            if stored.is_none() {
                statements.insert(0, table::insert(row));
            }
            let failed = self.db.batch(statements).await.err();
            if failed.is_some() || stored.is_some_and(|stored| stored.contradicts(row)) {
                let fields = json!({
                    "fingerprint": row.fingerprint, "number": row.number,
                    "failed": failed.map(|error| error.to_string()),
                });
                let log = &self.gateway.log;
                log.record(Level::Warn, "fortress_key_row_put_right", fields);
            }
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
        let mut known = self.keys_to_sign().await?;
        if self.settle_sometimes(&known).await {
            known = self.keys_to_sign().await?;
        }
        let active = known.active().ok_or_else(|| {
            let print = known.active.as_deref().unwrap_or_default();
            FortressError::Signing(format!(
                "the log names {print} as the key that signs, and fortress_keys has no such row: \
                 put it back from a backup, or a new pair into the secrets"
            ))
        })?;
        let key = self.private_half(active)?;
        let usable = active.public.usable_at(self.now_secs());
        usable.map_err(|reason| FortressError::Signing(reason.sentence().to_owned()))?;
        let public = active.public.clone();
        Ok(Signer { key, public })
    }

    /// While the log does not answer, by the table's word: what is signed counts once it is
    /// logged, and then it is judged by the log's.
    async fn keys_to_sign(&self) -> Result<Rc<Known>, FortressError> {
        match self.known_keys().await {
            Err(FortressError::Ledger(_)) => {
                let rows = self.key_rows().await?;
                let on_file = rows.iter().filter(|row| row.valid_from.is_some());
                let mut logged: Vec<KeyRow> = on_file.cloned().collect();
                if logged.is_empty() {
                    let own = self.keys.secrets.public_key.fingerprint();
                    logged.push(KeyRow::first(&own));
                }
                Ok(Rc::new(self.known(self.believed(&rows, &logged), logged)))
            }
            known => known,
        }
    }

    /// Logs what is due, once in [`FRESH_MS`]; false where it is not time. What fails is told: what
    /// is logged still counts.
    async fn settle_sometimes(&self, known: &Known) -> bool {
        let now_ms = self.clock.now_ms();
        let waited = |at: i64| !(0..FRESH_MS).contains(&now_ms.saturating_sub(at));
        if !known.is_due(now_ms) || !self.keys.settled_at.get().is_none_or(waited) {
            return false;
        }
        self.keys.settled_at.set(Some(now_ms));
        if let Err(error) = self.settle_keys().await {
            let fields = json!({ "cause": error.to_string() });
            let log = &self.gateway.log;
            log.record(Level::Warn, "fortress_keys_not_settled", fields);
        }
        true
    }

    /// From the worker's secrets, or else the table.
    pub(super) fn private_half(&self, key: &KnownKey) -> Result<Rc<SigningKey>, FortressError> {
        let print = &key.row.fingerprint;
        let own = &self.keys.secrets.key;
        if own.public_key().fingerprint() == *print {
            return Ok(Rc::clone(own));
        }
        if let Some(sealed) = &key.row.private_key {
            let opened = self.sealer.open(PURPOSE, &[print], sealed)?;
            let opened = zeroize::Zeroizing::new(opened);
            let text = std::str::from_utf8(&opened).unwrap_or_default();
            let read = SigningKey::from_armor(text, None);
            let damaged =
                |error: crate::openpgp::KeyError| FortressError::Signing(error.to_string());
            return read.map(Rc::new).map_err(damaged);
        }
        Err(FortressError::Signing(format!(
            "the private half of {print} is neither stored nor in PGP_PRIVATE_KEY"
        )))
    }
}
