//! The packets of one key, grouped and judged (RFC 9580 §10.1.1).

use ed25519_dalek::VerifyingKey;
use pgp::packet::{
    PublicKey as PrimaryPacket, PublicSubkey as SubkeyPacket, Signature, SignatureType,
};
use pgp::types::{KeyDetails, Tag};

use super::Fingerprint;
use super::certificate::Component;
use super::error::KeyError;
use super::key_packet::{
    claims_key_revocation, fingerprint_of, point_of, read_primary, read_signature, read_subkey,
};
use super::packet::tag;
use super::self_signature::{self as own, CERTIFICATIONS, ON_IDENTITY, ON_SUBKEY, RawId, Terms};

/// The packets of one key, grouped by what they belong to.
pub(super) struct Block<'a> {
    primary: PrimaryPacket,
    fingerprint: Fingerprint,
    point: VerifyingKey,
    direct: Vec<Signature>,
    revocations: Vec<Signature>,
    identities: Vec<Identity<'a>>,
    subkeys: Vec<Subkey>,
}

struct Identity<'a> {
    id: RawId<'a>,
    signatures: Vec<Signature>,
}

struct Subkey {
    /// `None` for a key that cannot issue signatures accepted here.
    key: Option<SubkeyPacket>,
    signatures: Vec<Signature>,
}

impl<'a> Block<'a> {
    pub(super) fn read(packets: &'a [(u8, Vec<u8>)]) -> Result<Self, KeyError> {
        let Some(((tag::PUBLIC_KEY, body), rest)) = packets.split_first() else {
            return Err(KeyError::Malformed("it does not start with a primary key"));
        };
        let primary = read_primary(body)?;
        let mut block = Block {
            fingerprint: fingerprint_of(&primary)?,
            point: point_of(&primary)?,
            primary,
            direct: Vec::new(),
            revocations: Vec::new(),
            identities: Vec::new(),
            subkeys: Vec::new(),
        };
        for (tag, body) in rest {
            block.add(*tag, body)?;
        }
        Ok(block)
    }

    fn add(&mut self, tag: u8, body: &'a [u8]) -> Result<(), KeyError> {
        match tag {
            tag::SIGNATURE => self.add_signature(body),
            tag::USER_ID | tag::USER_ATTRIBUTE if self.subkeys.is_empty() => {
                let kind = if tag == tag::USER_ID {
                    Tag::UserId
                } else {
                    Tag::UserAttribute
                };
                self.identities.push(Identity {
                    id: RawId(kind, body),
                    signatures: Vec::new(),
                });
                Ok(())
            }
            tag::PUBLIC_SUBKEY => {
                let key = read_subkey(body)?;
                self.subkeys.push(Subkey {
                    key,
                    signatures: Vec::new(),
                });
                Ok(())
            }
            tag::PUBLIC_KEY => Err(KeyError::SeveralKeys),
            _ => Err(KeyError::Malformed("a packet that has no place there")),
        }
    }

    fn add_signature(&mut self, body: &[u8]) -> Result<(), KeyError> {
        let signature = read_signature(body)?;
        let list = if claims_key_revocation(body) {
            &mut self.revocations
        } else if let Some(subkey) = self.subkeys.last_mut() {
            &mut subkey.signatures
        } else if let Some(identity) = self.identities.last_mut() {
            &mut identity.signatures
        } else {
            &mut self.direct
        };
        list.push(signature);
        Ok(())
    }

