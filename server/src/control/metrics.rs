//! The Prometheus page, made anew from the reports for each scrape.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hdrhistogram::Histogram;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::{Registry, Unit};
use tickring_protocol::message::TIME_DILATION_NONE;

use super::admin::Admin;
use super::histogram;
use super::process;
use super::reports::Collected;
use crate::clock::Clock;
use crate::config::ServerConfig;
use crate::recording::{Stop, Tally};
use crate::report::WorkerReport;

/// The type of the page, as the OpenMetrics specification wants it.
pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// A number of a worker, with the name it has outside.
pub(super) struct Field {
    pub(super) name: &'static str,
    help: &'static str,
    pub(super) of: fn(&WorkerReport) -> u64,
}

const fn field(name: &'static str, help: &'static str, of: fn(&WorkerReport) -> u64) -> Field {
    Field { name, help, of }
}

/// What only grows.
#[rustfmt::skip]
pub(super) const COUNTERS: &[Field] = &[
    field("accepts", "Connections accepted", |r| r.traffic.accepts),
    field("accept_pauses", "Times accepting paused because descriptors or table places ran out", |r| r.traffic.accept_pauses),
    field("upgrades", "Upgrades answered with 101", |r| r.traffic.upgrades),
    field("upgrades_refused", "Upgrades refused with an HTTP error", |r| r.traffic.upgrades_refused),
    field("handed_in", "Connections that arrived from another worker", |r| r.traffic.handed_in),
    field("handed_out", "Connections given to another worker", |r| r.traffic.handed_out),
    field("hand_overs_failed", "Connections refused because the worker of their room, whose table is full, could not take them", |r| r.traffic.hand_overs_failed),
    field("messages_in", "Messages received", |r| r.traffic.messages_in),
    field("messages_out", "Messages queued for peers; what was dropped with a connection is in it", |r| r.traffic.messages_out),
    field("bytes_in", "Bytes received", |r| r.traffic.bytes_in),
    field("bytes_out", "Bytes handed to the kernel", |r| r.traffic.bytes_out),
    field("snapshots_replaced", "Snapshots replaced by a newer one before they were sent", |r| r.traffic.snapshots_replaced),
    field("pings_out", "Pings sent to silent peers", |r| r.traffic.pings_out),
    field("mailbox_full", "Mailbox messages that found a mailbox full", |r| r.traffic.mailbox_full),
    field("ring_enters", "Times the worker entered the kernel", |r| r.ring.enters),
    field("ring_completions", "Completions handled", |r| r.ring.completions),
    field("ring_buffer_exhaustions", "Receives that ended because all buffers were in use", |r| r.ring.buffer_exhaustions),
    field("ring_overflows", "Completion queue overflows", |r| r.ring.overflows),
    field("ring_short_sends", "Sends the kernel finished only in part", |r| r.ring.short_sends),
    field("ring_fairness_pauses", "Receives paused because one connection had its share", |r| r.ring.fairness_pauses),
    field("ring_accepts_dropped", "Connections the kernel accepted and dropped because the table had filled up first", |r| r.ring.accepts_dropped),
    field("ticks", "Ticks simulated", |r| r.steps),
    field("ticks_missed", "Ticks dropped because the worker was too late to catch up", |r| r.steps_missed),
    field("joins_refused_overloaded", "Hellos refused because the worker did not keep up", |r| r.overload.joins_refused),
    field("snapshots_thinned", "Snapshots that lacked what was far because the worker did not keep up", |r| r.overload.snapshots_thinned),
    field("seat_holds", "Connections lost whose seat was held", |r| r.seats.holds),
    field("seat_holds_expired", "Held seats given up because nobody came back in time", |r| r.seats.holds_expired),
    field("seat_holds_ended", "Held seats given up early, for an operator or another room", |r| r.seats.holds_ended),
    field("seat_resumes", "Held seats taken again with their token", |r| r.seats.resumes),
    field("cells_put_off", "Cells with news that had to wait for a player's snapshot budget", |r| r.withheld.cells_put_off),
    field("spectator_left_out", "Snapshots and events that delayed spectators never see, their memory being full", |r| r.withheld.spectator_left_out),
    field("seat_takeovers", "Seats taken with their token while the connection before still lived", |r| r.seats.takeovers),
    field("seat_kicks", "Players removed by an operator, connected or held", |r| r.seats.kicks),
];

/// What goes up and down.
#[rustfmt::skip]
pub(super) const GAUGES: &[Field] = &[
    field("rooms", "Rooms living on the worker", |r| r.rooms),
    field("players", "Players seated in them", |r| r.players),
    field("seats_held", "Seats kept for players who have lost their connection", |r| r.seats_held),
    field("pool_bytes", "Bytes of the fixed pools", |r| r.pool_bytes),
];

