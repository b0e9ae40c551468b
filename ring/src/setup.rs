//! Building an io_uring with the flags this driver lives by, and telling apart the ways that can fail.

use std::io;

use io_uring::{Builder, IoUring};
use rustix::process::{Resource, getrlimit};

use crate::arrival::HEAD_BYTES;
use crate::{Config, SetupError};

/// A flag of `io_uring_setup`.
struct SetupFlag {
    name: &'static str,
    since: &'static str,
    set: fn(&mut Builder) -> &mut Builder,
}

/// All set-up flags used, each after those it needs.
const SETUP_FLAGS: [SetupFlag; 5] = [
    SetupFlag { name: "IORING_SETUP_SUBMIT_ALL", since: "5.18", set: Builder::setup_submit_all },
    SetupFlag { name: "IORING_SETUP_SINGLE_ISSUER", since: "6.0", set: Builder::setup_single_issuer },
    SetupFlag { name: "IORING_SETUP_DEFER_TASKRUN", since: "6.1", set: Builder::setup_defer_taskrun },
    SetupFlag { name: "IORING_SETUP_TASKRUN_FLAG", since: "5.19", set: Builder::setup_taskrun_flag },
    SetupFlag { name: "IORING_SETUP_NO_SQARRAY", since: "6.6", set: Builder::setup_no_sqarray },
];

/// The set-up flags by name, each with the first kernel that has it.
pub(crate) fn flags() -> impl Iterator<Item = (&'static str, &'static str)> {
    SETUP_FLAGS.iter().map(|flag| (flag.name, flag.since))
}

/// Sizes of the two queues, within what the kernel accepts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Queues {
    pub(crate) submissions: u32,
    pub(crate) completions: u32,
}

/// The kernel's limit of a submission queue.
const SUBMISSIONS_MAX: u32 = 32_768;
/// The kernel's limit of a completion queue.
const COMPLETIONS_MAX: u32 = 65_536;
/// The kernel's limit of a provided-buffer ring.
const BUFFERS_MAX: u16 = 32_768;
/// The kernel's limit of a file table.
const TABLE_MAX: u32 = 1 << 20;
/// Largest receive buffer: far beyond use, and small enough for the pool's size to fit an address space.
const BUFFER_BYTES_MAX: u32 = 1 << 24;

/// Checks every setting of a configuration against its range.
pub(crate) fn check(config: &Config) -> Result<Queues, SetupError> {
    let refuse = |setting, value, allowed| Err(SetupError::Config { setting, value, allowed });
    if !(1..=SUBMISSIONS_MAX).contains(&config.submission_entries) {
        return refuse("submission_entries", config.submission_entries.into(), "1 to 32768");
    }
    if !(config.submission_entries..=COMPLETIONS_MAX).contains(&config.completion_entries) {
        return refuse("completion_entries", config.completion_entries.into(), "submission_entries to 65536");
    }
    if !config.buffers.is_power_of_two() || config.buffers > BUFFERS_MAX {
        return refuse("buffers", config.buffers.into(), "a power of two from 1 to 32768");
    }
    if !(1..=BUFFER_BYTES_MAX).contains(&config.buffer_bytes) {
        return refuse("buffer_bytes", config.buffer_bytes.into(), "1 to 16777216");
    }
    if config.arrival_times && config.buffer_bytes as usize <= HEAD_BYTES {
        return refuse("buffer_bytes", config.buffer_bytes.into(), "49 to 16777216 with arrival_times");
    }
    if !(1..=TABLE_MAX).contains(&config.connections_max) {
        return refuse("connections_max", config.connections_max.into(), "1 to 1048576");
    }
    Ok(Queues { submissions: config.submission_entries, completions: config.completion_entries })
}

/// An io_uring with all flags, or what stands in the way.
pub(crate) fn build(queues: Queues) -> Result<IoUring, SetupError> {
    attempt(queues, SETUP_FLAGS.len()).map_err(|error| explain(queues, error))
}

fn attempt(queues: Queues, flags: usize) -> io::Result<IoUring> {
    let mut builder = IoUring::builder();
    builder.setup_cqsize(queues.completions).dontfork();
    for flag in &SETUP_FLAGS[..flags] {
        (flag.set)(&mut builder);
    }
    builder.build(queues.submissions)
}

fn explain(queues: Queues, error: io::Error) -> SetupError {
    match error.raw_os_error() {
        Some(libc::ENOSYS) => SetupError::NotInKernel,
        Some(libc::EPERM) => refused("EPERM"),
        Some(libc::EACCES) => refused("EACCES"),
        Some(libc::ENOMEM) => out_of_memory("the submission and completion queues"),
        Some(libc::EMFILE) => SetupError::Descriptors { errno: "EMFILE" },
        Some(libc::ENFILE) => SetupError::Descriptors { errno: "ENFILE" },
        // The kernel says only that some flag is unknown: add them one by one to learn which.
        Some(libc::EINVAL) => (1..=SETUP_FLAGS.len()).find(|&flags| attempt(queues, flags).is_err()).map_or(
            SetupError::Io { what: "io_uring_setup", source: error },
            |flags| {
                let SetupFlag { name, since, .. } = SETUP_FLAGS[flags - 1];
                SetupError::Missing { feature: name, since }
            },
        ),
        _ => SetupError::Io { what: "io_uring_setup", source: error },
    }
}

