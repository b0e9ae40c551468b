//! Is a difference between two runs more than their noise?
//!
//! Both runs tell their figures interval by interval. The medians of the intervals are compared, because a single
//! stall moves a mean and a maximum, and a median hardly. How far a median may be off follows from how the intervals
//! scatter: its standard error is `1.2533 · σ / √n`, with σ = interquartile range / 1.349 as of a normal
//! distribution (where the middle half is all alike, σ is the standard deviation), and with fewer intervals than there
//! are when neighbours resemble each other: `n · (1 - r) / (1 + r)`, r being the autocorrelation of neighbours. Two
//! medians differ beyond the noise when they lie more than three standard errors of the difference apart, and more
//! than what the intervals' histograms resolve. What differs from run to run for reasons that do not show within one,
//! such as where a process's memory came to lie, is not in this: only repeated runs would tell.

/// Fewer intervals than this tell nothing about the noise.
pub(crate) const INTERVALS_MIN: usize = 5;
/// So many standard errors apart is beyond the noise: by chance it happens less than once in 300 comparisons.
const STANDARD_ERRORS: f64 = 3.0;
/// The standard error of a median, in that of a mean.
const MEDIAN_ERROR: f64 = 1.2533;
/// The interquartile range of a normal distribution, in standard deviations.
const NORMAL_RANGE: f64 = 1.349;
/// Beyond it neighbours are nearly the same, and n/19 intervals are left.
const AUTOCORRELATION_MAX: f64 = 0.9;
/// No figure is that large; what a broken report says beyond it would overflow.
const VALUE_MAX: f64 = 1e30;

/// How the intervals of one run scatter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    /// A quarter of the intervals is below the first, a quarter above the second.
    pub(crate) quartiles: (f64, f64),
    /// Of the median.
    pub(crate) standard_error: f64,
}

impl Spread {
    /// Of the values of a run's intervals, in their order; `None` when they are too few.
    #[expect(clippy::cast_precision_loss, reason = "a run has some thousand intervals at most")]
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let values: Vec<f64> = values.filter(|value| value.abs() < VALUE_MAX).collect();
        if values.len() < INTERVALS_MIN {
            return None;
        }
        let mut sorted = values.clone();
        sorted.sort_by(f64::total_cmp);
        let (low, median, high) = (quantile(&sorted, 0.25), quantile(&sorted, 0.5), quantile(&sorted, 0.75));
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let products: f64 = values.windows(2).map(|pair| (pair[0] - mean) * (pair[1] - mean)).sum();
        let alike = if squares > 0.0 { (products / squares).clamp(0.0, AUTOCORRELATION_MAX) } else { 0.0 };
        let sigma = if high > low { (high - low) / NORMAL_RANGE } else { (squares / (count - 1.0)).sqrt() };
        let independent = count * (1.0 - alike) / (1.0 + alike);
        let standard_error = MEDIAN_ERROR * sigma / independent.sqrt();
        Some(Self { median, quartiles: (low, high), standard_error })
    }
}

/// Between the two neighbours of its place.
#[expect(clippy::cast_precision_loss, reason = "a run has some thousand intervals at most")]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place within the slice")]
fn quantile(sorted: &[f64], quantile: f64) -> f64 {
    let place = (sorted.len() - 1) as f64 * quantile;
    let (below, part) = (place.floor() as usize, place.fract());
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * part
}

/// What the noise says about a difference.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Judgement {
    /// The medians of the intervals differ by no more than this.
    Within { noise: f64 },
    /// They differ by more than this.
    Beyond { noise: f64 },
    /// The figure is told once a run, or there are too few intervals.
    Unknown,
}

