//! The machine the run happened on, for the report; and the limits the preflight looks at.

pub(crate) mod memory;

use std::collections::BTreeMap;
use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;

use crate::doctor::knobs;
use crate::kernel::number;

/// What is known about the machine.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) kernel: String,
    pub(crate) hostname: String,
    pub(crate) cpu_model: Option<String>,
    pub(crate) cpus: usize,
    pub(crate) memory_bytes: u64,
    pub(crate) memory_available_bytes: u64,
    pub(crate) limits: Limits,
    /// Settings that bound or shape a load, as `/proc/sys` shows them; `None`: not there.
    pub(crate) sysctls: BTreeMap<&'static str, Option<String>>,
}

/// Resource limits of this process; `None`: unlimited.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Limits {
    /// Soft RLIMIT_NOFILE, after it was raised.
    pub(crate) descriptors: Option<u64>,
    /// Hard RLIMIT_NOFILE.
    pub(crate) descriptors_hard: Option<u64>,
    pub(crate) locked_memory_bytes: Option<u64>,
}

impl Machine {
    /// Reads everything.
    pub(crate) fn read() -> Self {
        let uname = rustix::system::uname();
        let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        Self {
            kernel: uname.release().to_string_lossy().into_owned(),
            hostname: uname.nodename().to_string_lossy().into_owned(),
            cpu_model: field(&cpu, "model name").map(str::to_owned),
            cpus: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            memory_bytes: kilobytes(&memory, "MemTotal"),
            memory_available_bytes: kilobytes(&memory, "MemAvailable"),
            limits: Limits::read(),
            sysctls: knobs::sysctls().map(|name| (name, sysctl(name))).collect(),
        }
    }
}

impl Limits {
    /// Reads them.
    pub(crate) fn read() -> Self {
        let descriptors = getrlimit(Resource::Nofile);
        Self {
            descriptors: descriptors.current,
            descriptors_hard: descriptors.maximum,
            locked_memory_bytes: getrlimit(Resource::Memlock).current,
        }
    }
}

/// Hard RLIMIT_MEMLOCK, bytes; `None`: unlimited.
pub(crate) fn locked_memory_hard() -> Option<u64> {
    getrlimit(Resource::Memlock).maximum
}

/// Bit of CAP_SYS_RESOURCE in a set of capabilities, capabilities(7).
const CAP_SYS_RESOURCE: u64 = 1 << 24;

/// Whether not even root may raise a hard limit here: CAP_SYS_RESOURCE was taken away, as from most containers.
pub(crate) fn limits_are_fixed() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    lacks_resource_capability(&status, rustix::process::geteuid().is_root())
}

/// What `/proc/PID/status` says: root has what is effective, others could become root with what is in the bounding set.
/// What cannot be read is not held against anybody.
fn lacks_resource_capability(status: &str, is_root: bool) -> bool {
    let set = field(status, if is_root { "CapEff" } else { "CapBnd" });
    let set = set.and_then(|set| u64::from_str_radix(set, 16).ok());
    set.is_some_and(|set| set & CAP_SYS_RESOURCE == 0)
}

/// Whether whoever started this process had it ignore a signal.
pub(crate) fn is_ignored(signal: i32) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignores(&status, signal)
}

/// What `/proc/PID/status` says: the first signal is the lowest bit.
fn ignores(status: &str, signal: i32) -> bool {
    let set = field(status, "SigIgn").and_then(|set| u64::from_str_radix(set, 16).ok());
    set.zip(u32::try_from(signal - 1).ok())
        .is_some_and(|(set, bit)| set.checked_shr(bit).unwrap_or(0) & 1 == 1)
}

/// Raises the soft descriptor limit to the hard one: a ring's table of direct descriptors must not
/// be larger than the soft limit.
pub(crate) fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    // A refusal shows in the preflight, which looks at what the limit really is.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

/// Descriptors that this process has besides the standard three, of those below `limit`, from which others are taken.
pub(crate) fn descriptors_open(limit: u64) -> u64 {
    let open = fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let number = |entry: fs::DirEntry| entry.file_name().to_str()?.parse::<u64>().ok();
    let counted = open.filter_map(number).filter(|fd| (3..limit).contains(fd)).count() as u64;
    // One of them is the directory that was read.
    counted.saturating_sub(1)
}

/// Asks the kernel not to back this process's memory with huge pages from now on. They make a busy generator a little
/// faster, but round each of its many lists up to 2 MiB: with connections that say nothing, most of its memory.
pub(crate) fn refuse_huge_pages() {
    // A kernel that does not know the request gives what it gives; the report shows the memory.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

/// The CPUs this process may use.
pub(crate) fn usable_cpus() -> Vec<usize> {
    let set = rustix::thread::sched_getaffinity(None).unwrap_or_else(|_| rustix::thread::CpuSet::new());
    (0..rustix::thread::CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect()
}

/// A setting by its dotted name.
fn sysctl(name: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/sys/{}", name.replace('.', "/"))).ok()?;
    Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// `name : value` of `/proc/cpuinfo`, `/proc/meminfo` and `/proc/PID/status`.
pub(crate) fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim())
    })
}

/// A field in kB, as bytes; 0 when it is missing.
pub(crate) fn kilobytes(text: &str, name: &str) -> u64 {
    field(text, name).and_then(number).unwrap_or(0) * 1_024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found() {
        let text = "MemTotal:       100 kB\nMemAvailable:    50 kB\n";
        assert_eq!(kilobytes(text, "MemTotal"), 102_400);
        assert_eq!(kilobytes(text, "Missing"), 0);
    }

    #[test]
    fn root_without_the_capability_raises_no_limit() {
        let status = |effective: &str, bounding: &str| format!("CapEff:\t{effective}\nCapBnd:\t{bounding}\n");
        let (all, without, none) = ("000001ffffffffff", "000001fffeffffff", "0000000000000000");
        for (status, is_root, lacks) in [
            (status(all, all), true, false),
            (status(without, all), true, true),
            (status(none, all), false, false),
            (status(none, without), false, true),
            (String::new(), true, false),
        ] {
            assert_eq!(lacks_resource_capability(&status, is_root), lacks, "{status} {is_root}");
        }
    }

    #[test]
    fn descriptors_are_counted_below_the_limit() {
        let files: Vec<_> = (0..40).map(|_| fs::File::open("/dev/null").unwrap()).collect();
        assert!(descriptors_open(u64::MAX) >= 40 && descriptors_open(10) < 10, "{}", files.len());
    }

    #[test]
    fn this_machine_is_readable() {
        let machine = Machine::read();
        assert!(machine.memory_bytes > 0 && machine.cpus > 0 && !machine.kernel.is_empty());
        assert!(machine.sysctls["fs.file-max"].is_some());
    }
}
