//! CPU and memory of a process, from `/proc` or as its status tells them.

use std::fs;

use super::Status;
use crate::clock;
use crate::machine::kilobytes;

/// CPU and memory of a process at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    /// When it was read (monotonic), ns.
    pub(crate) at_ns: u64,
    /// CPU time of all threads so far, ns.
    pub(crate) cpu_ns: Option<u64>,
    /// Resident memory, bytes.
    pub(crate) rss_bytes: Option<u64>,
}

impl Usage {
    /// Reads the CPU clock of a process and its `/proc/PID`.
    pub(crate) fn of_process(pid: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let rss = kilobytes(&status, "VmRSS");
        Self {
            at_ns: clock::now_ns(),
            cpu_ns: clock::process_cpu_ns(pid),
            rss_bytes: (rss > 0).then_some(rss),
        }
    }

    /// Takes the figures of a status.
    pub(crate) fn of_status(status: &Status) -> Self {
        Self { at_ns: clock::now_ns(), cpu_ns: status.cpu_ns, rss_bytes: status.memory.rss_bytes }
    }
}

/// Whether there is such a process.
pub(crate) fn process_exists(pid: u32) -> bool {
    fs::exists(format!("/proc/{pid}/stat")).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_thread_used_that_has_ended_still_counts() {
        const BURNT_NS: u64 = 20_000_000;
        let read = || Usage::of_process(std::process::id()).cpu_ns.unwrap();
        let before_ns = read();
        let burn = || while clock::thread_cpu_ns() < BURNT_NS {};
        std::thread::spawn(burn).join().unwrap();
        assert!(read() - before_ns >= BURNT_NS);
    }

    #[test]
    fn a_process_that_is_not_there_used_nothing_that_is_known() {
        let usage = Usage::of_process(u32::MAX);
        assert_eq!((usage.cpu_ns, usage.rss_bytes), (None, None));
    }
}
