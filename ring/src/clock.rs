//! The clocks: the one that the kernel's absolute timeouts are on, and the one that it stamps arrivals with.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Now, on `CLOCK_MONOTONIC`: to turn "in so long" into the "at" that `IORING_ENTER_ABS_TIMER` takes.
pub(crate) fn monotonic_now() -> Duration {
    of(ClockId::Monotonic)
}

/// Attempts to read both clocks without being interrupted in between, and what that takes at most.
const READINGS: usize = 3;
const APART_MAX: Duration = Duration::from_micros(2);

/// The same moment on `CLOCK_REALTIME`, as time since 1970, and on `CLOCK_MONOTONIC`.
pub(crate) fn date_and_now() -> (Duration, Duration) {
    let (mut both, mut apart) = ((Duration::ZERO, Duration::ZERO), Duration::MAX);
    for _ in 0..READINGS {
        let (before, date, after) = (monotonic_now(), of(ClockId::Realtime), monotonic_now());
        if after.saturating_sub(before) < apart {
            (both, apart) = ((date, after), after.saturating_sub(before));
        }
        if apart <= APART_MAX {
            break;
        }
    }
    both
}

fn of(clock: ClockId) -> Duration {
    let now = clock_gettime(clock);
    let seconds = u64::try_from(now.tv_sec).expect("neither clock is before its zero");
    let nanoseconds = u32::try_from(now.tv_nsec).expect("a fraction of a second is not negative");
    Duration::new(seconds, nanoseconds)
}
