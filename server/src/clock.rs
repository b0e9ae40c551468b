//! The one place that reads the operating system's clock for the server.

use std::time::Instant;

/// Monotonic time since the server started. Copies agree with each other on every thread.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
}

impl Clock {
    /// Starts the clock at zero.
    #[must_use]
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }

    /// Nanoseconds since [`Clock::start`]; fits 584 years.
    #[must_use]
    pub fn now_ns(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}
