//! From what the workers and the leading thread noted to the figures of the report.

use hdrhistogram::Histogram;

use super::Findings;
use super::crowd::Crowd;
use super::json::{Conns, Game, Generator, Messages, Report, Server};
use super::rewind::Rewind;
use crate::lead::{ServerReading, Timeline};
use crate::measure::health::Health;
use crate::measure::latency::Percentiles;
use crate::measure::tally::Tally;
use crate::plan::{Plan, Preset};
use crate::server_side::{StatusTick, Usage};
use crate::slo::Metric;
use crate::verdict::Evidence;

/// All workers together.
#[derive(Debug, Default)]
pub(crate) struct Merged {
    pub(crate) tally: Tally,
    pub(crate) health: Health,
    pub(crate) window_s: f64,
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
        ring: merged.health.ring,
        rss_bytes,
        rss_bytes_before: findings.timeline.rss_before,
        rss_bytes_per_conn: grown.filter(|_| connected > 0).map(|grown| ratio(grown, float(connected))),
    }
}

/// What the verdict rests on.
pub(crate) fn evidence(findings: &Findings, merged: &Merged, report: &Report<'_>) -> Evidence {
    let plan = &findings.plan;
    let objectives = plan.slo.iter().map(|slo| (*slo, measured(slo.metric, report))).collect();
    Evidence {
        interrupted: findings.timeline.interrupted,
        requested: report.conns.requested,
        connected: report.conns.connected,
        lost: report.conns.lost,
        wrong: [wrong(report), report.rewind.as_ref().map(Rewind::wrong).unwrap_or_default()].concat(),
        unproved: [
            report.rewind.as_ref().map(Rewind::unproved).unwrap_or_default(),
            report.crowd.as_ref().map(Crowd::unproved).unwrap_or_default(),
        ]
        .concat(),
        achieved: report.messages.achieved,
        left_out: report.generator.left_out_share.unwrap_or(0.0),
        unanswered: report.messages.unanswered,
        open_loop: plan.preset.is_open_loop(),
        window_s: merged.window_s,
        send_lag_p99_us: report.generator.send_lag_us.map(|lag| lag.p99),
        gather_due_us: if plan.exact { 0 } else { plan.gather_us },
        readings_late_s: float(findings.timeline.late_ns) / 1e9,
        busiest_percent: report.generator.cpu_percent,
        busy_seconds: report.generator.busy_seconds,
        server_percent: report.server.cpu_percent,
        server_gap: report.server.gap.clone(),
        memory_was_there: report.server.rss_bytes.zip(report.server.rss_bytes_before).is_some()
            && report.server.rss_bytes_per_conn.is_none(),
        unjudged: unjudged(plan, report),
        objectives,
    }
}

/// Where nothing was judged that was to be, a sentence: then there is nothing to pass.
fn unjudged(plan: &Plan, report: &Report<'_>) -> Option<String> {
    if matches!(plan.preset, Preset::Idle) || report.window_s <= 0.0 || report.conns.connected == 0 {
        return None;
    }
    let mut phases = plan.phases.list().iter().zip(&report.phases);
    let unnoticed = phases.find(|(planned, told)| {
        let is_noticed = told.bystander_latency_us.is_some() || told.bystander_snapshot_interval_us.is_some();
        planned.stall_share.is_some() && !is_noticed
    });
    if let Some((planned, _)) = unnoticed {
        return Some(format!(
            "nothing was judged in the phase {}: no answer came to a connection that went on reading; leave some to \
             notice, with a smaller --stall-share, or a longer phase",
            planned.name
        ));
    }
    let recovery_us = report.crowd.as_ref().and_then(|crowd| crowd.recovery_us);
    let latencies = [report.latency_us.intended, report.latency_us.service, report.game.snapshot_interval_us];
    let is_judged = latencies.into_iter().chain([recovery_us]).any(|measured| measured.is_some());
    (!is_judged).then(|| {
        "nothing was judged: no message of the window was answered to a connection that counts; a longer --duration, \
         or a higher --rate"
            .to_owned()
    })
}

