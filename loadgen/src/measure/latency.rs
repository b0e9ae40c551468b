//! Latency histograms: fixed memory, merged as histograms, never as percentiles.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Lowest value told apart from zero, ns.
const LOWEST_NS: u64 = 1_000;
/// Highest value; anything above counts as this, ns.
const HIGHEST_NS: u64 = 120_000_000_000;
const SIGNIFICANT_DIGITS: u8 = 3;

/// A histogram of durations from 1 µs to 120 s, three significant digits, about 160 KiB.
#[derive(Clone, Debug)]
pub(crate) struct Latency {
    histogram: Histogram<u64>,
    /// The largest recording, ns. The histogram only knows the upper end of its class, which is the coarser the fewer
    /// digits it has: of the same recordings a coarse one would tell a p99 above the maximum of a fine one.
    max_ns: u64,
}

impl Default for Latency {
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(LOWEST_NS, HIGHEST_NS, SIGNIFICANT_DIGITS)
            .expect("the bounds are constants that hdrhistogram accepts");
        Self { histogram, max_ns: 0 }
    }
}

impl Latency {
    /// One with two significant digits, about 25 KiB: for what is looked at and drawn, not judged.
    pub(crate) fn coarse() -> Self {
        let histogram = Histogram::new_with_bounds(LOWEST_NS, HIGHEST_NS, 2)
            .expect("the bounds are constants that hdrhistogram accepts");
        Self { histogram, max_ns: 0 }
    }

    /// Takes one duration in.
    pub(crate) fn record(&mut self, ns: u64) {
        self.histogram.saturating_record(ns);
        self.max_ns = self.max_ns.max(ns.min(HIGHEST_NS));
    }

    /// Takes the same duration in so many times.
    pub(crate) fn record_many(&mut self, ns: u64, count: u64) {
        if count > 0 {
            self.histogram.saturating_record_n(ns, count);
            self.max_ns = self.max_ns.max(ns.min(HIGHEST_NS));
        }
    }

    /// Takes everything of `other` in.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.histogram.add(&other.histogram).expect("both have the same bounds");
        self.max_ns = self.max_ns.max(other.max_ns);
    }

    /// The figures of the report; `None` when nothing was recorded.
    pub(crate) fn percentiles(&self) -> Option<Percentiles> {
        Some(Percentiles::of(&self.histogram)?.at_most(microseconds(self.max_ns)))
    }

    /// The points of its drawing; empty when nothing was recorded.
    pub(crate) fn spectrum(&self) -> Vec<SpectrumPoint> {
        let most_us = microseconds(self.max_ns);
        let point = |point: SpectrumPoint| SpectrumPoint { value_us: point.value_us.min(most_us), ..point };
        spectrum(&self.histogram).into_iter().map(point).collect()
    }

    /// All of it, for those who write it in a format of its own.
    pub(crate) const fn histogram(&self) -> &Histogram<u64> {
        &self.histogram
    }

    /// Some quantile in ns; 0 when nothing was recorded.
    pub(crate) fn quantile_ns(&self, quantile: f64) -> u64 {
        self.histogram.value_at_quantile(quantile).min(self.max_ns)
    }
}

/// A distribution in the report, µs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Percentiles {
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    /// `None`: a report of before it was told.
    #[serde(default)]
    pub(crate) p95: Option<f64>,
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
            p95: Some(at(0.95)),
            p99: at(0.99),
            p999: at(0.999),
            max: microseconds(histogram.max()),
            count: histogram.len(),
        })
    }

    /// The same, none of them above this, us.
    fn at_most(self, us: f64) -> Self {
        Self {
            p50: self.p50.min(us),
            p90: self.p90.min(us),
            p95: self.p95.map(|p95| p95.min(us)),
            p99: self.p99.min(us),
            p999: self.p999.min(us),
            max: self.max.min(us),
            count: self.count,
        }
    }
}

