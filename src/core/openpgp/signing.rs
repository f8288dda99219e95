//! Signing with an Ed25519 key held as an armored private key block.

use std::fmt;

use pgp::crypto::hash::HashAlgorithm;
use pgp::crypto::public_key::PublicKeyAlgorithm;
use pgp::crypto::sym::SymmetricKeyAlgorithm;
use pgp::packet::{
    PacketTrait, RevocationCode, SecretKey, SecretSubkey, Signature, SignatureConfig,
    SignatureType, Subpacket, SubpacketData,
};
use pgp::ser::Serialize as _;
use pgp::types::{
    EncryptedSecretParams, Password, S2kParams, SecretParams, StringToKey, Timestamp,
};

use super::armor::{self, Kind};
use super::certificate::{PublicKey, Revocation};
use super::error::{KeyError, SignError};
use super::key_packet::{fingerprint_of, public_body, read_secret_primary, read_secret_subkey};
use super::packet::{self, RawPacket, tag};
use super::verdict::verify;
use super::{Fingerprint, MAX_KEY_PACKETS, MAX_KEY_TEXT_BYTES, key_id_of, upper_hex};

enum Secret {
    Primary(Box<SecretKey>),
    Subkey(Box<SecretSubkey>),
}

/// An unlocked Ed25519 signing key. It prints its fingerprint and nothing else.
pub struct SigningKey {
    secret: Secret,
    fingerprint: Fingerprint,
    public: PublicKey,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("fingerprint", &self.fingerprint())
            .finish_non_exhaustive()
    }
}

impl SigningKey {
    /// Reads one armored private key block of at most [`MAX_KEY_TEXT_BYTES`], as written by
    /// `gpg --armor --export-secret-keys`. The newest unrevoked signing subkey is used where
    /// there is one, as `gpg` does, else the primary key.
    pub fn from_armor(text: &str, passphrase: Option<&str>) -> Result<Self, KeyError> {
        if text.len() > MAX_KEY_TEXT_BYTES {
            return Err(KeyError::TooLarge);
        }
        let bytes =
            armor::decode_key(text, Kind::PrivateKey).map_err(|e| KeyError::from_armor(&e))?;
        let packets = packet::split(&bytes, MAX_KEY_PACKETS)
            .ok_or(KeyError::Malformed("cut short, or too many packets"))?;
        let (secrets, public) = separate(&packets)?;
        let public = PublicKey::from_packets(public)?;
        let secret = choose(secrets, &public).ok_or(KeyError::CannotSign)?;
        let secret = unlock(secret, passphrase)?;
        let fingerprint = secret.fingerprint()?;
        Ok(Self {
            secret,
            fingerprint,
            public,
        })
    }

    /// The armored detached signature over exactly these bytes: version 4, type binary,
    /// SHA-512; issuer fingerprint and creation time signed, issuer key id beside them.
    /// The same arguments always give the same text.
    ///
    /// The result is verified before it is handed out, so an expired or revoked key, or a
    /// faulty computation, yields an error and no signature.
    pub fn sign(&self, content: &[u8], created_at_secs: u64) -> Result<String, SignError> {
        let created = u32::try_from(created_at_secs).map_err(|_| SignError::Time)?;
        let signature = match &self.secret {
            Secret::Primary(key) => sign_with(key.as_ref(), content, created),
            Secret::Subkey(key) => sign_with(key.as_ref(), content, created),
        }
        .map_err(|_| SignError::Failed("the private key could not be used"))?;
        let mut bytes = Vec::new();
        signature
            .to_writer_with_header(&mut bytes)
            .map_err(|_| SignError::Failed("the packet could not be written"))?;
        let text = armor::encode(Kind::Signature, &bytes);
        let verdict = verify(content, &text, &self.public, created_at_secs);
        if verdict.valid {
            Ok(text)
        } else {
            Err(SignError::Refused(verdict.reason))
        }
    }

    /// Fingerprint of the key that signs: the primary's or a subkey's, 40 upper-case hex digits.
    pub fn fingerprint(&self) -> String {
        upper_hex(&self.fingerprint)
    }

    /// Key id of the key that signs: the fingerprint's last 16 digits.
    pub fn key_id(&self) -> String {
        upper_hex(key_id_of(&self.fingerprint))
    }

    /// `public`, this key's public part, with a certificate of its revocation, which every
    /// OpenPGP program reads. Those it has already stay.
    pub fn revoke(
        &self,
        public: &PublicKey,
        revocation: Revocation,
        why: &str,
        at_secs: u64,
    ) -> Result<PublicKey, SignError> {
        let created = u32::try_from(at_secs).map_err(|_| SignError::Time)?;
        let Secret::Primary(key) = &self.secret else {
            return Err(SignError::Failed(
                "only the primary key can revoke itself, and a subkey is given here",
            ));
        };
        let failed = |_| SignError::Failed("the revocation could not be signed");
        let signature = revocation_with(key, revocation, why, created).map_err(failed)?;
        let mut body = Vec::new();
        signature.to_writer(&mut body).map_err(failed)?;
        public
            .with_direct_signature(body)
            .map_err(|_| SignError::Failed("the revocation does not fit the key"))
    }

    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// The public half, to hand to whoever verifies.
    pub fn public_key_armor(&self) -> String {
        self.public.to_armor()
    }
}

fn sign_with<K>(key: &K, content: &[u8], created: u32) -> pgp::errors::Result<Signature>
where
    K: pgp::types::SigningKey,
{
    config(key, SignatureType::Binary, created)?.sign(key, &Password::empty(), content)
}

