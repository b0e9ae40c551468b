//! From what the workers and the leading thread noted to the figures of the report.

use hdrhistogram::Histogram;

use super::Findings;
use super::json::{Conns, Game, Generator, Messages, Server};
use crate::lead::{ServerReading, Timeline};
use crate::measure::health::Health;
use crate::measure::latency::Percentiles;
use crate::measure::tally::Tally;
use crate::plan::Plan;
use crate::server_side::{StatusTick, Usage};

/// All workers together.
#[derive(Debug, Default)]
pub(crate) struct Merged {
    pub(crate) tally: Tally,
    pub(crate) health: Health,
    pub(crate) window_s: f64,
    /// The window once for each worker, ns.
    pub(crate) workers_ns: u64,
    /// The time before the window once for each worker, ns.
    pub(crate) workers_before_ns: u64,
    /// The share of the window that the worker it was worst for was to run in and did not.
    away_share: f64,
    /// CPU of that worker, percent.
    pub(crate) away_cpu_percent: f64,
}

impl Merged {
    pub(crate) fn of(findings: &Findings) -> Self {
        let mut merged = Self { window_s: findings.timeline.window.seconds(), ..Self::default() };
        for outcome in &findings.outcomes {
            merged.tally.merge(&outcome.tally);
            let (all, one) = (&mut merged.health, &outcome.health);
            all.cpu_percent = all.cpu_percent.max(one.cpu_percent);
            all.busy_seconds = all.busy_seconds.max(one.busy_seconds);
            all.ring.add(one.ring);
            all.away.merge(&one.away);
            all.away_before.merge(&one.away_before);
            let window_ns = findings.timeline.window.length_ns();
            merged.workers_ns += window_ns;
            merged.workers_before_ns +=
                findings.timeline.window.start_ns.saturating_sub(findings.timeline.started_ns);
            let away_share = one.away.share(window_ns);
            if away_share > merged.away_share {
                (merged.away_share, merged.away_cpu_percent) = (away_share, one.cpu_percent);
            }
        }
        merged
    }
}

/// `part / whole`; 0 when there is no whole.
#[expect(clippy::cast_precision_loss, reason = "figures for people, far below 2^53")]
pub(super) fn ratio(part: u64, whole: f64) -> f64 {
    if whole > 0.0 { part as f64 / whole } else { 0.0 }
}

/// `part / whole`; nothing when there is no whole.
pub(crate) fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| ratio(part, float(whole)))
}

#[expect(clippy::cast_precision_loss, reason = "figures for people, far below 2^53")]
pub(super) const fn float(count: u64) -> f64 {
    count as f64
}

pub(crate) fn conns(plan: &Plan, merged: &Merged) -> Conns {
    let connections = merged.tally.connections;
    Conns {
        requested: plan.conns.into(),
        attempted: connections.attempted,
        connected: connections.connected,
        failed: connections.failed,
        lost: connections.lost,
        ports_skipped: connections.ports_skipped,
        connect_us: merged.tally.connect.percentiles(),
        upgrade_us: merged.tally.upgrade.percentiles().filter(|_| plan.raw.is_none()),
        errors: merged.tally.errors.lines(),
    }
}

pub(crate) fn messages(plan: &Plan, merged: &Merged, interrupted: bool) -> Messages {
    let (measured, correctness) = (merged.tally.measured, merged.tally.correctness);
    let due = float(measured.due);
    Messages {
        sent: measured.sent,
        received: measured.received,
        sent_per_s: ratio(measured.sent, merged.window_s),
        received_per_s: ratio(measured.received, merged.window_s),
        bytes_up: measured.bytes_up,
        bytes_down: measured.bytes_down,
        achieved: (plan.preset.is_open_loop() && measured.due > 0).then(|| ratio(measured.sent, due)),
        withheld: merged.tally.withheld,
        // Their answers were under way when the run was stopped.
        unanswered: if interrupted { 0 } else { merged.tally.unanswered },
        gaps: correctness.stream.gaps,
        gaps_presumed: correctness.stream.presumed,
        duplicates: correctness.stream.duplicates,
        reordered: correctness.stream.reordered,
        dropped_declared: correctness.stream.declared,
        corrupted: correctness.corrupted,
        pings_answered: (!plan.preset.plays() && plan.raw.is_none()).then_some(measured.pings_answered),
    }
}

