//! The one place that reads the operating system's clock for the server.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, Timespec, clock_gettime};

/// Monotonic time since the server started. Copies agree with each other on every thread.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
    started_unix_ms: u64,
}

impl Clock {
    /// Starts the clock at zero.
    #[must_use]
    pub fn start() -> Self {
        // Before 1970 there is no time to tell, only a clock to set.
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let started_unix_ms = u64::try_from(unix.as_millis()).unwrap_or(u64::MAX / 2);
        Self { started: Instant::now(), started_unix_ms }
    }

    /// The time of day, milliseconds since 1970 (UTC), as the system had it at the start and as much later as it is
    /// now: nobody who sets the system's clock can turn it back.
    #[must_use]
    pub fn unix_ms(&self) -> u64 {
        self.started_unix_ms + self.now_ns() / 1_000_000
    }

    /// Nanoseconds since [`Clock::start`]; fits 584 years.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Processor time that the calling thread has used, the kernel's work for it included, ns. A system call.
    #[must_use]
    pub fn thread_worked_ns() -> u64 {
        nanoseconds(clock_gettime(ClockId::ThreadCPUTime))
    }

    /// Processor time that all threads of the process have used, those that have ended included, ns.
    #[must_use]
    pub fn process_worked_ns() -> u64 {
        nanoseconds(clock_gettime(ClockId::ProcessCPUTime))
    }
}

fn nanoseconds(time: Timespec) -> u64 {
    let (s, ns) = (u64::try_from(time.tv_sec), u64::try_from(time.tv_nsec));
    s.unwrap_or(0).saturating_mul(1_000_000_000).saturating_add(ns.unwrap_or(0))
}
