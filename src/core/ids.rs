//! Ids: UUID version 7 (RFC 9562 section 5.7), so rows sort by time of making.

use uuid::{Builder, Uuid};

use crate::ports::{Clock, Entropy, EntropyError};

pub fn uuid_v7(clock: &dyn Clock, entropy: &dyn Entropy) -> Result<Uuid, EntropyError> {
    let mut random = [0; 10];
    entropy.fill(&mut random)?;
    let ms = u64::try_from(clock.now_ms()).unwrap_or(0);
    Ok(Builder::from_unix_timestamp_millis(ms, &random).into_uuid())
}

/// `0190b3c2-…`, lower case with hyphens.
pub fn plain(clock: &dyn Clock, entropy: &dyn Entropy) -> Result<String, EntropyError> {
    Ok(uuid_v7(clock, entropy)?.to_string())
}

/// `PREFIX-{uuidv7}`, such as `DECISION-0190b3c2-…`.
pub fn prefixed(
    prefix: &str,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> Result<String, EntropyError> {
    Ok(format!("{prefix}-{}", uuid_v7(clock, entropy)?))
}

/// When an id of [`plain`] was made, milliseconds since 1970 UTC (RFC 9562 section 5.7).
pub fn made_ms(id: &str) -> Option<i64> {
    let (high, rest) = id.split_once('-')?;
    let low = rest.get(..4)?;
    let well = high.len() == 8;
    let digits = format!("{high}{low}");
    i64::from_str_radix(&digits, 16).ok().filter(|_| well)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{FakeClock, FakeEntropy};

    #[test]
    fn ids_are_version_7_and_sort_by_time() {
        let (clock, entropy) = (FakeClock::at(1_795_262_349_123), FakeEntropy::default());
        let first = uuid_v7(&clock, &entropy).unwrap();
        assert_eq!(first.get_version_num(), 7);
        assert_eq!(first.get_variant(), uuid::Variant::RFC4122);
        assert!(first.to_string().starts_with("01a"));
        clock.advance(1);
        assert!(plain(&clock, &entropy).unwrap() > first.to_string());
    }

    #[test]
    fn two_ids_of_one_millisecond_differ() {
        let (clock, entropy) = (FakeClock::at(5), FakeEntropy::default());
        assert_ne!(
            plain(&clock, &entropy).unwrap(),
            plain(&clock, &entropy).unwrap()
        );
    }

    #[test]
    fn a_prefix_stands_before_the_uuid() {
        let id = prefixed("PLAN", &FakeClock::at(5), &FakeEntropy::default()).unwrap();
        assert!(Uuid::parse_str(id.strip_prefix("PLAN-").unwrap()).is_ok());
    }

    #[test]
    fn no_entropy_no_id() {
        assert!(plain(&FakeClock::at(5), &FakeEntropy::broken()).is_err());
    }
}
