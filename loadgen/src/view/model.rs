//! What the picture shows, in figures.

use crate::measure::errors::ErrorLine;
use crate::measure::health::BUSY_PERCENT;
use crate::measure::series::{Point, Series};
use crate::measure::tally::Window;
use crate::plan::{Plan, Preset};
use crate::shared::{LiveReading, Shared};
use crate::verdict;

/// Intervals whose course is shown: two minutes, if an interval is a second.
const COURSE_POINTS: usize = 120;

/// What is the same during the whole run.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub(super) preset: String,
    pub(super) target: String,
    pub(super) requested: u32,
    started_ns: u64,
    interval_s: f64,
    /// Length of the measuring window.
    window_s: f64,
    /// Whether messages have a time they are meant to be sent at.
    is_open_loop: bool,
    /// Send lag beyond which a run is invalid, µs.
    send_lag_limit_us: f64,
}

impl Subject {
    pub(super) fn of(plan: &Plan, started_ns: u64) -> Self {
        Self {
            preset: plan.title.clone(),
            target: plan.targets_named(),
            requested: plan.conns,
            started_ns,
            interval_s: seconds(plan.sample_ns()),
            window_s: plan.duration.as_secs_f64(),
            is_open_loop: !matches!(plan.preset, Preset::Idle) && plan.preset.is_open_loop(),
            send_lag_limit_us: verdict::late_us_max(plan.slo.iter()),
        }
    }
}

/// When the picture is made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment<'a> {
    pub(super) now_ns: u64,
    /// What goes on.
    pub(super) phase: &'a str,
    /// Since when.
    pub(super) since_ns: u64,
    /// Until when, if that is known.
    pub(super) until_ns: Option<u64>,
}

/// How the generator itself is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Health {
    Good,
    /// What may become of the run, a sentence.
    Strained(String),
    /// Why the run is going to be invalid, a sentence.
    Invalid(String),
}

/// Everything to be seen.
#[derive(Clone, Debug)]
pub(super) struct ViewModel {
    pub(super) subject: Subject,
    pub(super) phase: String,
    /// Since the run began.
    pub(super) run_s: f64,
    /// Since the phase began.
    pub(super) elapsed_s: f64,
    /// Until the phase ends at the latest.
    pub(super) remaining_s: Option<f64>,
    pub(super) now: LiveReading,
    /// The newest interval.
    pub(super) newest: Option<Point>,
    /// p99 of the last intervals, µs; none where nothing was answered.
    pub(super) p99_us: Vec<Option<u64>>,
    /// Messages a second of the last intervals, both ways.
    pub(super) throughput: Vec<Option<u64>>,
    pub(super) errors: Vec<ErrorLine>,
    pub(super) health: Health,
}

impl ViewModel {
    /// Of this moment.
    pub(super) fn of(
        subject: &Subject,
        moment: &Moment<'_>,
        shared: &Shared,
        series: &Series,
        errors: Vec<ErrorLine>,
    ) -> Self {
        let points = series.points();
        let course = &points[points.len().saturating_sub(COURSE_POINTS)..];
        let whole = |figure: f64| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "rounded, not negative"
            )]
            let whole = figure.round().max(0.0) as u64;
            whole
        };
        Self {
            subject: subject.clone(),
            phase: moment.phase.to_owned(),
            run_s: seconds(moment.now_ns.saturating_sub(subject.started_ns)),
            elapsed_s: seconds(moment.now_ns.saturating_sub(moment.since_ns)),
            remaining_s: moment.until_ns.map(|until_ns| seconds(until_ns.saturating_sub(moment.now_ns))),
            now: shared.read(),
            newest: points.last().cloned(),
            p99_us: course.iter().map(|point| point.latency_us.map(|latency| whole(latency.p99))).collect(),
            throughput: course
                .iter()
                .map(|point| Some(whole(point.sent_per_s + point.received_per_s)))
                .collect(),
            errors,
            health: health(subject, shared.window(), points),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "times of a run are far below 2^53 ns")]
fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

/// What the verdict will have to say about the generator, as far as can be told already.
fn health(subject: &Subject, window: Window, points: &[Point]) -> Health {
    let limit_s = verdict::busy_seconds_limit(subject.window_s);
    let (longest_s, latest_s) = busy_seconds(subject, window, points);
    let unless = if subject.is_open_loop { "" } else { ", unless the server is as busy" };
    if longest_s >= limit_s {
        return Health::Invalid(format!(
            "the run is going to be invalid{unless}: a worker was above {BUSY_PERCENT:.0} % of its CPU for \
             {longest_s:.0} s; more --workers on other CPUs, or less load"
        ));
    }
    let lag_us = points.last().and_then(|point| point.send_lag_p99_us);
    if let Some(lag_us) = lag_us.filter(|lag| subject.is_open_loop && *lag > subject.send_lag_limit_us) {
        return Health::Strained(format!(
            "sends are late by {:.2} ms at p99: the run becomes invalid if that stays above {:.2} ms; less load \
             per worker, or a CPU of its own with --cpus",
            lag_us / 1e3,
            subject.send_lag_limit_us / 1e3
        ));
    }
    if latest_s > 0.0 {
        return Health::Strained(format!(
            "a worker has been above {BUSY_PERCENT:.0} % of its CPU for {latest_s:.0} s: the run becomes invalid \
             at {limit_s:.0} s{unless}"
        ));
    }
    Health::Good
}

/// How long a worker was busy on end within the window: at worst, and just now. Intervals that are only partly
/// in it do not count.
fn busy_seconds(subject: &Subject, window: Window, points: &[Point]) -> (f64, f64) {
    if window.start_ns == u64::MAX {
        return (0.0, 0.0);
    }
    let start_s = seconds(window.start_ns.saturating_sub(subject.started_ns));
    let end_s = seconds(window.end_ns.saturating_sub(subject.started_ns));
    let (mut longest_s, mut latest_s) = (0.0_f64, 0.0);
    for point in points.iter().filter(|p| p.at_s - subject.interval_s >= start_s && p.at_s <= end_s) {
        latest_s = if point.cpu_percent > BUSY_PERCENT { latest_s + subject.interval_s } else { 0.0 };
        longest_s = longest_s.max(latest_s);
    }
    (longest_s, latest_s)
}

#[cfg(test)]
mod tests;