pub(crate) fn game(plan: &Plan, merged: &Merged) -> Game {
    if !plan.preset.plays() {
        return Game::default();
    }
    let (tally, measured) = (&merged.tally, merged.tally.measured);
    // Not the players at the end: some may have left, or all.
    let player_seconds = float(measured.open_ns) / 1e9;
    let mut figures = Game {
        snapshot_interval_us: tally.interval.percentiles(),
        down_bytes_per_player_s: (measured.open_ns > 0).then(|| ratio(measured.bytes_down, player_seconds)),
        snapshots: Some(measured.snapshots),
        ..Game::default()
    };
    if plan.raw.is_none() {
        figures.input_to_effect_us = tally.intended.percentiles();
        figures.ping_us = tally.ping.percentiles();
        figures.snapshots_slow = Some(measured.snapshots_slow);
        figures.events = Some(measured.events);
        figures.state_mismatches = Some(tally.correctness.mismatches);
        figures.shots = Some(measured.shots);
        figures.hits_expected = Some(measured.hits_expected);
        figures.hits_confirmed = Some(measured.hits_confirmed);
    }
    figures
}

pub(crate) fn server(plan: &Plan, merged: &Merged, timeline: &Timeline) -> Server {
    let none = ServerReading::default();
    let (start, end) = (timeline.server.first().unwrap_or(&none), timeline.server.last().unwrap_or(&none));
    let spent = Spent::between(start, end);
    let before = timeline.server_idle.usage.rss_bytes;
    let connected = merged.tally.connections.connected;
    let kept = timeline.server_idle.status.as_ref().is_some_and(|idle| idle.keeps_memory_for(connected));
    let known = end.usage.rss_bytes.zip(before).filter(|_| !kept);
    let grown = known.and_then(|(end, before)| grown(before, end));
    let status = end.status.as_ref();
    Server {
        source: spent.cpu_ns.map(|_| if plan.server_pid.is_some() { "pid" } else { "admin" }),
        gap: timeline.server_gap.clone(),
        cpu_us_per_message: spent.cpu_us_per(merged.tally.measured.sent),
        cpu_percent: spent.cpu_percent,
        rss_bytes: end.usage.rss_bytes,
        rss_bytes_before: before,
        rss_bytes_per_conn: grown.filter(|_| connected > 0).map(|grown| ratio(grown, float(connected))),
        tick_lateness_us: spent.lateness_us,
        ticks: spent.ticks,
        ticks_missed: spent.ticks_missed,
        tick_hz: status.and_then(|status| status.tick_hz),
        snapshot_hz: status.and_then(|status| status.snapshot_hz),
    }
}

/// What the server did between two readings.
pub(super) struct Spent {
    pub(super) cpu_ns: Option<u64>,
    pub(super) cpu_percent: Option<f64>,
    pub(super) lateness_us: Option<Percentiles>,
    pub(super) ticks: Option<u64>,
    pub(super) ticks_missed: Option<u64>,
}

impl Spent {
    pub(super) fn between(start: &ServerReading, end: &ServerReading) -> Self {
        let cpu_ns = used(&start.usage, &end.usage);
        let elapsed_ns = float(end.usage.at_ns.saturating_sub(start.usage.at_ns));
        let ticks =
            start.status.as_ref().zip(end.status.as_ref()).map(|(start, end)| (&start.tick, &end.tick));
        let grown = |pick: fn(&StatusTick) -> Option<u64>| {
            let (first, last) = ticks?;
            // One that went backwards tells nothing.
            pick(last)?.checked_sub(pick(first)?)
        };
        let lateness = ticks.and_then(|(first, last)| last.lateness_since(first));
        Self {
            cpu_ns,
            cpu_percent: cpu_ns.map(|ns| ratio(ns, elapsed_ns) * 100.0),
            lateness_us: lateness.as_ref().and_then(Percentiles::of),
            ticks: grown(|tick| tick.steps),
            ticks_missed: grown(|tick| tick.missed),
        }
    }

    /// CPU of each of so many things, us.
    pub(super) fn cpu_us_per(&self, count: u64) -> Option<f64> {
        self.cpu_ns.filter(|_| count > 0).map(|ns| ratio(ns, float(count)) / 1e3)
    }
}

