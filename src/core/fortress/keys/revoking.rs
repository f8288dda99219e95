//! The end of a key that signs no more.

use garde::Validate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PREFIX;
use super::history::HistoryEntry;
use super::ring::KnownKey;
use super::table::{self, KeyRow, Revoked};
use crate::fortress::FortressError;
use crate::fortress::service::FortressService;
use crate::openpgp::{PublicKey, Revocation};
use crate::validation::printable_if_some;

const KIND: &str = "chittymcp/key-revocation/v1";
/// About one key: its coming, its end, a revocation, and some that go further.
const MOST_FACTS: usize = 12;

/// Which key to revoke, and why.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Validate)]
#[serde(deny_unknown_fields)]
pub struct RevokeKeyInput {
    /// 40 hex digits. Not of the key that signs now: rotate that first.
    #[garde(length(bytes, min = 40, max = 40))]
    pub fingerprint: String,
    #[garde(skip)]
    pub reason: RevocationReason,
    /// With `compromised`: since when others may have had it (RFC 3339). What is provably
    /// logged before is told apart.
    #[garde(length(bytes, min = 1, max = 40))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compromised_at: Option<String>,
    /// Words for those who read the revocation.
    #[garde(length(chars, max = 200), custom(printable_if_some))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The armored public key with its revocation, made with gpg, where the private half is
    /// here no more.
    #[garde(length(bytes, min = 1, max = 65_536))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_key: Option<String>,
}

/// Soft reasons leave standing what was logged before; the hard one leaves nothing.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum RevocationReason {
    Retired,
    Superseded,
    Compromised,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct RevokeKeyOutput {
    pub key: HistoryEntry,
}

/// What the active key signs, in RFC 8785 form.
#[derive(Serialize, Deserialize)]
pub(super) struct Statement {
    pub compromised_at_ms: Option<i64>,
    pub declared_at_ms: i64,
    pub fingerprint: String,
    kind: String,
    note: Option<String>,
    pub reason: RevocationReason,
    pub signer_fingerprint: String,
}

impl Statement {
    pub fn read(text: &str) -> Option<Self> {
        let said: Self = serde_json::from_str(text).ok()?;
        let has_time = said.compromised_at_ms.is_some();
        let is_whole = has_time == (said.reason == RevocationReason::Compromised);
        (said.kind == KIND && is_whole).then_some(said)
    }
}

impl FortressService {
    /// Revokes a key, once however often it is asked. A graver reason, or an earlier time of
    /// compromise, may follow a milder one.
    pub async fn revoke_key(
        &self,
        input: &RevokeKeyInput,
    ) -> Result<RevokeKeyOutput, FortressError> {
        let print = input.fingerprint.to_ascii_uppercase();
        let compromised_at = self.compromised_at(input)?;
        let known = self.read_keys().await?;
        let key = known.of(&print).ok_or(FortressError::KeyNotFound)?;
        if known
            .active()
            .is_none_or(|active| active.row.number <= key.row.number)
        {
            return Err(FortressError::KeyInUse);
        }
        if goes_further(key, input.reason, compromised_at)? {
            self.is_said_seldom(&print).await?;
            let statement = self.revocation(key, input, compromised_at).await?;
            if self.db.run(statement).await?.changes == 0 {
                return Err(FortressError::KeyChanged);
            }
        }
        self.settle_keys().await?;
        let known = self.read_keys().await?;
        let key = known.of(&print).ok_or(FortressError::KeyNotFound)?;
        // Its row may have been written over, or the key that signed it revoked meanwhile.
        if goes_further(key, input.reason, compromised_at)? {
            return Err(FortressError::KeyChanged);
        }
        Ok(RevokeKeyOutput {
            key: known.entry(key),
        })
    }

    /// What the log tells of keys is bounded: one key must not use that up.
    async fn is_said_seldom(&self, print: &str) -> Result<(), FortressError> {
        let told = self.ledger.keyed(&[format!("{PREFIX}{print}")]).await?;
        if told.iter().any(|told| told.facts.len() >= MOST_FACTS) {
            let words = "compromised_at: it was moved as often as it may be for this key";
            return Err(FortressError::InvalidInput(words.to_owned()));
        }
        Ok(())
    }

