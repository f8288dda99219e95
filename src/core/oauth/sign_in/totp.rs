//! Time-based one-time passwords (RFC 6238): SHA-1, six digits, 30 seconds, which is what
//! authenticator apps take.

use totp_rs::{Algorithm, TOTP};
use url::form_urlencoded::byte_serialize;

use crate::oauth::pages::PRODUCT;
use crate::secret::same;

pub(super) const SECRET_BYTES: usize = 20;
const STEP_S: i64 = 30;
const DIGITS: usize = 6;
/// Clocks differ (RFC 6238 section 5.2): one step to either side.
const SLACK: i64 = 1;

fn generator(secret: &[u8]) -> TOTP {
    TOTP::new_unchecked(
        Algorithm::SHA1,
        DIGITS,
        0,
        STEP_S.unsigned_abs(),
        secret.to_vec(),
    )
}

/// The time step whose code this is, if it comes after `last_step`.
pub(super) fn matching_step(secret: &[u8], code: &str, now_ms: i64, last_step: i64) -> Option<i64> {
    let digits: String = code.chars().filter(|c| *c != ' ').collect();
    let generator = generator(secret);
    let now = now_ms.div_euclid(1000).div_euclid(STEP_S);
    let mut found = None;
    for step in now - SLACK..=now + SLACK {
        let Ok(at_s) = u64::try_from(step * STEP_S) else {
            continue;
        };
        let matches = same(generator.generate(at_s).as_bytes(), digits.as_bytes());
        if matches && step > last_step {
            found = Some(step);
        }
    }
    found
}

/// RFC 4648 base32, in groups of four for people who type it.
pub(super) fn readable(secret: &[u8]) -> String {
    let text = generator(secret).get_secret_base32();
    let chars: Vec<_> = text.chars().collect();
    let groups: Vec<String> = chars
        .chunks(4)
        .map(|group| group.iter().collect())
        .collect();
    groups.join(" ")
}

/// What authenticator apps read from a QR code.
pub(super) fn url(secret: &[u8], host: &str, person: &str) -> String {
    let quoted = |text: &str| {
        byte_serialize(text.as_bytes())
            .collect::<String>()
            .replace('+', "%20")
    };
    let issuer = quoted(&format!("{PRODUCT} {host}"));
    let secret = generator(secret).get_secret_base32();
    format!(
        "otpauth://totp/{issuer}:{}?secret={secret}&issuer={issuer}&algorithm=SHA1&digits={DIGITS}&period={STEP_S}",
        quoted(person)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &[u8] = b"12345678901234567890";

    #[test]
    fn codes_are_those_of_rfc_6238_appendix_b() {
        for (at_s, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            let step = matching_step(SECRET, code, at_s * 1000, 0);
            assert_eq!(step, Some(at_s / 30), "{at_s}");
        }
    }

    #[test]
    fn one_step_to_either_side_and_none_twice() {
        let at_ms = 1_111_111_111_000;
        let step = at_ms / 30_000;
        for (moved_s, found) in [
            (-60, None),
            (-30, Some(step)),
            (0, Some(step)),
            (30, Some(step)),
            (60, None),
        ] {
            let got = matching_step(SECRET, "050471", at_ms + moved_s * 1000, 0);
            assert_eq!(got, found, "{moved_s}");
        }
        assert_eq!(matching_step(SECRET, "050471", at_ms, step - 1), Some(step));
        assert_eq!(matching_step(SECRET, "050471", at_ms, step), None);
        assert_eq!(matching_step(SECRET, "050 471", at_ms, 0), Some(step));
        for wrong in ["", "05047", "0504711", "050472", "０５０４７１"] {
            assert_eq!(matching_step(SECRET, wrong, at_ms, 0), None, "{wrong}");
        }
    }

    #[test]
    fn apps_and_people_can_read_the_secret() {
        assert_eq!(readable(SECRET), "GEZD GNBV GY3T QOJQ GEZD GNBV GY3T QOJQ");
        assert_eq!(
            url(SECRET, "mcp.test", "a b&secret=x"),
            "otpauth://totp/ChittyMCP%20mcp.test:a%20b%26secret%3Dx\
             ?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=ChittyMCP%20mcp.test\
             &algorithm=SHA1&digits=6&period=30"
        );
    }
}
