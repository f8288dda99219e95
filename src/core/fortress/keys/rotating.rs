//! A new key in place of the one that signs.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::history::HistoryEntry;
use super::ring::{Known, KnownKey, PURPOSE};
use super::table::{self, KeyRow};
use crate::fortress::FortressError;
use crate::fortress::service::FortressService;
use crate::openpgp::{PublicKey, SigningKey, make_key};

pub(super) const KIND: &str = "chittymcp/key-rotation/v1";

/// Which key to replace.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct RotateKeyInput {
    /// Fingerprint of the key that signs now, 40 hex digits, as `/keys/history.json` names it.
    /// Asking again with the same one gives the same successor.
    #[garde(length(bytes, min = 40, max = 40))]
    pub from_fingerprint: String,
    /// Take the key in `PGP_NEXT_PRIVATE_KEY` instead of making one.
    #[garde(skip)]
    #[serde(default)]
    pub use_secret: bool,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RotateKeyOutput {
    /// The key that signs from now on.
    pub key: HistoryEntry,
    /// The one before: what it signed counts if it is logged before `valid_until`.
    pub previous: HistoryEntry,
}

/// What both keys sign, in RFC 8785 form.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Statement {
    pub kind: String,
    pub made_at_ms: i64,
    pub new_fingerprint: String,
    pub new_public_key_sha256: String,
    pub number: i64,
    pub old_fingerprint: String,
}

impl Statement {
    pub fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

/// A rotation that is to be written.
pub(super) struct Rotation<'a> {
    pub before: &'a KeyRow,
    /// None where the private half before is gone, or its key may sign no more.
    pub old: Option<&'a SigningKey>,
    pub new: &'a SigningKey,
    pub public: &'a PublicKey,
}

impl Rotation<'_> {
    /// Signed by whom there is.
    pub fn row(&self, now_ms: i64) -> Result<KeyRow, FortressError> {
        let failed = |error: crate::openpgp::SignError| FortressError::Signing(error.to_string());
        let print = self.public.fingerprint();
        let number = self.before.number + 1;
        let statement = serde_json_canonicalizer::to_string(&Statement {
            kind: KIND.to_owned(),
            made_at_ms: now_ms,
            new_fingerprint: print.clone(),
            new_public_key_sha256: crate::digest::sha256_hex(self.public.to_armor()),
            number,
            old_fingerprint: self.before.fingerprint.clone(),
        });
        let no_form = |_| FortressError::Signing("the statement has no canonical form".to_owned());
        let statement = statement.map_err(no_form)?;
        let secs = u64::try_from(now_ms / 1_000).unwrap_or_default();
        let sign = |key: &SigningKey| key.sign(statement.as_bytes(), secs).map_err(failed);
        Ok(KeyRow {
            old_signature: self.old.map(sign).transpose()?,
            new_signature: Some(sign(self.new)?),
            statement: Some(statement),
            public_key: self.public.to_armor(),
            ..KeyRow::bare(number, &print, now_ms)
        })
    }
}

impl FortressService {
    /// Puts a new key in place of the one named, once however often it is asked; each step
    /// may fail and be repeated.
    pub async fn rotate_key(
        &self,
        input: &RotateKeyInput,
    ) -> Result<RotateKeyOutput, FortressError> {
        let from = input.from_fingerprint.to_ascii_uppercase();
        let known = self.read_keys().await?;
        let old = known.of(&from).ok_or(FortressError::KeyNotFound)?;
        // A rotation may be written and not logged yet.
        if known
            .last
            .as_ref()
            .is_some_and(|last| last.fingerprint == from)
        {
            let row = self.next_key(&known, old, input.use_secret)?;
            self.db.run(table::insert(&row)).await?;
        }
        self.settle_keys().await?;
        let known = self.read_keys().await?;
        let previous = known.of(&from).ok_or(FortressError::KeyNotFound)?;
        let number = previous.row.number + 1;
        if known.keys.iter().all(|key| key.row.number != number) {
            return Err(FortressError::Signing(format!(
                "nobody vouches for what fortress_keys has as number {number}: put the right row \
                 back, or if there never was one delete this, and rotate again"
            )));
        }
        let key = known
            .active()
            .filter(|key| key.row.number == number)
            .ok_or(FortressError::KeyNotActive)?;
        Ok(RotateKeyOutput {
            key: known.entry(key),
            previous: known.entry(previous),
        })
    }

    fn next_key(
        &self,
        known: &Known,
        old: &KnownKey,
        use_secret: bool,
    ) -> Result<KeyRow, FortressError> {
        let now_ms = self.clock.now_ms();
        let damaged = |error: crate::openpgp::KeyError| FortressError::Signing(error.to_string());
        let failed = |error: crate::openpgp::SignError| FortressError::Signing(error.to_string());
        // One that may sign no more, or is gone, vouches for nothing: the row says so.
        let private = old.public.usable_at(self.now_secs()).ok();
        let private = private.and_then(|()| self.private_half(old).ok());
        let text = if use_secret {
            let next = self
                .keys
                .secrets
                .next
                .as_ref()
                .ok_or(FortressError::NoNextKey)?;
            zeroize::Zeroizing::new(next.expose().to_owned())
        } else if self.api.is_some() {
            return Err(FortressError::KeyOfTheServer);
        } else {
            make_key(old.public.user_id(), self.now_secs(), &*self.entropy).map_err(failed)?
        };
        let new = SigningKey::from_armor(&text, None).map_err(damaged)?;
        if known.named(&new.public_key().fingerprint()).is_some() {
            return Err(FortressError::NoNextKey);
        }
        let rotation = Rotation {
            before: &old.row,
            old: private.as_deref(),
            new: &new,
            public: new.public_key(),
        };
        let row = rotation.row(now_ms)?;
        let aad = [row.fingerprint.as_str()];
        let sealed = self
            .sealer
            .seal(PURPOSE, &aad, text.as_bytes(), &*self.entropy)?;
        Ok(KeyRow {
            is_made: true,
            private_key: Some(sealed),
            ..row
        })
    }
}
