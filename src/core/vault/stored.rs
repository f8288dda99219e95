use serde_json::json;
use zeroize::Zeroizing;

use super::{KeyState, KeyView};
use crate::ports::Entropy;
use crate::seal::{SealError, Sealer};
use crate::secret::Secret;
use crate::sql::{DatabaseError, Row};
use crate::time::to_rfc3339;

const PURPOSE: &str = "provider key";
const FINGERPRINT_PURPOSE: &str = "provider key fingerprint";
const FINGERPRINT_CHARS: usize = 16;

/// What a sealed key belongs to, and opens for alone.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub id: String,
    pub owner: String,
    pub provider: String,
    pub name: String,
    pub version: i64,
}

/// A key's columns that depend on the encryption key.
pub(super) struct SealedKey {
    pub text: String,
    pub key_id: String,
    pub fingerprint: String,
}

impl Place {
    pub fn seal(
        &self,
        key: &Secret,
        sealer: &Sealer,
        entropy: &dyn Entropy,
    ) -> Result<SealedKey, SealError> {
        let version = self.version.to_string();
        let aad = self.aad(&version);
        Ok(SealedKey {
            text: sealer.seal(PURPOSE, &aad, key.expose().as_bytes(), entropy)?,
            key_id: sealer.key_id().to_owned(),
            fingerprint: self.fingerprint(key, sealer),
        })
    }

    fn open(&self, text: &str, sealer: &Sealer) -> Result<Secret, SealError> {
        let version = self.version.to_string();
        let opened = Zeroizing::new(sealer.open(PURPOSE, &self.aad(&version), text)?);
        let key = std::str::from_utf8(&opened).map_err(|_| SealError::Malformed)?;
        Ok(Secret::new(key))
    }

    /// With owner and provider, so that equal keys of two users do not show as equal.
    pub fn fingerprint(&self, key: &Secret, sealer: &Sealer) -> String {
        let message = json!([self.owner, self.provider, key.expose()]).to_string();
        let message = Zeroizing::new(message);
        let mut tag = hex::encode(sealer.mac(FINGERPRINT_PURPOSE, message.as_bytes()));
        tag.truncate(FINGERPRINT_CHARS);
        tag
    }

    fn aad<'a>(&'a self, version: &'a str) -> [&'a str; 4] {
        [&self.owner, &self.provider, &self.id, version]
    }
}

/// A row.
pub(super) struct StoredKey {
    pub place: Place,
    pub text: String,
    pub sealing_key_id: String,
    pub fingerprint: String,
    pub is_active: bool,
    last_four: String,
    created_at: i64,
    checked_at: Option<i64>,
    last_used_at: Option<i64>,
    usage_count: i64,
    ends_at: Option<i64>,
    revoked_at: Option<i64>,
    pub undecryptable_at: Option<i64>,
}

impl StoredKey {
    pub fn read(row: &Row) -> Result<Self, DatabaseError> {
        Ok(Self {
            place: Place {
                id: row.text("id")?,
                owner: row.text("user_id")?,
                provider: row.text("provider")?,
                name: row.text("key_name")?,
                version: row.int("version")?,
            },
            text: row.text("key_hash")?,
            sealing_key_id: row.text("sealing_key_id")?,
            fingerprint: row.text("fingerprint")?,
            is_active: row.boolean("is_active")?,
            last_four: row.text("last_four")?,
            created_at: row.timestamp("created_at")?,
            checked_at: row.opt_timestamp("checked_at")?,
            last_used_at: row.opt_timestamp("last_used_at")?,
            usage_count: row.int("usage_count")?,
            ends_at: row.opt_timestamp("ends_at")?,
            revoked_at: row.opt_timestamp("revoked_at")?,
            undecryptable_at: row.opt_timestamp("undecryptable_at")?,
        })
    }

    pub fn open(&self, sealer: &Sealer) -> Result<Secret, SealError> {
        self.place.open(&self.text, sealer)
    }

    /// Whether it seals `key`, as far as can be told without opening it.
    pub fn is(&self, key: &Secret, sealer: &Sealer) -> bool {
        self.sealing_key_id == sealer.key_id()
            && self.fingerprint == self.place.fingerprint(key, sealer)
    }

    pub fn view(&self, sealer: &Sealer, now_ms: i64) -> KeyView {
        KeyView {
            id: self.place.id.clone(),
            user_id: self.place.owner.clone(),
            provider: self.place.provider.clone(),
            name: self.place.name.clone(),
            version: self.place.version,
            state: self.state(sealer, now_ms),
            last_four: self.last_four.clone(),
            fingerprint: self.fingerprint.clone(),
            created_at: to_rfc3339(self.created_at),
            checked_at: self.checked_at.map(to_rfc3339),
            last_used_at: self.last_used_at.map(to_rfc3339),
            usage_count: self.usage_count,
            ends_at: self.ends_at.map(to_rfc3339),
            revoked_at: self.revoked_at.map(to_rfc3339),
        }
    }

    fn state(&self, sealer: &Sealer, now_ms: i64) -> KeyState {
        if self.revoked_at.is_some() {
            KeyState::Revoked
        } else if self.ends_at.is_some_and(|end| end <= now_ms) {
            KeyState::Ended
        } else if self.open(sealer).is_err() {
            KeyState::Undecryptable
        } else if !self.is_active {
            KeyState::Previous
        } else if self.checked_at.is_none() {
            KeyState::Unchecked
        } else {
            KeyState::Active
        }
    }
}

/// For people to tell their keys apart by.
pub(super) fn last_four(key: &Secret) -> String {
    let text = key.expose();
    let start = text.len().saturating_sub(4);
    text.get(start..).unwrap_or_default().to_owned()
}
