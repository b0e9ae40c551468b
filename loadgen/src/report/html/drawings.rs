//! What is drawn of one run, or of two together.

use super::chart::{Chart, Line};
use super::marks;
use super::scale::Scale;
use crate::measure::latency::{Percentiles, SpectrumPoint};
use crate::measure::series::Point;
use crate::report::quantity::Unit;
use crate::report::view::View;

/// Points of a line at most: more than there are places on a screen.
const POINTS_MAX: usize = 600;

/// A run, and its name when there are two.
pub(super) type Named<'a> = (&'a str, &'a View);

/// Every drawing of one run.
pub(super) fn of_one(view: &View) -> String {
    let run = [("", view)];
    let charts = [
        spectrum("Latency by percentile", LATENCY, &spectra_of_latency(view)),
        latency_over_time(view),
        connections(view),
        cdf(
            "Time to connect",
            CONNECT,
            &[("connect", &view.spectra.connect), ("upgrade", &view.spectra.upgrade)],
        ),
        cdf("Time between snapshots", INTERVAL, &[("between snapshots", &view.spectra.snapshot_interval)]),
        spectrum("Tick lateness by percentile", LATENESS, &[("tick lateness", &view.spectra.tick_lateness)]),
        over_time(
            &run,
            "Bytes a second",
            "What went over the connections.",
            Unit::BytesPerSecond,
            &[("up", &|point| Some(point.bytes_up_per_s)), ("down", &|point| Some(point.bytes_down_per_s))],
        ),
        over_time(
            &run,
            "Messages a second",
            "What was sent and what came.",
            Unit::PerSecond,
            &[("sent", &|point| Some(point.sent_per_s)), ("received", &|point| Some(point.received_per_s))],
        ),
        over_time(
            &run,
            "CPU of the generator",
            CPU,
            Unit::Percent,
            &[("busiest worker", &|point| Some(point.cpu_percent))],
        ),
        over_time(
            &run,
            "Send lag of the generator",
            LAG,
            Unit::Time,
            &[("p99", &|point| point.send_lag_p99_us)],
        ),
    ];
    charts.iter().map(Chart::markup).collect()
}