    /// The primary key, held to the strictest terms of its live self-signatures.
    pub(super) fn primary_component(&self) -> Result<(Component, String), KeyError> {
        let key = &self.primary;
        own::only_types(&self.direct, &[SignatureType::Key], key)?;
        let direct = own::newest(&self.direct, &[SignatureType::Key], key, key, |s| {
            s.verify_key(key).is_ok()
        })?;
        let mut all: Vec<Terms> = direct.into_iter().map(|(_, terms)| terms).collect();
        let mut user_id: Option<(&[u8], bool)> = None;
        for identity in &self.identities {
            let Some(terms) = self.live_terms(identity)? else {
                continue;
            };
            let RawId(kind, body) = identity.id;
            let better = user_id.is_none_or(|(_, primary)| terms.is_primary_id && !primary);
            if kind == Tag::UserId && better {
                user_id = Some((body, terms.is_primary_id));
            }
            all.push(terms);
        }
        let (user_id, _) = user_id.ok_or(KeyError::NoUserId)?;
        let revocations: Vec<&Signature> = self.revocations.iter().collect();
        let component = Component {
            fingerprint: self.fingerprint,
            point: self.point,
            created: key.created_at().as_secs(),
            valid_from: all
                .iter()
                .map(|terms| terms.created)
                .max()
                .unwrap_or(u32::MAX),
            expires_at: own::earliest(all.iter().map(|terms| terms.expires_at)),
            revocation: own::revocation(&revocations, |s| s.verify_key(key).is_ok())?,
            may_sign: all.iter().any(|terms| terms.may_sign == Some(true))
                && !all.iter().any(|terms| terms.may_sign == Some(false)),
        };
        Ok((component, String::from_utf8_lossy(user_id).into_owned()))
    }

    /// Terms of a user id's newest self-signature, unless the id was revoked since.
    fn live_terms(&self, identity: &Identity<'_>) -> Result<Option<Terms>, KeyError> {
        let key = &self.primary;
        let verifies = |s: &Signature| {
            s.verify_certification(key, identity.id.0, &identity.id)
                .is_ok()
        };
        own::only_types(&identity.signatures, ON_IDENTITY, key)?;
        let Some((newest, terms)) =
            own::newest(&identity.signatures, CERTIFICATIONS, key, key, verifies)?
        else {
            return Ok(None);
        };
        let revocations = own::verified(
            &identity.signatures,
            &[SignatureType::CertRevocation],
            key,
            verifies,
        )?;
        let revoked = revocations.iter().any(|r| r.created() >= newest.created());
        Ok((!revoked).then_some(terms))
    }

    pub(super) fn signing_subkeys(&self) -> Result<Vec<Component>, KeyError> {
        let mut found = Vec::new();
        for subkey in &self.subkeys {
            found.extend(self.signing_subkey(subkey)?);
        }
        Ok(found)
    }

    /// A subkey counts when the primary binds it for signing and it signs the primary in turn
    /// (RFC 9580 §5.2.1.9).
    fn signing_subkey(&self, subkey: &Subkey) -> Result<Option<Component>, KeyError> {
        let Some(key) = &subkey.key else {
            return Ok(None);
        };
        own::only_types(&subkey.signatures, ON_SUBKEY, &self.primary)?;
        let verifies = |s: &Signature| s.verify_subkey_binding(&self.primary, key).is_ok();
        let binding = own::newest(
            &subkey.signatures,
            &[SignatureType::SubkeyBinding],
            &self.primary,
            key,
            verifies,
        )?;
        let Some((binding, terms)) = binding else {
            return Ok(None);
        };
        let answered = binding.embedded_signature().is_some_and(|back| {
            own::is_sound(back) && back.verify_primary_key_binding(key, &self.primary).is_ok()
        });
        if terms.may_sign != Some(true) || !answered {
            return Ok(None);
        }
        let revocations: Vec<&Signature> = subkey
            .signatures
            .iter()
            .filter(|s| s.typ() == Some(SignatureType::SubkeyRevocation))
            .collect();
        Ok(Some(Component {
            fingerprint: fingerprint_of(key)?,
            point: point_of(key)?,
            created: key.created_at().as_secs(),
            valid_from: terms.created,
            expires_at: terms.expires_at,
            revocation: own::revocation(&revocations, verifies)?,
            may_sign: true,
        }))
    }
}
