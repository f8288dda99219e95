use serde_json::Value;

use super::{Decoded, JoseError};

impl Decoded {
    /// `exp`, which must be there, `nbf` and `iat` (RFC 7519 section 4.1). `leeway_ms` is how
    /// far the issuer's clock may be off.
    pub fn check_times(&self, now_ms: i64, leeway_ms: i64) -> Result<(), JoseError> {
        let expires = self.time_ms("exp")?.ok_or(JoseError::Claim("exp"))?;
        if now_ms >= expires.saturating_add(leeway_ms) {
            return Err(JoseError::Expired);
        }
        for claim in ["nbf", "iat"] {
            let from = self.time_ms(claim)?;
            if from.is_some_and(|from| now_ms < from.saturating_sub(leeway_ms)) {
                return Err(JoseError::NotYet);
            }
        }
        Ok(())
    }

    /// A `NumericDate` (RFC 7519 section 2), in milliseconds. Fractions are allowed there.
    pub fn time_ms(&self, claim: &'static str) -> Result<Option<i64>, JoseError> {
        let Some(value) = self.claims.get(claim) else {
            return Ok(None);
        };
        let ms = match value {
            Value::Number(seconds) => match seconds.as_i64() {
                Some(whole) => Some(whole.saturating_mul(1000)),
                #[expect(clippy::cast_possible_truncation, reason = "saturates")]
                None => seconds.as_f64().map(|real| (real * 1000.0) as i64),
            },
            _ => None,
        };
        ms.map(Some).ok_or(JoseError::Claim(claim))
    }
}
