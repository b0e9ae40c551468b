//! What the plan did to connections, phase by phase, and what the others noticed.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::Findings;
use super::figures::{Merged, Spent, float, ratio};
use super::summary::{spread, time, times};
use crate::lead::Timeline;
use crate::measure::latency::Percentiles;
use crate::measure::tally::PhaseTally;
use crate::plan::{Plan, Preset};

/// Departures that may be missed because nobody was there to leave, as a share of all.
const NOT_LEFT_MAX: f64 = 0.01;

/// Over the whole window.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Crowd {
    /// Left in order.
    pub(crate) left: u64,
    /// Departures that were due when nobody was there to go: others had not come in time.
    pub(crate) not_left: u64,
    /// Departures that were due and not made because the generator came to them too late.
    #[serde(default)]
    pub(crate) left_out: u64,
    /// Cut off.
    pub(crate) dropped: u64,
    /// Of those: back at the end.
    pub(crate) returned: u64,
    /// Attempts to come, or to come back, that failed and were made again.
    pub(crate) retried: u64,
    /// Stopped reading.
    pub(crate) stalled: u64,
    /// Ended by the server while they did not read.
    pub(crate) shed: u64,
    /// Connections that became ready in the window.
    pub(crate) upgrades: u64,
    pub(crate) upgrades_per_s: f64,
    /// CPU of the server for each, us; `null` where the connections said something, which has its price too.
    pub(crate) server_cpu_us_per_upgrade: Option<f64>,
    /// The same of this process's workers.
    pub(crate) generator_cpu_us_per_upgrade: Option<f64>,
    /// From dropping to being ready again, of those that came back.
    pub(crate) recovery_us: Option<Percentiles>,
    /// When 99% of all that dropped were back; `null` when they were not.
    pub(crate) recovered_99_percent_us: Option<f64>,
    /// Those that come back keep trying: attempts that fail are no fault.
    #[serde(skip)]
    tries_again: bool,
}

/// One phase. Latencies are those of the connections that nothing has befallen.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PhaseFigures {
    pub(crate) name: String,
    /// After the window's start.
    pub(crate) start_s: f64,
    pub(crate) seconds: f64,
    /// Ready at its end.
    pub(crate) open: u64,
    pub(crate) left: u64,
    pub(crate) dropped: u64,
    /// Connections that became ready.
    pub(crate) upgrades: u64,
    pub(crate) sent_per_s: f64,
    pub(crate) received_per_s: f64,
    pub(crate) bystander_latency_us: Option<Percentiles>,
    pub(crate) bystander_snapshot_interval_us: Option<Percentiles>,
    /// Of those that came back in it.
    pub(crate) recovery_us: Option<Percentiles>,
    pub(crate) server_cpu_percent: Option<f64>,
    pub(crate) tick_lateness_us: Option<Percentiles>,
    pub(crate) ticks: Option<u64>,
    pub(crate) ticks_missed: Option<u64>,
}

impl Crowd {
    /// `None` when the plan leaves connections alone.
    pub(super) fn of(findings: &Findings, merged: &Merged) -> Option<Self> {
        let phases = &findings.plan.phases;
        if !phases.disturbs() {
            return None;
        }
        let (connections, tally) = (merged.tally.connections, &merged.tally);
        let upgrades = tally.measured.opened;
        let timeline = &findings.timeline;
        // Only of connections that say nothing is the CPU that of their coming and going.
        let is_silent = matches!(findings.plan.preset, Preset::Idle);
        let spent = timeline.server.first().zip(timeline.server.last()).filter(|_| is_silent);
        let busy_percent: f64 = findings.outcomes.iter().map(|outcome| outcome.health.cpu_percent).sum();
        Some(Self {
            left: connections.left,
            not_left: connections.not_left,
            left_out: connections.left_out,
            dropped: connections.dropped,
            returned: connections.returned,
            retried: connections.retried,
            stalled: connections.stalled,
            shed: connections.shed,
            upgrades,
            upgrades_per_s: ratio(upgrades, merged.window_s),
            server_cpu_us_per_upgrade: spent
                .and_then(|(start, end)| Spent::between(start, end).cpu_us_per(upgrades)),
            generator_cpu_us_per_upgrade: (is_silent && upgrades > 0)
                .then(|| busy_percent / 100.0 * merged.window_s * 1e6 / float(upgrades)),
            recovery_us: tally.recovery.percentiles(),
            recovered_99_percent_us: recovered(&tally.recovery, connections.dropped, connections.returned),
            tries_again: phases.list().iter().any(|phase| phase.drop.is_some()),
        })
    }

    /// Departures that were due, and those of them that the generator left out.
    pub(super) const fn departures(&self) -> (u64, u64) {
        (self.left + self.not_left + self.left_out, self.left_out)
    }

    /// Of those that dropped: not back at the end.
    pub(super) const fn still_away(&self) -> u64 {
        self.dropped.saturating_sub(self.returned)
    }

    /// What was to happen and did not, in words.
    pub(super) fn unproved(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        let away = self.still_away();
        if away > 0 {
            reasons.push(format!(
                "{away} of {} connections that dropped were not back at the end",
                self.dropped
            ));
        }
        if self.retried > 0 && !self.tries_again {
            reasons.push(format!("{} attempts to take the place of one that left failed", self.retried));
        }
        let (due, _) = self.departures();
        if float(self.not_left) > NOT_LEFT_MAX * float(due) {
            reasons.push(format!(
                "{} of {} departures were due when nobody was there to leave: the server did not take those that \
                 come fast enough, or --conns is too small for the rate",
                self.not_left, due
            ));
        }
        reasons
    }