pub(super) type Labelled = (&'static str, fn(&WorkerReport) -> u64);

/// Connections by state.
#[rustfmt::skip]
pub(super) const STATES: &[Labelled] = &[
    ("upgrading", |r| r.connections.upgrading),
    ("greeting", |r| r.connections.greeting),
    ("playing", |r| r.connections.playing),
    ("watching", |r| r.connections.watching),
    ("echo", |r| r.connections.echo),
    ("closing", |r| r.connections.closing),
];

/// Resume tokens that took no seat, by reason.
#[rustfmt::skip]
pub(super) const TOKENS_REFUSED: &[Labelled] = &[
    ("used", |r| r.seats.tokens_used),
    ("expired", |r| r.seats.tokens_expired),
    ("unknown", |r| r.seats.tokens_unknown),
];

/// Time on each rung of the overload ladder, ns.
#[rustfmt::skip]
pub(super) const RUNGS: &[Labelled] = &[
    ("0", |r| r.overload.rung_ns[0]),
    ("1", |r| r.overload.rung_ns[1]),
    ("2", |r| r.overload.rung_ns[2]),
    ("3", |r| r.overload.rung_ns[3]),
    ("4", |r| r.overload.rung_ns[4]),
];

type Times = (&'static str, &'static str, fn(&WorkerReport) -> &Histogram<u64>);

#[rustfmt::skip]
const TIMES: &[Times] = &[
    ("tick_lateness", "How long after its deadline each tick began", |r| &r.lateness_ns),
    ("tick_step", "How long each room's step took", |r| &r.step_ns),
    ("tick_encode", "How long encoding each room's snapshot and writing it out took", |r| &r.encode_ns),
];

/// The page.
pub(super) fn page(collected: Arc<Collected>, admin: &Admin) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("tickring");
    let (config, tally, ready) = (admin.config.clone(), Arc::clone(&admin.tally), admin.is_ready());
    registry.register_collector(Box::new(Scrape { collected, config, tally, ready }));
    let mut out = String::with_capacity(32 * 1024);
    encode(&mut out, &registry)?;
    Ok(out)
}

#[derive(Debug)]
struct Scrape {
    collected: Arc<Collected>,
    config: ServerConfig,
    tally: Arc<Tally>,
    ready: bool,
}

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.server(&mut encoder)?;
        self.recordings(&mut encoder)?;
        self.answers(&mut encoder)?;
        self.fields(&mut encoder)?;
        self.labelled(&mut encoder)?;
        self.overload(&mut encoder)?;
        self.times(&mut encoder)
    }
}

impl Scrape {
    fn server(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let build = [("version", env!("CARGO_PKG_VERSION")), ("game", self.config.game)];
        let mut info = encoder.encode_descriptor("build", "What runs here", None, MetricType::Info)?;
        info.encode_info(&build)?;
        let mut gauge = |name, help, value: u64| {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
            ConstGauge::new(value).encode(metric)
        };
        gauge("ready", "1 when players may come, 0 while draining", u64::from(self.ready))?;
        gauge("connections_max", "Connections the process holds at most", u64::from(self.config.max_conns))?;
        gauge("tick_hz", "Simulation steps per second", u64::from(self.config.tick_hz))?;
        gauge("snapshot_hz", "Snapshots per second", u64::from(self.config.snapshot_hz))?;
        gauge("resident_bytes", "Resident memory of the process", process::rss_bytes().unwrap_or(0))?;
        let used = std::time::Duration::from_nanos(Clock::process_worked_ns());
        let help = "Processor time of the process";
        let metric = encoder.encode_descriptor("cpu", help, Some(&Unit::Seconds), MetricType::Counter)?;
        ConstCounter::new(used.as_secs_f64()).encode(metric)
    }

