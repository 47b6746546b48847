//! Latencies in logarithmic buckets: 32 to each doubling, so that a quantile is within about 3 % of the truth.

use std::time::Duration;

const BITS: u32 = 5;
const STEPS: usize = 1 << BITS;

#[derive(Debug, Clone)]
pub struct Histogram {
    buckets: Vec<u64>,
    count: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: vec![0; STEPS * (64 - BITS as usize + 1)], count: 0 }
    }
}

impl Histogram {
    pub fn record(&mut self, latency: Duration) {
        self.buckets[bucket(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX))] += 1;
        self.count += 1;
    }

    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.count += other.count;
    }

    /// The latency that the share `quantile` (0 to 1) stays under; zero when nothing was counted.
    pub fn quantile(&self, quantile: f64) -> Duration {
        let rank = (self.count as f64 * quantile).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Duration::from_nanos(upper(index));
            }
        }
        Duration::ZERO
    }
}

/// The bucket of a number of nanoseconds: its highest bit, then the next [`BITS`] bits.
fn bucket(nanoseconds: u64) -> usize {
    if nanoseconds < STEPS as u64 {
        return nanoseconds as usize;
    }
    let shift = nanoseconds.ilog2() - BITS;
    (shift as usize + 1) * STEPS + ((nanoseconds >> shift) as usize - STEPS)
}

/// The largest number of nanoseconds in a bucket.
fn upper(index: usize) -> u64 {
    if index < STEPS {
        return index as u64;
    }
    let shift = index / STEPS - 1;
    (((STEPS + index % STEPS) as u64 + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_lies_in_its_bucket_and_within_three_percent_of_its_edge() {
        for number in [0, 1, 31, 32, 33, 63, 64, 1_000, 123_456, 10_000_000_000] {
            let edge = upper(bucket(number));
            assert!(edge >= number && edge - number <= number / 32 + 1, "{number} is reported as {edge}");
        }
    }

    #[test]
    fn quantiles_are_those_of_what_was_recorded() {
        let mut histogram = Histogram::default();
        for milliseconds in 1..=100 {
            histogram.record(Duration::from_millis(milliseconds));
        }
        for (quantile, milliseconds) in [(0.5, 50.0), (0.99, 99.0), (1.0, 100.0)] {
            let found = histogram.quantile(quantile).as_secs_f64() * 1e3;
            assert!((found / milliseconds - 1.0).abs() < 0.04, "{quantile}: {found} ms");
        }
    }
}
