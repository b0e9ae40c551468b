//! The JSON report. Its keys are documented in `docs/loadgen.md` and `docs/loadgen.schema.json`; other
//! tools rely on them, so they only ever grow.

use serde::{Deserialize, Serialize};

use super::Findings;
use super::crowd::{Crowd, PhaseFigures};
use super::evidence;
use super::figures::{self, Merged};
use super::rewind::Rewind;
use super::spectra::Spectra;
use crate::clock;
use crate::diagnosis::Diagnosis;
use crate::kernel::KernelCounters;
use crate::link_model::LinkModel;
use crate::machine::Machine;
use crate::measure::errors::ErrorLine;
use crate::measure::health::RingCounters;
use crate::measure::latency::Percentiles;
use crate::measure::series::Point;
use crate::plan::Plan;
use crate::verdict::{Verdict, judge, unmeasured};

/// Version of the layout.
pub(super) const SCHEMA: u64 = 1;
/// The `kind` of a run's report.
pub(super) const KIND: &str = "run";

/// The whole report.
#[derive(Debug, Serialize)]
pub(crate) struct Report<'a> {
    pub(crate) schema: u64,
    /// Which command made it: other documents have the same `schema`.
    pub(crate) kind: &'static str,
    /// The preset, or the name of the plan file.
    pub(crate) preset: &'a str,
    /// What the connections did.
    pub(crate) traffic: &'static str,
    pub(crate) verdict: Verdict,
    pub(crate) exit_code: u8,
    /// Why the verdict is not "pass".
    pub(crate) reasons: Vec<String>,
    /// Seconds since 1970 at the end of the run.
    pub(crate) finished_unix_s: u64,
    /// Length of the measuring window.
    pub(crate) window_s: f64,
    /// Its length as planned: all phases together.
    pub(crate) window_planned_s: f64,
    /// Whether the run was stopped before its end; the verdict may be another word all the same.
    pub(crate) interrupted: bool,
    /// Seconds from the first attempt to connect to the start of the measuring window.
    pub(crate) window_start_s: f64,
    /// The modelled link, if there is one.
    pub(crate) link: Option<LinkModel>,
    pub(crate) conns: Conns,
    pub(crate) messages: Messages,
    pub(crate) latency_us: LatencyUs,
    pub(crate) game: Game,
    /// What the rewind probe found; `null` in the other presets.
    pub(crate) rewind: Option<Rewind>,
    /// What the plan did to connections; `null` where it leaves them alone.
    pub(crate) crowd: Option<Crowd>,
    /// The phases of the window that came to their turn.
    pub(crate) phases: Vec<PhaseFigures>,
    pub(crate) server: Server,
    pub(crate) generator: Generator,
    pub(crate) kernel: Kernel,
    /// Whose fault the errors are; empty when there are none.
    pub(crate) diagnosis: Vec<Diagnosis>,
    pub(crate) machine: &'a Machine,
    pub(crate) versions: Versions,
    pub(crate) seed: u64,
    pub(crate) slo: Vec<Objective>,
    pub(crate) plan: &'a Plan,
    /// Between two points of the course.
    pub(crate) course_interval_s: f64,
    /// What happened interval by interval, from the first attempt to connect to the last goodbye.
    pub(crate) course: &'a [Point],
    pub(crate) spectra: Spectra,
}

/// Connections.
#[derive(Debug, Serialize)]
pub(crate) struct Conns {
    pub(crate) requested: u64,
    pub(crate) attempted: u64,
    pub(crate) connected: u64,
    pub(crate) failed: u64,
    pub(crate) lost: u64,
    pub(crate) ports_skipped: u64,
    pub(crate) connect_us: Option<Percentiles>,
    pub(crate) upgrade_us: Option<Percentiles>,
    pub(crate) errors: Vec<ErrorLine>,
}

/// Messages; the rates and counts are of the window, the stream checks of the whole run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Messages {
    pub(crate) sent: u64,
    pub(crate) received: u64,
    pub(crate) sent_per_s: f64,
    pub(crate) received_per_s: f64,
    pub(crate) bytes_up: u64,
    pub(crate) bytes_down: u64,
    pub(crate) achieved: Option<f64>,
    pub(crate) withheld: u64,
    pub(crate) unanswered: u64,
    pub(crate) gaps: u64,
    /// Of the gaps those that may be late only; 0 in reports of before they were told apart.
    #[serde(default)]
    pub(crate) gaps_presumed: u64,
    pub(crate) duplicates: u64,
    pub(crate) reordered: u64,
    pub(crate) dropped_declared: u64,
    pub(crate) corrupted: u64,
    /// WebSocket pings of the server that were answered; `null` where bots play, whose client answers by itself.
    pub(crate) pings_answered: Option<u64>,
}

/// Both latencies of a message.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LatencyUs {
    pub(crate) intended: Option<Percentiles>,
    pub(crate) service: Option<Percentiles>,
}

/// The game preset's figures; `null` in the others.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Game {
    pub(crate) input_to_effect_us: Option<Percentiles>,
    pub(crate) snapshot_interval_us: Option<Percentiles>,
    pub(crate) ping_us: Option<Percentiles>,
    pub(crate) down_bytes_per_player_s: Option<f64>,
    pub(crate) snapshots: Option<u64>,
    pub(crate) snapshots_slow: Option<u64>,
    pub(crate) events: Option<u64>,
    pub(crate) state_mismatches: Option<u64>,
    pub(crate) shots: Option<u64>,
    pub(crate) hits_expected: Option<u64>,
    pub(crate) hits_confirmed: Option<u64>,
}

