//! The generator's own health: can what it measured be believed?

use serde::Serialize;

use super::presence::Away;

/// A worker above this share of its CPU in a second is busy that second, percent.
pub(crate) const BUSY_PERCENT: f64 = 85.0;
/// A worker busy for this many seconds on end makes the figures unbelievable.
pub(crate) const BUSY_SECONDS_MAX: u32 = 10;

/// One worker's health.
#[derive(Clone, Debug, Default)]
pub(crate) struct Health {
    /// CPU used during the measuring window, percent of one core.
    pub(crate) cpu_percent: f64,
    /// Longest run of busy seconds.
    pub(crate) busy_seconds: u32,
    /// The time of the window that it was to run in and did not.
    pub(crate) away: Away,
    /// The same of the time before the window, when it connected.
    pub(crate) away_before: Away,
    /// What the ring did over the whole run.
    pub(crate) ring: RingCounters,
}

/// Counters of a worker's ring that tell whether it was large enough and how often it entered the kernel.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct RingCounters {
    pub(crate) enters: u64,
    pub(crate) completions: u64,
    pub(crate) sends: u64,
    /// Sends the kernel took only in part at first.
    pub(crate) short_sends: u64,
    /// Receives that ended because all buffers were in use.
    pub(crate) buffer_exhaustions: u64,
    /// Receives put off because a connection had its share of a pass.
    pub(crate) fairness_pauses: u64,
    /// Completion queue overflows.
    pub(crate) overflows: u64,
}

impl RingCounters {
    /// The ring's own counters.
    pub(crate) const fn of(counters: &tickring_ring::Counters) -> Self {
        Self {
            enters: counters.enters,
            completions: counters.completions,
            sends: counters.sends,
            short_sends: counters.short_sends,
            buffer_exhaustions: counters.buffer_exhaustions,
            fairness_pauses: counters.fairness_pauses,
            overflows: counters.overflows,
        }
    }

    /// Takes those of another worker in.
    pub(crate) const fn add(&mut self, other: Self) {
        self.enters += other.enters;
        self.completions += other.completions;
        self.sends += other.sends;
        self.short_sends += other.short_sends;
        self.buffer_exhaustions += other.buffer_exhaustions;
        self.fairness_pauses += other.fairness_pauses;
        self.overflows += other.overflows;
    }
}

/// Watches a worker's CPU time, second by second and over the measuring window.
#[derive(Clone, Debug, Default)]
pub(crate) struct CpuWatch {
    last: Option<(u64, u64)>,
    started: Option<(u64, u64)>,
    ended: Option<(u64, u64)>,
    run: u32,
    longest: u32,
}

impl CpuWatch {
    /// The measuring window begins: `now_ns`, with `cpu_ns` used so far.
    pub(crate) fn begin(&mut self, now_ns: u64, cpu_ns: u64) {
        self.started = Some((now_ns, cpu_ns));
        self.last = self.started;
    }

    /// Called about once a second during the window.
    pub(crate) fn sample(&mut self, now_ns: u64, cpu_ns: u64) {
        if let Some(last) = self.last {
            let busy = percent(last, (now_ns, cpu_ns)) > BUSY_PERCENT;
            self.run = if busy { self.run + 1 } else { 0 };
            self.longest = self.longest.max(self.run);
        }
        self.last = Some((now_ns, cpu_ns));
    }

    /// When the last sample was taken.
    pub(crate) fn sampled_ns(&self) -> u64 {
        self.last.map_or(0, |(at, _)| at)
    }

    /// The measuring window ends.
    pub(crate) fn end(&mut self, now_ns: u64, cpu_ns: u64) {
        self.ended = Some((now_ns, cpu_ns));
    }

    /// CPU over the window, percent of one core.
    pub(crate) fn percent(&self) -> f64 {
        match (self.started, self.ended) {
            (Some(start), Some(end)) => percent(start, end),
            _ => 0.0,
        }
    }

    /// Longest run of busy seconds.
    pub(crate) const fn busy_seconds(&self) -> u32 {
        self.longest
    }
}

#[expect(clippy::cast_precision_loss, reason = "times of a run are far below 2^53 ns")]
pub(super) fn percent(from: (u64, u64), to: (u64, u64)) -> f64 {
    let elapsed = to.0.saturating_sub(from.0);
    if elapsed == 0 {
        return 0.0;
    }
    to.1.saturating_sub(from.1) as f64 / elapsed as f64 * 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn only_seconds_on_end_make_a_run() {
        let mut watch = CpuWatch::default();
        watch.begin(0, 0);
        let mut cpu = 0;
        for second in 1..=9 {
            cpu += if second == 4 { SECOND / 2 } else { SECOND * 9 / 10 };
            watch.sample(second * SECOND, cpu);
        }
        watch.end(9 * SECOND, cpu);
        assert_eq!(watch.busy_seconds(), 5);
        assert!((watch.percent() - 85.6).abs() < 0.1, "{}", watch.percent());
    }
}