/// The drawings of two runs, each line twice.
pub(super) fn of_two(runs: &[Named<'_>; 2]) -> String {
    let latency = |pick: fn(Percentiles) -> f64| move |point: &Point| point.latency_us.map(pick);
    let spectra =
        |pick: fn(&View) -> &Vec<SpectrumPoint>| runs.map(|(name, view)| (name, pick(view).as_slice()));
    let charts = [
        spectrum("Latency by percentile", LATENCY, &spectra(main_spectrum)),
        over_time(runs, "Latency over time: p50", OF_INTERVAL, Unit::Time, &[("", &latency(|l| l.p50))]),
        over_time(runs, "Latency over time: p99", OF_INTERVAL, Unit::Time, &[("", &latency(|l| l.p99))]),
        over_time(runs, "Latency over time: max", OF_INTERVAL, Unit::Time, &[("", &latency(|l| l.max))]),
        over_time(
            runs,
            "Open connections",
            CONNECTIONS,
            Unit::Count,
            &[("", &|point| Some(count(point.open)))],
        ),
        cdf("Time to connect", CONNECT, &spectra(|view| &view.spectra.connect)),
        cdf("Time between snapshots", INTERVAL, &spectra(|view| &view.spectra.snapshot_interval)),
        spectrum("Tick lateness by percentile", LATENESS, &spectra(|view| &view.spectra.tick_lateness)),
        over_time(
            runs,
            "Messages received a second",
            OF_INTERVAL,
            Unit::PerSecond,
            &[("", &|point| Some(point.received_per_s))],
        ),
        over_time(
            runs,
            "Bytes received a second",
            OF_INTERVAL,
            Unit::BytesPerSecond,
            &[("", &|point| Some(point.bytes_down_per_s))],
        ),
        over_time(
            runs,
            "CPU of the generator",
            CPU,
            Unit::Percent,
            &[("", &|point| Some(point.cpu_percent))],
        ),
        over_time(
            runs,
            "Send lag of the generator: p99",
            LAG,
            Unit::Time,
            &[("", &|point| point.send_lag_p99_us)],
        ),
    ];
    charts.iter().map(Chart::markup).collect()
}

const LATENCY: &str = "To the right ever rarer: each further nine takes as much room as the last. Both axes are \
                       logarithmic.";
const LATENESS: &str = "How long after its deadline a tick of the server began, as the server says. Both axes are \
                        logarithmic.";
const CONNECT: &str = "Share of the connections that took at most so long; the time axis is logarithmic.";
const INTERVAL: &str = "Share of a player's snapshots that came at most so long after the one before; a steep line is \
                        a steady tick. The time axis is logarithmic.";
const CONNECTIONS: &str = "Those asked for by then and those open, at the end of each interval; the fewest open within it, \
                           where some were away for less.";
const CPU: &str = "Of one core. Above 85 % for long, the run is invalid.";
const LAG: &str = "How late the generator itself came to messages that were due, in each interval.";
const OF_INTERVAL: &str = "Of each interval.";

/// The latency that the run is judged by.
const fn main_spectrum(view: &View) -> &Vec<SpectrumPoint> {
    if view.spectra.intended.is_empty() { &view.spectra.service } else { &view.spectra.intended }
}

fn spectra_of_latency(view: &View) -> [(&str, &[SpectrumPoint]); 2] {
    [
        ("from the intended send time", &view.spectra.intended),
        ("from the real send (service)", &view.spectra.service),
    ]
}

fn latency_over_time(view: &View) -> Chart {
    let latency = |pick: fn(Percentiles) -> f64| move |point: &Point| point.latency_us.map(pick);
    let description = "Of the answers that arrived in each interval. The axis of latency is logarithmic.";
    let mut chart = over_time(
        &[("", view)],
        "Latency over time",
        description,
        Unit::Time,
        &[
            ("p50", &latency(|l| l.p50)),
            ("p99", &latency(|l| l.p99)),
            ("p99.9", &latency(|l| l.p999)),
            ("max", &latency(|l| l.max)),
        ],
    );
    let values = chart.lines.iter().flat_map(|line| line.drawn().map(|(_, y)| y).collect::<Vec<f64>>());
    chart.y = Scale::logarithmic(values, |us| Unit::Time.show(us));
    chart
}

/// Requested against open; who failed or was lost only where somebody did.
fn connections(view: &View) -> Chart {
    let mut picks: Vec<Pick<'_>> = vec![
        ("requested", &|point| Some(count(point.requested))),
        ("open", &|point| Some(count(point.open))),
    ];
    if view.course.iter().any(|point| point.open_fewest.is_some_and(|fewest| fewest < point.open)) {
        picks.push(("fewest open", &|point| point.open_fewest.map(count)));
    }
    if view.course.iter().any(|point| point.failed > 0) {
        picks.push(("failed", &|point| Some(count(point.failed))));
    }
    if view.course.iter().any(|point| point.lost > 0) {
        picks.push(("lost", &|point| Some(count(point.lost))));
    }
    let mut chart = over_time(&[("", view)], "Connections", CONNECTIONS, Unit::Count, &picks);
    if let Some(requested) = chart.lines.first_mut() {
        requested.is_wide = true;
    }
    chart
}

/// A line's name, and its figure at a point.
type Pick<'a> = (&'a str, &'a dyn Fn(&Point) -> Option<f64>);

