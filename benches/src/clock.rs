//! The one place of the bench programs that reads the operating system's clock.

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of the monotonic clock.
#[must_use]
pub fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let parts = (u64::try_from(now.tv_sec), u64::try_from(now.tv_nsec));
    let (Ok(seconds), Ok(nanoseconds)) = parts else { unreachable!("the monotonic clock is not negative") };
    seconds * 1_000_000_000 + nanoseconds
}
