//! The life of each key, as it is published.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::table::{KeyRow, Place};
use crate::time::to_rfc3339;

/// All keys, the first one first.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
pub struct KeyHistory {
    pub keys: Vec<HistoryEntry>,
}

/// What is known of a key. It stands in facts too: this list can be held against the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryEntry {
    pub number: i64,
    /// 40 upper-case hex digits.
    pub fingerprint: String,
    pub status: KeyStatus,
    /// Where its rotation is logged. What it signed is logged after. Null: not logged yet, so
    /// it does not sign.
    pub valid_from: Option<Moment>,
    /// What it signed is logged before. Null: it signs. Without a log index: the time is not
    /// over yet.
    pub valid_until: Option<Moment>,
    /// The fact that tells of its end.
    pub end_fact_id: Option<String>,
    /// Null for the first key.
    pub rotation: Option<RotationEntry>,
    pub revocation: Option<RevocationEntry>,
    /// Armored, with its revocation if there is one.
    pub public_key: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyStatus {
    /// Its rotation is not logged yet.
    Next,
    Active,
    /// Another signs. What it signed before stands.
    Replaced,
    /// Revoked because another replaced it: what was logged before stands.
    Superseded,
    /// Revoked because it is used no more: what was logged before stands.
    Retired,
    /// Nothing that it signed can be trusted by itself.
    Compromised,
}

/// A time, and the place in the log that stands for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Moment {
    /// RFC 3339, by the log's clock.
    pub time: String,
    pub log_index: Option<i64>,
}

/// How a key came in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RotationEntry {
    pub fact_id: Option<String>,
    /// The exact bytes that both keys signed.
    pub statement: String,
    /// By the key before. Null: its private half was gone, or it could sign no more, so nobody
    /// before vouches for this key.
    pub old_signature: Option<String>,
    /// By the key itself.
    pub new_signature: String,
}

/// How a key was revoked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RevocationEntry {
    /// `superseded`, `retired` or `compromised`.
    pub reason: String,
    /// Where it is logged. Null: not yet; it counts all the same.
    pub revoked: Option<Moment>,
    /// From when on nothing that it signed can be trusted, as declared (RFC 3339).
    pub compromised_at: Option<String>,
    pub fact_id: Option<String>,
    /// The exact bytes that the key named in `signer_fingerprint` signed.
    pub statement: String,
    pub signature: String,
    pub signer_fingerprint: String,
}

impl KeyRow {
    pub(super) fn entry(&self, active: Option<i64>) -> HistoryEntry {
        let until = self.valid_until.map(|at| Moment {
            time: to_rfc3339(at),
            log_index: self.valid_until_index,
        });
        let rotation = self.statement.clone().zip(self.new_signature.clone());
        HistoryEntry {
            number: self.number,
            fingerprint: self.fingerprint.clone(),
            status: self.status(active),
            valid_from: self.valid_from.map(Moment::of),
            valid_until: until,
            end_fact_id: self.end_fact.clone(),
            rotation: rotation.map(|(statement, new_signature)| RotationEntry {
                fact_id: self.rotation_fact.clone(),
                statement,
                old_signature: self.old_signature.clone(),
                new_signature,
            }),
            revocation: self.revocation.as_ref().map(|revoked| RevocationEntry {
                reason: revoked.reason.clone(),
                revoked: revoked.place.map(Moment::of),
                compromised_at: revoked.compromised_at.map(to_rfc3339),
                fact_id: revoked.fact.clone(),
                statement: revoked.statement.clone(),
                signature: revoked.signature.clone(),
                signer_fingerprint: revoked.signer.clone(),
            }),
            public_key: self.public_key.clone(),
        }
    }

    /// Of a key that is not revoked.
    pub(super) fn status(&self, active: Option<i64>) -> KeyStatus {
        match active {
            _ if self.valid_from.is_none() => KeyStatus::Next,
            Some(active) if active == self.number => KeyStatus::Active,
            _ => KeyStatus::Replaced,
        }
    }
}

impl Moment {
    pub(super) fn of(place: Place) -> Self {
        Self {
            time: to_rfc3339(place.at),
            log_index: Some(place.index),
        }
    }
}