/// Figures of the intervals.
fn over_time(runs: &[Named<'_>], title: &str, description: &str, unit: Unit, picks: &[Pick<'_>]) -> Chart {
    let mut lines = Vec::new();
    for (run, view) in runs {
        for (name, pick) in picks {
            let points = thinned(&view.course).map(|point| pick(point).map(|value| (point.at_s, value)));
            lines.push(Line::new(if run.is_empty() { *name } else { *run }, points));
        }
    }
    let end_s = runs.iter().flat_map(|(_, view)| &view.course).map(|point| point.at_s).fold(0.0, f64::max);
    let values = lines.iter().flat_map(|line| line.drawn().map(|(_, y)| y).collect::<Vec<f64>>());
    let band = match runs {
        [(_, view)] if view.window_s > 0.0 => {
            Some((view.window_start_s, view.window_start_s + view.window_s))
        }
        _ => None,
    };
    Chart {
        title: title.to_owned(),
        description: description.to_owned(),
        x: Scale::time(end_s, |s| format!("{} s", (s * 10.0).round() / 10.0)),
        y: Scale::linear(values, |value| unit.show(value)),
        x_name: "since the first connection",
        band,
        marks: match runs {
            [(_, view)] => marks::of_one(view),
            [(_, a), (_, b)] => marks::of_two(a, b),
            _ => Vec::new(),
        },
        lines,
    }
}

/// Every so many points of a course that is longer than a drawing is wide.
fn thinned(course: &[Point]) -> impl Iterator<Item = &Point> {
    course.iter().step_by(course.len().div_ceil(POINTS_MAX).max(1))
}

/// Distributions: value over percentile.
fn spectrum(title: &str, description: &str, spectra: &[(&str, &[SpectrumPoint])]) -> Chart {
    let rarity = |point: &SpectrumPoint, all: u64| {
        let above = 1.0 - point.percentile / 100.0;
        // The largest value of all is one in so many.
        (1.0 / above.max(1.0 / count(all.max(1)))).max(1.0)
    };
    let line = |(name, points): &(&str, &[SpectrumPoint])| {
        let all = points.last().map_or(0, |last| last.count);
        let placed = points.iter().take(POINTS_MAX).map(|point| Some((rarity(point, all), point.value_us)));
        Line::new(*name, placed.collect::<Vec<_>>().into_iter())
    };
    let lines: Vec<Line> = spectra.iter().map(line).collect();
    let drawn = || lines.iter().flat_map(Line::drawn);
    let rarest = drawn().map(|(x, _)| x).fold(0.0, f64::max);
    Chart {
        title: title.to_owned(),
        description: description.to_owned(),
        x: Scale::percentiles(rarest),
        y: Scale::logarithmic(drawn().map(|(_, y)| y), |us| Unit::Time.show(us)),
        x_name: "percentile (%)",
        band: None,
        marks: Vec::new(),
        lines,
    }
}

/// Distributions: share of all over value.
fn cdf(title: &str, description: &str, spectra: &[(&str, &[SpectrumPoint])]) -> Chart {
    let line = |(name, points): &(&str, &[SpectrumPoint])| {
        let all = count(points.last().map_or(1, |last| last.count.max(1)));
        // Below the least of them nobody was: where all are alike, the step there is all that can be seen.
        let foot = points.first().map(|least| Some((least.value_us, 0.0)));
        let placed =
            points.iter().take(POINTS_MAX).map(|point| Some((point.value_us, count(point.count) / all)));
        Line::new(*name, foot.into_iter().chain(placed).collect::<Vec<_>>().into_iter())
    };
    let lines: Vec<Line> = spectra.iter().map(line).collect();
    let values = lines.iter().flat_map(Line::drawn).map(|(x, _)| x);
    Chart {
        title: title.to_owned(),
        description: description.to_owned(),
        x: Scale::logarithmic(values, |us| Unit::Time.show(us)),
        y: Scale::linear([1.0].into_iter(), |share| Unit::Share.show(share)),
        x_name: "time",
        band: None,
        marks: Vec::new(),
        lines,
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts in a drawing")]
const fn count(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_are_all_alike_are_a_step() {
        let at = |percentile| SpectrumPoint { percentile, value_us: 11_282.0, count: 60 };
        let chart = cdf("", "", &[("connect", &[at(0.0), at(100.0)])]);
        let drawn: Vec<(f64, f64)> = chart.lines[0].drawn().collect();
        assert_eq!(drawn.first(), Some(&(11_282.0, 0.0)));
        assert_eq!(drawn.last(), Some(&(11_282.0, 1.0)));
        assert!(cdf("", "", &[("connect", &[])]).lines[0].points.is_empty());
    }
}