/// What every signature of ours says of itself.
pub(super) fn config<K>(
    key: &K,
    kind: SignatureType,
    created: u32,
) -> pgp::errors::Result<SignatureConfig>
where
    K: pgp::types::SigningKey,
{
    let mut config =
        SignatureConfig::v4(kind, PublicKeyAlgorithm::EdDSALegacy, HashAlgorithm::Sha512);
    config.hashed_subpackets = vec![
        regular(SubpacketData::IssuerFingerprint(key.fingerprint()))?,
        regular(SubpacketData::SignatureCreationTime(Timestamp::from_secs(
            created,
        )))?,
    ];
    config.unhashed_subpackets = vec![regular(SubpacketData::IssuerKeyId(key.legacy_key_id()))?];
    Ok(config)
}

pub(super) fn regular(data: SubpacketData) -> pgp::errors::Result<Subpacket> {
    Subpacket::regular(data)
}

fn revocation_with(
    key: &SecretKey,
    revocation: Revocation,
    why: &str,
    created: u32,
) -> pgp::errors::Result<Signature> {
    let code = match revocation {
        Revocation::Retired => RevocationCode::KeyRetired,
        Revocation::Superseded => RevocationCode::KeySuperseded,
        Revocation::Hard => RevocationCode::KeyCompromised,
    };
    let mut config = config(key, SignatureType::KeyRevocation, created)?;
    let why = bytes::Bytes::copy_from_slice(why.as_bytes());
    config
        .hashed_subpackets
        .push(regular(SubpacketData::RevocationReason(code, why))?);
    config.sign_key(key, &Password::empty(), key.public_key())
}

impl Secret {
    fn fingerprint(&self) -> Result<Fingerprint, KeyError> {
        match self {
            Self::Primary(key) => fingerprint_of(key.as_ref()),
            Self::Subkey(key) => fingerprint_of(key.as_ref()),
        }
    }

    fn params(&self) -> &SecretParams {
        match self {
            Self::Primary(key) => key.secret_params(),
            Self::Subkey(key) => key.secret_params(),
        }
    }

    /// `gpg` exports a stub for a secret that is kept elsewhere ("gnu-dummy").
    fn is_stub(&self) -> bool {
        matches!(
            self.params(),
            SecretParams::Encrypted(locked) if matches!(
                locked.string_to_key_params(),
                S2kParams::Cfb { s2k: StringToKey::Private { .. }, .. }
            )
        )
    }
}

type PublicPackets = Vec<(u8, Vec<u8>)>;

/// Splits a private key block into its secrets and the public block it stands for.
fn separate(packets: &[RawPacket<'_>]) -> Result<(Vec<Secret>, PublicPackets), KeyError> {
    let mut secrets = Vec::new();
    let mut public = Vec::new();
    for packet in packets {
        match packet.tag {
            tag::SECRET_KEY => {
                let key = read_secret_primary(packet.body)?;
                public.push((tag::PUBLIC_KEY, public_body(key.public_key())?));
                secrets.push(Secret::Primary(Box::new(key)));
            }
            tag::SECRET_SUBKEY => match read_secret_subkey(packet.body)? {
                Some(key) => {
                    public.push((tag::PUBLIC_SUBKEY, public_body(key.public_key())?));
                    secrets.push(Secret::Subkey(Box::new(key)));
                }
                // Another kind of subkey: left out with the signatures that follow it.
                None => public.push((tag::SECRET_SUBKEY, Vec::new())),
            },
            other => public.push((other, packet.body.to_vec())),
        }
    }
    drop_foreign_subkeys(&mut public);
    Ok((secrets, public))
}

fn drop_foreign_subkeys(public: &mut PublicPackets) {
    let mut dropping = false;
    public.retain(|(tag, _)| {
        if *tag != tag::SIGNATURE {
            dropping = *tag == tag::SECRET_SUBKEY;
        }
        !dropping
    });
}

fn choose(secrets: Vec<Secret>, public: &PublicKey) -> Option<Secret> {
    let rank = |secret: &Secret| {
        let component = public.component(&secret.fingerprint().ok()?)?;
        let usable = component.may_sign && component.revocation.is_none() && !secret.is_stub();
        usable.then_some((matches!(secret, Secret::Subkey(_)), component.created))
    };
    secrets
        .into_iter()
        .filter_map(|secret| rank(&secret).map(|rank| (rank, secret)))
        .max_by_key(|(rank, _)| *rank)
        .map(|(_, secret)| secret)
}

fn unlock(mut secret: Secret, passphrase: Option<&str>) -> Result<Secret, KeyError> {
    let SecretParams::Encrypted(locked) = secret.params() else {
        return Ok(secret);
    };
    if !is_supported(locked) {
        return Err(KeyError::Protection);
    }
    let password = Password::from(passphrase.ok_or(KeyError::PassphraseNeeded)?);
    match &mut secret {
        Secret::Primary(key) => key.remove_password(&password),
        Secret::Subkey(key) => key.remove_password(&password),
    }
    .map_err(|_| KeyError::WrongPassphrase)?;
    Ok(secret)
}

/// What `gpg` writes: AES, a salted and iterated passphrase, a SHA-1 check over the secret.
fn is_supported(locked: &EncryptedSecretParams) -> bool {
    let S2kParams::Cfb { sym_alg, s2k, .. } = locked.string_to_key_params() else {
        return false;
    };
    let aes = matches!(
        sym_alg,
        SymmetricKeyAlgorithm::AES128
            | SymmetricKeyAlgorithm::AES192
            | SymmetricKeyAlgorithm::AES256
    );
    let hash = match s2k {
        StringToKey::IteratedAndSalted { hash_alg, .. } => Some(*hash_alg),
        _ => None,
    };
    aes && matches!(
        hash,
        Some(
            HashAlgorithm::Sha1
                | HashAlgorithm::Sha256
                | HashAlgorithm::Sha384
                | HashAlgorithm::Sha512
        )
    )
}
