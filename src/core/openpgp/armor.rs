//! ASCII armor (RFC 9580 §6.2): one reader for signatures, strict to the byte, and for keys.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// Line width `gpg` writes; RFC 9580 §6 allows up to 76.
const LINE_WIDTH: usize = 64;
const MAX_LINE_WIDTH: usize = 76;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Signature,
    PublicKey,
    PrivateKey,
    Message,
    SignedMessage,
}

impl Kind {
    const ALL: [Self; 5] = [
        Self::Signature,
        Self::PublicKey,
        Self::PrivateKey,
        Self::Message,
        Self::SignedMessage,
    ];

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Signature => "SIGNATURE",
            Self::PublicKey => "PUBLIC KEY BLOCK",
            Self::PrivateKey => "PRIVATE KEY BLOCK",
            Self::Message => "MESSAGE",
            Self::SignedMessage => "SIGNED MESSAGE",
        }
    }

    fn begin(self) -> String {
        format!("-----BEGIN PGP {}-----", self.label())
    }

    fn end(self) -> String {
        format!("-----END PGP {}-----", self.label())
    }
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum ArmorError {
    /// The text does not start with an armor header line.
    NotArmored,
    WrongKind(Kind),
    SeveralBlocks,
    /// Text outside the block, header lines, wrong checksum, or a layout with more than one
    /// spelling.
    Malformed(&'static str),
}

/// Reads a signature block whose every character is settled (see the module docs).
pub(super) fn decode_strict(text: &str, kind: Kind) -> Result<Vec<u8>, ArmorError> {
    let unix = unix_line_ends(text)?;
    let lines: Vec<&str> = unix
        .strip_suffix('\n')
        .unwrap_or(&unix)
        .split('\n')
        .collect();
    let body = block(&lines, kind)?;
    let [first, rest @ ..] = body else {
        return Err(ArmorError::Malformed("the block is empty"));
    };
    if !first.is_empty() {
        return Err(ArmorError::Malformed("header lines inside the armor"));
    }
    let (data, checksum) = split_checksum(rest);
    let bytes = base64_lines(data)?;
    check_crc(&bytes, checksum)?;
    let width = data.first().map_or(LINE_WIDTH, |line| line.len());
    let canonical = encode_with(kind, &bytes, width, checksum.is_some());
    if width > MAX_LINE_WIDTH || canonical.trim_end_matches('\n') != lines.join("\n") {
        return Err(ArmorError::Malformed("the armor is not laid out regularly"));
    }
    Ok(bytes.to_vec())
}

/// Reads a key block: header lines and surrounding white space are allowed, because a key's
/// content is protected by its fingerprint and self-signatures.
pub(super) fn decode_key(text: &str, kind: Kind) -> Result<Zeroizing<Vec<u8>>, ArmorError> {
    let lines: Vec<&str> = text.trim().lines().map(str::trim_end).collect();
    let body = block(&lines, kind)?;
    let blank = body.iter().position(|line| line.is_empty());
    let (headers, rest) = body.split_at(blank.unwrap_or(0));
    if !headers.iter().all(|line| line.contains(": ")) {
        return Err(ArmorError::Malformed(
            "no empty line after the armor headers",
        ));
    }
    let data = rest.strip_prefix(&[""]).unwrap_or(rest);
    let (data, checksum) = split_checksum(data);
    let bytes = base64_lines(data)?;
    check_crc(&bytes, checksum)?;
    Ok(bytes)
}

pub(super) fn encode(kind: Kind, bytes: &[u8]) -> String {
    encode_with(kind, bytes, LINE_WIDTH, true)
}

fn encode_with(kind: Kind, bytes: &[u8], width: usize, checksum: bool) -> String {
    let mut out = kind.begin();
    out.push_str("\n\n");
    let base64 = STANDARD.encode(bytes);
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, tail) = rest.split_at_checked(width.max(1)).unwrap_or((rest, ""));
        out.push_str(line);
        out.push('\n');
        rest = tail;
    }
    if checksum {
        out.push('=');
        out.push_str(&crc24_base64(bytes));
        out.push('\n');
    }
    out.push_str(&kind.end());
    out.push('\n');
    out
}

fn unix_line_ends(text: &str) -> Result<String, ArmorError> {
    let crlf = text.matches("\r\n").count();
    let mixed = crlf != 0 && crlf != text.matches('\n').count();
    let unix = text.replace("\r\n", "\n");
    if mixed || unix.contains('\r') {
        return Err(ArmorError::Malformed("mixed line ends"));
    }
    Ok(unix)
}

/// The lines between the one BEGIN and the one END line.
fn block<'a, 'b>(lines: &'a [&'b str], kind: Kind) -> Result<&'a [&'b str], ArmorError> {
    let [first, body @ .., last] = lines else {
        return Err(ArmorError::NotArmored);
    };
    let Some(found) = Kind::ALL.into_iter().find(|k| *first == k.begin()) else {
        return Err(ArmorError::NotArmored);
    };
    if found != kind {
        return Err(ArmorError::WrongKind(found));
    }
    if body.iter().any(|line| line.contains("-----BEGIN ")) {
        return Err(ArmorError::SeveralBlocks);
    }
    if *last != kind.end() || body.iter().any(|line| line.starts_with('-')) {
        return Err(ArmorError::Malformed(
            "text outside the block, or no END line",
        ));
    }
    Ok(body)
}

fn split_checksum<'a, 'b>(lines: &'a [&'b str]) -> (&'a [&'b str], Option<&'b str>) {
    match lines {
        [data @ .., last] if last.starts_with('=') => (data, last.strip_prefix('=')),
        _ => (lines, None),
    }
}

fn base64_lines(lines: &[&str]) -> Result<Zeroizing<Vec<u8>>, ArmorError> {
    let joined = Zeroizing::new(lines.concat());
    STANDARD
        .decode(joined.as_bytes())
        .map(Zeroizing::new)
        .map_err(|_| ArmorError::Malformed("the Base64 text is damaged"))
}

fn check_crc(bytes: &[u8], checksum: Option<&str>) -> Result<(), ArmorError> {
    match checksum {
        Some(given) if given != crc24_base64(bytes) => {
            Err(ArmorError::Malformed("the checksum line does not fit"))
        }
        _ => Ok(()),
    }
}

/// CRC-24 of RFC 9580 §6.1.1, as the four characters of the checksum line.
fn crc24_base64(bytes: &[u8]) -> String {
    let mut crc: u32 = 0x00B7_04CE;
    for byte in bytes {
        crc ^= u32::from(*byte) << 16;
        for _ in 0..8 {
            crc <<= 1;
            if crc & 0x0100_0000 != 0 {
                crc ^= 0x0186_4CFB;
            }
        }
    }
    let [_, octets @ ..] = crc.to_be_bytes();
    STANDARD.encode(octets)
}
