use serde_json::json;

use super::stored::StoredKey;
use super::{Vault, VaultError, statements};
use crate::ports::Level;
use crate::seal::SealError;
use crate::secret::Secret;

/// A user's own key, for a call.
#[derive(Debug, Clone)]
pub struct ProviderKey {
    /// Of the row, for records of use.
    pub id: String,
    pub secret: Secret,
    /// What it replaced not long ago, for when the provider does not take the new one yet.
    pub previous: Option<Secret>,
}

impl Vault {
    /// The key that a call of `user` to `provider` is made with: the one named `default`, or
    /// else the first by name. None: the user has none there. One that cannot be opened is an
    /// error, since another key is another bill. The use is counted in the background. That there is
    /// none is remembered for a moment.
    pub async fn active_key(
        &self,
        user: &str,
        provider: &str,
    ) -> Result<Option<ProviderKey>, VaultError> {
        let (now_ms, added) = (self.now_ms(), self.keyless.added());
        if self.keyless.holds(user, provider, now_ms) {
            return Ok(None);
        }
        let found = self.run(statements::usable(user, provider, now_ms)).await?;
        let mut keys = found.rows.iter().map(StoredKey::read);
        let Some(key) = keys.next().transpose()?.filter(|key| key.is_active) else {
            self.keyless.note(user, provider, added, now_ms);
            return Ok(None);
        };
        let secret = self.open(&key).map_err(|cause| VaultError::Undecryptable {
            id: key.place.id.clone(),
            cause,
        })?;
        let previous = keys.next().transpose()?;
        let previous = previous.filter(|other| other.place.name == key.place.name);
        self.audit.note(statements::used(&key.place.id, now_ms));
        Ok(Some(ProviderKey {
            id: key.place.id,
            secret,
            previous: previous.and_then(|previous| self.open(&previous).ok()),
        }))
    }

    /// Opens a key. One that an older encryption key sealed is sealed again, and what does
    /// not open is noted, in the background.
    fn open(&self, key: &StoredKey) -> Result<Secret, SealError> {
        match key.open(&self.sealer) {
            Ok(secret) => {
                self.renew(key, &secret);
                Ok(secret)
            }
            Err(cause) => {
                let fields = json!({ "id": key.place.id, "cause": cause.to_string() });
                let log = &self.audit.log;
                log.record(Level::Warn, "provider_key_undecryptable", fields);
                if key.undecryptable_at.is_none() {
                    let now_ms = Some(self.now_ms());
                    self.audit.note(statements::mark_undecryptable(key, now_ms));
                }
                Err(cause)
            }
        }
    }

    fn renew(&self, key: &StoredKey, secret: &Secret) {
        if key.sealing_key_id == self.sealer.key_id() {
            if key.undecryptable_at.is_some() {
                self.audit.note(statements::mark_undecryptable(key, None));
            }
            return;
        }
        // Without entropy it stays as it is: the sweep comes by again.
        if let Ok(sealed) = self.seal(&key.place, secret) {
            self.audit.note(statements::reseal(key, &sealed));
        }
    }
}
