//! The summary for people, printed when a run is over.

use std::fmt::Write;

use super::json::{Objective, Report};
use super::wording;
use crate::measure::latency::Percentiles;
use crate::verdict::Verdict;

/// From this share of the window on the summary tells that a worker was kept from running.
const AWAY_SHARE_TOLD: f64 = 0.05;
/// From this share of the window on it tells how long one answer of a closed loop took.
const LONG_WAIT_SHARE: f64 = 0.1;

/// The summary, several lines.
pub(crate) fn text(report: &Report<'_>) -> String {
    let mut out = String::new();
    let result = write_all(&mut out, report);
    result.expect("writing to a string does not fail");
    out
}

fn write_all(out: &mut String, report: &Report<'_>) -> std::fmt::Result {
    let messages = &report.messages;
    writeln!(out)?;
    writeln!(
        out,
        "{} against {} for {:.1} s{} (seed {})",
        report.preset,
        report.plan.targets_named(),
        report.window_s,
        if report.interrupted { format!(" of {} s", report.window_planned_s) } else { String::new() },
        report.seed
    )?;
    connections(out, report)?;
    if messages.sent + messages.received > 0 {
        writeln!(
            out,
            "  messages     {} sent ({:.0}/s), {} received ({:.0}/s)",
            messages.sent, messages.sent_per_s, messages.received, messages.received_per_s
        )?;
        writeln!(
            out,
            "  streams      {} gaps, {} duplicates, {} reordered, {} dropped as declared, {} corrupted",
            messages.gaps,
            messages.duplicates,
            messages.reordered,
            messages.dropped_declared,
            messages.corrupted
        )?;
    }
    if report.game.input_to_effect_us.is_none() {
        spread(out, "latency", report.latency_us.intended)?;
    }
    game(out, report)?;
    if report.game.input_to_effect_us.is_none() {
        spread(out, "service", report.latency_us.service)?;
        let closed = report.latency_us.service.filter(|_| report.latency_us.intended.is_none());
        if let Some(wait) = closed.and_then(|service| long_wait(service.max / 1e6, report.window_s)) {
            writeln!(out, "               {wait}")?;
        }
    }
    if let Some(rewind) = &report.rewind {
        rewind.write(out)?;
    }
    if let Some(crowd) = &report.crowd {
        crowd.write(out)?;
    }
    if report.phases.len() > 1 {
        let width = report.phases.iter().map(|phase| phase.name.chars().count()).max().unwrap_or(0).max(12);
        report.phases.iter().try_for_each(|phase| phase.write(out, width))?;
    }
    server(out, report)?;
    write!(out, "  generator    {:.0}% of a core in the busiest worker", report.generator.cpu_percent)?;
    if report.generator.away_share >= AWAY_SHARE_TOLD {
        write!(out, ", kept from running for {:.0}% of the window", report.generator.away_share * 100.0)?;
    }
    match report.generator.send_lag_us {
        Some(lag) => writeln!(out, ", sends {} late at p99", time(lag.p99))?,
        None => match report.generator.rss_bytes_per_conn {
            Some(bytes) => writeln!(out, ", {bytes:.0} B per connection")?,
            None => writeln!(out)?,
        },
    }
    verdict(out, report)
}

/// What the percentiles of a closed loop hide ("coordinated omission": Gil Tene, "How NOT to Measure Latency"), where it was
/// much of the window.
fn long_wait(longest_s: f64, window_s: f64) -> Option<String> {
    let share = longest_s / window_s;
    (share > LONG_WAIT_SHARE).then(|| {
        format!(
            "an answer took {:.0}% of the window, and counts once: a closed loop sends nothing while it waits, which an \
             open one (--rate N) shows",
            share * 100.0
        )
    })
}

