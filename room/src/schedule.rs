//! When ticks are due.

/// Steps that one pass may run: the one that is due and two to catch up.
pub const STEPS_PER_PASS_MAX: u32 = 3;

const NS_PER_S: u128 = 1_000_000_000;

/// Absolute deadlines of a fixed tick rate, in nanoseconds of the caller's clock.
///
/// Deadline n is `first + n x 10⁹ / hz`, rounded down, computed anew from n each time: no rounding adds up, so a
/// rate that does not divide 10⁹ drifts by nothing.
#[derive(Clone, Debug)]
pub struct Schedule {
    hz: u16,
    first_ns: u64,
    /// Index of the next deadline.
    next: u64,
}

/// What to do at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// Steps to run now, 0..=[`STEPS_PER_PASS_MAX`].
    pub steps: u32,
    /// Deadlines that passed and are given up: those steps are never run.
    pub missed: u64,
    /// How long after its deadline the first step begins; 0 when nothing is due.
    pub lateness_ns: u64,
}

impl Schedule {
    /// `tick_hz` must not be 0.
    #[must_use]
    pub fn new(tick_hz: u16, first_deadline_ns: u64) -> Self {
        assert!(tick_hz > 0, "a schedule needs a tick rate");
        Self { hz: tick_hz, first_ns: first_deadline_ns, next: 0 }
    }

    /// The next deadline.
    #[must_use]
    pub fn deadline_ns(&self) -> u64 {
        self.first_ns + offset_ns(self.next, self.hz)
    }

    /// Which steps are due at `now_ns`; they and the missed ones are then behind.
    pub fn due(&mut self, now_ns: u64) -> Due {
        let deadline_ns = self.deadline_ns();
        if now_ns < deadline_ns {
            return Due { steps: 0, missed: 0, lateness_ns: 0 };
        }
        let passed = deadlines_until(now_ns - self.first_ns, self.hz) - self.next;
        self.next += passed;
        let steps = u32::try_from(passed).unwrap_or(u32::MAX).min(STEPS_PER_PASS_MAX);
        Due { steps, missed: passed - u64::from(steps), lateness_ns: now_ns - deadline_ns }
    }
}

/// Time from the first deadline to deadline `n`.
fn offset_ns(n: u64, hz: u16) -> u64 {
    u64::try_from(u128::from(n) * NS_PER_S / u128::from(hz)).expect("a deadline within 584 years")
}

/// How many deadlines lie at or before `elapsed_ns` after the first.
///
/// Deadline n is at floor(n x 10⁹ / hz) ≤ e exactly when n x 10⁹ < (e + 1) x hz.
fn deadlines_until(elapsed_ns: u64, hz: u16) -> u64 {
    let last = ((u128::from(elapsed_ns) + 1) * u128::from(hz) - 1) / NS_PER_S;
    u64::try_from(last + 1).expect("the rate is far below one tick per nanosecond")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_second_has_exactly_the_rate_of_deadlines() {
        for hz in [20, 30, 60, 61, 127, 128] {
            let mut schedule = Schedule::new(hz, 5);
            for _ in 0..u32::from(hz) * 3600 {
                let deadline_ns = schedule.deadline_ns();
                assert_eq!(schedule.due(deadline_ns), Due { steps: 1, missed: 0, lateness_ns: 0 });
            }
            assert_eq!(schedule.deadline_ns(), 5 + 3600 * 1_000_000_000, "{hz} Hz drifts");
        }
    }

    #[test]
    fn early_is_not_due() {
        let mut schedule = Schedule::new(60, 1000);
        assert_eq!(schedule.due(999).steps, 0);
        assert_eq!(schedule.due(1000).steps, 1);
        assert_eq!(schedule.due(1000).steps, 0);
    }

    #[test]
    fn catching_up_is_bounded() {
        let mut schedule = Schedule::new(100, 0);
        // Deadlines at 0, 10, 20, ... 90 ms have passed: ten.
        assert_eq!(schedule.due(95_000_000), Due { steps: 3, missed: 7, lateness_ns: 95_000_000 });
        assert_eq!(schedule.deadline_ns(), 100_000_000);
    }

    proptest! {
        /// Against counting the deadlines one by one.
        #[test]
        fn agrees_with_counting(hz in 1u16..=1000, first_ns in 0u64..1_000_000, gaps in prop::collection::vec(0u64..200_000_000, 1..40)) {
            let mut schedule = Schedule::new(hz, first_ns);
            let mut now_ns = 0;
            let mut counted: u128 = 0;
            for gap in gaps {
                now_ns += gap;
                let mut passed = 0u64;
                let mut lateness_ns = 0;
                loop {
                    let deadline_ns = u128::from(first_ns) + counted * 1_000_000_000 / u128::from(hz);
                    if deadline_ns > u128::from(now_ns) { break; }
                    if passed == 0 { lateness_ns = now_ns - u64::try_from(deadline_ns).unwrap(); }
                    passed += 1;
                    counted += 1;
                }
                let steps = passed.min(3);
                let due = schedule.due(now_ns);
                prop_assert_eq!((u64::from(due.steps), due.missed, due.lateness_ns), (steps, passed - steps, lateness_ns));
            }
        }
    }
}
