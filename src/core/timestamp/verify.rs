use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime, pem::PemObject};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha1::{Digest as _, Sha1};
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::algorithms::{self, Digest, meant_by};
use super::certificate::Certificate;
use super::request::NONCE_BYTES;
use super::token::{Reply, Signer, Token, TstInfo};
use crate::chain::hash::Hash;

/// Largest reply, in bytes.
pub const MAX_REPLY_BYTES: usize = 64 * 1024;
/// Most certificates in a reply, and most trust anchors.
const MAX_CERTIFICATES: usize = 16;
/// id-kp-timeStamping, as the bytes of the object identifier.
const TIME_STAMPING: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x08];

/// The certification authorities that time stamping authorities are believed by.
#[derive(Debug, Clone)]
pub struct TrustAnchors {
    anchors: Vec<TrustAnchor<'static>>,
    pem: String,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    #[error(
        "the trust anchors are not 1 to {MAX_CERTIFICATES} certificates in PEM, each between BEGIN CERTIFICATE and END CERTIFICATE"
    )]
    Pem,
    #[error("trust anchor {number} is no X.509 certificate: {cause}")]
    Certificate { number: usize, cause: String },
}

impl TrustAnchors {
    /// # Errors
    /// No certificates, or something else in their place.
    pub fn from_pem(pem: &str) -> Result<Self, TrustError> {
        let certificates = CertificateDer::pem_slice_iter(pem.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| TrustError::Pem)?;
        if !(1..=MAX_CERTIFICATES).contains(&certificates.len()) {
            return Err(TrustError::Pem);
        }
        let anchors = certificates.iter().enumerate().map(|(index, certificate)| {
            let anchor = anchor_from_trusted_cert(certificate);
            let anchor = anchor.map(|anchor| anchor.to_owned());
            anchor.map_err(|error| TrustError::Certificate {
                number: index + 1,
                cause: error.to_string(),
            })
        });
        Ok(Self {
            anchors: anchors.collect::<Result<_, _>>()?,
            pem: certificates.iter().map(to_pem).collect(),
        })
    }

    /// The certificates, and nothing else that stood beside them.
    pub fn to_pem(&self) -> &str {
        &self.pem
    }
}

/// RFC 7468 section 5.
fn to_pem(certificate: &CertificateDer<'_>) -> String {
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for bytes in certificate.chunks(48) {
        STANDARD.encode_string(bytes, &mut pem);
        pem.push('\n');
    }
    pem + "-----END CERTIFICATE-----\n"
}

/// A time stamp that was checked: the authority had the hash at its time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Stamp {
    /// The authority's time, milliseconds since 1970.
    pub time_ms: i64,
    /// How far that may be off by its own word, in milliseconds.
    pub accuracy_ms: Option<u64>,
    /// Whom the authority's certificate names.
    pub authority: String,
    /// 64 hex digits.
    pub certificate_sha256: String,
    /// Number of the stamp, in hex.
    pub serial: String,
    /// The authority's policy, an object identifier.
    pub policy: String,
}

impl Stamp {
    /// The latest moment that the authority's word allows for, milliseconds since 1970. None
    /// before 1970.
    #[must_use]
    pub fn latest_ms(&self) -> Option<u64> {
        let time_ms = u64::try_from(self.time_ms).ok()?;
        Some(time_ms.saturating_add(self.accuracy_ms.unwrap_or(0)))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StampError {
    #[error("the reply is no RFC 3161 time stamp reply in DER")]
    Malformed,
    #[error("the authority refused (status {status}): {reason}")]
    Refused { status: u64, reason: String },
    #[error("the stamp is of other data")]
    OtherData,
    #[error("the stamp answers another request: its nonce differs")]
    OtherRequest,
    #[error("the reply's certificates do not have the signer's")]
    NoCertificate,
    #[error(
        "the signer's certificate is not for time stamping: that must be its only extended key usage, and critical"
    )]
    WrongUsage,
    #[error("the signer's certificate is not trusted: {0}")]
    NotTrusted(String),
    #[error("the signed attributes are not of this stamp and its certificate")]
    Attributes,
    #[error("the stamp uses an algorithm that is not supported: {0}")]
    Algorithm(String),
    #[error("the signature does not hold")]
    Signature,
    #[error("the stamp's time is {off_ms} ms away from ours")]
    NotNow { off_ms: i64 },
}

