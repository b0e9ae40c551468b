//! One step: what a run against the sink showed of both.

use std::time::Duration;

use serde::Serialize;

use super::sink::Reading;
use crate::find::search::Shown;
use crate::kernel::KernelCounters;
use crate::measure::health::BUSY_PERCENT;
use crate::measure::tally::Window;
use crate::report::json::Report;
use crate::report::{Findings, share};
use crate::verdict::{STARVED_PERCENT, Verdict};

/// A sink above this share of a CPU is what limits, percent.
const SINK_BUSY_PERCENT: f64 = 95.0;
/// Below this share of the due messages the sink did not take what the generator had for it.
const TAKEN_MIN: f64 = 0.99;

/// What a step means for the search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Shown(Shown),
    /// The sink's answers were wrong: a bug.
    Wrong,
    Interrupted,
}

/// One step.
#[derive(Debug, Serialize)]
pub(super) struct Step {
    /// Messages a second asked for, all connections together.
    pub(super) rate_per_s: u64,
    pub(super) sent_per_s: f64,
    /// `valid`, `busy` (the generator), `sink`, `wrong` or `interrupted`.
    pub(super) verdict: &'static str,
    /// The same rate was not valid just before.
    pub(super) again: bool,
    pub(super) reasons: Vec<String>,
    /// Of the busiest worker.
    pub(super) generator_cpu_percent: f64,
    /// Of all workers, per message and its answer.
    pub(super) generator_cpu_us_per_message: Option<f64>,
    pub(super) send_lag_p99_us: Option<f64>,
    /// Of the busiest thread.
    pub(super) sink_cpu_percent: Option<f64>,
    /// Of all threads, per message and its answer.
    pub(super) sink_cpu_us_per_message: Option<f64>,
    #[serde(skip)]
    pub(super) kind: Kind,
}

impl Step {
    /// Judges a run by what it found and what the sink read of itself.
    pub(super) fn new(
        rate_per_s: u64,
        findings: &Findings,
        readings: &[Vec<Reading>],
        objective: Duration,
    ) -> Self {
        let (report, verdict) = Report::new(findings, KernelCounters::read());
        let sink = Usage::of(readings, findings.timeline.window);
        let generator = &report.generator;
        let (shown, word, reasons) = judge(&report, verdict, &sink, objective.as_secs_f64() * 1e6);
        let cpu_s = generator.cpu_percent_by_worker.iter().sum::<f64>() / 100.0 * report.window_s;
        let sent = report.messages.sent;
        Self {
            rate_per_s,
            sent_per_s: report.messages.sent_per_s,
            verdict: word,
            again: false,
            reasons,
            generator_cpu_percent: generator.cpu_percent,
            generator_cpu_us_per_message: share(1, sent).map(|each| cpu_s * 1e6 * each),
            send_lag_p99_us: generator.send_lag_us.map(|lag| lag.p99),
            sink_cpu_percent: sink.busiest_percent,
            sink_cpu_us_per_message: share(sink.cpu_ns, sink.messages).map(|ns| ns / 1e3),
            kind: shown,
        }
    }

    /// Too busy, although it hardly used its CPU: others had it.
    pub(super) fn is_starved(&self) -> bool {
        self.kind == Kind::Shown(Shown::Missed) && self.generator_cpu_percent < STARVED_PERCENT
    }

    /// Its line in the table.
    pub(super) fn line(&self) -> String {
        let us = |us: Option<f64>| us.map_or("-".to_owned(), |us| format!("{us:.2} us"));
        let lag = self.send_lag_p99_us.map_or("-".to_owned(), |us| format!("{:.2} ms", us / 1e3));
        let mut line = format!(
            "{:>12}  {:<11}  {:>4.0}% {:>9}  {:>5} {:>9}  {lag:>9}",
            self.rate_per_s,
            self.verdict,
            self.generator_cpu_percent,
            us(self.generator_cpu_us_per_message),
            self.sink_cpu_percent.map_or("-".to_owned(), |percent| format!("{percent:.0}%")),
            us(self.sink_cpu_us_per_message),
        );
        if self.again {
            line.push_str("  tried once more");
        }
        line
    }
}

