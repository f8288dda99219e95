//! Keys that sign access and id tokens, as an isolate knows them.
//!
//! A key signs for [`SIGNS_MS`]. Its successor is made [`AHEAD_MS`] before and published at
//! once, so that whoever keeps the set has it when it begins to sign. A key stays published
//! until the last token that it signed has expired, and a day more. The coordinator makes
//! and uses keys; the other workers read their public halves alone.

mod table;

use std::cell::RefCell;
use std::rc::Rc;

use serde_json::{Value, json};

use crate::jose::{InProcess, JoseError, PublicKey, SigningKey, Unverified};
use crate::oauth::ACCESS_TOKEN_MS;
use crate::ports::{Clock, Database, Entropy, EntropyError, Es256, Es256Error, Level, Log};
use crate::seal::{SealError, Sealer};
use crate::sql::DatabaseError;
use table::{Plan, Stored};

pub const SIGNS_MS: i64 = 30 * DAY_MS;
/// How long before it signs a key is made, while the sweep runs each day.
pub const AHEAD_MS: i64 = 7 * DAY_MS;
/// However late the sweep is, a key is published for as long before it signs.
pub const PUBLISHED_MS: i64 = DAY_MS;
/// How long a key stays published after it has signed for the last time.
pub const LISTED_MS: i64 = ACCESS_TOKEN_MS + DAY_MS;
/// How long an isolate goes without reading the table again.
pub const FRESH_MS: i64 = 5 * MINUTE_MS;
/// The same, where a token names a key that is not known.
pub const MISSED_MS: i64 = MINUTE_MS;
/// How far the clocks of two isolates may differ.
const SKEW_MS: i64 = 5 * MINUTE_MS;
const MINUTE_MS: i64 = 60 * 1000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

const PURPOSE: &str = "signing_key";

/// What making and opening keys needs.
#[derive(Clone, Copy)]
pub struct KeyPorts<'a> {
    pub database: &'a dyn Database,
    pub clock: &'a dyn Clock,
    pub entropy: &'a dyn Entropy,
    pub sealer: &'a Sealer,
    pub log: &'a dyn Log,
}

