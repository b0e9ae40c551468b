//! Objectives given on the command line: `p99<20ms`, `gaps==0`, `achieved>=0.99`.
//!
//! Grammar: `NAME OP NUMBER[UNIT]`, spaces allowed between the parts. Every value is kept in its
//! metric's base unit (µs, bytes, a plain number), so that checking is one comparison.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// What an objective is about. The name on the command line is [`Metric::name`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Metric {
    name: &'static str,
    unit: Unit,
    source: Source,
}

/// The unit a metric is kept in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Microseconds. Accepts `ns`, `us`, `µs`, `ms`, `s`; a bare number only where it is 0, or the metric's name has the unit.
    Time,
    /// Bytes. Accepts `B`, `kB` (1,000) and `KiB`, `MB`, `MiB`.
    Bytes,
    /// A plain number; `%` divides by 100.
    Number,
    /// How many of something; never a fraction.
    Count,
}

/// Who measures a metric: the server's own metrics cannot be judged without its admin endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The generator.
    Client,
    /// The server's admin endpoint.
    Admin,
    /// The admin endpoint or `--server-pid`.
    ServerProcess,
}

const fn metric(name: &'static str, unit: Unit, source: Source) -> Metric {
    Metric { name, unit, source }
}

/// Every metric an objective may name.
pub(crate) const METRICS: [Metric; 39] = [
    metric("p50", Unit::Time, Source::Client),
    metric("p90", Unit::Time, Source::Client),
    metric("p95", Unit::Time, Source::Client),
    metric("p99", Unit::Time, Source::Client),
    metric("p999", Unit::Time, Source::Client),
    metric("max", Unit::Time, Source::Client),
    metric("effect_p50", Unit::Time, Source::Client),
    metric("effect_p99", Unit::Time, Source::Client),
    metric("effect_max", Unit::Time, Source::Client),
    metric("interval_p50", Unit::Time, Source::Client),
    metric("interval_p99", Unit::Time, Source::Client),
    metric("interval_max", Unit::Time, Source::Client),
    metric("connect_p99", Unit::Time, Source::Client),
    metric("upgrade_p99", Unit::Time, Source::Client),
    metric("recovery_p50", Unit::Time, Source::Client),
    metric("recovery_p99", Unit::Time, Source::Client),
    metric("recovery_max", Unit::Time, Source::Client),
    metric("upgrades_per_s", Unit::Number, Source::Client),
    metric("shed", Unit::Count, Source::Client),
    metric("gaps", Unit::Count, Source::Client),
    metric("duplicates", Unit::Count, Source::Client),
    metric("reordered", Unit::Count, Source::Client),
    metric("corrupted", Unit::Count, Source::Client),
    metric("dropped", Unit::Count, Source::Client),
    metric("mismatches", Unit::Count, Source::Client),
    metric("slow", Unit::Count, Source::Client),
    metric("slow_share", Unit::Number, Source::Client),
    metric("hit_share", Unit::Number, Source::Client),
    metric("failed", Unit::Count, Source::Client),
    metric("achieved", Unit::Number, Source::Client),
    metric("sent_per_s", Unit::Number, Source::Client),
    metric("received_per_s", Unit::Number, Source::Client),
    metric("down_bytes_per_player_s", Unit::Bytes, Source::Client),
    metric("lateness_p50", Unit::Time, Source::Admin),
    metric("lateness_p99", Unit::Time, Source::Admin),
    metric("lateness_max", Unit::Time, Source::Admin),
    metric("ticks_missed", Unit::Count, Source::Admin),
    metric("cpu_us_per_message", Unit::Time, Source::ServerProcess),
    metric("rss_bytes_per_conn", Unit::Bytes, Source::ServerProcess),
];

