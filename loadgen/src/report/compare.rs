//! Two runs, figure by figure, with the noise shown.

mod crowd;
mod plans;

use std::borrow::Cow;
use std::fmt::Write;

use super::noise::{INTERVALS_MIN, Judgement, Spread};
use super::quantity::Unit;
use super::view::View;
use crate::measure::latency::Percentiles;
use crate::measure::series::Point;
use crate::terminal;

pub(crate) use plans::plan_differences;

/// What the histograms of an interval resolve: two significant digits.
const LATENCY_RESOLUTION: f64 = 0.01;

/// Width of the column of names, at least and at most.
const NAME_CHARS: (usize, usize) = (28, 48);

/// One figure of both runs.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) name: Cow<'static, str>,
    pub(crate) unit: Unit,
    pub(crate) a: Option<f64>,
    pub(crate) b: Option<f64>,
    /// The medians and quartiles of the intervals.
    pub(crate) spread_a: Option<Spread>,
    pub(crate) spread_b: Option<Spread>,
    pub(crate) judgement: Judgement,
    /// How many intervals tell it in A and in B; `None`: it is told once a run.
    pub(crate) intervals: Option<[usize; 2]>,
}

impl Row {
    /// B in parts of A.
    pub(crate) fn ratio(&self) -> Option<f64> {
        self.a.zip(self.b).filter(|(a, _)| *a != 0.0).map(|(a, b)| b / a).filter(|ratio| ratio.is_finite())
    }

    /// B less A, with its sign.
    pub(crate) fn difference(&self) -> String {
        signed(self.unit, self.a.zip(self.b).map(|(a, b)| b - a))
    }

    /// What the noise says, in words. The medians of the intervals may agree where the runs' own figures do not.
    pub(crate) fn words(&self) -> Cow<'static, str> {
        let words = match (self.judgement, self.a.zip(self.b)) {
            (Judgement::Within { noise }, Some((a, b))) if (b - a).abs() > noise => {
                "within, but for single intervals"
            }
            (Judgement::Within { .. }, _) => "within the noise",
            (Judgement::Beyond { .. }, _) => "beyond the noise",
            (Judgement::Unknown, _) => match self.intervals {
                None => "noise not known: told once a run",
                Some([0, _] | [_, 0]) => "noise not known: a report has no intervals",
                Some([a, b]) => return format!("noise not known: {a} and {b} intervals").into(),
            },
        };
        words.into()
    }

    /// Whether longer runs would tell the noise.
    pub(crate) fn wants_longer_runs(&self) -> bool {
        let is_told = self.a.is_some() && self.b.is_some();
        is_told
            && self
                .intervals
                .is_some_and(|counts| counts.iter().any(|count| (1..INTERVALS_MIN).contains(count)))
    }

    /// The difference of the medians of the intervals, with its sign.
    pub(crate) fn medians(&self) -> String {
        let medians = self.spread_a.zip(self.spread_b).map(|(a, b)| b.median - a.median);
        signed(self.unit, medians)
    }

    /// The noise that the medians are held against.
    pub(crate) fn noise(&self) -> String {
        match self.judgement {
            Judgement::Within { noise } | Judgement::Beyond { noise } => {
                format!("±{}", self.unit.show(noise))
            }
            Judgement::Unknown => "–".to_owned(),
        }
    }
}

fn signed(unit: Unit, difference: Option<f64>) -> String {
    match difference {
        Some(by) if by > 0.0 => format!("+{}", unit.show(by)),
        by => unit.show_if(by),
    }
}

/// Every figure that one of the runs has.
pub(crate) fn rows(a: &View, b: &View) -> Vec<Row> {
    let mut rows = Vec::new();
    latencies(&mut rows, a, b);
    traffic(&mut rows, a, b);
    sides(&mut rows, a, b);
    crowd::rows(&mut rows, a, b);
    rows.retain(|row| row.a.is_some() || row.b.is_some());
    rows
}