/// What the run means for the generator's ceiling. The generator's own shortcomings come first: with them nothing can be
/// said of the sink.
fn judge(
    report: &Report<'_>,
    verdict: Verdict,
    sink: &Usage,
    objective_us: f64,
) -> (Kind, &'static str, Vec<String>) {
    let busiest = report.generator.cpu_percent;
    let lag_us = report.generator.send_lag_us.map_or(0.0, |lag| lag.p99);
    match verdict {
        Verdict::Interrupted => return (Kind::Interrupted, "interrupted", Vec::new()),
        Verdict::Correctness => return (Kind::Wrong, "wrong", report.reasons.clone()),
        Verdict::Invalid => return (Kind::Shown(Shown::Missed), "busy", report.reasons.clone()),
        // A step is shorter than the seconds on end that make a run invalid.
        Verdict::Pass | Verdict::Missed if busiest > BUSY_PERCENT => {
            let reason = format!("a worker was at {busiest:.0}% of its CPU, above {BUSY_PERCENT:.0}%");
            return (Kind::Shown(Shown::Missed), "busy", vec![reason]);
        }
        Verdict::Pass | Verdict::Missed if lag_us > objective_us / 10.0 => {
            let reason = format!(
                "it sent {:.2} ms after the intended time at p99, over a tenth of --objective {:.0}ms{}",
                lag_us / 1e3,
                objective_us / 1e3,
                if busiest < STARVED_PERCENT {
                    format!("; it used only {busiest:.0}% of its CPU, so it was others that kept it waiting")
                } else {
                    String::new()
                }
            );
            return (Kind::Shown(Shown::Missed), "busy", vec![reason]);
        }
        Verdict::Pass | Verdict::Missed => {}
    }
    let (conns, messages) = (&report.conns, &report.messages);
    let mut reasons = Vec::new();
    if let Some(percent) = sink.busiest_percent.filter(|percent| *percent > SINK_BUSY_PERCENT) {
        reasons.push(format!("the sink was at {percent:.0}% of its CPU"));
    }
    if messages.unanswered > 0 {
        reasons.push(format!("the sink left {} messages unanswered", messages.unanswered));
    }
    let taken = messages.achieved.unwrap_or(1.0) + report.generator.left_out_share.unwrap_or(0.0);
    if taken < TAKEN_MIN {
        reasons.push(format!("the sink took only {:.1}% of the messages", taken * 100.0));
    }
    if conns.connected < conns.requested || conns.lost > 0 {
        let (connected, requested, lost) = (conns.connected, conns.requested, conns.lost);
        reasons.push(format!("{connected} of {requested} connections were ready, {lost} were lost"));
    }
    if reasons.is_empty() {
        (Kind::Shown(Shown::Held), "valid", reasons)
    } else {
        (Kind::Shown(Shown::Blind), "sink", reasons)
    }
}

/// What the sink used within the window.
#[derive(Debug, Default)]
struct Usage {
    cpu_ns: u64,
    messages: u64,
    /// Of the busiest thread, percent of one core; `None`: the window was too short to tell.
    busiest_percent: Option<f64>,
}

impl Usage {
    fn of(threads: &[Vec<Reading>], window: Window) -> Self {
        let mut usage = Self::default();
        for readings in threads {
            let mut within = readings.iter().filter(|reading| window.contains(reading.at_ns));
            let (Some(first), Some(last)) = (within.next(), within.next_back()) else { continue };
            let cpu_ns = last.cpu_ns - first.cpu_ns;
            usage.cpu_ns += cpu_ns;
            usage.messages += last.messages - first.messages;
            let percent = share(cpu_ns, last.at_ns - first.at_ns).map(|share| share * 100.0);
            usage.busiest_percent = [usage.busiest_percent, percent].into_iter().flatten().reduce(f64::max);
        }
        usage
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sinks_figures_are_those_of_the_window() {
        let reading = |at_ns, cpu_ns, messages| Reading { at_ns, cpu_ns, messages };
        let busy = [(0, 0, 0), (100, 10, 5), (150, 40, 15), (200, 70, 25), (300, 71, 25)];
        let calm = [(90, 0, 0), (110, 5, 1), (190, 13, 9), (210, 99, 99)];
        let threads = [
            busy.map(|(a, c, m)| reading(a, c, m)).to_vec(),
            calm.map(|(a, c, m)| reading(a, c, m)).to_vec(),
        ];
        let usage = Usage::of(&threads, Window { start_ns: 100, end_ns: 201 });
        assert_eq!((usage.cpu_ns, usage.messages), (60 + 8, 20 + 8));
        assert!((usage.busiest_percent.unwrap() - 60.0).abs() < 1e-9);
        assert_eq!(Usage::of(&threads, Window { start_ns: 1_000, end_ns: 2_000 }).busiest_percent, None);
    }
}
