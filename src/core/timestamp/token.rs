//! A reply's structure (RFC 3161 section 2.4.2, RFC 5652 section 5), read and not judged.

use der::oid::ObjectIdentifier;

use super::fields::{
    BIT_STRING, BOOLEAN, Element, Fields, GENERALIZED_TIME, INTEGER, OBJECT, OCTET_STRING,
    SEQUENCE, SET, TAGGED, TAGGED_VALUE,
};

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const SIGNING_CERTIFICATE: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.12");
const SIGNING_CERTIFICATE_V2: ObjectIdentifier =
    ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");

/// What an authority answers: a token, or why there is none.
pub struct Reply<'a> {
    pub status: u64,
    /// Words of the authority, where it refuses.
    pub reason: String,
    pub token: Option<Element<'a>>,
}

impl<'a> Reply<'a> {
    pub fn read(der: &'a [u8]) -> Option<Self> {
        let mut fields = Fields::only(der, SEQUENCE)?.fields();
        let mut info = fields.take(SEQUENCE)?.fields();
        let status = info.number(INTEGER)?;
        let words = info.take(SEQUENCE);
        let _failure = info.take(BIT_STRING);
        let token = fields.take(SEQUENCE);
        (info.is_empty() && fields.is_empty()).then_some(Self {
            status,
            reason: words.and_then(|words| text(&words)).unwrap_or_default(),
            token,
        })
    }
}

fn text(words: &Element<'_>) -> Option<String> {
    let words = words.fields().all()?;
    let words = words.iter().map(|word| String::from_utf8_lossy(word.value));
    Some(words.collect::<Vec<_>>().join("; "))
}

/// A signed time stamp.
pub struct Token<'a> {
    /// The bytes of the [`TstInfo`].
    pub content: &'a [u8],
    pub certificates: Vec<Element<'a>>,
    pub signer: Signer<'a>,
}

/// The one signature (RFC 5652 section 5.3).
pub struct Signer<'a> {
    /// The issuer's name, encoded, and the value of the serial number.
    pub issuer: &'a [u8],
    pub serial: &'a [u8],
    pub digest: ObjectIdentifier,
    pub attributes: Element<'a>,
    pub algorithm: ObjectIdentifier,
    pub signature: &'a [u8],
}

impl<'a> Token<'a> {
    pub fn read(token: Element<'a>) -> Option<Self> {
        let mut outer = token.fields();
        if outer.object()? != SIGNED_DATA {
            return None;
        }
        let data = outer.take(TAGGED[0])?;
        let mut fields = Fields::only(data.value, SEQUENCE)?.fields();
        fields.number(INTEGER)?;
        fields.take(SET)?;
        let mut content = fields.take(SEQUENCE)?.fields();
        if content.object()? != TST_INFO {
            return None;
        }
        let content = Fields::only(content.take(TAGGED[0])?.value, OCTET_STRING)?.value;
        let certificates = match fields.take(TAGGED[0]) {
            Some(set) => set.fields().all()?,
            None => Vec::new(),
        };
        let _revocations = fields.take(TAGGED[1]);
        let signers = fields.take(SET)?;
        // RFC 3161 section 2.4.2: no signature but the authority's.
        let signer = Signer::read(Fields::only(signers.value, SEQUENCE)?)?;
        (outer.is_empty() && fields.is_empty()).then_some(Self {
            content,
            certificates,
            signer,
        })
    }
}

impl<'a> Signer<'a> {
    fn read(signer: Element<'a>) -> Option<Self> {
        let mut fields = signer.fields();
        fields.number(INTEGER)?;
        let mut id = fields.take(SEQUENCE)?.fields();
        Some(Self {
            issuer: id.take(SEQUENCE)?.whole,
            serial: id.take(INTEGER)?.value,
            digest: fields.algorithm()?,
            attributes: fields.take(TAGGED[0])?,
            algorithm: fields.algorithm()?,
            signature: fields.take(OCTET_STRING)?.value,
        })
    }

    /// The attributes as they were signed: as a set (RFC 5652 section 5.4).
    pub fn signed_bytes(&self) -> Vec<u8> {
        let mut bytes = self.attributes.whole.to_vec();
        if let [tag, ..] = bytes.as_mut_slice() {
            *tag = SET;
        }
        bytes
    }

