//! The text of a key: `{service}_{type}_{64 hex digits}`.

use crate::auth::PrincipalKind;
use crate::auth::bearer::SERVICE_TYPE;
use crate::digest::sha256_hex;
use crate::ports::{Entropy, EntropyError};
use crate::validation::printable_if_some;

const USER_STEM: &str = "chitty_key";
const DEFAULT_SERVICE: &str = "chittymcp";
/// Digits that a list shows, enough to tell keys apart.
const SHOWN_DIGITS: usize = 6;

/// A new key.
pub(super) struct KeyText {
    pub token: String,
    /// SHA-256, lower-case hex.
    pub hash: String,
    /// What lists show of it.
    pub prefix: String,
}

impl KeyText {
    /// Under `stem`, such as `chitty_key`.
    pub fn draw(stem: &str, entropy: &dyn Entropy) -> Result<Self, EntropyError> {
        let mut random = [0; 32];
        entropy.fill(&mut random)?;
        let digits = hex::encode(random);
        let token = format!("{stem}_{digits}");
        Ok(Self {
            hash: sha256_hex(&token),
            prefix: token.chars().take(stem.len() + 1 + SHOWN_DIGITS).collect(),
            token,
        })
    }
}

/// What stands before the digits of a new key.
pub(super) fn stem(kind: PrincipalKind, service: Option<&str>) -> String {
    match kind {
        PrincipalKind::User => USER_STEM.to_owned(),
        PrincipalKind::Service => {
            format!("{}_{SERVICE_TYPE}", service.unwrap_or(DEFAULT_SERVICE))
        }
    }
}

/// The stem of a key on file and its kind, from its prefix.
pub(super) fn stem_of(prefix: &str) -> Option<(&str, PrincipalKind)> {
    let (stem, _digits) = prefix.rsplit_once('_')?;
    let (_service, kind) = stem.split_once('_')?;
    if kind.is_empty() || kind.contains('_') {
        return None;
    }
    let kind = match kind {
        SERVICE_TYPE => PrincipalKind::Service,
        _ => PrincipalKind::User,
    };
    Some((stem, kind))
}

/// Lower-case letters, digits and hyphens: a part of a key, or a platform.
#[expect(
    clippy::trivially_copy_pass_by_ref,
    clippy::ref_option,
    reason = "garde's form"
)]
pub(super) fn label_if_some(text: &Option<String>, context: &()) -> garde::Result {
    printable_if_some(text, context)?;
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    match text {
        Some(text) if !text.bytes().all(allowed) => Err(garde::Error::new(
            "must be lower-case letters, digits and hyphens",
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::FakeEntropy;

    #[test]
    fn a_key_has_its_form_and_its_prefix_tells_the_kind() {
        let entropy = FakeEntropy::default();
        for (kind, service, start) in [
            (PrincipalKind::User, None, "chitty_key_"),
            (PrincipalKind::Service, None, "chittymcp_service_"),
            (
                PrincipalKind::Service,
                Some("chitty-registry1"),
                "chitty-registry1_service_",
            ),
        ] {
            let stem = stem(kind, service);
            let text = KeyText::draw(&stem, &entropy).unwrap();
            let digits = text.token.strip_prefix(start).unwrap();
            assert_eq!(digits.len(), 64);
            assert_eq!(text.prefix.len(), start.len() + SHOWN_DIGITS);
            assert!(text.token.starts_with(&text.prefix) && text.prefix.len() <= 32);
            assert_eq!(stem_of(&text.prefix), Some((stem.as_str(), kind)));
            let header = format!("Bearer {}", text.token);
            let presented = crate::auth::bearer::presented(Some(&header)).unwrap();
            assert_eq!(hex::encode(presented.hash), text.hash);
            assert_eq!(presented.form, crate::auth::bearer::Form::Key(kind));
        }
    }

    #[test]
    fn other_prefixes_tell_nothing() {
        for prefix in ["", "chitty", "chitty_key", "a_b_c_d", "a__d"] {
            assert_eq!(stem_of(prefix), None, "{prefix}");
        }
    }
}