fn connections(out: &mut String, report: &Report<'_>) -> std::fmt::Result {
    let conns = &report.conns;
    writeln!(
        out,
        "  connections  {} of {} connected, {} failed, {} lost",
        conns.connected, conns.requested, conns.failed, conns.lost
    )?;
    for line in &conns.errors {
        writeln!(
            out,
            "               {} x {} at {} ({} side): {}",
            line.count,
            wording::full(&line.error),
            format!("{:?}", line.stage).to_lowercase(),
            line.side.name(),
            line.remedy
        )?;
    }
    if let Some(pings) = report.messages.pings_answered.filter(|pings| *pings > 0) {
        writeln!(out, "  pings        {pings} of the server answered")?;
    }
    if let Some(link) = report.link {
        write!(out, "  link         each way {}", time(micros(link.latency_ns)))?;
        write!(out, ", jitter up to {}", time(micros(link.jitter_ns)))?;
        if link.stall_ns > 0 {
            let (length, period) = (micros(link.stall_ns), micros(link.stall_period_ns));
            write!(out, ", a stall of {} in every {}", time(length), time(period))?;
        }
        writeln!(out)?;
    }
    spread(out, "connect", conns.connect_us)?;
    spread(out, "upgrade", conns.upgrade_us)?;
    Ok(())
}