/// How late the server's ticks of the window began, ns.
pub(crate) fn lateness(timeline: &Timeline) -> Option<Histogram<u64>> {
    let status = |reading: Option<&'_ ServerReading>| reading?.status.clone();
    let (first, last) = (status(timeline.server.first())?, status(timeline.server.last())?);
    last.tick.lateness_since(&first.tick)
}

/// The time between two moments, seconds.
pub(crate) fn seconds_between(start_ns: u64, end_ns: u64) -> f64 {
    float(end_ns.saturating_sub(start_ns)) / 1e9
}

/// More CPUs than any machine has.
const CPUS_MAX: u64 = 1 << 16;

/// By how much memory grew; `None` where it did not: whoever has served before has the memory already, and what a connection
/// takes of it cannot be told.
fn grown(before_bytes: u64, now_bytes: u64) -> Option<u64> {
    now_bytes.checked_sub(before_bytes).filter(|bytes| *bytes > 0)
}

/// CPU time between two readings, ns; `None` where it is not known, or cannot be.
fn used(start: &Usage, end: &Usage) -> Option<u64> {
    let most_ns = end.at_ns.saturating_sub(start.at_ns).saturating_mul(CPUS_MAX);
    end.cpu_ns?.checked_sub(start.cpu_ns?).filter(|ns| *ns <= most_ns)
}

pub(crate) fn generator(findings: &Findings, merged: &Merged) -> Generator {
    let rss_bytes = findings.timeline.rss_during;
    // The trial before this one has left its memory.
    let before = findings.timeline.rss_before.filter(|_| !findings.plan.is_trial);
    let grown = rss_bytes.zip(before).and_then(|(now, before)| grown(before, now));
    let connected = merged.tally.connections.connected;
    Generator {
        cpu_percent: merged.health.cpu_percent,
        cpu_percent_by_worker: findings.outcomes.iter().map(|outcome| outcome.health.cpu_percent).collect(),
        busy_seconds: merged.health.busy_seconds,
        send_lag_us: merged.tally.send_lag.percentiles(),
        left_out_share: share(merged.tally.measured.left_out, merged.tally.measured.due),
        away_share: merged.away_share,
        away_p99_us: merged.health.away.quantile_us(0.99, merged.workers_ns),
        ring: merged.health.ring,
        rss_bytes,
        rss_bytes_before: findings.timeline.rss_before,
        rss_bytes_per_conn: grown.filter(|_| connected > 0).map(|grown| ratio(grown, float(connected))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;

    #[test]
    fn what_the_server_cannot_have_used_is_not_known() {
        let at = |at_ns, cpu_ns| Usage { at_ns, cpu_ns: Some(cpu_ns), rss_bytes: None };
        assert_eq!(used(&at(1_000, 50), &at(2_000, 150)), Some(100));
        assert_eq!(used(&at(1_000, 150), &at(2_000, 50)), None, "it went backwards");
        assert_eq!(used(&at(1_000, 0), &at(2_000, u64::MAX)), None, "no machine has so many CPUs");
    }

    #[test]
    fn memory_that_was_there_before_tells_nothing_of_a_connection() {
        assert_eq!((grown(5, 8), grown(8, 8), grown(8, 5)), (Some(3), None, None));
    }

    #[test]
    fn ticks_that_went_backwards_are_not_known() {
        let reading = |steps, missed| {
            let mut status = crate::server_side::Status::default();
            (status.tick.steps, status.tick.missed) = (Some(steps), Some(missed));
            ServerReading { status: Some(status), ..ServerReading::default() }
        };
        let spent = Spent::between(&reading(10, 5), &reading(30, 2));
        assert_eq!((spent.ticks, spent.ticks_missed), (Some(20), None));
    }

    #[test]
    fn answers_under_way_when_a_run_is_stopped_are_not_missing() {
        let plan = Cli::plan(["echo"]).unwrap();
        let mut merged = Merged::default();
        merged.tally.unanswered = 3;
        assert_eq!(messages(&plan, &merged, true).unanswered, 0);
        assert_eq!(messages(&plan, &merged, false).unanswered, 3);
    }
}
