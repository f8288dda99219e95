//! Packet framing (RFC 9580 §4.2): definite lengths only, nothing left over.

/// One packet: its type id and body, without the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RawPacket<'a> {
    pub(super) tag: u8,
    pub(super) body: &'a [u8],
}

pub(super) mod tag {
    pub(crate) const SIGNATURE: u8 = 2;
    pub(crate) const SECRET_KEY: u8 = 5;
    pub(crate) const PUBLIC_KEY: u8 = 6;
    pub(crate) const SECRET_SUBKEY: u8 = 7;
    pub(crate) const USER_ID: u8 = 13;
    pub(crate) const PUBLIC_SUBKEY: u8 = 14;
    pub(crate) const USER_ATTRIBUTE: u8 = 17;
}

/// Takes the first packet off `bytes`. `None` when the header is cut, of unknown or partial
/// length, or announces more than there is.
pub(super) fn take(bytes: &[u8]) -> Option<(RawPacket<'_>, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let (tag, length, rest) = match first >> 6 {
        0b11 => new_length(rest).map(|(length, rest)| (first & 0x3F, length, rest))?,
        0b10 => {
            old_length(first & 3, rest).map(|(length, rest)| ((first >> 2) & 0xF, length, rest))?
        }
        _ => return None,
    };
    let (body, rest) = rest.split_at_checked(length)?;
    Some((RawPacket { tag, body }, rest))
}

/// Splits a whole block into at most `limit` packets.
pub(super) fn split(bytes: &[u8], limit: usize) -> Option<Vec<RawPacket<'_>>> {
    let mut packets = Vec::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        if packets.len() == limit {
            return None;
        }
        let (packet, tail) = take(rest)?;
        packets.push(packet);
        rest = tail;
    }
    Some(packets)
}

/// Length of a subpacket or of a packet in the current format: one, two or five octets.
pub(super) fn new_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    match bytes {
        [one @ 0..=191, rest @ ..] => Some((usize::from(*one), rest)),
        [high @ 192..=223, low, rest @ ..] => Some((
            ((usize::from(*high) - 192) << 8) + usize::from(*low) + 192,
            rest,
        )),
        [255, a, b, c, d, rest @ ..] => Some((
            usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).ok()?,
            rest,
        )),
        _ => None,
    }
}

fn old_length(length_type: u8, bytes: &[u8]) -> Option<(usize, &[u8])> {
    match (length_type, bytes) {
        (0, [one, rest @ ..]) => Some((usize::from(*one), rest)),
        (1, [a, b, rest @ ..]) => Some((usize::from(u16::from_be_bytes([*a, *b])), rest)),
        (2, [a, b, c, d, rest @ ..]) => Some((
            usize::try_from(u32::from_be_bytes([*a, *b, *c, *d])).ok()?,
            rest,
        )),
        _ => None,
    }
}

/// A packet in the current format with the shortest length.
pub(super) fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![0xC0 | (tag & 0x3F)];
    match u32::try_from(body.len()).unwrap_or(u32::MAX) {
        length @ 0..=191 => out.extend(length.to_be_bytes().iter().skip(3)),
        length @ 192..=8383 => {
            let [_, _, high, low] = (length - 192).to_be_bytes();
            out.extend([high + 192, low]);
        }
        length => {
            out.push(255);
            out.extend(length.to_be_bytes());
        }
    }
    out.extend_from_slice(body);
    out
}

/// A signature packet as `gpg` frames it: the legacy format, shortest length.
pub(super) fn frame_legacy(tag: u8, body: &[u8]) -> Vec<u8> {
    let base = 0x80 | ((tag & 0xF) << 2);
    let mut out = match u16::try_from(body.len()) {
        Ok(length @ 0..=255) => vec![base, length.to_be_bytes()[1]],
        Ok(length) => {
            let [high, low] = length.to_be_bytes();
            vec![base | 1, high, low]
        }
        Err(_) => return frame(tag, body),
    };
    out.extend_from_slice(body);
    out
}
