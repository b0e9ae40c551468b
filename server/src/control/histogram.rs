//! HDR histograms, turned into what the admin endpoint shows.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2Serializer};

/// Upper bounds of the exported buckets, ns: dense around the 1 ms that a tick may be late and
/// around the lengths of ticks (7.8 ms to 50 ms).
pub(super) const BOUNDS_NS: [u64; 16] = [
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    750_000,
    1_000_000,
    1_500_000,
    2_500_000,
    5_000_000,
    10_000_000,
    16_666_667,
    33_333_333,
    50_000_000,
    250_000_000,
];

/// A histogram as Prometheus wants it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Buckets {
    pub(super) sum_seconds: f64,
    pub(super) count: u64,
    /// Upper bound in seconds, and how many values lie between it and the bound before.
    pub(super) buckets: Vec<(f64, u64)>,
}

/// Sorts a histogram of ns into [`BOUNDS_NS`]. A value within the histogram's precision of a bound
/// counts as above it: never better than it was.
pub(super) fn buckets(histogram: &Histogram<u64>) -> Buckets {
    let mut counts = [0_u64; BOUNDS_NS.len() + 1];
    let mut sum_ns = 0.0;
    for step in histogram.iter_recorded() {
        let value_ns = step.value_iterated_to();
        let bucket = BOUNDS_NS.partition_point(|&bound| bound < histogram.highest_equivalent(value_ns));
        counts[bucket] += step.count_at_value();
        sum_ns += to_f64(histogram.median_equivalent(value_ns)) * to_f64(step.count_at_value());
    }
    let bounds = BOUNDS_NS.iter().map(|&bound| to_f64(bound) / 1e9).chain([f64::INFINITY]);
    Buckets { sum_seconds: sum_ns / 1e9, count: histogram.len(), buckets: bounds.zip(counts).collect() }
}

/// All values of several histograms of the same layout; `None` without any.
pub(super) fn merged<'a>(mut histograms: impl Iterator<Item = &'a Histogram<u64>>) -> Option<Histogram<u64>> {
    let mut sum = histograms.next()?.clone();
    for histogram in histograms {
        // Fails only for values that `sum` cannot hold; workers make all histograms alike.
        sum.add(histogram).ok()?;
    }
    Some(sum)
}

/// The histogram in HdrHistogram's V2 encoding, base64. Another process can subtract two of them.
pub(super) fn hdr_v2(histogram: &Histogram<u64>) -> Option<String> {
    let mut bytes = Vec::new();
    V2Serializer::new().serialize(histogram, &mut bytes).ok()?;
    Some(STANDARD.encode(bytes))
}

/// The value at a quantile, microseconds.
pub(super) fn quantile_us(histogram: &Histogram<u64>, quantile: f64) -> f64 {
    to_f64(histogram.value_at_quantile(quantile)) / 1e3
}

/// Rounds above 2^53, which is 104 days in ns: far past anything measured here.
#[expect(clippy::cast_precision_loss, reason = "rounding is harmless for what is only shown")]
fn to_f64(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use hdrhistogram::serialization::Deserializer;
    use proptest::prelude::*;

    use super::*;

    fn histogram_of(values: &[u64]) -> Histogram<u64> {
        let mut histogram = Histogram::new(3).unwrap();
        for value in values {
            histogram.record(*value).unwrap();
        }
        histogram
    }

    #[test]
    fn values_fall_into_the_bucket_whose_bound_they_do_not_pass() {
        let found = buckets(&histogram_of(&[5_000, 9_000, 20_000, 900_000, 3_000_000_000]));
        let count_at = |bound: f64| found.buckets.iter().find(|(at, _)| *at == bound).unwrap().1;
        assert_eq!(count_at(0.000_01), 2);
        assert_eq!(count_at(0.000_025), 1);
        assert_eq!(count_at(0.001), 1);
        assert_eq!(count_at(f64::INFINITY), 1);
        assert_eq!(found.count, 5);
        assert!((found.sum_seconds - 3.000_934).abs() < 0.004, "{}", found.sum_seconds);
    }

    #[test]
    fn an_empty_histogram_has_every_bucket_and_no_values() {
        let found = buckets(&histogram_of(&[]));
        assert_eq!((found.count, found.sum_seconds), (0, 0.0));
        assert_eq!(found.buckets.len(), BOUNDS_NS.len() + 1);
    }

    proptest! {
        /// Against a plain count: no bucket claims a value that its bound excludes, and what is
        /// excluded wrongly lies within the histogram's precision (0.1 %) of the bound.
        #[test]
        fn buckets_agree_with_counting(values in prop::collection::vec(0_u64..400_000_000, 0..300)) {
            let found = buckets(&histogram_of(&values));
            prop_assert_eq!(found.count, values.len() as u64);
            prop_assert_eq!(found.buckets.iter().map(|(_, count)| count).sum::<u64>(), values.len() as u64);
            let mut cumulative = 0;
            for (index, bound) in BOUNDS_NS.iter().enumerate() {
                cumulative += found.buckets[index].1;
                let at_most = values.iter().filter(|value| *value <= bound).count() as u64;
                let surely = values.iter().filter(|value| **value <= bound - bound / 500).count() as u64;
                prop_assert!(surely <= cumulative && cumulative <= at_most);
            }
        }
    }

    #[test]
    fn the_encoding_can_be_read_back_and_subtracted() {
        let before = histogram_of(&[1_000, 2_000]);
        let after = histogram_of(&[1_000, 2_000, 5_000_000]);
        let read = |histogram| {
            let bytes = STANDARD.decode(hdr_v2(histogram).unwrap()).unwrap();
            Deserializer::new().deserialize::<u64, _>(&mut bytes.as_slice()).unwrap()
        };
        let mut window = read(&after);
        window.subtract(read(&before)).unwrap();
        assert_eq!(window.len(), 1);
        assert!(quantile_us(&window, 0.5) >= 5_000.0 && quantile_us(&window, 0.5) < 5_010.0);
    }

    #[test]
    fn merging_keeps_every_value() {
        let (a, b) = (histogram_of(&[1, 2]), histogram_of(&[3]));
        assert_eq!(merged([&a, &b].into_iter()).unwrap().len(), 3);
        assert!(merged(std::iter::empty()).is_none());
    }
}