    /// Its lines of the summary.
    pub(super) fn write(&self, out: &mut String) -> std::fmt::Result {
        write!(out, "  crowd        {} became ready ({:.0}/s)", self.upgrades, self.upgrades_per_s)?;
        for (count, what) in [
            (self.left, "left"),
            (self.stalled, "stopped reading"),
            (self.shed, "of those cut off"),
            (self.dropped, "dropped"),
        ] {
            if count > 0 {
                write!(out, ", {count} {what}")?;
            }
        }
        if self.dropped > 0 {
            write!(out, ", {} of those back", self.returned)?;
        }
        if self.retried > 0 {
            write!(out, " after {} attempts that failed", self.retried)?;
        }
        writeln!(out)?;
        if let Some(us) = self.server_cpu_us_per_upgrade {
            write!(out, "  an upgrade   {us:.1} us of the server's CPU")?;
            match self.generator_cpu_us_per_upgrade {
                Some(us) => writeln!(out, "; {us:.1} us of loadgen's")?,
                None => writeln!(out)?,
            }
        }
        if let Some(us) = self.recovered_99_percent_us {
            writeln!(out, "  recovery     99% were back after {}", time(us))?;
        }
        spread(out, "away", self.recovery_us)
    }
}

/// When 99% of `dropped` connections were back, us.
fn recovered(recovery: &crate::measure::latency::Latency, dropped: u64, returned: u64) -> Option<f64> {
    let wanted = 0.99 * float(dropped);
    let share = wanted / float(returned.max(1));
    (dropped > 0 && share <= 1.0).then(|| crate::measure::latency::microseconds(recovery.quantile_ns(share)))
}

impl PhaseFigures {
    /// Of every phase that came to its turn.
    pub(super) fn all(plan: &Plan, merged: &Merged, timeline: &Timeline) -> Vec<Self> {
        let phases = plan.phases.list().iter().zip(&merged.tally.phases).enumerate();
        phases
            .map(|(at, (phase, tally))| {
                let readings = timeline.server.get(at).zip(timeline.server.get(at + 1));
                let spent = readings.map(|(start, end)| Spent::between(start, end));
                let start_s = float(plan.phases.start_ns(at)) / 1e9;
                let seconds = phase.duration.as_secs_f64().min((merged.window_s - start_s).max(0.0));
                Self::new(phase.name.clone(), start_s, seconds, tally, spent)
            })
            .collect()
    }

    fn new(name: String, start_s: f64, seconds: f64, tally: &PhaseTally, spent: Option<Spent>) -> Self {
        Self {
            name,
            start_s,
            seconds,
            open: tally.open,
            left: tally.left,
            dropped: tally.dropped,
            upgrades: tally.counters.opened,
            sent_per_s: ratio(tally.counters.sent, seconds),
            received_per_s: ratio(tally.counters.received, seconds),
            bystander_latency_us: tally.latency.percentiles(),
            bystander_snapshot_interval_us: tally.interval.percentiles(),
            recovery_us: tally.recovery.percentiles(),
            server_cpu_percent: spent.as_ref().and_then(|spent| spent.cpu_percent),
            tick_lateness_us: spent.as_ref().and_then(|spent| spent.lateness_us),
            ticks: spent.as_ref().and_then(|spent| spent.ticks),
            ticks_missed: spent.as_ref().and_then(|spent| spent.ticks_missed),
        }
    }

    /// Its line of the summary, its name in a column of so many characters.
    pub(super) fn write(&self, out: &mut String, width: usize) -> std::fmt::Result {
        let plural = if self.open == 1 { "" } else { "s" };
        write!(out, "  {:<width$} {:>5.0} s, {} connection{plural}", self.name, self.seconds, self.open)?;
        if let Some(latency) = self.bystander_latency_us {
            let [p50, p99] = times([latency.p50, latency.p99]);
            write!(out, "; others p50 {p50}, p99 {p99}")?;
        }
        if let Some(interval) = self.bystander_snapshot_interval_us {
            write!(out, ", snapshots p99 {}", time(interval.p99))?;
        }
        if let Some(lateness) = self.tick_lateness_us {
            write!(out, "; ticks p99 {} late", time(lateness.p99))?;
        }
        if let Some(missed) = self.ticks_missed.filter(|_| self.ticks.is_some_and(|ticks| ticks > 0)) {
            write!(out, ", {missed} missed")?;
        }
        if let Some(percent) = self.server_cpu_percent {
            write!(out, "; server {percent:.0}%")?;
        }
        writeln!(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::latency::Latency;

    #[test]
    fn who_is_not_back_counts_as_never() {
        let mut recovery = Latency::default();
        (1..=99).for_each(|ms| recovery.record(ms * 1_000_000));
        assert_eq!(recovered(&recovery, 0, 0), None);
        assert_eq!(recovered(&recovery, 101, 99), None, "99 of 101 are less than 99%");
        let of_all = recovered(&recovery, 100, 99).unwrap();
        assert!((of_all - 99_000.0).abs() < 100.0, "{of_all}");
        let of_these = recovered(&recovery, 99, 99).unwrap();
        assert!((of_these - 99_000.0).abs() < 100.0, "{of_these}");
    }
}
