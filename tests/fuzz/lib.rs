//! What targets share: an `OpenPGP` key of a fixed seed, and packets signed with it, so that an
//! input's statements are read as those of a key's owner.

pub mod tree;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signer as _, SigningKey};
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// When keys were made, and when they are judged, in seconds since 1970.
pub const CREATED_SECS: u32 = 1_700_000_000;
pub const NOW_SECS: u64 = 1_800_000_000;

pub const TAG_SIGNATURE: u8 = 2;
pub const TAG_KEY: u8 = 6;
pub const TAG_USER_ID: u8 = 13;
pub const TAG_SUBKEY: u8 = 14;
pub const TAG_USER_ATTRIBUTE: u8 = 17;

/// Key flags (RFC 9580 §5.2.3.29): may certify and sign.
pub const MAY_SIGN: [u8; 3] = [2, 27, 3];

/// Octets until the end of the input.
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// The next one; 0 after the last.
    pub fn octet(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    /// A number of two octets.
    pub fn number(&mut self) -> usize {
        usize::from(u16::from_be_bytes([self.octet(), self.octet()]))
    }

    /// As many as there are, up to `count`.
    pub fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// As many as the two octets before them say.
    pub fn area(&mut self) -> &'a [u8] {
        let count = self.number();
        self.take(count)
    }
}

/// A version 4 Ed25519 key (RFC 9580 §5.5.2), and who signs for it.
pub struct Key {
    secret: SigningKey,
    /// Body of its packet.
    pub body: Vec<u8>,
}

impl Key {
    pub fn of_seed(seed: u8) -> Self {
        let secret = SigningKey::from_bytes(&[seed; 32]);
        let mut body = vec![4];
        body.extend(CREATED_SECS.to_be_bytes());
        body.extend([22, 9, 0x2B, 6, 1, 4, 1, 0xDA, 0x47, 0x0F, 1]);
        let point = secret.verifying_key().to_bytes();
        push_mpi(&mut body, &[&[0x40][..], &point].concat());
        Self { secret, body }
    }

    /// The key as it is hashed (RFC 9580 §5.2.4).
    pub fn hashed(&self) -> Vec<u8> {
        let mut out = vec![0x99];
        push_area(&mut out, &self.body);
        out
    }

    /// The subpacket that names this key as the issuer (RFC 9580 §5.2.3.35).
    pub fn issuer(&self) -> Vec<u8> {
        [&[22, 33, 4][..], &Sha1::digest(self.hashed())].concat()
    }

    /// The subpacket with the key's id (RFC 9580 §5.2.3.12).
    pub fn issuer_id(&self) -> Vec<u8> {
        [&[9, 16][..], &Sha1::digest(self.hashed())[12..]].concat()
    }

    /// Subpackets that every signature has: the issuer, and its time, here that of the key.
    pub fn usual(&self) -> Vec<u8> {
        [&self.issuer()[..], &[5, 2], &CREATED_SECS.to_be_bytes()].concat()
    }

    /// The user id's packet with an ordinary certification.
    pub fn certified(&self) -> Vec<u8> {
        let fields = Fields {
            kind: 0x13,
            hash: 8,
            hashed: &[self.usual(), MAY_SIGN.to_vec()].concat(),
            unhashed: &self.issuer_id(),
        };
        self.certify(&ID, &fields)
    }

    /// The packet of a user id, and the signature over it that states the fields.
    pub fn certify(&self, id: &Id<'_>, fields: &Fields<'_>) -> Vec<u8> {
        let length = u32::try_from(id.bytes.len()).unwrap().to_be_bytes();
        let mark = if id.tag == TAG_USER_ID { 0xB4 } else { 0xD1 };
        let content = [&self.hashed(), &[mark][..], &length, id.bytes].concat();
        let signature = self.sign(fields, &content);
        [packet(id.tag, id.bytes), packet(TAG_SIGNATURE, &signature)].concat()
    }

