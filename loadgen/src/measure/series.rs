//! The course of a run: one point an interval, for whoever watches and for the report's drawings.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::errors::ErrorTable;
use super::latency::Percentiles;
use super::sample::{Recent, Sample};
use super::tally::{Connections, Counters};

/// Intervals that wait for a worker which is late with its sample.
const PENDING_MAX: usize = 3;

/// What happened in one interval, all workers together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Point {
    /// Its end, seconds since the first attempt to connect.
    pub(crate) at_s: f64,
    /// Connections asked for by then.
    pub(crate) requested: u64,
    /// Connections ready at its end.
    pub(crate) open: u64,
    /// The fewest that were ready at a time within it; with several workers the sum of their fewest, at different
    /// times perhaps. `None` in reports of before it was counted.
    #[serde(default)]
    pub(crate) open_fewest: Option<u64>,
    /// Never ready, since the start of the run.
    pub(crate) failed: u64,
    /// Ended before the run did, since its start.
    pub(crate) lost: u64,
    pub(crate) sent_per_s: f64,
    pub(crate) received_per_s: f64,
    pub(crate) bytes_up_per_s: f64,
    pub(crate) bytes_down_per_s: f64,
    /// Of the answers that arrived: from the intended send time, or in a closed loop from the real one.
    pub(crate) latency_us: Option<Percentiles>,
    pub(crate) send_lag_p99_us: Option<f64>,
    /// CPU of the busiest worker, percent of one core.
    pub(crate) cpu_percent: f64,
}

/// Samples become points here. Memory is bounded: the plan chooses the interval so that a run has
/// a thousand or two.
#[derive(Debug)]
pub(crate) struct Series {
    workers: usize,
    interval_ns: u64,
    /// Intervals that not every worker has told of, the oldest first.
    pending: VecDeque<Pending>,
    points: Vec<Point>,
    /// Intervals before this one have their points, or none.
    settled: u64,
    /// What went wrong at each worker, as last told.
    errors: Vec<ErrorTable>,
}

#[derive(Debug, Default)]
struct Pending {
    index: u64,
    told: usize,
    recent: Recent,
    counters: Counters,
    connections: Connections,
    open_fewest: u64,
    cpu_percent: f64,
}

impl Series {
    /// Of a run with so many workers.
    pub(crate) fn new(workers: usize, interval_ns: u64) -> Self {
        Self {
            workers,
            interval_ns,
            pending: VecDeque::new(),
            points: Vec::new(),
            settled: 0,
            errors: vec![ErrorTable::default(); workers],
        }
    }

    /// Takes a worker's sample in. `requested` tells how many connections are asked for after so many ns.
    pub(crate) fn take(&mut self, worker: usize, sample: Sample, requested: impl Fn(u64) -> u64) {
        self.errors[worker] = sample.errors;
        if sample.index < self.settled {
            // Too late to be drawn; the report's figures do not come from here.
            return;
        }
        let at = match self.pending.iter().position(|pending| pending.index >= sample.index) {
            Some(at) if self.pending[at].index == sample.index => at,
            at => {
                let at = at.unwrap_or(self.pending.len());
                self.pending.insert(at, Pending { index: sample.index, ..Pending::default() });
                at
            }
        };
        let pending = &mut self.pending[at];
        pending.told += 1;
        pending.recent.merge(&sample.recent);
        let fewest = sample.recent.open_fewest.unwrap_or(u64::MAX);
        pending.open_fewest += fewest.min(sample.connections.open);
        pending.counters.add(sample.counters);
        pending.connections.add(sample.connections);
        pending.cpu_percent = pending.cpu_percent.max(sample.cpu_percent);
        while self.pending.front().is_some_and(|first| first.told == self.workers)
            || self.pending.len() > PENDING_MAX
        {
            self.settle(&requested);
        }
    }

    /// Makes points of what is left, though not every worker told of it.
    pub(crate) fn finish(mut self, requested: impl Fn(u64) -> u64) -> Vec<Point> {
        while !self.pending.is_empty() {
            self.settle(&requested);
        }
        self.points
    }

