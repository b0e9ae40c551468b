//! The one file that reads the operating system's clock.

use std::fs::File;
use std::os::unix::fs::FileExt;

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

/// The kernel's account of how long a thread could have run and had no CPU.
#[derive(Debug)]
pub(crate) struct Queue(Option<File>);

impl Queue {
    /// That of the calling thread.
    pub(crate) fn of_this_thread() -> Self {
        // Kernels without scheduler statistics do not have it; what is stopped or late shows all the same.
        Self(File::open("/proc/thread-self/schedstat").ok())
    }

    /// Time spent waiting for a CPU so far, ns; `None`: the kernel does not tell.
    pub(crate) fn waited_ns(&self) -> Option<u64> {
        // "CPU time, time waited, turns", each of at most 20 digits.
        let mut text = [0; 64];
        let length = self.0.as_ref()?.read_at(&mut text, 0).ok()?;
        std::str::from_utf8(&text[..length]).ok()?.split_ascii_whitespace().nth(1)?.parse().ok()
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_waited_for_a_cpu_is_read_where_the_kernel_tells_it_and_never_falls() {
        let queue = Queue::of_this_thread();
        let first = queue.waited_ns();
        assert_eq!(first.is_some(), std::path::Path::new("/proc/self/schedstat").exists());
        assert!(queue.waited_ns() >= first);
    }
}