/// A figure that is told once a run.
fn once(name: &'static str, unit: Unit, a: &View, b: &View, pick: impl Fn(&View) -> Option<f64>) -> Row {
    let judgement = Judgement::Unknown;
    let (a, b) = (pick(a), pick(b));
    Row { name: name.into(), unit, a, b, spread_a: None, spread_b: None, judgement, intervals: None }
}

impl Row {
    /// A figure that is told interval by interval, too.
    fn told_by(self, a: &View, b: &View, pick: impl Fn(&Point) -> Option<f64>) -> Self {
        let resolution = if self.unit == Unit::Time { LATENCY_RESOLUTION } else { 0.0 };
        let spread_a = Spread::of(a.window().filter_map(&pick));
        let spread_b = Spread::of(b.window().filter_map(&pick));
        let intervals = Some([a, b].map(|view| view.window().filter_map(&pick).count()));
        let judgement = Judgement::of(spread_a, spread_b, resolution);
        Self { spread_a, spread_b, judgement, intervals, ..self }
    }
}

/// Gets a figure of a distribution.
type OfLatency = fn(Percentiles) -> f64;
/// Gets a count of a report.
type Counted = fn(&View) -> Option<u64>;

fn latencies(rows: &mut Vec<Row>, a: &View, b: &View) {
    let picks: [(&'static str, OfLatency); 5] = [
        ("latency p50", |l| l.p50),
        ("latency p90", |l| l.p90),
        ("latency p99", |l| l.p99),
        ("latency p99.9", |l| l.p999),
        ("latency max", |l| l.max),
    ];
    for (name, pick) in picks {
        let row = once(name, Unit::Time, a, b, |view| view.latency().map(pick));
        rows.push(row.told_by(a, b, |point| point.latency_us.map(pick)));
    }
    let p99 = |spread: Option<Percentiles>| spread.map(|spread| spread.p99);
    rows.extend([
        once("service latency p99", Unit::Time, a, b, |view| p99(view.latency_us.service)),
        once("connect p99", Unit::Time, a, b, |view| p99(view.conns.connect_us)),
        once("upgrade p99", Unit::Time, a, b, |view| p99(view.conns.upgrade_us)),
        once("snapshot interval p99", Unit::Time, a, b, |view| p99(view.game.snapshot_interval_us)),
        once("tick lateness p99", Unit::Time, a, b, |view| p99(view.server.tick_lateness_us)),
    ]);
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn traffic(rows: &mut Vec<Row>, a: &View, b: &View) {
    let per_second = |count: u64, view: &View| (view.window_s > 0.0).then(|| count as f64 / view.window_s);
    rows.push(once("messages sent", Unit::PerSecond, a, b, |view| Some(view.messages.sent_per_s)).told_by(
        a,
        b,
        |point| Some(point.sent_per_s),
    ));
    rows.push(
        once("messages received", Unit::PerSecond, a, b, |view| Some(view.messages.received_per_s)).told_by(
            a,
            b,
            |point| Some(point.received_per_s),
        ),
    );
    rows.push(
        once("bytes up", Unit::BytesPerSecond, a, b, |view| per_second(view.messages.bytes_up, view))
            .told_by(a, b, |point| Some(point.bytes_up_per_s)),
    );
    rows.push(
        once("bytes down", Unit::BytesPerSecond, a, b, |view| per_second(view.messages.bytes_down, view))
            .told_by(a, b, |point| Some(point.bytes_down_per_s)),
    );
    let counts: [(&'static str, Counted); 8] = [
        ("connected", |view| Some(view.conns.connected)),
        ("failed", |view| Some(view.conns.failed)),
        ("lost", |view| Some(view.conns.lost)),
        ("unanswered", |view| Some(view.messages.unanswered)),
        ("gaps", |view| Some(view.messages.gaps)),
        ("duplicates", |view| Some(view.messages.duplicates)),
        ("state mismatches", |view| view.game.state_mismatches),
        ("ticks missed", |view| view.server.ticks_missed),
    ];
    for (name, pick) in counts {
        rows.push(once(name, Unit::Count, a, b, |view| pick(view).map(|count| count as f64)));
    }
    rows.push(once("achieved", Unit::Share, a, b, |view| view.messages.achieved));
}

fn sides(rows: &mut Vec<Row>, a: &View, b: &View) {
    rows.extend([
        once("server CPU", Unit::Percent, a, b, |view| view.server.cpu_percent),
        once("server CPU per message", Unit::Time, a, b, |view| view.server.cpu_us_per_message),
        once("server memory", Unit::Bytes, a, b, |view| view.server.rss_bytes),
        once("server memory per connection", Unit::Bytes, a, b, |view| view.server.rss_bytes_per_conn),
        once("generator CPU", Unit::Percent, a, b, |view| Some(view.generator.cpu_percent)).told_by(
            a,
            b,
            |point| Some(point.cpu_percent),
        ),
        once("send lag p99", Unit::Time, a, b, |view| view.generator.send_lag_us.map(|lag| lag.p99)).told_by(
            a,
            b,
            |point| point.send_lag_p99_us,
        ),
        once("generator memory", Unit::Bytes, a, b, |view| view.generator.rss_bytes),
    ]);
}

/// What to do about a noise that is not known because the runs are too short; `None`: they are not.
pub(crate) fn too_short(rows: &[Row]) -> Option<String> {
    rows.iter().any(Row::wants_longer_runs).then(|| {
        format!(
            "Where the noise is not known for want of intervals, it takes {INTERVALS_MIN} in either run that lie wholly \
             within the measuring window and tell the figure (an interval is a second, or longer in long runs): run \
             longer, for example --duration 30s."
        )
    })
}

/// How the noise was reckoned, for whoever reads a comparison.
pub(crate) const RECKONING: &str = "Noise: the medians of the intervals within the measuring window are compared. They differ beyond the noise when \
     they lie more than three standard errors apart (from the interquartile range, with fewer intervals where \
     neighbours resemble each other), and for durations more than the 1 % that an interval's histogram resolves. \
     Where only the runs' own figures lie farther apart than that, single intervals made it, such as a stall. \
     Figures told once a run have no noise to hold them against. What differs from run to run but not within one is \
     not in it: repeat runs before you believe a small difference.";

/// The table for a terminal.
pub(crate) fn text(names: [&str; 2], a: &View, b: &View) -> String {
    let mut out = String::new();
    write(&mut out, names, a, b).expect("writing to a string does not fail");
    out
}

fn write(out: &mut String, names: [&str; 2], a: &View, b: &View) -> std::fmt::Result {
    for (letter, name, view) in [("A", names[0], a), ("B", names[1], b)] {
        let (name, preset, verdict) = (printable(name), printable(&view.preset), printable(&view.verdict));
        writeln!(out, "{letter}: {name} · {preset} · {verdict} · {} intervals", view.window().count())?;
    }
    let differences = plan_differences(a, b);
    for (key, in_a, in_b) in &differences {
        let cut = |text: &str| printable(text).chars().take(60).collect::<String>();
        writeln!(out, "not asked for the same: {} is {} in A, {} in B", cut(key), cut(in_a), cut(in_b))?;
    }
    let rows = rows(a, b);
    let longest = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
    let width = longest.clamp(NAME_CHARS.0, NAME_CHARS.1) + 1;
    let head = ["", "A", "B", "B/A", "B-A", "medians", "noise"];
    let mut line = |cells: [&str; 7], words: &str| {
        let [name, a, b, ratio, difference, medians, noise] = cells;
        writeln!(
            out,
            "{name:<width$}{a:>11}{b:>11}{ratio:>8}{difference:>12}{medians:>12}{noise:>12}  {words}"
        )
    };
    line(head, "")?;
    for row in &rows {
        let ratio = row.ratio().map_or_else(|| "–".to_owned(), ratio_text);
        let (in_a, in_b) = (row.unit.show_if(row.a), row.unit.show_if(row.b));
        let (difference, medians, noise) = (row.difference(), row.medians(), row.noise());
        line([&shortened(&row.name), &in_a, &in_b, &ratio, &difference, &medians, &noise], &row.words())?;
    }
    if let Some(remedy) = too_short(&rows) {
        writeln!(out, "{remedy}")?;
    }
    write!(out, "{RECKONING}")
}

/// The name of a figure, in at most as many characters as its column has. What it is of, a phase, stands first and is cut.
fn shortened(name: &str) -> String {
    let name = printable(name);
    let too_many = name.chars().count().saturating_sub(NAME_CHARS.1);
    match name.rsplit_once(": ") {
        _ if too_many == 0 => name,
        Some((phase, figure)) => {
            let kept = phase.chars().count().saturating_sub(too_many + 1);
            let phase: String = phase.chars().take(kept).collect();
            format!("{phase}…: {figure}")
        }
        None => name,
    }
}

/// A ratio, two decimals.
pub(crate) fn ratio_text(ratio: f64) -> String {
    if ratio.abs() < 1e4 { format!("{ratio:.2}") } else { format!("{ratio:.1e}") }
}

/// A text of a file without what a terminal would obey.
pub(crate) fn printable(text: &str) -> String {
    text.chars().map(|letter| if terminal::is_obeyed(letter) { '?' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    #[test]
    fn a_run_does_not_differ_from_itself() {
        let view = samples::view();
        let rows = rows(&view, &view);
        assert!(rows.len() > 20);
        let judged = rows.iter().filter(|row| row.judgement != Judgement::Unknown).count();
        assert_eq!(judged, 11, "five latencies, four rates, the generator's CPU and lag");
        for row in &rows {
            assert!(!matches!(row.judgement, Judgement::Beyond { .. }), "{row:?}");
            assert!(row.ratio().is_none_or(|ratio| (ratio - 1.0).abs() < 1e-12));
        }
        assert!(plan_differences(&view, &view).is_empty());
    }

    #[test]
    fn what_is_slower_throughout_is_beyond_the_noise_and_a_wobble_is_not() {
        let (a, mut b) = (samples::view(), samples::view());
        for point in &mut b.course {
            if let Some(latency) = &mut point.latency_us {
                latency.p99 += 5_000.0;
                latency.p50 += 1.0;
            }
        }
        b.latency_us.intended.as_mut().unwrap().p99 = 10_000.0;
        b.plan.insert("conns".to_owned(), 20.into());
        let rows = rows(&a, &b);
        let row = |name: &str| rows.iter().find(|row| row.name == name).unwrap();
        assert!(matches!(row("latency p99").judgement, Judgement::Beyond { .. }), "{:?}", row("latency p99"));
        assert_eq!(row("latency p99").difference(), "+5 ms");
        assert_eq!(
            (&*row("latency p99").medians(), &*row("latency p99").words()),
            ("+5 ms", "beyond the noise")
        );
        let stalled = Row { b: Some(90_000.0), ..row("latency p50").clone() };
        assert_eq!(stalled.words(), "within, but for single intervals");
        assert!(matches!(row("latency p50").judgement, Judgement::Within { .. }));
        assert_eq!(row("server memory").judgement, Judgement::Unknown);
        let text = text(["a\u{1b}[2J", "b"], &a, &b);
        assert!(text.contains("2.00") && text.contains("+5 ms") && !text.contains('\u{1b}'), "{text}");
        assert!(
            text.contains("conns is 10 in A, 20 in B") && text.contains("three standard errors"),
            "{text}"
        );
    }

    #[test]
    fn an_unknown_noise_says_why_and_what_helps() {
        let (mut short, long) = (samples::view(), samples::view());
        short.course.truncate(7);
        let found = rows(&short, &long);
        let row = |name: &str| found.iter().find(|row| row.name == name).unwrap();
        assert_eq!(row("latency p99").words(), "noise not known: 4 and 19 intervals");
        assert_eq!(row("server memory").words(), "noise not known: told once a run");
        let text = text(["short", "long"], &short, &long);
        assert!(text.contains("it takes 5 in either run") && text.contains("--duration 30s"), "{text}");
        assert_eq!(too_short(&rows(&long, &long)), None);
    }

    #[test]
    fn without_a_course_nothing_is_said_about_noise() {
        let mut old = samples::view();
        old.course.clear();
        assert!(rows(&old, &samples::view()).iter().all(|row| row.judgement == Judgement::Unknown));
    }
}
