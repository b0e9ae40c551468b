//! Axes: from a figure to its place, 0 to 1, and the places that are labelled.

/// Labels of an axis, about.
const TICKS: f64 = 5.0;
/// What lies beyond cannot be drawn, and no figure of a run does.
const VALUE_MAX: f64 = 1e18;
/// Decades of a logarithmic axis at most; what is smaller lies at its end.
const DECADES_MAX: i32 = 9;

/// One axis.
#[derive(Clone, Debug)]
pub(super) struct Scale {
    from: f64,
    to: f64,
    is_logarithmic: bool,
    /// The places that are labelled.
    pub(super) ticks: Vec<(f64, String)>,
}

impl Scale {
    /// From 0 to somewhat more than the largest of the values, so that no line lies on the edge.
    pub(super) fn linear(values: impl Iterator<Item = f64>, show: impl Fn(f64) -> String) -> Self {
        let most = values.filter(|value| is_drawn(*value)).fold(0.0, f64::max);
        let most = if most > 1e-9 { most } else { 1.0 };
        let step = nice(most / TICKS);
        let to = (most * 1.04).max((most / step).ceil() * step);
        let mut scale = Self { from: 0.0, to, is_logarithmic: false, ticks: Vec::new() };
        scale.label((0..=20).map(|at| f64::from(at) * step), show);
        scale
    }

    /// From 0 to exactly the largest of the values: time.
    pub(super) fn time(to: f64, show: impl Fn(f64) -> String) -> Self {
        let to = if is_drawn(to) && to > 1e-9 { to } else { 1.0 };
        let step = nice(to / TICKS);
        let mut scale = Self { from: 0.0, to, is_logarithmic: false, ticks: Vec::new() };
        scale.label((0..=20).map(|at| f64::from(at) * step), show);
        scale
    }

    /// Over the decades that the values lie in.
    pub(super) fn logarithmic(values: impl Iterator<Item = f64>, show: impl Fn(f64) -> String) -> Self {
        let (mut least, mut most) = (f64::MAX, 0.0_f64);
        for value in values.filter(|value| is_drawn(*value) && *value > 0.0) {
            (least, most) = (least.min(value), most.max(value));
        }
        if most <= 0.0 {
            (least, most) = (1.0, 10.0);
        }
        let least = least.max(most / 10_f64.powi(DECADES_MAX)).max(1e-9);
        // Ends at 1, 2 or 5 of a decade, so that a distribution within one decade fills the drawing, too.
        let marks: Vec<f64> =
            (-10..=19).flat_map(|decade| [1.0, 2.0, 5.0].map(|step| step * 10_f64.powi(decade))).collect();
        let from = marks.iter().rev().find(|mark| **mark <= least).copied().unwrap_or(1e-10);
        let to = marks.iter().find(|mark| **mark >= most && **mark > from).copied().unwrap_or(5e19);
        let mut scale = Self { from, to, is_logarithmic: true, ticks: Vec::new() };
        let is_wide = to / from > 200.0;
        let labelled = marks.into_iter().enumerate().filter(|(at, _)| !is_wide || at % 3 == 0);
        scale.label(labelled.map(|(_, mark)| mark), show);
        scale
    }

    /// Percentiles as 1 / (1 - p): each further nine is as wide as the last. `most`: the largest of those.
    pub(super) fn percentiles(most: f64) -> Self {
        let to = if is_drawn(most) { most.clamp(10.0, 1e12) } else { 10.0 };
        let mut scale = Self { from: 1.0, to, is_logarithmic: true, ticks: Vec::new() };
        let nines = [
            (1.0, "0"),
            (2.0, "50"),
            (10.0, "90"),
            (1e2, "99"),
            (1e3, "99.9"),
            (1e4, "99.99"),
            (1e5, "99.999"),
            (1e6, "99.9999"),
            (1e7, "7 nines"),
            (1e8, "8 nines"),
        ];
        // Where the decades lie close there is no room for the half.
        let wanted = nines.iter().filter(|(value, _)| *value <= to && (*value != 2.0 || to < 1e4));
        scale.ticks =
            wanted.filter_map(|(value, name)| Some((scale.place(*value)?, (*name).to_owned()))).collect();
        if scale.ticks.len() > 6 {
            let mut at = 0;
            scale.ticks.retain(|_| {
                at += 1;
                at % 2 == 1
            });
        }
        scale
    }

    /// Where a value lies; what is beyond the ends lies at them. `None`: nowhere.
    pub(super) fn place(&self, value: f64) -> Option<f64> {
        if !is_drawn(value) {
            return None;
        }
        let place = if self.is_logarithmic {
            (value.max(self.from).ln() - self.from.ln()) / (self.to.ln() - self.from.ln())
        } else {
            (value - self.from) / (self.to - self.from)
        };
        place.is_finite().then(|| place.clamp(0.0, 1.0))
    }

    fn label(&mut self, values: impl Iterator<Item = f64>, show: impl Fn(f64) -> String) {
        let (from, to) = (self.from * (1.0 - 1e-9), self.to * (1.0 + 1e-9));
        self.ticks = values
            .filter(|value| *value >= from && *value <= to)
            .filter_map(|value| Some((self.place(value)?, show(value))))
            .collect();
    }
}

fn is_drawn(value: f64) -> bool {
    value.abs() <= VALUE_MAX
}

/// The next 1, 2 or 5 of a decade.
fn nice(least: f64) -> f64 {
    let decade = 10_f64.powf(least.log10().floor());
    [1.0, 2.0, 5.0, 10.0].into_iter().map(|step| step * decade).find(|step| *step >= least).unwrap_or(least)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_axis_is_labelled_at_round_places() {
        let names =
            |scale: &Scale| scale.ticks.iter().map(|(_, name)| name.clone()).collect::<Vec<_>>().join(" ");
        let show = |value: f64| format!("{value}");
        assert_eq!(names(&Scale::linear([3.0, 87.0].into_iter(), show)), "0 20 40 60 80 100");
        assert_eq!(names(&Scale::time(17.0, show)), "0 5 10 15");
        assert_eq!(names(&Scale::logarithmic([3.0, 40_000.0].into_iter(), show)), "10 100 1000 10000");
        assert_eq!(names(&Scale::logarithmic([30.0, 31.0].into_iter(), show)), "20 50");
        assert_eq!(names(&Scale::percentiles(5_000.0)), "0 50 90 99 99.9");
    }

    proptest! {
        #[test]
        fn every_axis_has_labels_and_a_place_for_everything(
            values in prop::collection::vec(any::<f64>(), 0..8),
            value in any::<f64>(),
        ) {
            let show = |value: f64| format!("{value:.1}");
            for scale in [
                Scale::linear(values.iter().copied(), show),
                Scale::time(value, show),
                Scale::logarithmic(values.iter().copied(), show),
                Scale::percentiles(value),
            ] {
                prop_assert!((2..=31).contains(&scale.ticks.len()), "{scale:?}");
                prop_assert!(scale.ticks.iter().all(|(place, _)| (0.0..=1.0).contains(place)));
                prop_assert!(scale.place(value).is_none_or(|place| (0.0..=1.0).contains(&place)));
            }
        }
    }
}
