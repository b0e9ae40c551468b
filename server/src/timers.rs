//! Deadlines of connections: a coarse hashed wheel.
//!
//! Invariant: an entry is due when its bucket's time has passed, never before; it may be as much as
//! one [`GRANULARITY_MS`] late. Entries cannot be removed. Whoever takes one checks that it still
//! means something (the connection's generation, the deadline it holds now), which makes re-arming
//! a deadline on every message free: nothing is done until the entry comes up.
//!
//! After Varghese and Lauck, "Hashed and hierarchical timing wheels" (1987), scheme 6.

/// Width of a bucket. Deadlines here are seconds; a quarter of one is exact enough.
pub(crate) const GRANULARITY_MS: u64 = 250;
const BUCKETS: usize = 256;
/// The furthest deadline the wheel can hold in one turn; a further one is taken early and put back.
const HORIZON_MS: u64 = GRANULARITY_MS * (BUCKETS as u64 - 1);

/// One deadline: who, and when it was meant to come up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The connection's slot.
    pub(crate) slot: u32,
    /// The connection's generation, to tell a re-used slot.
    pub(crate) generation: u32,
}

/// The wheel. Times are milliseconds on the server's clock.
#[derive(Debug)]
pub(crate) struct Timers {
    buckets: Vec<Vec<Entry>>,
    /// Emptied buckets' memory, for the next ones to be filled: a turning wheel allocates nothing.
    spare: Vec<Vec<Entry>>,
    /// Index of the next bucket to take, counted from the start of time.
    next_bucket: u64,
    entries: usize,
}

impl Timers {
    /// An empty wheel that begins at `now_ms`.
    pub(crate) fn new(now_ms: u64) -> Self {
        let (buckets, spare) = (vec![Vec::new(); BUCKETS], Vec::with_capacity(BUCKETS));
        Self { buckets, spare, next_bucket: now_ms / GRANULARITY_MS, entries: 0 }
    }

    /// Brings `entry` up once `at_ms` has passed (or at the horizon of 64 s, whichever is sooner).
    pub(crate) fn insert(&mut self, at_ms: u64, entry: Entry) {
        let horizon = self.next_bucket * GRANULARITY_MS + HORIZON_MS;
        // Rounded up: never early.
        let bucket = at_ms
            .min(horizon)
            .div_ceil(GRANULARITY_MS)
            .clamp(self.next_bucket, self.next_bucket + BUCKETS as u64 - 1);
        let bucket = &mut self.buckets[index(bucket)];
        if bucket.capacity() == 0 {
            *bucket = self.spare.pop().unwrap_or_default();
        }
        bucket.push(entry);
        self.entries += 1;
    }

    /// Moves every entry that is due at `now_ms` into `due`.
    pub(crate) fn take_due(&mut self, now_ms: u64, due: &mut Vec<Entry>) {
        let end = now_ms / GRANULARITY_MS;
        // After a long sleep every bucket is due once; there is no need to turn further.
        let turns = (end + 1).saturating_sub(self.next_bucket).min(BUCKETS as u64);
        for bucket in self.next_bucket..self.next_bucket + turns {
            let taken = &mut self.buckets[index(bucket)];
            self.entries -= taken.len();
            due.append(taken);
            if taken.capacity() > 0 {
                self.spare.push(std::mem::take(taken));
            }
        }
        self.next_bucket = self.next_bucket.max(end + 1);
    }

    /// When the first entry comes up; `None` when there is none.
    pub(crate) fn next_ms(&self) -> Option<u64> {
        if self.entries == 0 {
            return None;
        }
        (self.next_bucket..self.next_bucket + BUCKETS as u64)
            .find(|&bucket| !self.buckets[index(bucket)].is_empty())
            .map(|bucket| bucket * GRANULARITY_MS)
    }
}

fn index(bucket: u64) -> usize {
    usize::try_from(bucket % BUCKETS as u64).expect("a remainder of BUCKETS fits")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against a plain list: nothing early, nothing more than one bucket late, nothing lost.
        #[test]
        fn comes_up_once_never_early_and_at_most_a_bucket_late(
            start in 0u64..1_000_000,
            deadlines in prop::collection::vec(0u64..60_000, 1..60),
            strides in prop::collection::vec(1u64..5_000, 1..80),
        ) {
            let mut wheel = Timers::new(start);
            for (slot, after) in deadlines.iter().enumerate() {
                wheel.insert(start + after, Entry { slot: u32::try_from(slot).unwrap(), generation: 7 });
            }
            let mut now = start;
            let mut before = start;
            let mut seen = vec![0u32; deadlines.len()];
            let mut due = Vec::new();
            for stride in strides.iter().chain(std::iter::repeat_n(&1_000, 70)) {
                now += stride;
                wheel.take_due(now, &mut due);
                for entry in due.drain(..) {
                    let at = start + deadlines[entry.slot as usize];
                    prop_assert!(at <= now, "early: due {at}, now {now}");
                    prop_assert!(at + 2 * GRANULARITY_MS > before, "late: due {at}, already {before} before");
                    seen[entry.slot as usize] += 1;
                }
                before = now;
            }
            prop_assert!(seen.iter().all(|&count| count == 1), "{seen:?}");
            prop_assert_eq!(wheel.next_ms(), None);
        }
    }

    #[test]
    fn a_deadline_beyond_the_horizon_comes_up_at_the_horizon() {
        let mut wheel = Timers::new(0);
        wheel.insert(10_000_000, Entry { slot: 1, generation: 1 });
        assert_eq!(wheel.next_ms(), Some(HORIZON_MS));
    }

    #[test]
    fn the_next_time_is_the_earliest_bucket() {
        let mut wheel = Timers::new(1_000);
        assert_eq!(wheel.next_ms(), None);
        wheel.insert(9_000, Entry { slot: 1, generation: 1 });
        wheel.insert(3_001, Entry { slot: 2, generation: 1 });
        assert_eq!(wheel.next_ms(), Some(3_250));
    }
}
