//! The summary for people, printed when a run is over.

use std::fmt::Write;

use super::json::Report;
use crate::measure::latency::Percentiles;
use crate::verdict::Verdict;

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
        "{} against {} for {:.1} s (seed {})",
        report.preset,
        report.plan.targets_named(),
        report.window_s,
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
    }
    if let Some(rewind) = &report.rewind {
        rewind.write(out)?;
    }
    if let Some(crowd) = &report.crowd {
        crowd.write(out)?;
    }
    if report.phases.len() > 1 {
        report.phases.iter().try_for_each(|phase| phase.write(out))?;
    }
    server(out, report)?;
    write!(out, "  generator    {:.0}% of a core in the busiest worker", report.generator.cpu_percent)?;
    match report.generator.send_lag_us {
        Some(lag) => writeln!(out, ", sends {} late at p99", time(lag.p99))?,
        None => match report.generator.rss_bytes_per_conn {
            Some(bytes) => writeln!(out, ", {bytes:.0} B per connection")?,
            None => writeln!(out)?,
        },
    }
    verdict(out, report)
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
            "               {} x {} while {} ({} side): {}",
            line.count,
            line.error,
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
        if let Some(slow) = game.snapshots_slow.filter(|slow| *slow > 0) {
            write!(out, ", {slow} snapshots of slow time: the server did not keep up")?;
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
    for objective in &report.slo {
        let sign = if objective.met { "met" } else { "NOT MET" };
        let shown = objective.shown.as_deref().map_or_else(String::new, |shown| format!(": {shown}"));
        writeln!(out, "  objective    {} {sign}{shown}", objective.objective)?;
    }
    if report.plan.force && report.verdict == Verdict::Pass {
        writeln!(out, "  note         started with --force")?;
    }
    write!(out, "verdict: {}", report.verdict.word())?;
    for reason in &report.reasons {
        write!(out, "\n  - {reason}")?;
    }
    Ok(())
}

pub(super) fn spread(out: &mut String, name: &str, percentiles: Option<Percentiles>) -> std::fmt::Result {
    let Some(p) = percentiles else { return Ok(()) };
    writeln!(
        out,
        "  {name:<12} p50 {}, p90 {}, p99 {}, p99.9 {}, max {}",
        time(p.p50),
        time(p.p90),
        time(p.p99),
        time(p.p999),
        time(p.max)
    )
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