    fn compromised_at(&self, input: &RevokeKeyInput) -> Result<Option<i64>, FortressError> {
        let wrong = |words: String| Err(FortressError::InvalidInput(words));
        match (&input.compromised_at, input.reason) {
            (Some(text), RevocationReason::Compromised) => match crate::time::from_rfc3339(text) {
                Ok(ms) if (0..=self.clock.now_ms()).contains(&ms) => Ok(Some(ms)),
                Ok(_) => wrong("compromised_at: must lie between 1970 and now".to_owned()),
                Err(error) => wrong(format!("compromised_at: {error}")),
            },
            (None, RevocationReason::Compromised) => {
                wrong("compromised_at: say since when others may have had the key".to_owned())
            }
            (Some(_), _) => wrong("compromised_at: only with the reason compromised".to_owned()),
            (None, _) => Ok(None),
        }
    }

    async fn revocation(
        &self,
        key: &KnownKey,
        input: &RevokeKeyInput,
        compromised_at_ms: Option<i64>,
    ) -> Result<crate::sql::Statement, FortressError> {
        let signer = self.signer().await?;
        let by = signer.public.fingerprint();
        let statement = serde_json_canonicalizer::to_string(&Statement {
            compromised_at_ms,
            declared_at_ms: self.clock.now_ms(),
            fingerprint: key.row.fingerprint.clone(),
            kind: KIND.to_owned(),
            note: input.note.clone(),
            reason: input.reason,
            signer_fingerprint: by.clone(),
        });
        let no_form = || FortressError::Signing("the statement has no canonical form".to_owned());
        let statement = statement.map_err(|_| no_form())?;
        let signature = self.sign(&statement, &signer)?;
        let new = Revoked::said(&statement, &signature, &by).ok_or_else(no_form)?;
        let row = KeyRow {
            public_key: self.certificate(key, input)?.to_armor(),
            revocation: Some(new),
            ..key.row.clone()
        };
        let before = key.row.revocation.as_ref();
        let before = before.map(|revoked| revoked.statement.as_str());
        Ok(table::update(&row, before))
    }

    /// The public key with its certificate of revocation.
    fn certificate(
        &self,
        key: &KnownKey,
        input: &RevokeKeyInput,
    ) -> Result<PublicKey, FortressError> {
        let wanted = input.reason.revocation();
        if let Some(text) = &input.revoked_key {
            let given = PublicKey::from_armor(text);
            let given = given
                .map_err(|error| FortressError::InvalidInput(format!("revoked_key: {error}")))?;
            if given.fingerprint() == key.row.fingerprint && given.revocation() >= Some(wanted) {
                return Ok(given);
            }
            let words = "revoked_key: not this key, or not revoked for such a reason";
            return Err(FortressError::InvalidInput(words.to_owned()));
        }
        // One by hand, for such a reason, need not be made again.
        if key.public.revocation() >= Some(wanted) {
            return Ok(key.public.clone());
        }
        let note = input.note.as_deref().unwrap_or_default();
        let private = self
            .private_half(key)
            .map_err(|_| FortressError::HalfGone)?;
        let made = private.revoke(&key.public, wanted, note, self.now_secs());
        made.map_err(|error| FortressError::Signing(error.to_string()))
    }
}

impl RevocationReason {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Retired => "retired",
            Self::Superseded => "superseded",
            Self::Compromised => "compromised",
        }
    }

    fn revocation(self) -> Revocation {
        match self {
            Self::Retired => Revocation::Retired,
            Self::Superseded => Revocation::Superseded,
            Self::Compromised => Revocation::Hard,
        }
    }
}

/// False where this is what is on file already.
fn goes_further(
    key: &KnownKey,
    reason: RevocationReason,
    compromised_at: Option<i64>,
) -> Result<bool, FortressError> {
    let Some(old) = &key.row.revocation else {
        return Ok(true);
    };
    let was_hard = old.compromised_at.is_some();
    let same = old.reason == reason.as_str() && old.compromised_at == compromised_at;
    let earlier = compromised_at.is_some_and(|at| old.compromised_at.is_none_or(|was| at < was));
    if same || (compromised_at.is_some() && (!was_hard || earlier)) {
        return Ok(!same);
    }
    Err(FortressError::RevokedAlready)
}
