//! The status page: limits, counters and tick times as JSON, for people and for the load generator.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use hdrhistogram::Histogram;
use serde_json::{Map, Value, json};

use super::admin::Admin;
use super::histogram::{hdr_v2, merged, quantile_us};
use super::machine;
use super::metrics::{COUNTERS, Field, GAUGES, Labelled, RUNGS, STATES, TOKENS_REFUSED, rate};
use super::process;
use super::reports::Collected;
use crate::clock::Clock;
use crate::limits::Machine;
use crate::recording::Stop;
use crate::report::WorkerReport;

/// The page.
pub(super) fn page(admin: &Admin, collected: &Collected) -> Value {
    let config = &admin.config;
    let silent: Vec<Value> = collected
        .silent()
        .map(|(worker, silence)| json!({ "worker": worker, "why": silence.why() }))
        .collect();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "uptime_s": std::time::Duration::from_nanos(admin.clock.now_ns()).as_secs_f64(),
        "ready": admin.is_ready(),
        "game": config.game,
        "echo": config.echo,
        "tick_hz": config.tick_hz,
        "snapshot_hz": config.snapshot_hz,
        "lag_compensation": config.lag_compensation,
        "rewind_ms_max": u64::try_from(config.rewind_max.as_millis()).unwrap_or(u64::MAX),
        "snapshot_bytes_per_s": config.snapshot_bytes_per_s,
        "limits": limits(admin),
        "pools": {
            "worker_bytes": collected.reports().map(|report| report.pool_bytes).collect::<Vec<_>>(),
            "total_bytes": collected.reports().map(|report| report.pool_bytes).sum::<u64>(),
        },
        "memory": { "rss_bytes": process::rss_bytes() },
        "cpu_ns": Clock::process_worked_ns(),
        "machine": machine::page(),
        "tcp": machine::tcp(),
        "recordings": recordings(admin),
        "totals": totals(collected),
        "workers": workers(collected),
        "workers_silent": silent,
        "tick": ticks(collected),
    })
}

fn limits(admin: &Admin) -> Value {
    let config = &admin.config;
    json!({
        "descriptors": Machine::read().descriptors_soft,
        "connections_max": config.max_conns,
        "connections_per_worker_max": config.fixed_table,
        "workers": config.workers,
        "players_max_per_room": config.room_players_max,
        "spectators_max_per_room": config.room_spectators_max,
        "spectator_delay_ms": u64::try_from(config.spectator_delay.as_millis()).unwrap_or(u64::MAX),
        "rooms_max_per_worker": config.rooms_max,
        "outbox_bytes_max": config.outbox_bytes_max,
        "gather_us": config.gather_us,
    })
}

fn recordings(admin: &Admin) -> Value {
    let tally = &admin.tally;
    let stopped: Map<String, Value> =
        Stop::ALL.iter().map(|why| (why.label().to_owned(), tally.stops(*why).into())).collect();
    json!({
        "dir": admin.config.record.dir.as_ref().map(|dir| dir.display().to_string()),
        "bytes_max": admin.config.record.bytes_max,
        "writing": tally.writing.load(Ordering::Relaxed),
        "finished": tally.finished.load(Ordering::Relaxed),
        "bytes": tally.bytes.load(Ordering::Relaxed),
        "stopped": stopped,
    })
}

/// The named numbers of a worker, or sums of them over workers.
fn numbers<'a>(fields: impl Iterator<Item = &'a Field>, of: impl Fn(&Field) -> u64) -> Map<String, Value> {
    fields.map(|field| (field.name.to_owned(), of(field).into())).collect()
}

