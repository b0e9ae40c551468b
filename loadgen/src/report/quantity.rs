//! Figures with their units, as people read them.

/// What a figure counts, and in what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// A duration in µs.
    Time,
    /// How many.
    Count,
    /// How many a second.
    PerSecond,
    /// Bytes.
    Bytes,
    /// Bytes a second.
    BytesPerSecond,
    /// Hundredths.
    Percent,
    /// A part of 1.
    Share,
}

impl Unit {
    /// A figure with its unit, three significant digits or so.
    pub(crate) fn show(self, value: f64) -> String {
        if !value.is_finite() {
            return "–".to_owned();
        }
        match self {
            Self::Time => scaled(value, &[(1e6, " s"), (1e3, " ms"), (1.0, " µs")]),
            Self::Count => plain(value),
            Self::PerSecond => format!("{}/s", plain(value)),
            Self::Bytes => scaled(value, BYTES),
            Self::BytesPerSecond => format!("{}/s", scaled(value, BYTES)),
            Self::Percent => format!("{} %", digits(value)),
            Self::Share => format!("{} %", digits(value * 100.0)),
        }
    }

    /// The same, or a dash for what is not known.
    pub(crate) fn show_if(self, value: Option<f64>) -> String {
        value.map_or_else(|| "–".to_owned(), |value| self.show(value))
    }
}

const BYTES: &[(f64, &str)] = &[(1e9, " GB"), (1e6, " MB"), (1e3, " kB"), (1.0, " B")];

/// In the largest of the units, largest first, that it has one of.
fn scaled(value: f64, units: &[(f64, &str)]) -> String {
    let smallest = units.last().expect("there are units");
    let (size, name) = units.iter().find(|(size, _)| value.abs() >= *size).unwrap_or(smallest);
    format!("{}{name}", digits(value / size))
}

/// Whole if it is large, in thousands with a thin gap.
fn plain(value: f64) -> String {
    if value.abs() < 100.0 {
        return digits(value);
    }
    let whole = format!("{:.0}", value.abs().min(1e18));
    let mut out = String::from(if value < 0.0 { "-" } else { "" });
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) && whole.len() > 4 {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// Three significant digits, without zeros that say nothing.
fn digits(value: f64) -> String {
    let magnitude = value.abs();
    if magnitude >= 1e9 {
        return format!("{value:.2e}");
    }
    let places = if magnitude >= 100.0 {
        0
    } else if magnitude >= 10.0 {
        1
    } else {
        2
    };
    let text = format!("{value:.places$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn figures_read_well() {
        for (unit, value, text) in [
            (Unit::Time, 12_345.0, "12.3 ms"),
            (Unit::Time, 0.0, "0 µs"),
            (Unit::Time, -1_500_000.0, "-1.5 s"),
            (Unit::Count, 7.0, "7"),
            (Unit::Count, 1_234_567.0, "1\u{202f}234\u{202f}567"),
            (Unit::PerSecond, 1_500.0, "1500/s"),
            (Unit::BytesPerSecond, 2_500_000.0, "2.5 MB/s"),
            (Unit::Percent, 12.0, "12 %"),
            (Unit::Share, 0.995, "99.5 %"),
            (Unit::Share, f64::NAN, "–"),
        ] {
            assert_eq!(unit.show(value), text);
        }
        assert_eq!(Unit::Bytes.show_if(None), "–");
    }

    proptest! {
        #[test]
        fn every_figure_is_short(value in any::<f64>()) {
            for unit in [Unit::Time, Unit::Count, Unit::PerSecond, Unit::Bytes, Unit::Percent, Unit::Share] {
                prop_assert!(unit.show(value).chars().count() <= 32, "{}", unit.show(value));
            }
        }
    }
}