    pub fn is_of_tst_info(&self) -> bool {
        let value = self.attribute(CONTENT_TYPE);
        let object = value.filter(|value| value.tag == OBJECT);
        object.is_some_and(|object| object.value == TST_INFO.as_bytes())
    }

    pub fn message_digest(&self) -> Option<&'a [u8]> {
        let value = self.attribute(MESSAGE_DIGEST)?;
        (value.tag == OCTET_STRING).then_some(value.value)
    }

    /// Which certificate signed: the name of the hash function, `None` for SHA-1, and the hash
    /// (RFC 5035 section 3, RFC 2634 section 5.4).
    pub fn certificate_hash(&self) -> Option<(Option<ObjectIdentifier>, &'a [u8])> {
        let first = |value: Element<'a>| {
            let list = value.fields().take(SEQUENCE)?;
            list.fields().take(SEQUENCE)
        };
        if let Some(value) = self.attribute(SIGNING_CERTIFICATE_V2) {
            let mut id = first(value)?.fields();
            let sha256 = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
            let digest = id.algorithm().unwrap_or(sha256);
            return Some((Some(digest), id.take(OCTET_STRING)?.value));
        }
        let mut id = first(self.attribute(SIGNING_CERTIFICATE)?)?.fields();
        Some((None, id.take(OCTET_STRING)?.value))
    }

    /// The one value of the attribute; none if it is there twice.
    fn attribute(&self, wanted: ObjectIdentifier) -> Option<Element<'a>> {
        let mut found = None;
        for attribute in self.attributes.fields().all()? {
            let mut fields = attribute.fields();
            if fields.object()? != wanted {
                continue;
            }
            let mut values = fields.take(SET)?.fields();
            let value = values.take_any()?;
            if found.is_some() || !values.is_empty() {
                return None;
            }
            found = Some(value);
        }
        found
    }
}

/// What was signed (RFC 3161 section 2.4.2).
pub struct TstInfo<'a> {
    pub policy: ObjectIdentifier,
    pub digest: ObjectIdentifier,
    pub hash: &'a [u8],
    pub serial: &'a [u8],
    /// Milliseconds since 1970.
    pub time_ms: i64,
    pub accuracy_ms: Option<u64>,
    pub nonce: Option<&'a [u8]>,
}

impl<'a> TstInfo<'a> {
    pub fn read(der: &'a [u8]) -> Option<Self> {
        let mut fields = Fields::only(der, SEQUENCE)?.fields();
        if fields.number(INTEGER)? != 1 {
            return None;
        }
        let policy = fields.object()?;
        let mut imprint = fields.take(SEQUENCE)?.fields();
        let digest = imprint.algorithm()?;
        let hash = imprint.take(OCTET_STRING)?.value;
        let serial = fields.take(INTEGER)?.value;
        let time_ms = time_ms(fields.take(GENERALIZED_TIME)?.value)?;
        let accuracy_ms = match fields.take(SEQUENCE) {
            Some(accuracy) => Some(accuracy_ms(accuracy.fields())?),
            None => None,
        };
        let _ordering = fields.take(BOOLEAN);
        let nonce = fields.take(INTEGER).map(|nonce| nonce.value);
        let _name = fields.take(TAGGED[0]);
        let _extensions = fields.take(TAGGED[1]);
        (imprint.is_empty() && fields.is_empty()).then_some(Self {
            policy,
            digest,
            hash,
            serial,
            time_ms,
            accuracy_ms,
            nonce,
        })
    }
}

/// `YYYYMMDDhhmmss[.f...]Z`: UTC, with a fraction if wanted.
fn time_ms(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.len() != 14 || fraction.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let time = chrono::NaiveDateTime::parse_from_str(whole, "%Y%m%d%H%M%S").ok()?;
    let ms: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    Some(time.and_utc().timestamp_millis() + ms)
}

/// Rounded up.
fn accuracy_ms(mut fields: Fields<'_>) -> Option<u64> {
    let seconds = fields.number(INTEGER).unwrap_or(0);
    let ms = fields.number(TAGGED_VALUE[0]).unwrap_or(0);
    let us = fields.number(TAGGED_VALUE[1]).unwrap_or(0);
    let small = ms.checked_add(us.div_ceil(1000))?;
    seconds.checked_mul(1000)?.checked_add(small)
}
