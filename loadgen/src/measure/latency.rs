//! Latency histograms: fixed memory, merged as histograms, never as percentiles.

use hdrhistogram::Histogram;
use serde::Serialize;

/// Lowest value told apart from zero, ns.
const LOWEST_NS: u64 = 1_000;
/// Highest value; anything above counts as this, ns.
const HIGHEST_NS: u64 = 120_000_000_000;
const SIGNIFICANT_DIGITS: u8 = 3;

/// A histogram of durations from 1 µs to 120 s, three significant digits, about 160 KiB.
#[derive(Clone, Debug)]
pub(crate) struct Latency {
    histogram: Histogram<u64>,
}

impl Default for Latency {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(LOWEST_NS, HIGHEST_NS, SIGNIFICANT_DIGITS)
            .expect("the bounds are constants that hdrhistogram accepts");
        Self { histogram }
    }
}

impl Latency {
    /// One with two significant digits, about 25 KiB: for what is looked at and drawn, not judged.
    pub(crate) fn coarse() -> Self {
        let histogram = Histogram::new_with_bounds(LOWEST_NS, HIGHEST_NS, 2)
            .expect("the bounds are constants that hdrhistogram accepts");
        Self { histogram }
    }

    /// Takes one duration in.
    pub(crate) fn record(&mut self, ns: u64) {
        self.histogram.saturating_record(ns);
    }

    /// Takes everything of `other` in.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.histogram.add(&other.histogram).expect("both have the same bounds");
    }

    /// The figures of the report; `None` when nothing was recorded.
    pub(crate) fn percentiles(&self) -> Option<Percentiles> {
        Percentiles::of(&self.histogram)
    }

    /// Some quantile in ns; 0 when nothing was recorded.
    pub(crate) fn quantile_ns(&self, quantile: f64) -> u64 {
        self.histogram.value_at_quantile(quantile)
    }
}

/// A distribution in the report, µs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Percentiles {
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
    pub(crate) count: u64,
}

impl Percentiles {
    /// The figures of a histogram of ns; `None` when it is empty.
    pub(crate) fn of(histogram: &Histogram<u64>) -> Option<Self> {
        let at = |quantile| microseconds(histogram.value_at_quantile(quantile));
        (!histogram.is_empty()).then(|| Self {
            p50: at(0.50),
            p90: at(0.90),
            p99: at(0.99),
            p999: at(0.999),
            max: microseconds(histogram.max()),
            count: histogram.len(),
        })
    }
}

/// ns as µs with one decimal.
#[expect(clippy::cast_precision_loss, reason = "a duration below 2^53 ns")]
pub(crate) fn microseconds(ns: u64) -> f64 {
    (ns as f64 / 100.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_in_microseconds() {
        let mut latency = Latency::default();
        assert_eq!(latency.percentiles(), None);
        for ms in 1..=100 {
            latency.record(ms * 1_000_000);
        }
        let shown = latency.percentiles().unwrap();
        assert!((shown.p50 - 50_000.0).abs() < 50.0, "{shown:?}");
        assert!((shown.p99 - 99_000.0).abs() < 99.0, "{shown:?}");
        assert_eq!(shown.count, 100);
    }

    #[test]
    fn merging_is_not_averaging() {
        let (mut fast, mut slow) = (Latency::default(), Latency::default());
        (0..99).for_each(|_| fast.record(1_000_000));
        slow.record(1_000_000_000);
        fast.merge(&slow);
        let shown = fast.percentiles().unwrap();
        assert!(shown.p90 < 1_100.0 && shown.max > 990_000.0, "{shown:?}");
    }

    #[test]
    fn what_is_longer_than_the_bound_still_counts() {
        let mut latency = Latency::default();
        latency.record(u64::MAX);
        assert_eq!(latency.percentiles().unwrap().count, 1);
    }
}
