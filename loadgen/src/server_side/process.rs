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
    /// Reads `/proc/PID`. Nanosecond CPU time comes from the scheduler statistics of every task; a
    /// kernel without them gives clock ticks (10 ms).
    pub(crate) fn of_process(pid: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let rss = kilobytes(&status, "VmRSS");
        Self {
            at_ns: clock::now_ns(),
            cpu_ns: tasks_cpu_ns(pid).or_else(|| ticks_cpu_ns(pid)),
            rss_bytes: (rss > 0).then_some(rss),
        }
    }

    /// Takes the figures of a status.
    pub(crate) fn of_status(status: &Status) -> Self {
        Self { at_ns: clock::now_ns(), cpu_ns: status.cpu_ns, rss_bytes: status.memory.rss_bytes }
    }
}

fn tasks_cpu_ns(pid: u32) -> Option<u64> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
        // A thread may end while we read: it is not there any more, and does not count.
        if let Ok(text) = fs::read_to_string(task.path().join("schedstat")) {
            sum += crate::kernel::number(&text)?;
        }
    }
    (sum > 0).then_some(sum)
}

fn ticks_cpu_ns(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; after it utime and stime are fields 12 and 13.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(ticks * 1_000_000_000 / rustix::param::clock_ticks_per_second())
}

/// Whether there is such a process.
pub(crate) fn process_exists(pid: u32) -> bool {
    fs::exists(format!("/proc/{pid}/stat")).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_ticks_are_there_where_nanoseconds_are_not() {
        assert!(ticks_cpu_ns(std::process::id()).is_some());
    }
}
