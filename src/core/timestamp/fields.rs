//! The elements of a DER structure, one after the other.
//!
//! Sets of certificates come unsorted from many authorities, which derived readers of DER
//! refuse, and signed parts are needed byte for byte: so structures are walked here, on the
//! `der` crate's reading of headers.

use der::oid::ObjectIdentifier;
use der::{Decode, Header, Reader, SliceReader};

pub const BOOLEAN: u8 = 0x01;
pub const INTEGER: u8 = 0x02;
pub const BIT_STRING: u8 = 0x03;
pub const OCTET_STRING: u8 = 0x04;
pub const OBJECT: u8 = 0x06;
pub const GENERALIZED_TIME: u8 = 0x18;
pub const SEQUENCE: u8 = 0x30;
pub const SET: u8 = 0x31;
/// `[n]`, constructed.
pub const TAGGED: [u8; 4] = [0xa0, 0xa1, 0xa2, 0xa3];
/// `[n]`, primitive.
pub const TAGGED_VALUE: [u8; 2] = [0x80, 0x81];

/// One element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Element<'a> {
    pub tag: u8,
    pub value: &'a [u8],
    /// With its header.
    pub whole: &'a [u8],
}

impl<'a> Element<'a> {
    pub fn fields(self) -> Fields<'a> {
        Fields(self.value)
    }
}

/// What is left of a structure.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    pub const fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The only element of `bytes`, which has the tag.
    pub fn only(bytes: &'a [u8], tag: u8) -> Option<Element<'a>> {
        let mut fields = Self(bytes);
        let element = fields.take(tag)?;
        fields.is_empty().then_some(element)
    }

    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    fn peek(self) -> Option<Element<'a>> {
        let mut reader = SliceReader::new(self.0).ok()?;
        let header = Header::decode(&mut reader).ok()?;
        let value = reader.read_slice(header.length).ok()?;
        let length = usize::try_from(reader.position()).ok()?;
        Some(Element {
            tag: header.tag.octet(),
            value,
            whole: self.0.get(..length)?,
        })
    }

    /// The next element, if it has the tag.
    pub fn take(&mut self, tag: u8) -> Option<Element<'a>> {
        let element = self.peek().filter(|element| element.tag == tag)?;
        self.0 = self.0.get(element.whole.len()..)?;
        Some(element)
    }

    /// The next element, whatever it is; `None` at the end and where no element is read.
    pub fn take_any(&mut self) -> Option<Element<'a>> {
        let tag = self.peek()?.tag;
        self.take(tag)
    }

    pub fn object(&mut self) -> Option<ObjectIdentifier> {
        let element = self.take(OBJECT)?;
        ObjectIdentifier::from_bytes(element.value).ok()
    }

    /// The object identifier of an `AlgorithmIdentifier`.
    pub fn algorithm(&mut self) -> Option<ObjectIdentifier> {
        self.take(SEQUENCE)?.fields().object()
    }

    /// A number from 0 to 2^64 - 1.
    pub fn number(&mut self, tag: u8) -> Option<u64> {
        let bytes = self.take(tag)?.value;
        let negative = bytes.first().is_none_or(|first| *first >= 0x80);
        if negative || bytes.len() > 9 {
            return None;
        }
        bytes.iter().try_fold(0u64, |number, byte| {
            number.checked_mul(256)?.checked_add(u64::from(*byte))
        })
    }

    /// The elements to the end; `None` if what is left is no sequence of them.
    pub fn all(mut self) -> Option<Vec<Element<'a>>> {
        let mut elements = Vec::new();
        while !self.is_empty() {
            elements.push(self.take_any()?);
        }
        Some(elements)
    }
}
