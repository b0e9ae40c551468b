//! What the verdict rests on, from the report's figures.

use std::collections::BTreeSet;

use super::Findings;
use super::crowd::Crowd;
use super::figures::{Merged, float, share};
use super::json::Report;
use super::rewind::Rewind;
use crate::drivers::UNDER_WAY_MAX;
use crate::measure::errors::{Cause, Stage};
use crate::plan::{Pace, Plan, Preset};
use crate::slo::Metric;
use crate::verdict::{Evidence, OwnDelay};

/// What the verdict rests on.
pub(super) fn of(findings: &Findings, merged: &Merged, report: &Report<'_>) -> Evidence {
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
        away_p99_us: report.generator.away_p99_us,
        away_share: report.generator.away_share,
        away_cpu_percent: merged.away_cpu_percent,
        own_delay: own_delay(merged, report),
        unpaced: is_unpaced(plan),
        workers: plan.workers,
        cpus: cpus(findings),
        departures: report.crowd.as_ref().map_or((0, 0), Crowd::departures),
        still_away: report.crowd.as_ref().map_or(0, Crowd::still_away),
        goodbyes_unanswered: goodbyes_unanswered(plan, merged),
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

/// How late it was in rare moments, be it with what was due or with what came.
fn own_delay(merged: &Merged, report: &Report<'_>) -> OwnDelay {
    let (lag, away) = (report.generator.send_lag_us, &merged.health.away);
    OwnDelay {
        p999_us: lag.map_or(0.0, |lag| lag.p999).max(away.quantile_us(0.999, merged.workers_ns)),
        max_us: lag.map_or(0.0, |lag| lag.max).max(away.max_us()),
        connecting_p99_us: merged.health.away_before.quantile_us(0.99, merged.workers_before_ns),
    }
}

/// Whether nothing but the server and the generator sets the speed.
fn is_unpaced(plan: &Plan) -> bool {
    match plan.preset {
        Preset::Echo { pace, .. } => matches!(pace, Pace::Closed { .. }),
        Preset::Idle => plan.phases.disturbs(),
        Preset::Game { .. } | Preset::Rewind { .. } => false,
    }
}

/// CPUs that the workers may use.
fn cpus(findings: &Findings) -> usize {
    let named: BTreeSet<usize> = findings.plan.cpus.iter().copied().collect();
    if named.is_empty() { findings.machine.cpus } else { named.len() }
}

/// Goodbyes that nobody answered, where coming and going is all there is. Where there was traffic, it was answered to its
/// end, and its figures stand.
fn goodbyes_unanswered(plan: &Plan, merged: &Merged) -> u64 {
    let is_silent = matches!(plan.preset, Preset::Idle);
    let unanswered = merged
        .tally
        .errors
        .counts()
        .filter(|(stage, cause, _)| is_silent && (*stage, *cause) == (Stage::Close, &Cause::Timeout));
    unanswered.map(|(_, _, count)| count).sum()
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
    // A closed loop goes as fast as it can.
    let remedy = if plan.preset.is_open_loop() {
        "a longer --duration, or a higher --rate"
    } else {
        "a longer --duration"
    };
    (!is_judged).then(|| {
        format!(
            "nothing was judged: no message of the window was answered to a connection that counts; {remedy}"
        )
    })
}

/// What arrived wrong, in words.
fn wrong(report: &Report<'_>) -> Vec<String> {
    let messages = &report.messages;
    [
        (messages.gaps, missing(messages.gaps_presumed)),
        (messages.duplicates, "messages came twice".to_owned()),
        (messages.reordered, "messages came out of order".to_owned()),
        (messages.corrupted, "echoes are not what was sent".to_owned()),
        (
            report.game.state_mismatches.unwrap_or(0),
            "snapshots do not match the server's checksum, or cannot be read".to_owned(),
        ),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} {what}"))
    .collect()
}

/// What the gaps are. Of some nobody knows whether they came after all: no more than so many are waited for.
fn missing(presumed: u64) -> String {
    let missing = "messages are missing that nobody declared dropped";
    if presumed == 0 {
        return missing.to_owned();
    }
    format!(
        "{missing}; {presumed} of them may be late only: more than {UNDER_WAY_MAX} of their connection were overtaken, and \
         the oldest is waited for no more"
    )
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
    fn what_may_be_late_only_is_not_called_missing_without_a_doubt() {
        assert_eq!(missing(0), "messages are missing that nobody declared dropped");
        assert!(missing(3).contains("; 3 of them may be late only: more than 4096"), "{}", missing(3));
    }

    #[test]
    fn goodbyes_count_where_nothing_else_is_said() {
        let mut merged = Merged::default();
        merged.tally.errors.add_many(Stage::Close, Cause::Timeout, 7);
        merged.tally.errors.add_many(Stage::Close, Cause::EndOfStream, 1);
        merged.tally.errors.add_many(Stage::Upgrade, Cause::Timeout, 2);
        let of = |words: &str| goodbyes_unanswered(&Cli::plan(words.split(' ')).unwrap(), &merged);
        assert_eq!((of("idle"), of("handshake"), of("echo"), of("game")), (7, 7, 0, 0));
    }

    #[test]
    fn loops_and_crowds_go_as_fast_as_they_can() {
        let of = |words: &str| is_unpaced(&Cli::plan(words.split(' ')).unwrap());
        assert_eq!([of("echo --closed"), of("handshake"), of("churn --traffic idle")], [true; 3]);
        assert_eq!([of("echo"), of("idle"), of("game"), of("churn --traffic echo")], [false; 4]);
    }
}
