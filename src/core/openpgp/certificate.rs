//! A public key with what its self-signatures say (RFC 9580 §10.1.1).

use ed25519_dalek::VerifyingKey;

use super::armor::{self, Kind};
use super::block::Block;
use super::error::KeyError;
use super::key_packet::claims_key_revocation;
use super::packet::{self, tag};
use super::verdict::Reason;
use super::{
    CLOCK_SKEW_SECS, Fingerprint, MAX_KEY_PACKETS, MAX_KEY_TEXT_BYTES, key_id_of, upper_hex,
};

/// How a key was revoked (RFC 9580 §5.2.3.31), from the mildest to the gravest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Revocation {
    /// No longer in use.
    Retired,
    /// Replaced by another key.
    Superseded,
    /// Compromised, or revoked for no stated or an unknown reason: no signature can be trusted.
    Hard,
}

/// One key that may issue signatures: the primary or a subkey bound to it in both directions.
#[derive(Clone, Debug)]
pub(super) struct Component {
    pub(super) fingerprint: Fingerprint,
    pub(super) point: VerifyingKey,
    pub(super) created: u32,
    /// Creation of the newest self-signature: the key is not vouched for earlier than that.
    pub(super) valid_from: u32,
    pub(super) expires_at: Option<u64>,
    pub(super) revocation: Option<Revocation>,
    pub(super) may_sign: bool,
}

impl Component {
    /// Expiry is asked of another time: when what it signed was there.
    fn usable_at(&self, now_secs: u64, there_secs: u64) -> Result<(), Reason> {
        match self.revocation {
            Some(Revocation::Hard) => return Err(Reason::KeyRevoked),
            Some(Revocation::Superseded) => return Err(Reason::KeySuperseded),
            Some(Revocation::Retired) => return Err(Reason::KeyRetired),
            None => {}
        }
        let from = u64::from(self.valid_from.max(self.created));
        if from > now_secs.saturating_add(CLOCK_SKEW_SECS) {
            return Err(Reason::KeyNotYetValid);
        }
        if self.expires_at.is_some_and(|at| at <= there_secs) {
            return Err(Reason::KeyExpired);
        }
        Ok(())
    }
}

/// A version 4 Ed25519 public key whose self-signatures have been verified.
#[derive(Clone, Debug)]
pub struct PublicKey {
    primary: Component,
    subkeys: Vec<Component>,
    user_id: String,
    packets: Vec<(u8, Vec<u8>)>,
}

impl PublicKey {
    /// Reads one armored public key block of at most [`MAX_KEY_TEXT_BYTES`].
    /// A revoked or expired key is read too: [`PublicKey::usable_at`] says so.
    pub fn from_armor(text: &str) -> Result<Self, KeyError> {
        if text.len() > MAX_KEY_TEXT_BYTES {
            return Err(KeyError::TooLarge);
        }
        let bytes =
            armor::decode_key(text, Kind::PublicKey).map_err(|e| KeyError::from_armor(&e))?;
        let packets = packet::split(&bytes, MAX_KEY_PACKETS)
            .ok_or(KeyError::Malformed("cut short, or too many packets"))?;
        Self::from_packets(packets.iter().map(|p| (p.tag, p.body.to_vec())).collect())
    }

    pub(super) fn from_packets(packets: Vec<(u8, Vec<u8>)>) -> Result<Self, KeyError> {
        let block = Block::read(&packets)?;
        let (primary, user_id) = block.primary_component()?;
        let subkeys = block.signing_subkeys()?;
        Ok(Self {
            primary,
            subkeys,
            user_id,
            packets,
        })
    }

    /// The primary key's fingerprint: 40 upper-case hex digits.
    pub fn fingerprint(&self) -> String {
        upper_hex(&self.primary.fingerprint)
    }

    /// The primary key's id: the fingerprint's last 16 digits.
    pub fn key_id(&self) -> String {
        upper_hex(key_id_of(&self.primary.fingerprint))
    }

    /// The primary user id, with replacement characters where it is not UTF-8.
    pub fn user_id(&self) -> &str {
        &self.user_id
    }

    /// Creation of the primary key, in seconds since 1970.
    pub fn created_at_secs(&self) -> u64 {
        u64::from(self.primary.created)
    }

    /// Expiry of the primary key, in seconds since 1970; `None` for never.
    pub fn expires_at_secs(&self) -> Option<u64> {
        self.primary.expires_at
    }

    pub fn revocation(&self) -> Option<Revocation> {
        self.primary.revocation
    }

    /// Whether signatures of this key can be accepted at that time, and if not, why.
    pub fn usable_at(&self, now_secs: u64) -> Result<(), Reason> {
        self.primary.usable_at(now_secs, now_secs)?;
        let mut outcome = Err(Reason::KeyCannotSign);
        for component in self.components().filter(|c| c.may_sign) {
            outcome = component.usable_at(now_secs, now_secs);
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    /// The key as it was before it was revoked as a whole: for signatures that are known to be
    /// older by other means than their own word.
    pub fn before_revocation(&self) -> Result<Self, KeyError> {
        let is_revocation =
            |(tag, body): &&(u8, Vec<u8>)| *tag == tag::SIGNATURE && claims_key_revocation(body);
        let packets = self.packets.iter().filter(|packet| !is_revocation(packet));
        Self::from_packets(packets.cloned().collect())
    }

    /// The key with one more signature upon its primary key.
    pub(super) fn with_direct_signature(&self, body: Vec<u8>) -> Result<Self, KeyError> {
        let mut packets = self.packets.clone();
        packets.insert(packets.len().min(1), (tag::SIGNATURE, body));
        Self::from_packets(packets)
    }

    /// Whether this key or a subkey of it has that fingerprint, 40 upper-case hex digits.
    pub fn has(&self, fingerprint: &str) -> bool {
        self.components()
            .any(|component| upper_hex(&component.fingerprint) == fingerprint)
    }

    /// The key as an armored block, with all its signatures.
    pub fn to_armor(&self) -> String {
        let frames: Vec<u8> = self
            .packets
            .iter()
            .flat_map(|(tag, body)| packet::frame(*tag, body))
            .collect();
        armor::encode(Kind::PublicKey, &frames)
    }

    pub(super) fn components(&self) -> impl Iterator<Item = &Component> {
        self.subkeys.iter().chain([&self.primary])
    }

    pub(super) fn component(&self, fingerprint: &Fingerprint) -> Option<&Component> {
        self.components().find(|c| c.fingerprint == *fingerprint)
    }

    pub(super) fn component_usable_at(
        &self,
        component: &Component,
        now_secs: u64,
        there_secs: u64,
    ) -> Result<(), Reason> {
        self.primary.usable_at(now_secs, there_secs)?;
        component.usable_at(now_secs, there_secs)?;
        if component.may_sign {
            Ok(())
        } else {
            Err(Reason::KeyCannotSign)
        }
    }
}