    fn recordings(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Recordings being written";
        let metric = encoder.encode_descriptor("recordings", help, None, MetricType::Gauge)?;
        ConstGauge::new(self.tally.writing.load(Ordering::Relaxed)).encode(metric)?;
        let mut counter = |name, help, value: &AtomicU64| {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(value.load(Ordering::Relaxed)).encode(metric)
        };
        counter("recordings_finished", "Recordings with all of their rooms", &self.tally.finished)?;
        counter("recording_bytes", "Bytes of recordings written", &self.tally.bytes)?;
        let help = "Recordings that ended before their rooms did, by reason";
        let mut metric = encoder.encode_descriptor("recordings_stopped", help, None, MetricType::Counter)?;
        for why in Stop::ALL {
            let labels = [("reason", why.label())];
            ConstCounter::new(self.tally.stops(why)).encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }

    /// Which workers answered, and how full their mailboxes are: known even of a silent one.
    fn answers(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "1 when the worker answered within a second, else 0 and its other figures are missing";
        let mut metric = encoder.encode_descriptor("worker_answers", help, None, MetricType::Gauge)?;
        for (worker, answer) in self.collected.answers.iter().enumerate() {
            let labels = [("worker", worker)];
            ConstGauge::new(u64::from(answer.is_ok())).encode(metric.encode_family(&labels)?)?;
        }
        let help = "Commands waiting in the worker's mailbox";
        let mut metric = encoder.encode_descriptor("mailbox_depth", help, None, MetricType::Gauge)?;
        for (worker, depth) in self.collected.depths.iter().enumerate() {
            ConstGauge::new(*depth as u64).encode(metric.encode_family(&[("worker", worker)])?)?;
        }
        Ok(())
    }

    fn fields(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        for field in COUNTERS {
            let mut metric = encoder.encode_descriptor(field.name, field.help, None, MetricType::Counter)?;
            for report in self.collected.reports() {
                let labels = [("worker", report.worker)];
                ConstCounter::new((field.of)(report)).encode(metric.encode_family(&labels)?)?;
            }
        }
        for field in GAUGES {
            let mut metric = encoder.encode_descriptor(field.name, field.help, None, MetricType::Gauge)?;
            for report in self.collected.reports() {
                let labels = [("worker", report.worker)];
                ConstGauge::new((field.of)(report)).encode(metric.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    fn labelled(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Connections by state";
        let mut metric = encoder.encode_descriptor("connections", help, None, MetricType::Gauge)?;
        for report in self.collected.reports() {
            for (state, of) in STATES {
                let labels = [("worker", report.worker.to_string()), ("state", (*state).to_owned())];
                ConstGauge::new(of(report)).encode(metric.encode_family(&labels)?)?;
            }
        }
        let help = "Connections that ended, by close code (0: none was sent) and cause";
        let mut metric = encoder.encode_descriptor("closes", help, None, MetricType::Counter)?;
        for report in self.collected.reports() {
            for (code, cause, count) in &report.closes {
                let worker = report.worker.to_string();
                let labels = [("worker", worker), ("code", code.to_string()), ("cause", (*cause).to_owned())];
                ConstCounter::new(*count).encode(metric.encode_family(&labels)?)?;
            }
        }
        let help = "Resume tokens that took no seat, by reason";
        let mut metric = encoder.encode_descriptor("tokens_refused", help, None, MetricType::Counter)?;
        for report in self.collected.reports() {
            for (reason, of) in TOKENS_REFUSED {
                let labels = [("worker", report.worker.to_string()), ("reason", (*reason).to_owned())];
                ConstCounter::new(of(report)).encode(metric.encode_family(&labels)?)?;
            }
        }
        let help = "Inputs by what became of them";
        let mut metric = encoder.encode_descriptor("inputs", help, None, MetricType::Counter)?;
        for report in self.collected.reports() {
            for (outcome, count) in &report.inputs {
                let labels = [("worker", report.worker.to_string()), ("outcome", (*outcome).to_owned())];
                ConstCounter::new(*count).encode(metric.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    fn overload(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help =
            "Rung of the overload ladder: 0 none, 1 far cells, 2 budgets, 3 time dilation, 4 joins refused";
        let mut metric = encoder.encode_descriptor("overload_rung", help, None, MetricType::Gauge)?;
        for report in self.collected.reports() {
            let labels = [("worker", report.worker)];
            ConstGauge::new(u64::from(report.overload.rung)).encode(metric.encode_family(&labels)?)?;
        }
        let help = "How fast time passes in the worker's rooms, 1 being the full rate";
        let mut metric = encoder.encode_descriptor("time_dilation", help, None, MetricType::Gauge)?;
        for report in self.collected.reports() {
            let labels = [("worker", report.worker)];
            ConstGauge::new(rate(report)).encode(metric.encode_family(&labels)?)?;
        }
        let help = "Time on each rung of the overload ladder";
        let mut metric =
            encoder.encode_descriptor("overload", help, Some(&Unit::Seconds), MetricType::Counter)?;
        for report in self.collected.reports() {
            for (rung, of) in RUNGS {
                let labels = [("worker", report.worker.to_string()), ("rung", (*rung).to_owned())];
                let spent = std::time::Duration::from_nanos(of(report));
                ConstCounter::new(spent.as_secs_f64()).encode(metric.encode_family(&labels)?)?;
            }
        }
        Ok(())
    }

    fn times(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        for (name, help, of) in TIMES {
            let mut metric =
                encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
            for report in self.collected.reports() {
                encode_histogram(metric.encode_family(&[("worker", report.worker)])?, of(report))?;
            }
        }
        Ok(())
    }
}

/// How fast time passes in a worker's rooms, to the hundredth.
pub(super) fn rate(report: &WorkerReport) -> f64 {
    (f64::from(report.overload.time_dilation) / f64::from(TIME_DILATION_NONE) * 100.0).round() / 100.0
}

fn encode_histogram(mut metric: MetricEncoder<'_>, histogram: &Histogram<u64>) -> fmt::Result {
    let found = histogram::buckets(histogram);
    metric.encode_histogram::<NoLabelSet>(found.sum_seconds, found.count, &found.buckets, None)
}
