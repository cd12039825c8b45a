//! Observations by size: a fixed list of bounds, a count for each. Observing is two additions.

use crate::counts::Count;

/// Bounds for the time that an answer takes, in microseconds: from what memory gives to what a big upload takes.
pub(crate) const ANSWERS: [u64; 13] =
    [250, 500, 1000, 2500, 5000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000];

/// Bounds for how long an object was not used, in milliseconds: a minute, an hour, six, a day, three, a week, a month.
pub(crate) const AGES: [u64; 7] = [60_000, 3_600_000, 21_600_000, 86_400_000, 259_200_000, 604_800_000, 2_592_000_000];

/// Observations of whole units, `N` bounds of them, each with those up to it that are above the one before.
#[derive(Debug)]
pub(crate) struct Histogram<const N: usize> {
    bounds: &'static [u64; N],
    counts: [Count; N],
    beyond: Count,
    sum: Count,
}

/// What a histogram has seen, in seconds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Seen {
    pub(crate) sum: f64,
    pub(crate) count: u64,
    /// The upper bound of each bucket, and how many are in it and in none before.
    pub(crate) buckets: Vec<(f64, u64)>,
}

impl<const N: usize> Histogram<N> {
    pub(crate) fn new(bounds: &'static [u64; N]) -> Self {
        Self {
            bounds,
            counts: std::array::from_fn(|_| Count::default()),
            beyond: Count::default(),
            sum: Count::default(),
        }
    }

    pub(crate) fn observe(&self, value: u64) {
        let bucket = self.bounds.partition_point(|bound| *bound < value);
        self.counts.get(bucket).unwrap_or(&self.beyond).one();
        self.sum.add(value);
    }

    /// The same with `per_second` units to the second.
    pub(crate) fn seen(&self, per_second: f64) -> Seen {
        let bounds = self.bounds.iter().map(|bound| *bound as f64 / per_second).chain([f64::INFINITY]);
        let counts = self.counts.iter().chain([&self.beyond]).map(Count::get);
        let buckets: Vec<_> = bounds.zip(counts).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        Seen { sum: self.sum.get() as f64 / per_second, count, buckets }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_in_the_first_bucket_that_reaches_it() {
        let histogram = Histogram::new(&ANSWERS);
        for value in [0, 250, 251, 2_500_000, 2_500_001, 60_000_000] {
            histogram.observe(value);
        }
        let seen = histogram.seen(1e6);
        assert_eq!(seen.count, 6);
        assert_eq!((seen.buckets[0], seen.buckets[1]), ((0.000_25, 2), (0.000_5, 1)));
        assert_eq!((seen.buckets[12], seen.buckets[13]), ((2.5, 1), (f64::INFINITY, 2)));
        assert!((seen.sum - 65.000_502).abs() < 1e-9, "{}", seen.sum);
    }
}