#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error(transparent)]
    Database(#[from] DatabaseError),
    #[error("a signing key cannot be opened: {0}")]
    Seal(#[from] SealError),
    #[error(transparent)]
    Entropy(#[from] EntropyError),
    #[error("a signing key is damaged: {0}")]
    Damaged(#[from] JoseError),
    #[error(transparent)]
    Es256(#[from] Es256Error),
    #[error("a signing key was made and is not there; look at the table `signing_keys`")]
    Gone,
}

/// The keys in memory, one for an isolate.
pub struct SigningKeys {
    es256: Rc<dyn Es256>,
    published: RefCell<Published>,
    current: RefCell<Option<Current>>,
}

#[derive(Default)]
struct Published {
    keys: Vec<PublishedKey>,
    /// `{"keys": […]}`.
    document: Rc<[u8]>,
    read_at: Option<i64>,
}

struct PublishedKey {
    key: Rc<CheckingKey>,
    listed_until: i64,
}

/// A published key, to check tokens with.
pub struct CheckingKey {
    kid: String,
    jwk: String,
}

/// The key that signs.
struct Current {
    key: Rc<SigningKey>,
    signs_until: i64,
    listed_until: i64,
    read_at: i64,
}

impl Default for SigningKeys {
    fn default() -> Self {
        Self::new(Rc::new(InProcess))
    }
}

impl SigningKeys {
    pub fn new(es256: Rc<dyn Es256>) -> Self {
        Self {
            es256,
            published: RefCell::default(),
            current: RefCell::default(),
        }
    }

    /// A compact JWS by the key that signs now. `typ` is what kind of token it is.
    pub async fn sign(
        &self,
        ports: &KeyPorts<'_>,
        typ: &str,
        claims: &Value,
    ) -> Result<String, KeyError> {
        let key = self.signer(ports).await?;
        Ok(key.sign_by(&*self.es256, typ, claims).await?)
    }

    /// Whether a token, ES256 alone, has the signature of `key`.
    pub async fn check(&self, token: &Unverified<'_>, key: &CheckingKey) -> Result<(), JoseError> {
        token.check_by(&*self.es256, &key.kid, &key.jwk).await
    }

    /// The key that a token names, to check it with. None: there is no such key. An error:
    /// it is not known here, and the database does not answer.
    pub async fn key(
        &self,
        kid: &str,
        database: &dyn Database,
        clock: &dyn Clock,
    ) -> Result<Option<Rc<CheckingKey>>, DatabaseError> {
        let now_ms = clock.now_ms();
        let known = self.known(kid, now_ms);
        let lasts = if known.is_some() { FRESH_MS } else { MISSED_MS };
        if self.published.borrow().is_fresh(now_ms, lasts) {
            return Ok(known);
        }
        match self.read_published(database, clock).await {
            Ok(()) => Ok(self.known(kid, clock.now_ms())),
            Err(_) if known.is_some() => Ok(known),
            Err(error) => Err(error),
        }
    }

    /// The public set in JSON (RFC 7517 section 5). It is never empty.
    pub async fn jwks(&self, ports: &KeyPorts<'_>) -> Result<Rc<[u8]>, KeyError> {
        let now_ms = ports.clock.now_ms();
        if self.published.borrow().is_fresh(now_ms, FRESH_MS) {
            return Ok(self.document());
        }
        if let Err(error) = self.read_published(ports.database, ports.clock).await {
            let nothing = self.published.borrow().keys.is_empty();
            return if nothing {
                Err(error.into())
            } else {
                ports.tell("signing_keys_not_read", &error);
                Ok(self.document())
            };
        }
        if self.published.borrow().keys.is_empty() {
            self.signer(ports).await?;
            self.read_published(ports.database, ports.clock).await?;
        }
        Ok(self.document())
    }

    /// The key that signs now. The first one is made here.
    async fn signer(&self, ports: &KeyPorts<'_>) -> Result<Rc<SigningKey>, KeyError> {
        let now_ms = ports.clock.now_ms();
        if let Some(current) = &*self.current.borrow()
            && current.is_fresh(now_ms)
        {
            return Ok(Rc::clone(&current.key));
        }
        match self.find_or_make(ports).await {
            Err(KeyError::Database(error)) => self.outlast(error, ports),
            other => other,
        }
    }

    /// Makes the next key where it is time, and deletes those that nobody needs. True if one
    /// was made. Safe to repeat, and to run twice at once.
    pub async fn rotate(&self, ports: &KeyPorts<'_>) -> Result<bool, KeyError> {
        let now_ms = ports.clock.now_ms();
        let latest = ports.database.run(table::latest()).await?;
        let plan = match latest.first() {
            Some(row) => Plan::after(row, now_ms)?,
            None => Some(Plan::at_once(0, now_ms)),
        };
        let made = match plan {
            Some(plan) => self.make(&plan, ports).await?,
            None => false,
        };
        ports.database.run(table::delete_unlisted(now_ms)).await?;
        Ok(made)
    }

    fn known(&self, kid: &str, now_ms: i64) -> Option<Rc<CheckingKey>> {
        let published = self.published.borrow();
        let found = published.keys.iter().find(|found| found.key.kid == kid)?;
        (now_ms < found.listed_until).then(|| Rc::clone(&found.key))
    }

    fn document(&self) -> Rc<[u8]> {
        Rc::clone(&self.published.borrow().document)
    }

    async fn read_published(
        &self,
        database: &dyn Database,
        clock: &dyn Clock,
    ) -> Result<(), DatabaseError> {
        let outcome = database.run(table::published(clock.now_ms())).await?;
        let (mut keys, mut jwks) = (Vec::new(), Vec::new());
        for row in &outcome.rows {
            let jwk = row.json("public_jwk")?;
            // A row that is no key is nobody's key.
            if PublicKey::from_jwk(&jwk).is_ok() {
                keys.push(PublishedKey {
                    key: Rc::new(CheckingKey {
                        kid: row.text("id")?,
                        jwk: jwk.to_string(),
                    }),
                    listed_until: row.timestamp("listed_until")?,
                });
                jwks.push(jwk);
            }
        }
        let document = json!({ "keys": Value::Array(jwks) }).to_string();
        *self.published.borrow_mut() = Published {
            keys,
            document: document.into_bytes().into(),
            read_at: Some(clock.now_ms()),
        };
        Ok(())
    }

    async fn find_or_make(&self, ports: &KeyPorts<'_>) -> Result<Rc<SigningKey>, KeyError> {
        if let Some(key) = self.find(ports).await? {
            return Ok(key);
        }
        let newest = ports.database.run(table::newest()).await?;
        let newest = newest.first().map_or(Ok(0), |row| row.int("newest"))?;
        let plan = Plan::at_once(newest, ports.clock.now_ms());
        self.make(&plan, ports).await?;
        self.find(ports).await?.ok_or(KeyError::Gone)
    }

    async fn find(&self, ports: &KeyPorts<'_>) -> Result<Option<Rc<SigningKey>>, KeyError> {
        let now_ms = ports.clock.now_ms();
        let outcome = ports.database.run(table::signing(now_ms)).await?;
        let Some(row) = outcome.first() else {
            return Ok(None);
        };
        let stored = Stored::read(row)?;
        let opened = ports
            .sealer
            .open(PURPOSE, &[&stored.id], &stored.private_key)?;
        let opened = zeroize::Zeroizing::new(opened);
        let key = Rc::new(SigningKey::from_bytes(&opened)?);
        *self.current.borrow_mut() = Some(Current {
            key: Rc::clone(&key),
            signs_until: stored.signs_until,
            listed_until: stored.listed_until,
            read_at: ports.clock.now_ms(),
        });
        Ok(Some(key))
    }

    /// False if another isolate has made the key of this number.
    async fn make(&self, plan: &Plan, ports: &KeyPorts<'_>) -> Result<bool, KeyError> {
        let key = SigningKey::generate(ports.entropy)?;
        let secret = key.to_bytes();
        let sealed = ports
            .sealer
            .seal(PURPOSE, &[key.kid()], &*secret, ports.entropy)?;
        let statements = plan.insert(&key, &sealed, ports.clock.now_ms());
        match ports.database.batch(statements).await {
            Err(error) if error.is_unique_violation() => return Ok(false),
            other => other?,
        };
        // Read again by whoever asks next.
        self.published.borrow_mut().read_at = None;
        let fields = json!({"kid": key.kid(), "signs_from": plan.signs_from});
        ports.log.record(Level::Info, "signing_key_made", fields);
        Ok(true)
    }

    /// Without a database the known key goes on signing, while the set still has it for the
    /// whole life of a token.
    fn outlast(
        &self,
        error: DatabaseError,
        ports: &KeyPorts<'_>,
    ) -> Result<Rc<SigningKey>, KeyError> {
        let current = self.current.borrow();
        let ends_ms = ports.clock.now_ms().saturating_add(ACCESS_TOKEN_MS);
        match current.as_ref().filter(|key| ends_ms < key.listed_until) {
            Some(current) => {
                ports.tell("signing_keys_not_read", &error);
                Ok(Rc::clone(&current.key))
            }
            None => Err(error.into()),
        }
    }
}

impl Published {
    /// An empty set is never fresh: the first key is used as soon as it is made.
    fn is_fresh(&self, now_ms: i64, lasts_ms: i64) -> bool {
        !self.keys.is_empty() && is_fresh(self.read_at, now_ms, lasts_ms)
    }
}

impl Current {
    fn is_fresh(&self, now_ms: i64) -> bool {
        now_ms < self.signs_until && is_fresh(Some(self.read_at), now_ms, FRESH_MS)
    }
}

impl KeyPorts<'_> {
    fn tell(&self, event: &str, error: &DatabaseError) {
        let fields = json!({"error": error.to_string()});
        self.log.record(Level::Warn, event, fields);
    }
}

/// The clock of an isolate may be set back; nothing is fresh for longer by that.
fn is_fresh(read_at: Option<i64>, now_ms: i64, lasts_ms: i64) -> bool {
    let age = read_at.and_then(|read_at| now_ms.checked_sub(read_at));
    age.is_some_and(|age| (0..lasts_ms).contains(&age))
}

#[cfg(test)]
mod tests;