impl Metric {
    /// Its name in objectives.
    pub(crate) const fn name(self) -> &'static str {
        self.name
    }

    /// Who measures it.
    pub(crate) const fn source(self) -> Source {
        self.source
    }

    /// Whether it is one of the generator's latencies, so that the generator's own send lag blurs it.
    pub(crate) fn is_client_latency(self) -> bool {
        self.unit == Unit::Time && self.source == Source::Client
    }

    /// Whether it is a part of a whole.
    fn is_share(self) -> bool {
        ["slow_share", "hit_share", "achieved"].contains(&self.name)
    }

    fn find(name: &str) -> Option<Self> {
        METRICS.into_iter().find(|metric| metric.name == name)
    }
}

/// How the measured figure must compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Less,
    LessOrEqual,
    Equal,
    GreaterOrEqual,
    Greater,
}

/// Longest spellings first, so that `<=` is not read as `<`.
const COMPARISONS: [(&str, Comparison); 6] = [
    ("<=", Comparison::LessOrEqual),
    (">=", Comparison::GreaterOrEqual),
    ("==", Comparison::Equal),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
    ("=", Comparison::Equal),
];

impl Comparison {
    const fn sign(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Equal => "==",
            Self::GreaterOrEqual => ">=",
            Self::Greater => ">",
        }
    }
}

/// One objective.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Slo {
    /// What is measured.
    pub(crate) metric: Metric,
    /// How it must compare.
    pub(crate) comparison: Comparison,
    /// With what, in the metric's base unit (µs, bytes or a number).
    pub(crate) bound: f64,
}

impl Slo {
    /// Whether `measured` (in the metric's base unit) meets the objective.
    pub(crate) fn met_by(self, measured: f64) -> bool {
        match self.comparison {
            Comparison::Less => measured < self.bound,
            Comparison::LessOrEqual => measured <= self.bound,
            Comparison::Equal => (measured - self.bound).abs() < f64::EPSILON,
            Comparison::GreaterOrEqual => measured >= self.bound,
            Comparison::Greater => measured > self.bound,
        }
    }

    /// Whether it says how large the figure may be, not how small.
    pub(crate) const fn bounds_above(self) -> bool {
        matches!(self.comparison, Comparison::Less | Comparison::LessOrEqual | Comparison::Equal)
    }

    /// Whether nothing that can be measured meets it: no figure is below 0, and everything takes some time.
    fn is_never_met(self) -> bool {
        // Of a whole there is no more than all.
        let beyond = match self.comparison {
            Comparison::Greater => self.bound >= 1.0,
            Comparison::GreaterOrEqual | Comparison::Equal => self.bound > 1.0,
            Comparison::Less | Comparison::LessOrEqual => false,
        };
        if self.metric.is_share() && beyond {
            return true;
        }
        let is_nothing = match self.metric.unit {
            Unit::Time => self.bounds_above(),
            Unit::Bytes | Unit::Number | Unit::Count => self.comparison == Comparison::Less,
        };
        self.bound == 0.0 && is_nothing
    }

    /// `measured` in words, for the summary.
    pub(crate) fn show(self, measured: f64) -> String {
        match self.metric.unit {
            Unit::Time => {
                format!("{}{}", trim(measured / time_scale(self.bound).1), time_scale(self.bound).0)
            }
            Unit::Bytes => format!("{}B", trim(measured)),
            Unit::Number | Unit::Count => trim(measured),
        }
    }
}

/// The unit a time is shown in, and its size in µs.
fn time_scale(us: f64) -> (&'static str, f64) {
    if us >= 1_000_000.0 {
        ("s", 1_000_000.0)
    } else if us >= 1_000.0 {
        ("ms", 1_000.0)
    } else {
        ("us", 1.0)
    }
}

fn trim(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

impl fmt::Display for Slo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.metric.name, self.comparison.sign(), self.show(self.bound))
    }
}