impl Judgement {
    /// Of two runs. `resolution`: what a value may be off because of how it was recorded, of the value.
    pub(crate) fn of(a: Option<Spread>, b: Option<Spread>, resolution: f64) -> Self {
        let (Some(a), Some(b)) = (a, b) else { return Self::Unknown };
        let error = STANDARD_ERRORS * a.standard_error.hypot(b.standard_error);
        let noise = error.max(resolution * a.median.abs().max(b.median.abs()));
        if (b.median - a.median).abs() <= noise { Self::Within { noise } } else { Self::Beyond { noise } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spread(values: &[f64]) -> Option<Spread> {
        Spread::of(values.iter().copied())
    }

    #[test]
    fn few_intervals_tell_nothing() {
        assert_eq!(spread(&[1.0; 4]), None);
        assert_eq!(spread(&[1.0, 2.0, f64::NAN, f64::INFINITY, 1e300, 3.0, 4.0]), None);
        assert_eq!(Judgement::of(None, spread(&[1.0; 9]), 0.0), Judgement::Unknown);
    }

    #[test]
    fn the_textbook_spread() {
        let found = spread(&[9.0, 1.0, 7.0, 3.0, 5.0, 2.0, 8.0, 4.0, 6.0]).unwrap();
        assert!((found.median - 5.0).abs() < 1e-12 && found.quartiles == (3.0, 7.0), "{found:?}");
        let independent = 1.2533 * (4.0 / 1.349) / 3.0;
        assert!(
            (found.standard_error - independent).abs() < 1e-9,
            "neighbours here do not resemble: {found:?}"
        );
        let rising = spread(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]).unwrap();
        assert!(rising.standard_error > 1.5 * independent, "{rising:?}");
    }

    #[test]
    fn a_stall_in_a_constant_run_is_some_noise() {
        let mut values = [10.0; 20];
        values[7] = 100.0;
        assert!(spread(&values).unwrap().standard_error > 0.0);
        assert!(matches!(
            Judgement::of(spread(&[10.0; 20]), spread(&[10.1; 20]), 0.0),
            Judgement::Beyond { .. }
        ));
        assert!(matches!(
            Judgement::of(spread(&[10.0; 20]), spread(&[10.1; 20]), 0.01),
            Judgement::Within { .. }
        ));
    }

    proptest! {
        #[test]
        fn noise_is_reckoned_alike_both_ways_and_in_every_unit(
            a in prop::collection::vec(1.0..100.0_f64, 5..60),
            b in prop::collection::vec(1.0..100.0_f64, 5..60),
            scale in 0.001..1_000.0_f64,
        ) {
            let is_beyond = |a: &[f64], b: &[f64]| matches!(Judgement::of(spread(a), spread(b), 0.01), Judgement::Beyond { .. });
            prop_assert!(!is_beyond(&a, &a));
            prop_assert_eq!(is_beyond(&a, &b), is_beyond(&b, &a));
            let times = |values: &[f64], by: f64| values.iter().map(|value| value * by).collect::<Vec<_>>();
            let (Judgement::Within { noise } | Judgement::Beyond { noise }) = Judgement::of(spread(&a), spread(&b), 0.01)
            else { return Err(TestCaseError::fail("there are enough intervals")) };
            let (scaled_a, scaled_b) = (spread(&times(&a, scale)), spread(&times(&b, scale)));
            let (Judgement::Within { noise: scaled } | Judgement::Beyond { noise: scaled }) =
                Judgement::of(scaled_a, scaled_b, 0.01)
            else { return Err(TestCaseError::fail("there are enough intervals")) };
            prop_assert!((scaled - noise * scale).abs() <= 1e-9 * scaled.max(1e-9), "{scaled} {noise} {scale}");
            // The whole range is more than any standard error here, three of them and the resolution too.
            let far = a.iter().map(|value| value + 2_000.0).collect::<Vec<_>>();
            prop_assert!(is_beyond(&a, &far));
        }

        #[test]
        fn no_values_panic(values in prop::collection::vec(any::<f64>(), 0..40)) {
            let found = spread(&values);
            if let Some(found) = found {
                prop_assert!(found.standard_error.is_finite() && found.median.is_finite());
            }
            let is_beyond = matches!(Judgement::of(found, found, 0.01), Judgement::Beyond { .. });
            prop_assert!(!is_beyond);
        }
    }
}
