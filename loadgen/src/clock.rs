//! The one file that reads the operating system's clock.

use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// Nanoseconds of the monotonic clock. Comparable between threads of this process.
pub(crate) fn now_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::Monotonic))
}

/// CPU time the calling thread has used so far, kernel work included, ns.
pub(crate) fn thread_cpu_ns() -> u64 {
    nanoseconds(clock_gettime(ClockId::ThreadCPUTime))
}

/// CPU time a process has used so far, that of its ended threads included, ns; `None`: there is no such process.
pub(crate) fn process_cpu_ns(pid: u32) -> Option<u64> {
    let clock = clock_getcpuclockid(Pid::from_raw(i32::try_from(pid).ok()?)).ok()?;
    let used = std::time::Duration::from(clock.now().ok()?);
    u64::try_from(used.as_nanos()).ok()
}

/// Seconds since 1970, for the report's time stamp.
pub(crate) fn unix_s() -> u64 {
    nanoseconds(clock_gettime(ClockId::Realtime)) / 1_000_000_000
}

fn nanoseconds(time: Timespec) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let rest = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds * 1_000_000_000 + rest
}