/// Checks a reply about data of SHA-256 `hash`. With `nonce` it must answer that very request.
/// Certificates must have been valid at the time of the stamp; whether one was revoked is not
/// looked up.
///
/// # Errors
/// The first thing that does not hold.
pub fn verify(
    reply: &[u8],
    hash: &Hash,
    nonce: Option<&[u8; NONCE_BYTES]>,
    anchors: &TrustAnchors,
) -> Result<Stamp, StampError> {
    if reply.len() > MAX_REPLY_BYTES {
        return Err(StampError::Malformed);
    }
    let token = granted(reply)?;
    let info = TstInfo::read(token.content).ok_or(StampError::Malformed)?;
    if Digest::of(info.digest) != Some(Digest::Sha256) || info.hash != hash.as_bytes() {
        return Err(StampError::OtherData);
    }
    if nonce.is_some_and(|nonce| info.nonce != Some(nonce.as_slice())) {
        return Err(StampError::OtherRequest);
    }
    let certificates = read_certificates(&token)?;
    let signers = certificates.iter().find(|certificate| {
        (certificate.issuer, certificate.serial) == (token.signer.issuer, token.signer.serial)
    });
    let certificate = signers.ok_or(StampError::NoCertificate)?;
    if !certificate.is_for_time_stamping() {
        return Err(StampError::WrongUsage);
    }
    let digest = check_attributes(&token, certificate)?;
    check_signature(&token.signer, digest, certificate)?;
    check_path(certificate, &certificates, info.time_ms, anchors)?;
    Ok(Stamp {
        time_ms: info.time_ms,
        accuracy_ms: info.accuracy_ms,
        authority: certificate
            .subject_name()
            .unwrap_or_else(|| "not named".to_owned()),
        certificate_sha256: Hash::of(certificate.der).to_string(),
        serial: hex::encode(info.serial),
        policy: info.policy.to_string(),
    })
}

/// Status 0 is granted, 1 granted with modifications (RFC 3161 section 2.4.2).
fn granted(reply: &[u8]) -> Result<Token<'_>, StampError> {
    let reply = Reply::read(reply).ok_or(StampError::Malformed)?;
    if reply.status > 1 {
        return Err(StampError::Refused {
            status: reply.status,
            reason: reply.reason,
        });
    }
    let token = reply.token.and_then(Token::read);
    token.ok_or(StampError::Malformed)
}

fn read_certificates<'a>(token: &Token<'a>) -> Result<Vec<Certificate<'a>>, StampError> {
    if token.certificates.len() > MAX_CERTIFICATES {
        return Err(StampError::Malformed);
    }
    let certificates = token.certificates.iter();
    certificates
        .map(|element| Certificate::read(element.whole).ok_or(StampError::Malformed))
        .collect()
}

/// The attributes are of this content and this certificate (RFC 3161 section 2.4.2).
fn check_attributes(
    token: &Token<'_>,
    certificate: &Certificate<'_>,
) -> Result<Digest, StampError> {
    let signer = &token.signer;
    let unsupported = || StampError::Algorithm(signer.digest.to_string());
    let digest = Digest::of(signer.digest).ok_or_else(unsupported)?;
    let of_content = signer.message_digest() == Some(digest.hash(token.content).as_slice());
    if !signer.is_of_tst_info() || !of_content {
        return Err(StampError::Attributes);
    }
    let (algorithm, expected) = signer.certificate_hash().ok_or(StampError::Attributes)?;
    let computed = match algorithm {
        Some(algorithm) => {
            let digest = Digest::of(algorithm);
            let unsupported = || StampError::Algorithm(algorithm.to_string());
            digest.ok_or_else(unsupported)?.hash(certificate.der)
        }
        // Only names a certificate that the signature and the path are checked by.
        None => Sha1::digest(certificate.der).to_vec(),
    };
    if computed != expected {
        return Err(StampError::Attributes);
    }
    Ok(digest)
}

fn check_signature(
    signer: &Signer<'_>,
    digest: Digest,
    certificate: &Certificate<'_>,
) -> Result<(), StampError> {
    let der = CertificateDer::from(certificate.der);
    let key = EndEntityCert::try_from(&der).map_err(not_trusted)?;
    let message = signer.signed_bytes();
    let mut meant = meant_by(digest, signer.algorithm).peekable();
    if meant.peek().is_none() {
        return Err(StampError::Algorithm(signer.algorithm.to_string()));
    }
    let holds = meant.any(|one| {
        key.verify_signature(one, &message, signer.signature)
            .is_ok()
    });
    if holds {
        Ok(())
    } else {
        Err(StampError::Signature)
    }
}

/// RFC 5280 section 6, from the signer's certificate to an anchor.
fn check_path(
    certificate: &Certificate<'_>,
    certificates: &[Certificate<'_>],
    time_ms: i64,
    anchors: &TrustAnchors,
) -> Result<(), StampError> {
    let others: Vec<CertificateDer<'_>> = certificates
        .iter()
        .map(|certificate| CertificateDer::from(certificate.der))
        .collect();
    let ms = u64::try_from(time_ms).map_err(|_| StampError::Malformed)?;
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_millis(ms));
    let der = CertificateDer::from(certificate.der);
    EndEntityCert::try_from(&der)
        .and_then(|end| {
            // Those of the way there may be limited to it; the signer's has been looked at.
            let usage = KeyUsage::required_if_present(TIME_STAMPING);
            let known = algorithms::all();
            let path =
                end.verify_for_usage(&known, &anchors.anchors, &others, at, usage, None, None);
            path.map(drop)
        })
        .map_err(not_trusted)
}

#[expect(clippy::needless_pass_by_value, reason = "the form map_err wants")]
fn not_trusted(error: webpki::Error) -> StampError {
    StampError::NotTrusted(error.to_string())
}
