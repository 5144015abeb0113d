//! Latencies, counted in buckets of about 1.6 %.

use std::time::Duration;

/// Buckets per power of two: 2^6.
const STEPS_LOG2: u32 = 6;
const STEPS: usize = 1 << STEPS_LOG2;
/// Up to 2^40 ns, some 18 minutes; what is longer counts as that.
const OCTAVES: usize = 35;

/// How often which latency was seen.
#[derive(Clone)]
pub struct Histogram {
    buckets: Box<[u64]>,
    count: u64,
    max_ns: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: vec![0; STEPS * OCTAVES].into(), count: 0, max_ns: 0 }
    }
}

impl Histogram {
    /// Counts one.
    pub fn record(&mut self, latency: Duration) {
        let ns = u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX);
        self.max_ns = self.max_ns.max(ns);
        self.count += 1;
        self.buckets[bucket(ns).min(STEPS * OCTAVES - 1)] += 1;
    }

    /// Counts what another one counted.
    pub fn add(&mut self, other: &Self) {
        for (bucket, count) in self.buckets.iter_mut().zip(&other.buckets) {
            *bucket += count;
        }
        self.count += other.count;
        self.max_ns = self.max_ns.max(other.max_ns);
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The latency that `per_mille` of a thousand do not exceed, zero when there is none.
    pub fn quantile(&self, per_mille: u64) -> Duration {
        let wanted = (self.count * per_mille).div_ceil(1000);
        let mut seen = 0;
        for (index, count) in self.buckets.iter().enumerate() {
            seen += count;
            if *count > 0 && seen >= wanted {
                return Duration::from_nanos(upper_ns(index).min(self.max_ns));
            }
        }
        Duration::ZERO
    }
}

/// Values below [`STEPS`] have a bucket each; above, the highest bits after the first decide.
fn bucket(ns: u64) -> usize {
    let Some(octave) = (ns | 1).ilog2().checked_sub(STEPS_LOG2) else {
        return usize::try_from(ns).expect("below the number of steps");
    };
    let step = usize::try_from(ns >> octave).expect("below twice the number of steps") - STEPS;
    STEPS * (usize::try_from(octave).expect("at most 57") + 1) + step
}

/// The largest value of a bucket.
fn upper_ns(index: usize) -> u64 {
    let (octave, step) = (index / STEPS, index % STEPS);
    let Some(octave) = octave.checked_sub(1) else { return step as u64 };
    (((STEPS + step + 1) as u64) << octave) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_what_it_says() {
        for ns in (0..5000).chain([1 << 20, (1 << 20) + 1, (1 << 39) - 1]) {
            let upper = upper_ns(bucket(ns));
            assert!(upper >= ns, "{ns} above {upper}");
            assert!(upper - ns <= ns / 64, "{ns} far below {upper}");
        }
    }

    #[test]
    fn quantiles_are_those_of_the_sorted_list() {
        let mut histogram = Histogram::default();
        for us in 1..=1000 {
            histogram.record(Duration::from_micros(us));
        }
        for (per_mille, us) in [(500, 500), (990, 990), (1000, 1000)] {
            let found = histogram.quantile(per_mille).as_nanos();
            assert!(found.abs_diff(us * 1000) <= us * 1000 / 60, "{per_mille}: {found} ns");
        }
        assert_eq!(Histogram::default().quantile(500), Duration::ZERO);
    }
}