fn game(out: &mut String, report: &Report<'_>) -> std::fmt::Result {
    let game = &report.game;
    spread(out, "effect", game.input_to_effect_us)?;
    spread(out, "snapshots", game.snapshot_interval_us)?;
    if let Some(bytes) = game.down_bytes_per_player_s {
        write!(out, "  players      {:.1} kB/s down each", bytes / 1e3)?;
        if let (Some(shots), Some(expected), Some(confirmed)) =
            (game.shots, game.hits_expected, game.hits_confirmed)
        {
            write!(out, ", {shots} shots, {expected} aimed true, {confirmed} of those hit")?;
        }
        if let Some(mismatches) = game.state_mismatches {
            write!(out, ", {mismatches} states that do not match")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn server(out: &mut String, report: &Report<'_>) -> std::fmt::Result {
    let server = &report.server;
    if let Some(gap) = &server.gap {
        writeln!(out, "  server       figures are missing: {gap}")?;
    }
    if let Some(percent) = server.cpu_percent {
        write!(out, "  server       {percent:.1}% of a core")?;
        if let Some(us) = server.cpu_us_per_message {
            write!(out, ", {us:.2} us per message")?;
        }
        if let Some(rss) = server.rss_bytes {
            write!(out, ", {} KiB resident", rss / 1024)?;
        }
        if let Some(bytes) = server.rss_bytes_per_conn {
            write!(out, " ({bytes:.0} B per connection)")?;
        }
        writeln!(out)?;
    }
    spread(out, "tick late", server.tick_lateness_us)?;
    if let (Some(ticks), Some(missed)) = (server.ticks, server.ticks_missed) {
        writeln!(out, "  ticks        {ticks} run, {missed} missed")?;
    }
    Ok(())
}

fn verdict(out: &mut String, report: &Report<'_>) -> std::fmt::Result {
    for found in &report.diagnosis {
        found.write(out)?;
    }
    slow_time(out, report)?;
    for objective in &report.slo {
        writeln!(out, "  objective    {}", told(objective))?;
    }
    if report.plan.force && report.verdict == Verdict::Pass {
        writeln!(out, "  note         started with --force")?;
    }
    write!(out, "verdict: {}", report.verdict.word())?;
    if report.interrupted {
        write!(out, "{}", interruption(report.verdict, report.window_s, report.window_planned_s))?;
    }
    for reason in &report.reasons {
        write!(out, "\n  - {reason}")?;
    }
    Ok(())
}

/// An objective, whether it was met, and what was measured; one that nobody measured is not one that was missed.
fn told(objective: &Objective) -> String {
    let sign = match (objective.measured, objective.met) {
        (None, _) => "NOT MEASURED",
        (Some(_), true) => "met",
        (Some(_), false) => "NOT MET",
    };
    format!("{} {sign}: {}", objective.objective, objective.shown)
}

/// How much of the plan there was, behind the verdict's word.
fn interruption(verdict: Verdict, window_s: f64, planned_s: f64) -> String {
    let word = if verdict == Verdict::Interrupted { "" } else { ", interrupted" };
    match window_s {
        ..=0.0 => format!("{word} before the measuring began: 0 s of {planned_s} s"),
        _ if window_s >= planned_s => {
            format!("{word} after all {planned_s} s, while the last answers were awaited")
        }
        _ => format!("{word} after {window_s:.1} s of {planned_s} s"),
    }
}

/// Latencies look well in a game that the server slows down: that it did stands by itself.
fn slow_time(out: &mut String, report: &Report<'_>) -> std::fmt::Result {
    let slow = report.game.snapshots_slow.unwrap_or(0);
    let Some(share) = report.game.slow_share().filter(|_| slow > 0) else { return Ok(()) };
    let percent = (share * 100.0).max(0.1);
    writeln!(
        out,
        "  WARNING      the game ran in slow motion: {slow} snapshots ({percent:.1}%) say that the server did not keep up; \
         fewer players or rooms, or more server workers (--slo slow==0 makes a run miss for it)"
    )
}

pub(super) fn spread(out: &mut String, name: &str, percentiles: Option<Percentiles>) -> std::fmt::Result {
    let Some(p) = percentiles else { return Ok(()) };
    let [p50, p90, p99, p999, max] = times([p.p50, p.p90, p.p99, p.p999, p.max]);
    writeln!(out, "  {name:<12} p50 {p50}, p90 {p90}, p99 {p99}, p99.9 {p999}, max {max}")
}

/// Several of µs in one unit, so that they can be compared at a glance: ms, unless all are below or all are a second
/// or more.
pub(super) fn times<const N: usize>(us: [f64; N]) -> [String; N] {
    let all = |fits: fn(f64) -> bool| us.iter().all(|us| fits(*us));
    if all(|us| us < 1e3) || all(|us| us >= 1e6) {
        return us.map(time);
    }
    us.map(|us| if us < 1e3 { format!("{:.3} ms", us / 1e3) } else { format!("{:.2} ms", us / 1e3) })
}

/// ns in µs.
#[expect(clippy::cast_precision_loss, reason = "figures for people, of some seconds at most")]
fn micros(ns: u64) -> f64 {
    ns as f64 / 1e3
}

/// µs in a unit that reads well.
pub(super) fn time(us: f64) -> String {
    if us >= 1e6 {
        format!("{:.2} s", us / 1e6)
    } else if us >= 1e3 {
        format!("{:.2} ms", us / 1e3)
    } else {
        format!("{us:.0} us")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interruption_says_how_much_there_was() {
        let text = |verdict, window_s| interruption(verdict, window_s, 60.0);
        assert_eq!(text(Verdict::Interrupted, 12.34), " after 12.3 s of 60 s");
        assert_eq!(text(Verdict::Correctness, 12.34), ", interrupted after 12.3 s of 60 s");
        assert_eq!(text(Verdict::Interrupted, 0.0), " before the measuring began: 0 s of 60 s");
        assert_eq!(text(Verdict::Interrupted, 60.0), " after all 60 s, while the last answers were awaited");
    }

    #[test]
    fn an_objective_that_nobody_measured_was_not_missed() {
        let text = |measured, met, shown: &str| {
            told(&Objective { objective: "p99<1ms".to_owned(), measured, met, shown: shown.to_owned() })
        };
        assert_eq!(text(Some(900.0), true, "0.9ms"), "p99<1ms met: 0.9ms");
        assert_eq!(text(Some(2_000.0), false, "2ms"), "p99<1ms NOT MET: 2ms");
        assert_eq!(text(None, false, "ask a fresh one"), "p99<1ms NOT MEASURED: ask a fresh one");
    }

    #[test]
    fn what_a_closed_loop_hides_is_told() {
        assert_eq!(long_wait(0.9, 10.0), None);
        assert!(
            long_wait(6.0, 10.0).unwrap().starts_with("an answer took 60% of the window, and counts once")
        );
    }

    #[test]
    fn one_line_has_one_unit() {
        assert_eq!(times([12.0, 999.0]), ["12 us", "999 us"]);
        assert_eq!(times([85.0, 1_234.0, 2_000_000.0]), ["0.085 ms", "1.23 ms", "2000.00 ms"]);
        assert_eq!(times([1_500_000.0, 2_000_000.0]), ["1.50 s", "2.00 s"]);
    }
}
