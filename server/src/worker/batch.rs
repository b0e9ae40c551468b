//! How many completions are worth waking for while somebody waits for an answer.
//!
//! Gathering pays when more arrives while we wait, and is lost time once everybody who would send has
//! sent. So the worker expects as much as usually comes within the gathering bound, and stops waiting
//! when that is there. With a steady stream this changes nothing, the usual number arrives when the
//! bound is over; with peers that wait for our answer it ends the wait at once; and where only single
//! messages come it wakes for each.

use tickring_ring::Wait;

/// After so many batches in a row that were complete early, a larger one is tried.
const EARLY_MAX: u8 = 32;

/// The expected batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Batch {
    expected: u32,
    early: u8,
    most: u32,
}

impl Batch {
    /// Expects `most`, the largest batch ever worth waiting for, until it has seen some.
    pub(super) fn new(most: u32) -> Self {
        Self { expected: most, early: 0, most }
    }

    /// Completions worth waking for.
    pub(super) fn expected(self) -> u32 {
        self.expected
    }

    /// A wait for this many, gathering for up to `wait.gather`, took `slept_ns` and brought `came`.
    pub(super) fn learn(&mut self, wait: &Wait, slept_ns: u64, came: u64) {
        if came == 0 || wait.gather.is_zero() {
            return;
        }
        let came = u32::try_from(came).unwrap_or(u32::MAX).min(self.most);
        let gather_ns = u64::try_from(wait.gather.as_nanos()).unwrap_or(u64::MAX);
        if came < self.expected {
            // The bound came first: nobody else was going to send.
            self.expected = came;
            self.early = 0;
        } else if slept_ns < gather_ns / 2 {
            self.early += 1;
            if self.early >= EARLY_MAX {
                self.early = 0;
                self.expected = (self.expected + self.expected / 4 + 1).min(self.most);
            }
        } else {
            self.early = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn wait() -> Wait {
        Wait { timeout: None, want: 1, gather: Duration::from_micros(500) }
    }

    #[test]
    fn peers_that_wait_for_us_are_not_waited_for() {
        let mut batch = Batch::new(512);
        batch.learn(&wait(), 500_000, 100);
        assert_eq!(batch.expected(), 100, "the bound was reached with a hundred");
        for _ in 0..EARLY_MAX - 1 {
            batch.learn(&wait(), 50_000, 100);
        }
        assert_eq!(batch.expected(), 100);
        batch.learn(&wait(), 50_000, 100);
        assert_eq!(batch.expected(), 126, "now and then a larger batch is tried");
        batch.learn(&wait(), 500_000, 100);
        assert_eq!(batch.expected(), 100, "and given up");
    }

    #[test]
    fn a_steady_stream_is_gathered_as_before() {
        let mut batch = Batch::new(512);
        for _ in 0..1_000 {
            batch.learn(&wait(), 490_000, 15);
        }
        assert_eq!(batch.expected(), 15);
    }

    #[test]
    fn nothing_is_learnt_from_nothing() {
        let mut batch = Batch::new(512);
        batch.learn(&wait(), 500_000, 0);
        assert_eq!(batch.expected(), 512);
    }

    #[test]
    fn the_expectation_stays_in_its_bounds() {
        let mut batch = Batch::new(512);
        for round in 0..100_000_u64 {
            batch.learn(&wait(), round % 600_000, round % 700);
            assert!((1..=512).contains(&batch.expected()));
        }
    }
}