    /// Body of a signature packet over `content` (RFC 9580 §5.2.3). A hash function that it
    /// does not know is stated, and SHA-512 used.
    pub fn sign(&self, fields: &Fields<'_>, content: &[u8]) -> Vec<u8> {
        let mut out = vec![4, fields.kind, 22, fields.hash];
        push_area(&mut out, fields.hashed);
        let trailer = [
            &[4, 0xFF][..],
            &u32::try_from(out.len()).unwrap().to_be_bytes(),
        ]
        .concat();
        let message = [content, &out, &trailer].concat();
        let digest = match fields.hash {
            8 => Sha256::digest(message).to_vec(),
            9 => Sha384::digest(message).to_vec(),
            _ => Sha512::digest(message).to_vec(),
        };
        push_area(&mut out, fields.unhashed);
        out.extend_from_slice(&digest[..2]);
        let signature = self.secret.sign(&digest).to_bytes();
        push_mpi(&mut out, &signature[..32]);
        push_mpi(&mut out, &signature[32..]);
        out
    }
}

/// The user id of keys here.
pub const ID: Id<'static> = Id {
    tag: TAG_USER_ID,
    bytes: b"Fuzz <fuzz@example.org>",
};

/// A user id or attribute.
pub struct Id<'a> {
    pub tag: u8,
    pub bytes: &'a [u8],
}

/// What a signature packet states.
pub struct Fields<'a> {
    /// Type of the signature.
    pub kind: u8,
    pub hash: u8,
    pub hashed: &'a [u8],
    pub unhashed: &'a [u8],
}

fn push_area(out: &mut Vec<u8>, area: &[u8]) {
    out.extend(u16::try_from(area.len()).unwrap().to_be_bytes());
    out.extend_from_slice(area);
}

/// Without leading zeros.
fn push_mpi(out: &mut Vec<u8>, value: &[u8]) {
    let zeros = value.iter().take_while(|octet| **octet == 0).count();
    let digits = &value[zeros..];
    let spare = digits
        .first()
        .map_or(0, |octet| octet.leading_zeros() as usize);
    out.extend(
        u16::try_from(digits.len() * 8 - spare)
            .unwrap()
            .to_be_bytes(),
    );
    out.extend_from_slice(digits);
}

/// A packet in the current format with the shortest length (RFC 9580 §4.2.1).
pub fn packet(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap();
    let mut out = vec![0xC0 | tag];
    match length {
        0..=191 => out.extend(length.to_be_bytes().last()),
        192..=8383 => {
            let [_, _, high, low] = (length - 192).to_be_bytes();
            out.extend([high + 192, low]);
        }
        _ => {
            out.push(255);
            out.extend(length.to_be_bytes());
        }
    }
    out.extend_from_slice(body);
    out
}

/// The same with a length of one octet, in the frame that `gpg` writes (RFC 9580 §4.2.2).
pub fn packet_legacy(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    let mut out = match length {
        [0, short] => vec![0x80 | tag << 2, short],
        [high, low] => vec![0x81 | tag << 2, high, low],
    };
    out.extend_from_slice(body);
    out
}

/// An armored block of a kind such as `SIGNATURE` (RFC 9580 §6.2).
pub fn armored(kind: &str, bytes: &[u8]) -> String {
    let base64 = STANDARD.encode(bytes);
    let lines: Vec<&str> = base64
        .as_bytes()
        .chunks(64)
        .map(|line| str::from_utf8(line).unwrap())
        .collect();
    let body = lines.join("\n");
    format!("-----BEGIN PGP {kind}-----\n\n{body}\n-----END PGP {kind}-----\n")
}

/// What is in an armored block without headers.
pub fn unarmored(text: &str) -> Vec<u8> {
    let lines = text.lines().map(str::trim_end);
    let data = lines.filter(|line| !line.starts_with(['-', '=']));
    STANDARD.decode(data.collect::<String>()).unwrap()
}
