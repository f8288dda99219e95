use super::bins::{Histogram, Latencies};
use super::output::{Percentiles, TokenSums, UsageSums};
use super::read::SUMS;
use crate::sql::{DatabaseError, Row};
use crate::usage::dollars;

/// Sums and histograms of one bucket, group or range.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tally {
    sums: [i64; SUMS.len()],
    pub latencies: Latencies,
}

impl Tally {
    /// Adds a row of sums.
    pub fn absorb(&mut self, row: &Row) -> Result<(), DatabaseError> {
        for (sum, column) in self.sums.iter_mut().zip(SUMS) {
            *sum = sum.saturating_add(row.int(column)?);
        }
        Ok(())
    }

    pub fn merge(&mut self, other: &Self) {
        for (sum, more) in self.sums.iter_mut().zip(other.sums) {
            *sum = sum.saturating_add(more);
        }
        self.latencies.merge(&other.latencies);
    }

    pub fn told(&self) -> UsageSums {
        let [
            attempts,
            requests,
            errors,
            messages,
            prompt,
            cached,
            cache_write,
            cache_write_1h,
            completion,
            reasoning,
            web_searches,
            nanos,
            estimated,
            unpriced,
        ] = self.sums;
        let cost_nanos = (nanos > 0 || unpriced == 0).then_some(nanos);
        UsageSums {
            requests,
            attempts,
            errors,
            error_rate: (attempts > 0).then(|| real(errors) / real(attempts)),
            messages,
            tokens: TokenSums {
                prompt,
                cached,
                cache_write,
                cache_write_1h,
                completion,
                reasoning,
                total: prompt.saturating_add(completion),
            },
            web_searches,
            cost_nanos,
            cost_usd: cost_nanos.map(dollars),
            unpriced,
            estimated,
            first_token_ms: percentiles(&self.latencies.first_token),
            total_ms: percentiles(&self.latencies.total),
            overhead_ms: percentiles(&self.latencies.overhead),
        }
    }
}

fn percentiles(histogram: &Histogram) -> Option<Percentiles> {
    Some(Percentiles {
        count: histogram.count(),
        p50: histogram.percentile(50)?,
        p95: histogram.percentile(95)?,
        p99: histogram.percentile(99)?,
    })
}

#[expect(clippy::cast_precision_loss, reason = "for people to look at")]
pub(super) fn real(count: i64) -> f64 {
    count as f64
}