fn totals(collected: &Collected) -> Value {
    let mut sums = numbers(COUNTERS.iter().chain(GAUGES), |field| collected.reports().map(field.of).sum());
    let labelled = |names: &[Labelled]| -> Map<String, Value> {
        let sum = |of: fn(&WorkerReport) -> u64| collected.reports().map(of).sum::<u64>();
        names.iter().map(|(name, of)| ((*name).to_owned(), sum(*of).into())).collect()
    };
    let mut closes = BTreeMap::<(u16, &str), u64>::new();
    let mut inputs = BTreeMap::<&str, u64>::new();
    for report in collected.reports() {
        for (code, cause, count) in &report.closes {
            *closes.entry((*code, cause)).or_default() += count;
        }
        for (outcome, count) in &report.inputs {
            *inputs.entry(outcome).or_default() += count;
        }
    }
    sums.insert("connections".to_owned(), labelled(STATES).into());
    sums.insert("tokens_refused".to_owned(), labelled(TOKENS_REFUSED).into());
    let highest = collected.reports().map(|report| report.overload.rung).max();
    sums.insert("overload_rung_max".to_owned(), highest.into());
    sums.insert(
        "closes".to_owned(),
        closes.iter().map(|((code, cause), count)| close(*code, cause, *count)).collect(),
    );
    sums.insert("inputs".to_owned(), json!(inputs));
    sums.into()
}

fn close(code: u16, cause: &str, count: u64) -> Value {
    json!({ "code": code, "cause": cause, "count": count })
}

/// Those that answered.
fn workers(collected: &Collected) -> Vec<Value> {
    let answers = collected.answers.iter().zip(&collected.depths);
    answers.filter_map(|(answer, depth)| Some(worker(answer.as_ref().ok()?, *depth))).collect()
}

fn worker(report: &WorkerReport, mailbox_depth: usize) -> Value {
    let (ring, plain): (Vec<&Field>, Vec<&Field>) =
        COUNTERS.iter().chain(GAUGES).partition(|field| field.name.starts_with("ring_"));
    let mut out = numbers(plain.into_iter(), |field| (field.of)(report));
    let ring: Map<String, Value> = ring
        .into_iter()
        .map(|field| (field.name.trim_start_matches("ring_").to_owned(), (field.of)(report).into()))
        .collect();
    let labelled = |names: &[Labelled]| -> Map<String, Value> {
        names.iter().map(|(name, of)| ((*name).to_owned(), of(report).into())).collect()
    };
    out.insert("worker".to_owned(), report.worker.into());
    out.insert("connections".to_owned(), labelled(STATES).into());
    out.insert("tokens_refused".to_owned(), labelled(TOKENS_REFUSED).into());
    out.insert("ring".to_owned(), ring.into());
    out.insert("overload".to_owned(), overload(report));
    out.insert("mailbox_depth".to_owned(), mailbox_depth.into());
    let closes = report.closes.iter().map(|(code, cause, count)| close(*code, cause, *count));
    out.insert("closes".to_owned(), closes.collect());
    out.insert("inputs".to_owned(), json!(report.inputs.iter().copied().collect::<BTreeMap<_, _>>()));
    out.insert("lateness_us".to_owned(), times(Some(&report.lateness_ns)));
    out.into()
}

/// Where it stands on the overload ladder.
fn overload(report: &WorkerReport) -> Value {
    let seconds = |of: fn(&WorkerReport) -> u64| std::time::Duration::from_nanos(of(report)).as_secs_f64();
    let spent: Map<String, Value> =
        RUNGS.iter().map(|(rung, of)| ((*rung).to_owned(), seconds(*of).into())).collect();
    json!({ "rung": report.overload.rung, "time_dilation": rate(report), "seconds": spent })
}

fn ticks(collected: &Collected) -> Value {
    let lateness_ns = merged(collected.reports().map(|report| &report.lateness_ns));
    let step_ns = merged(collected.reports().map(|report| &report.step_ns));
    let encode_ns = merged(collected.reports().map(|report| &report.encode_ns));
    json!({
        "lateness_us": times(lateness_ns.as_ref()),
        "step_us": times(step_ns.as_ref()),
        "encode_us": times(encode_ns.as_ref()),
        "steps": collected.reports().map(|report| report.steps).sum::<u64>(),
        "missed": collected.reports().map(|report| report.steps_missed).sum::<u64>(),
        "lateness_hdr": lateness_ns.as_ref().and_then(hdr_v2),
    })
}

fn times(histogram: Option<&Histogram<u64>>) -> Value {
    histogram.map_or(Value::Null, |histogram| {
        json!({
            "p50": quantile_us(histogram, 0.5),
            "p99": quantile_us(histogram, 0.99),
            "max": quantile_us(histogram, 1.0),
            "count": histogram.len(),
        })
    })
}
