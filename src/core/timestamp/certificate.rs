//! The parts of an X.509 certificate (RFC 5280 section 4.1) that the path check leaves out.

use der::oid::ObjectIdentifier;

use super::fields::{BOOLEAN, Element, Fields, INTEGER, OCTET_STRING, SEQUENCE, SET, TAGGED};

const EXTENDED_KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37");
const TIME_STAMPING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8");
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const ORGANIZATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");
const TRUE: [u8; 1] = [0xff];

#[derive(Debug, Clone, Copy)]
pub struct Certificate<'a> {
    pub der: &'a [u8],
    /// Value of the serial number.
    pub serial: &'a [u8],
    /// The issuer's name, encoded.
    pub issuer: &'a [u8],
    subject: Element<'a>,
    extensions: Option<Element<'a>>,
}

impl<'a> Certificate<'a> {
    pub fn read(der: &'a [u8]) -> Option<Self> {
        let mut fields = Fields::only(der, SEQUENCE)?.fields();
        let mut body = fields.take(SEQUENCE)?.fields();
        let _version = body.take(TAGGED[0]);
        let serial = body.take(INTEGER)?.value;
        let _algorithm = body.take(SEQUENCE)?;
        let issuer = body.take(SEQUENCE)?.whole;
        let _validity = body.take(SEQUENCE)?;
        let subject = body.take(SEQUENCE)?;
        let _key = body.take(SEQUENCE)?;
        let rest = body.all()?;
        let extensions = rest.iter().find(|element| element.tag == TAGGED[3]);
        Some(Self {
            der,
            serial,
            issuer,
            subject,
            extensions: extensions.copied(),
        })
    }

    /// RFC 3161 section 2.3: exactly one extended key usage, time stamping, and critical.
    pub fn is_for_time_stamping(&self) -> bool {
        self.extended_key_usage() == Some((true, vec![TIME_STAMPING]))
    }

    /// Whether it is critical, and the usages.
    fn extended_key_usage(&self) -> Option<(bool, Vec<ObjectIdentifier>)> {
        let list = Fields::only(self.extensions?.value, SEQUENCE)?;
        for extension in list.fields().all()? {
            let mut fields = extension.fields();
            if fields.object()? != EXTENDED_KEY_USAGE {
                continue;
            }
            let critical = fields.take(BOOLEAN).is_some_and(|flag| flag.value == TRUE);
            let value = fields.take(OCTET_STRING)?.value;
            let usages = Fields::only(value, SEQUENCE)?.fields().all()?;
            let usages = usages
                .iter()
                .map(|usage| ObjectIdentifier::from_bytes(usage.value).ok())
                .collect::<Option<Vec<_>>>()?;
            return Some((critical, usages));
        }
        None
    }

    /// Whom the certificate names: common name, or else organization.
    pub fn subject_name(&self) -> Option<String> {
        self.name_part(COMMON_NAME)
            .or_else(|| self.name_part(ORGANIZATION))
    }

    fn name_part(&self, wanted: ObjectIdentifier) -> Option<String> {
        for set in self.subject.fields().all()? {
            let attributes = Fields::only(set.whole, SET)?.fields().all()?;
            for attribute in attributes {
                let mut fields = attribute.fields();
                if fields.object()? == wanted {
                    let text = fields.take_any()?.value;
                    return Some(String::from_utf8_lossy(text).into_owned());
                }
            }
        }
        None
    }
}
