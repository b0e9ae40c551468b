//! What a worker tells the leading thread while the run lasts, so that it can be watched and drawn.

use super::errors::ErrorTable;
use super::health::percent;
use super::latency::Latency;
use super::tally::{Connections, Counters, Tally};

/// One interval of one worker. Intervals are counted from the start of the run, and all workers agree on them.
#[derive(Debug)]
pub(crate) struct Sample {
    /// Which interval.
    pub(crate) index: u64,
    /// What happened in it.
    pub(crate) recent: Recent,
    /// What was counted in it.
    pub(crate) counters: Counters,
    /// What had become of the connections by its end.
    pub(crate) connections: Connections,
    /// CPU of the worker in it, percent of one core.
    pub(crate) cpu_percent: f64,
    /// What went wrong since the start of the run.
    pub(crate) errors: ErrorTable,
}

/// What is recorded between two samples, whether the measuring window is open or not.
#[derive(Clone, Debug)]
pub(crate) struct Recent {
    /// Of answers: from the intended send time, or in a closed loop from the real one.
    pub(crate) latency: Latency,
    /// How long after their intended time the generator came to messages.
    pub(crate) send_lag: Latency,
    /// The fewest connections that were open at once; `None` as long as none ended.
    pub(crate) open_fewest: Option<u64>,
}

impl Default for Recent {
    fn default() -> Self {
        Self { latency: Latency::coarse(), send_lag: Latency::coarse(), open_fewest: None }
    }
}

impl Recent {
    /// A connection ended, and so many are left.
    pub(crate) fn are_left(&mut self, open: u64) {
        self.open_fewest = Some(self.open_fewest.map_or(open, |fewest| fewest.min(open)));
    }

    /// Takes another worker's messages in; connections differ by worker.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.latency.merge(&other.latency);
        self.send_lag.merge(&other.send_lag);
    }
}

/// Makes a worker's samples.
#[derive(Debug)]
pub(crate) struct Sampler {
    started_ns: u64,
    interval_ns: u64,
    /// The interval that is going on.
    index: u64,
    counters: Counters,
    /// Time and CPU time when the last sample was taken.
    read: (u64, u64),
}

impl Sampler {
    /// For a thread that has used no CPU time yet, in a run that began at `started_ns`.
    pub(crate) fn new(started_ns: u64, interval_ns: u64) -> Self {
        Self { started_ns, interval_ns, index: 0, counters: Counters::default(), read: (started_ns, 0) }
    }

    /// When the interval that is going on ends.
    pub(crate) const fn due_ns(&self) -> u64 {
        self.started_ns + (self.index + 1) * self.interval_ns
    }

    /// Ends the interval at `now_ns`, when the thread had used `cpu_ns`. Late, it counts for the last interval that
    /// is over, and what would have been those before it is in it.
    pub(crate) fn take(&mut self, now_ns: u64, cpu_ns: u64, tally: &mut Tally) -> Sample {
        let begun = now_ns.saturating_sub(self.started_ns) / self.interval_ns;
        let index = self.index.max(begun.saturating_sub(1));
        self.index = index + 1;
        let last = std::mem::replace(&mut self.read, (now_ns, cpu_ns));
        let counters = tally.counters.since(self.counters);
        self.counters = tally.counters;
        Sample {
            index,
            recent: std::mem::take(&mut tally.recent),
            counters,
            connections: tally.connections,
            cpu_percent: percent(last, self.read),
            errors: tally.errors.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_sample_stands_for_the_last_interval_that_is_over() {
        let mut sampler = Sampler::new(1_000, 100);
        let mut tally = Tally::default();
        assert_eq!(sampler.due_ns(), 1_100);
        tally.counters.sent = 5;
        let sample = sampler.take(1_101, 50, &mut tally);
        assert_eq!((sample.index, sample.counters.sent), (0, 5));
        tally.counters.sent = 7;
        let late = sampler.take(1_450, 50, &mut tally);
        assert_eq!((late.index, late.counters.sent), (3, 2));
        assert_eq!(sampler.due_ns(), 1_500);
    }
}