impl Serialize for Slo {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Why a text is no objective.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SloError {
    #[error("`{0}` has no comparison; write NAME<VALUE, for example p99<20ms (also <= == >= >)")]
    NoComparison(String),
    #[error("`{0}` is not something loadgen measures; one of: {1}")]
    UnknownMetric(String, String),
    #[error("`{0}` is not a number with a unit this metric can have ({1})")]
    BadValue(String, &'static str),
    #[error("`{0}`: {1} what? write {0}ms or {0}us (also ns, s)")]
    NoUnit(String, String),
    #[error("`{0}` counts, so it is never {1}; permitted is a whole number, for example {0}==0")]
    NeverEqual(&'static str, String),
    #[error("`{text}` can never be met: {why}; name a larger bound, for example {name}{example}")]
    NeverMet { text: String, name: &'static str, why: &'static str, example: &'static str },
}

impl FromStr for Slo {
    type Err = SloError;

    fn from_str(text: &str) -> Result<Self, SloError> {
        let at = text.find(['<', '>', '=']).ok_or_else(|| SloError::NoComparison(text.to_owned()))?;
        let (name, rest) = text.split_at(at);
        let name = name.trim();
        let (sign, comparison) = COMPARISONS
            .into_iter()
            .find(|(sign, _)| rest.starts_with(sign))
            .ok_or_else(|| SloError::NoComparison(text.to_owned()))?;
        let metric = Metric::find(name).ok_or_else(|| {
            let names: Vec<&str> = METRICS.iter().map(|metric| metric.name).collect();
            SloError::UnknownMetric(name.to_owned(), names.join(" "))
        })?;
        let value = rest[sign.len()..].trim();
        let bound = parse_value(value, metric.unit)?;
        let is_bare = value.ends_with(|last: char| last.is_ascii_digit() || last == '.');
        // Of `cpu_us_per_message` the name says it.
        if metric.unit == Unit::Time && is_bare && bound != 0.0 && !metric.name.contains("_us_") {
            return Err(SloError::NoUnit(text.trim().to_owned(), value.to_owned()));
        }
        if metric.unit == Unit::Count && comparison == Comparison::Equal && bound.fract() != 0.0 {
            return Err(SloError::NeverEqual(metric.name, trim(bound)));
        }
        let slo = Self { metric, comparison, bound };
        if slo.is_never_met() {
            let (why, example) = match metric.unit {
                _ if metric.is_share() && bound > 0.0 => ("it is a share, and no more than 100%", ">=99%"),
                Unit::Time => ("everything takes some time", "<20ms"),
                Unit::Bytes | Unit::Number | Unit::Count => ("nothing measured is below 0", "<=0"),
            };
            return Err(SloError::NeverMet { text: text.to_owned(), name: metric.name, why, example });
        }
        Ok(slo)
    }
}

fn parse_value(text: &str, unit: Unit) -> Result<f64, SloError> {
    let (units, allowed): (&[(&str, f64)], _) = match unit {
        Unit::Time => (
            &[("", 1.0), ("ns", 0.001), ("us", 1.0), ("µs", 1.0), ("ms", 1_000.0), ("s", 1_000_000.0)],
            "ns us ms s; for example 20ms",
        ),
        Unit::Bytes => (
            &[("", 1.0), ("B", 1.0), ("kB", 1e3), ("KiB", 1024.0), ("MB", 1e6), ("MiB", 1_048_576.0)],
            "B kB KiB MB MiB; without a unit: B; for example 10kB",
        ),
        Unit::Number => (&[("", 1.0), ("%", 0.01)], "none or %; for example 0.99 or 99%"),
        Unit::Count => (&[("", 1.0)], "none: it counts; for example 0"),
    };
    let bad = || SloError::BadValue(text.to_owned(), allowed);
    let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    let number: f64 = number.parse().map_err(|_| bad())?;
    let (_, scale) = units.iter().find(|(name, _)| *name == suffix.trim()).ok_or_else(bad)?;
    let value = number * scale;
    if value.is_finite() { Ok(value) } else { Err(bad()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_documented_spellings_parse() {
        let slo: Slo = "p99<20ms".parse().unwrap();
        assert_eq!((slo.metric.name(), slo.comparison, slo.bound), ("p99", Comparison::Less, 20_000.0));
        assert!(slo.met_by(19_999.0) && !slo.met_by(20_000.0));
        let slo: Slo = "gaps==0".parse().unwrap();
        assert!(slo.met_by(0.0) && !slo.met_by(1.0));
        let slo: Slo = " lateness_p99 <= 1 ms ".trim().parse().unwrap();
        assert!(slo.met_by(1_000.0) && !slo.met_by(1_000.1));
        assert_eq!(slo.to_string(), "lateness_p99<=1ms");
        let slo: Slo = "achieved>=99%".parse().unwrap();
        assert!(slo.met_by(0.99) && !slo.met_by(0.98));
    }

    #[test]
    fn what_does_not_parse_is_named() {
        assert!(matches!("p99".parse::<Slo>(), Err(SloError::NoComparison(_))));
        assert!(matches!("p98<1ms".parse::<Slo>(), Err(SloError::UnknownMetric(..))));
        for text in ["p99<", "p99<ms", "p99<1h", "gaps==1ms", "p99<1.2.3ms", "p99<-1", "p99<<1"] {
            assert!(matches!(text.parse::<Slo>(), Err(SloError::BadValue(..))), "{text}");
        }
        let error = "p99 < 20".parse::<Slo>().unwrap_err();
        assert_eq!(error.to_string(), "`p99 < 20`: 20 what? write p99 < 20ms or p99 < 20us (also ns, s)");
        assert!("p99<20 us".parse::<Slo>().is_ok() && "cpu_us_per_message<20".parse::<Slo>().is_ok());
    }

    #[test]
    fn counts_are_whole() {
        for text in ["gaps==0.5", "failed=1.25", "ticks_missed==0.001"] {
            let error = text.parse::<Slo>().unwrap_err();
            assert!(matches!(error, SloError::NeverEqual(..)), "{text}");
            let (name, _) = text.split_once('=').unwrap();
            assert!(error.to_string().contains(&format!("{name}==0")), "{error}");
        }
        assert!(matches!("gaps==50%".parse::<Slo>(), Err(SloError::BadValue(..))));
        for text in ["gaps==3", "gaps==0.0", "gaps<0.5", "achieved==0.5"] {
            assert!(text.parse::<Slo>().is_ok(), "{text}");
        }
    }

    #[test]
    fn no_time_is_nothing_and_no_count_is_less() {
        for text in ["p99<0ms", "p99<=0", "max==0us", "cpu_us_per_message<0", "gaps<0", "achieved<0%"] {
            let error = text.parse::<Slo>().unwrap_err();
            assert!(matches!(error, SloError::NeverMet { .. }), "{text}");
            assert!(error.to_string().starts_with(&format!("`{text}` can never be met")), "{error}");
        }
        for text in ["achieved>=200%", "achieved>100%", "hit_share==1.1", "slow_share>1"] {
            let error = text.parse::<Slo>().unwrap_err().to_string();
            assert!(error.contains("can never be met") && error.contains("no more than 100%"), "{error}");
        }
        for text in [
            "achieved>=100%",
            "slow_share<200%",
            "upgrades_per_s>=500",
            "gaps==0",
            "gaps<=0",
            "p99>0",
            "p99>=0ms",
        ] {
            assert!(text.parse::<Slo>().is_ok(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn showing_and_parsing_agree(index in 0..METRICS.len(), sign in 0..6_usize, bound in 1_u32..5_000_000) {
            let metric = METRICS[index];
            let unit = if metric.unit == Unit::Time { "us" } else { "" };
            let bound = if metric.is_share() { f64::from(1 + bound % 999) / 1e3 } else { bound.into() };
            let text = format!("{}{}{bound}{unit}", METRICS[index].name(), COMPARISONS[sign].0);
            let slo: Slo = text.parse().unwrap();
            let again: Slo = slo.to_string().parse().unwrap();
            prop_assert_eq!(slo.metric, again.metric);
            prop_assert_eq!(slo.comparison, again.comparison);
            // Shown with three decimals of a larger unit, so equal to a thousandth of it.
            prop_assert!((slo.bound - again.bound).abs() <= slo.bound / 1_000.0, "{} {}", slo.bound, again.bound);
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,24}") {
            let _ = text.parse::<Slo>();
        }
    }
}
