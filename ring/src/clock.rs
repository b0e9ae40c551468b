//! The clock that the kernel's absolute timeouts are on. The ring tells nobody the time.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Now, on `CLOCK_MONOTONIC`: to turn "in so long" into the "at" that `IORING_ENTER_ABS_TIMER` takes.
pub(crate) fn monotonic_now() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).expect("the monotonic clock begins at zero");
    let nanoseconds = u32::try_from(now.tv_nsec).expect("a fraction of a second is not negative");
    Duration::new(seconds, nanoseconds)
}