/// Who forbids io_uring: the sysctl says so itself, otherwise it is a policy.
fn refused(errno: &'static str) -> SetupError {
    let sysctl = std::fs::read_to_string("/proc/sys/kernel/io_uring_disabled");
    match sysctl.ok().and_then(|text| text.trim().parse().ok()) {
        Some(value @ 1..) => SetupError::DisabledBySysctl { value },
        _ => SetupError::Forbidden { call: "io_uring_setup", errno },
    }
}

/// A ring that is there, and `call` that is refused for it: a filter may know only that one.
fn refused_later(call: &'static str, what: &'static str, error: io::Error) -> SetupError {
    match error.raw_os_error() {
        Some(libc::EPERM) => SetupError::Forbidden { call, errno: "EPERM" },
        Some(libc::EACCES) => SetupError::Forbidden { call, errno: "EACCES" },
        Some(libc::ENOSYS) => SetupError::Forbidden { call, errno: "ENOSYS" },
        _ => SetupError::Io { what, source: error },
    }
}

/// Enters the kernel once, with nothing to do there.
pub(crate) fn enter_once(uring: &IoUring) -> Result<(), SetupError> {
    let entered = uring.submitter().submit();
    entered.map_err(|error| refused_later("io_uring_enter", "entering the ring", error)).map(drop)
}

/// `ENOMEM` for `what`, with the limit that usually causes it.
pub(crate) fn out_of_memory(what: &'static str) -> SetupError {
    let memlock_bytes = getrlimit(Resource::Memlock).current.unwrap_or(u64::MAX);
    SetupError::Memory { what, memlock_bytes }
}

/// Why there is no event counter for the doorbell: it is a descriptor of its own.
pub(crate) fn no_doorbell(error: io::Error) -> SetupError {
    match error.raw_os_error() {
        Some(libc::EMFILE) => SetupError::Descriptors { errno: "EMFILE" },
        Some(libc::ENFILE) => SetupError::Descriptors { errno: "ENFILE" },
        _ => SetupError::Io { what: "making the doorbell", source: error },
    }
}

/// Registers an empty file table of `slots` entries.
pub(crate) fn register_table(uring: &IoUring, slots: u32) -> Result<(), SetupError> {
    uring.submitter().register_files_sparse(slots).map_err(|error| match error.raw_os_error() {
        Some(libc::EMFILE) => SetupError::TableTooLarge {
            asked: slots,
            limit: getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX),
        },
        Some(libc::ENOMEM) => out_of_memory("the file table"),
        _ => refused_later("io_uring_register", "registering the file table", error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_out_of_range_is_named() {
        let wrong = [
            ("submission_entries", Config { submission_entries: 0, ..Config::default() }),
            ("completion_entries", Config { completion_entries: 1, ..Config::default() }),
            ("buffers", Config { buffers: 1000, ..Config::default() }),
            ("buffer_bytes", Config { buffer_bytes: 0, ..Config::default() }),
            ("buffer_bytes", Config { buffer_bytes: 48, arrival_times: true, ..Config::default() }),
            ("connections_max", Config { connections_max: TABLE_MAX + 1, ..Config::default() }),
        ];
        for (name, config) in wrong {
            match check(&config) {
                Err(SetupError::Config { setting, .. }) => assert_eq!(setting, name),
                other => panic!("{name}: {other:?}"),
            }
        }
        assert!(check(&Config::default()).is_ok());
    }

    #[test]
    fn each_cause_of_failure_is_told_apart_with_its_remedy() {
        let queues = Queues { submissions: 8, completions: 16 };
        let explained = |errno| explain(queues, io::Error::from_raw_os_error(errno));
        assert!(matches!(explained(libc::ENOSYS), SetupError::NotInKernel));
        assert!(matches!(explained(libc::EMFILE), SetupError::Descriptors { errno: "EMFILE" }));
        assert!(matches!(explained(libc::ENFILE), SetupError::Descriptors { errno: "ENFILE" }));
        assert!(matches!(explained(libc::ENOMEM), SetupError::Memory { .. }));
        let full = io::Error::from_raw_os_error(libc::EMFILE);
        assert!(no_doorbell(full).to_string().contains("ulimit -n"));
        // Whichever of the two applies to the machine this runs on.
        for errno in [libc::EPERM, libc::EACCES] {
            let error = explained(errno);
            let known = matches!(error, SetupError::Forbidden { .. } | SetupError::DisabledBySysctl { .. });
            assert!(known, "{error}");
        }
        for errno in [libc::ENOSYS, libc::EPERM, libc::EMFILE, libc::ENOMEM] {
            assert!(explained(errno).to_string().contains("Remedy: "));
        }
        let by_sysctl = SetupError::DisabledBySysctl { value: 1 }.to_string();
        assert!(by_sysctl.contains("kernel.io_uring_group"), "{by_sysctl}");
    }

    #[test]
    fn an_unknown_failure_of_a_working_kernel_is_handed_through() {
        let queues = Queues { submissions: 8, completions: 16 };
        let error = explain(queues, io::Error::from_raw_os_error(libc::EINVAL));
        assert!(matches!(error, SetupError::Io { .. }), "{error}");
    }
}