/// A point of a distribution: so many recordings lie at or below this value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct SpectrumPoint {
    /// Of all recordings, percent; 100 at the largest value.
    pub(crate) percentile: f64,
    pub(crate) value_us: f64,
    /// Recordings at or below the value.
    pub(crate) count: u64,
}

/// Most points of a spectrum, give or take the steps of one halving.
const SPECTRUM_POINTS: u32 = 140;
/// Most steps of a spectrum for each halving of what lies above.
const SPECTRUM_STEPS: u32 = 8;

/// A histogram of ns as points that lie the denser the rarer the values are: a few for each halving of what lies
/// above, as its usual drawings want them.
pub(crate) fn spectrum(histogram: &Histogram<u64>) -> Vec<SpectrumPoint> {
    let Some(halvings) = histogram.len().checked_ilog2() else { return Vec::new() };
    let steps = (SPECTRUM_POINTS / (halvings + 2)).clamp(1, SPECTRUM_STEPS);
    let mut count = 0;
    let mut points: Vec<SpectrumPoint> = histogram
        .iter_quantiles(steps)
        .map(|step| {
            count += step.count_since_last_iteration();
            SpectrumPoint {
                percentile: step.quantile_iterated_to() * 100.0,
                value_us: microseconds(step.value_iterated_to().min(histogram.max())),
                count,
            }
        })
        .collect();
    // Where several percentiles meet one value, the first and the last draw the step.
    let mut kept = 0;
    for at in 0..points.len() {
        let is_between = kept >= 2
            && points.get(at + 1).is_some_and(|next| next.count == points[at].count)
            && points[kept - 1].count == points[at].count;
        if !is_between {
            points[kept] = points[at];
            kept += 1;
        }
    }
    points.truncate(kept);
    points
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
        assert!((shown.p95.unwrap() - 95_000.0).abs() < 95.0, "{shown:?}");
        assert!((shown.p99 - 99_000.0).abs() < 99.0, "{shown:?}");
        assert_eq!(shown.count, 100);
    }

    #[test]
    fn no_percentile_of_a_part_is_above_the_maximum_of_the_whole() {
        let (mut whole, mut part) = (Latency::default(), Latency::coarse());
        for ns in [535_123_456, 100_000_000] {
            whole.record(ns);
            part.record(ns);
        }
        let (mut merged, most) = (Latency::coarse(), 535_123.5);
        merged.merge(&part);
        for latency in [&whole, &part, &merged] {
            let shown = latency.percentiles().unwrap();
            assert_eq!([shown.p95, Some(shown.p99), Some(shown.p999), Some(shown.max)], [Some(most); 4]);
            assert_eq!(latency.quantile_ns(1.0), 535_123_456);
            assert!(latency.spectrum().iter().all(|point| point.value_us <= most));
        }
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
    fn a_spectrum_is_short_rises_and_ends_with_everything() {
        assert!(Latency::default().spectrum().is_empty());
        let mut latency = Latency::default();
        for count in [1_u64, 2, 1_000, 3_000_000] {
            for value in (0..count).step_by(usize::try_from(count.div_ceil(20_000)).unwrap()) {
                latency.record(1_000_000 + value * value);
            }
            latency.record(2_000_000);
            latency.histogram.record_n(2_000_000, count).unwrap();
            let points = latency.spectrum();
            assert!(points.len() <= 150, "{}", points.len());
            let last = points.last().unwrap();
            let all = latency.percentiles().unwrap();
            assert_eq!(last.count, all.count);
            assert!(
                (last.percentile - 100.0).abs() < 1e-9 && (last.value_us - all.max).abs() < 0.2,
                "{last:?}"
            );
            for pair in points.windows(2) {
                assert!(pair[0].percentile <= pair[1].percentile && pair[0].value_us <= pair[1].value_us);
                assert!(pair[0].count <= pair[1].count, "{pair:?}");
            }
        }
    }

    #[test]
    fn what_is_longer_than_the_bound_still_counts() {
        let mut latency = Latency::default();
        latency.record(u64::MAX);
        assert_eq!(latency.percentiles().unwrap().count, 1);
    }
}