    /// The newest point.
    pub(crate) fn newest(&self) -> Option<&Point> {
        self.points.last()
    }

    /// All points so far.
    pub(crate) fn points(&self) -> &[Point] {
        &self.points
    }

    /// What has gone wrong so far, all workers together.
    pub(crate) fn errors(&self) -> ErrorTable {
        let mut all = ErrorTable::default();
        self.errors.iter().for_each(|errors| all.merge(errors));
        all
    }

    #[expect(clippy::cast_precision_loss, reason = "figures of one interval, for people")]
    fn settle(&mut self, requested: impl Fn(u64) -> u64) {
        let Some(pending) = self.pending.pop_front() else { return };
        self.settled = pending.index + 1;
        let end_ns = self.settled * self.interval_ns;
        let seconds = self.interval_ns as f64 / 1e9;
        let rate = |count: u64| count as f64 / seconds;
        self.points.push(Point {
            at_s: end_ns as f64 / 1e9,
            requested: requested(end_ns),
            open: pending.connections.open,
            open_fewest: Some(pending.open_fewest),
            failed: pending.connections.failed,
            lost: pending.connections.lost,
            sent_per_s: rate(pending.counters.sent),
            received_per_s: rate(pending.counters.received),
            bytes_up_per_s: rate(pending.counters.bytes_up),
            bytes_down_per_s: rate(pending.counters.bytes_down),
            latency_us: pending.recent.latency.percentiles(),
            send_lag_p99_us: pending.recent.send_lag.percentiles().map(|lag| lag.p99),
            cpu_percent: pending.cpu_percent,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND_NS: u64 = 1_000_000_000;

    fn sample(index: u64, open: u64, latency_ns: u64) -> Sample {
        let mut recent = Recent::default();
        recent.latency.record(latency_ns);
        Sample {
            index,
            recent,
            counters: Counters { sent: 10, ..Counters::default() },
            connections: Connections { open, ..Connections::default() },
            cpu_percent: 10.0,
            errors: ErrorTable::default(),
        }
    }

    #[test]
    fn a_point_is_all_workers_together() {
        let mut series = Series::new(2, SECOND_NS);
        series.take(0, sample(0, 3, 1_000_000), |_| 9);
        assert!(series.newest().is_none(), "the other worker has not told yet");
        series.take(1, sample(0, 4, 3_000_000), |_| 9);
        let point = series.newest().unwrap();
        assert_eq!((point.open, point.requested), (7, 9));
        assert!((point.sent_per_s - 20.0).abs() < 1e-9);
        assert_eq!(point.latency_us.unwrap().count, 2);
    }

    #[test]
    fn who_is_away_for_less_than_an_interval_shows() {
        let mut series = Series::new(2, SECOND_NS);
        let mut dipped = sample(0, 4, 1_000);
        [3, 1, 2].into_iter().for_each(|left| dipped.recent.are_left(left));
        series.take(0, dipped, |_| 9);
        series.take(1, sample(0, 5, 1_000), |_| 9);
        series.take(0, sample(1, 2, 1_000), |_| 9);
        let fewest = series.finish(|_| 9).into_iter().map(|point| (point.open, point.open_fewest));
        assert_eq!(fewest.collect::<Vec<_>>(), [(9, Some(6)), (2, Some(2))]);
    }

    #[test]
    fn a_worker_that_says_nothing_does_not_hold_the_others_up() {
        let mut series = Series::new(2, SECOND_NS);
        (0..10).for_each(|index| series.take(0, sample(index, 1, 1_000), |_| 1));
        assert_eq!(series.points().len(), 10 - PENDING_MAX);
        series.take(1, sample(1, 1, 1_000), |_| 1);
        series.take(1, sample(9, 1, 1_000), |_| 1);
        let points = series.finish(|_| 1);
        let times: Vec<f64> = points.iter().map(|point| point.at_s).collect();
        assert!(times.is_sorted() && times.len() == 10, "{times:?}");
        assert_eq!(points[9].open, 2);
    }
}