/// The server as it sees itself, over the window.
#[derive(Debug, Serialize)]
pub(crate) struct Server {
    /// Where CPU and memory come from: `pid`, `admin` or nothing.
    pub(crate) source: Option<&'static str>,
    /// Why figures are missing that were to be had at first.
    pub(crate) gap: Option<String>,
    pub(crate) cpu_us_per_message: Option<f64>,
    pub(crate) cpu_percent: Option<f64>,
    pub(crate) rss_bytes: Option<u64>,
    pub(crate) rss_bytes_before: Option<u64>,
    pub(crate) rss_bytes_per_conn: Option<f64>,
    pub(crate) tick_lateness_us: Option<Percentiles>,
    pub(crate) ticks: Option<u64>,
    pub(crate) ticks_missed: Option<u64>,
    pub(crate) tick_hz: Option<f64>,
    pub(crate) snapshot_hz: Option<f64>,
}

/// The generator's own health.
#[derive(Debug, Serialize)]
pub(crate) struct Generator {
    /// Of the busiest worker, percent of one core.
    pub(crate) cpu_percent: f64,
    pub(crate) cpu_percent_by_worker: Vec<f64>,
    /// Longest run of seconds that a worker was above 85 %.
    pub(crate) busy_seconds: u32,
    pub(crate) send_lag_us: Option<Percentiles>,
    /// Of the due messages: those not sent because the generator came to them too late.
    pub(crate) left_out_share: Option<f64>,
    /// The share of the window that a worker was to run in and did not, of the one it was worst for.
    pub(crate) away_share: f64,
    /// How long it took until it ran, at 99 % of the moments of the window.
    pub(crate) away_p99_us: f64,
    pub(crate) ring: RingCounters,
    /// At the end of the window.
    pub(crate) rss_bytes: Option<u64>,
    /// With its workers set up, before the first connection.
    pub(crate) rss_bytes_before: Option<u64>,
    pub(crate) rss_bytes_per_conn: Option<f64>,
}

/// Counters of the kernel.
#[derive(Debug, Serialize)]
pub(crate) struct Kernel {
    pub(crate) before: KernelCounters,
    /// At the end of the window, with the connections still there.
    pub(crate) during: KernelCounters,
    pub(crate) after: KernelCounters,
}

/// Who took part.
#[derive(Debug, Serialize)]
pub(crate) struct Versions {
    pub(crate) loadgen: &'static str,
    pub(crate) protocol: u16,
    pub(crate) server: Option<String>,
}

/// An objective and what was measured for it, in its base unit (µs, bytes, a number).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Objective {
    pub(crate) objective: String,
    pub(crate) measured: Option<f64>,
    pub(crate) met: bool,
    /// What was measured, with its unit, or why nothing was, for people.
    #[serde(skip)]
    pub(crate) shown: String,
}

impl Game {
    /// Of the snapshots: those of slow time; `None`: no snapshot came, or its contents were not looked at.
    pub(crate) fn slow_share(&self) -> Option<f64> {
        figures::share(self.snapshots_slow?, self.snapshots?)
    }
}

impl<'a> Report<'a> {
    /// Puts everything together and judges it.
    pub(crate) fn new(findings: &'a Findings, kernel_after: KernelCounters) -> (Self, Verdict) {
        let merged = Merged::of(findings);
        let plan = &*findings.plan;
        let timeline = &findings.timeline;
        let mut report = Self {
            schema: SCHEMA,
            kind: KIND,
            preset: &plan.title,
            traffic: plan.preset.name(),
            verdict: Verdict::Pass,
            exit_code: 0,
            reasons: Vec::new(),
            finished_unix_s: clock::unix_s(),
            window_s: merged.window_s,
            window_planned_s: plan.duration.as_secs_f64(),
            interrupted: timeline.interrupted,
            window_start_s: figures::seconds_between(timeline.started_ns, timeline.window.start_ns),
            link: plan.link,
            conns: figures::conns(plan, &merged),
            messages: figures::messages(plan, &merged, timeline.interrupted),
            latency_us: LatencyUs {
                intended: merged.tally.intended.percentiles(),
                service: merged.tally.service.percentiles(),
            },
            game: figures::game(plan, &merged),
            rewind: Rewind::of(plan, merged.tally.measured.probe, timeline),
            crowd: Crowd::of(findings, &merged),
            phases: PhaseFigures::all(plan, &merged, timeline),
            server: figures::server(plan, &merged, timeline),
            generator: figures::generator(findings, &merged),
            kernel: Kernel {
                before: timeline.kernel_before.clone(),
                during: timeline.kernel_during.clone(),
                after: kernel_after,
            },
            diagnosis: Vec::new(),
            machine: &findings.machine,
            versions: Versions {
                loadgen: env!("CARGO_PKG_VERSION"),
                protocol: tickring_protocol::message::PROTOCOL_VERSION,
                server: timeline.server_idle.status.as_ref().and_then(|status| status.version.clone()),
            },
            seed: plan.seed,
            slo: Vec::new(),
            plan,
            course_interval_s: figures::seconds_between(0, plan.sample_ns()),
            course: &timeline.course,
            spectra: Spectra::of(plan, &merged.tally, figures::lateness(timeline).as_ref()),
        };
        let evidence = evidence::of(findings, &merged, &report);
        let (verdict, reasons) = judge(&evidence);
        report.slo = evidence
            .objectives
            .iter()
            .map(|(slo, measured)| Objective {
                objective: slo.to_string(),
                measured: *measured,
                met: measured.is_some_and(|measured| slo.met_by(measured)),
                shown: measured
                    .map_or_else(|| unmeasured(&evidence, *slo).to_owned(), |measured| slo.show(measured)),
            })
            .collect();
        (report.verdict, report.exit_code, report.reasons) = (verdict, verdict.exit_code(), reasons);
        (report, verdict)
    }
}