/// What arrived wrong, in words.
fn wrong(report: &Report<'_>) -> Vec<String> {
    let messages = &report.messages;
    [
        (messages.gaps, "messages are missing that nobody declared dropped"),
        (messages.duplicates, "messages came twice"),
        (messages.reordered, "messages came out of order"),
        (messages.corrupted, "echoes are not what was sent"),
        (
            report.game.state_mismatches.unwrap_or(0),
            "snapshots do not match the server's checksum, or cannot be read",
        ),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} {what}"))
    .collect()
}

/// The figure an objective is about.
fn measured(metric: Metric, report: &Report<'_>) -> Option<f64> {
    // A closed loop has no intended times: its latency is the service latency.
    let latency = report.latency_us.intended.or(report.latency_us.service);
    let (game, server, messages) = (&report.game, &report.server, &report.messages);
    let count = |count: u64| Some(float(count));
    match metric.name() {
        "p50" => latency.map(|l| l.p50),
        "p90" => latency.map(|l| l.p90),
        "p95" => latency.and_then(|l| l.p95),
        "p99" => latency.map(|l| l.p99),
        "p999" => latency.map(|l| l.p999),
        "max" => latency.map(|l| l.max),
        "effect_p50" => game.input_to_effect_us.map(|l| l.p50),
        "effect_p99" => game.input_to_effect_us.map(|l| l.p99),
        "effect_max" => game.input_to_effect_us.map(|l| l.max),
        "interval_p50" => game.snapshot_interval_us.map(|l| l.p50),
        "interval_p99" => game.snapshot_interval_us.map(|l| l.p99),
        "interval_max" => game.snapshot_interval_us.map(|l| l.max),
        "connect_p99" => report.conns.connect_us.map(|l| l.p99),
        "upgrade_p99" => report.conns.upgrade_us.map(|l| l.p99),
        "recovery_p50" => report.crowd.as_ref()?.recovery_us.map(|l| l.p50),
        "recovery_p99" => report.crowd.as_ref()?.recovered_99_percent_us,
        "recovery_max" => report.crowd.as_ref()?.recovery_us.map(|l| l.max),
        "upgrades_per_s" => report.crowd.as_ref().map(|crowd| crowd.upgrades_per_s),
        "shed" => report.crowd.as_ref().map(|crowd| float(crowd.shed)),
        "gaps" => count(messages.gaps),
        "duplicates" => count(messages.duplicates),
        "reordered" => count(messages.reordered),
        "corrupted" => count(messages.corrupted),
        "dropped" => count(messages.dropped_declared),
        "slow" => game.snapshots_slow.map(float),
        // Without a snapshot nothing was slow: other figures tell of that.
        "slow_share" => game.slow_share().or_else(|| game.snapshots_slow.map(float)),
        "mismatches" => game.state_mismatches.map(float),
        "hit_share" => share(game.hits_confirmed?, game.hits_expected?),
        "failed" => count(report.conns.failed + report.conns.lost),
        "achieved" => messages.achieved,
        "sent_per_s" => Some(messages.sent_per_s),
        "received_per_s" => Some(messages.received_per_s),
        "down_bytes_per_player_s" => game.down_bytes_per_player_s,
        "lateness_p50" => server.tick_lateness_us.map(|l| l.p50),
        "lateness_p99" => server.tick_lateness_us.map(|l| l.p99),
        "lateness_max" => server.tick_lateness_us.map(|l| l.max),
        "ticks_missed" => server.ticks_missed.map(float),
        "cpu_us_per_message" => server.cpu_us_per_message,
        "rss_bytes_per_conn" => server.rss_bytes_per_conn,
        name => unreachable!("{name} is a metric without a figure"),
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
