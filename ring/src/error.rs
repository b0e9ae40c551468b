//! Why a ring cannot be built here, and what to do about it.

use std::io;

/// A ring could not be set up. The text says what, why, and the remedy.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The kernel was built without io_uring (`ENOSYS`), or a sandbox answers as if it were.
    #[error(
        "io_uring_setup: the kernel does not know this system call (ENOSYS). Either it was built without \
         CONFIG_IO_URING or a sandbox (gVisor, an old container runtime) hides it. Remedy: run on Linux 6.12 or \
         newer with io_uring enabled, outside that sandbox"
    )]
    NotInKernel,
    /// `kernel.io_uring_disabled` forbids it.
    #[error(
        "io_uring_setup: refused by the sysctl kernel.io_uring_disabled = {value}. Remedy: as root, \
         `sysctl -w kernel.io_uring_disabled=0`{}", if *value == 1 { ", or add this user's group to kernel.io_uring_group" } else { "" }
    )]
    DisabledBySysctl {
        /// Its value: 1 (only for a privileged group) or 2 (for everybody).
        value: u32,
    },
    /// A security policy, almost always a container's seccomp profile, forbids it.
    #[error(
        "{call}: not permitted ({errno}), and kernel.io_uring_disabled is not the cause: a seccomp profile or \
         security module forbids it. Remedy: allow io_uring_setup, io_uring_enter and io_uring_register in the \
         container's seccomp profile (Docker: --security-opt seccomp=PROFILE.json)"
    )]
    Forbidden {
        /// The system call that is refused: each of the three may be.
        call: &'static str,
        /// What the kernel said: `EPERM`, `EACCES`, or of a call that its sibling is known beside `ENOSYS`.
        errno: &'static str,
    },
    /// The rings do not fit `RLIMIT_MEMLOCK`, or memory is out.
    #[error(
        "io_uring: no memory for {what} (ENOMEM; RLIMIT_MEMLOCK is {memlock_bytes} bytes). Remedy: raise it with \
         `ulimit -l` or LimitMEMLOCK=, or use smaller queues"
    )]
    Memory {
        /// What was being allocated.
        what: &'static str,
        /// The soft limit; `u64::MAX` when there is none.
        memlock_bytes: u64,
    },
    /// The file table is larger than `RLIMIT_NOFILE`.
    #[error(
        "io_uring: a file table of {asked} slots is larger than RLIMIT_NOFILE allows ({limit}). Remedy: raise it with \
         `ulimit -n` or LimitNOFILE=, use fewer connections per ring, or more rings (each has a table of its own)"
    )]
    TableTooLarge {
        /// Slots asked for.
        asked: u32,
        /// The soft limit.
        limit: u64,
    },
    /// The process has no descriptor left for the ring itself, or for its doorbell.
    #[error(
        "io_uring_setup: no descriptor left for the ring ({errno}). Remedy: raise the limit with `ulimit -n` or LimitNOFILE="
    )]
    Descriptors {
        /// `EMFILE` (process) or `ENFILE` (system).
        errno: &'static str,
    },
    /// The kernel is too old for something this driver needs.
    #[error("io_uring: this kernel lacks {feature} (there since Linux {since}). Remedy: run a newer kernel")]
    Missing {
        /// What is missing.
        feature: &'static str,
        /// The first Linux version that has it.
        since: &'static str,
    },
    /// A setting is out of range.
    #[error("ring configuration: {setting} = {value}, allowed: {allowed}")]
    Config {
        /// Name of the field of [`Config`](crate::Config).
        setting: &'static str,
        /// Its value.
        value: u64,
        /// What would be accepted.
        allowed: &'static str,
    },
    /// Anything else.
    #[error("io_uring: {what} failed: {source}")]
    Io {
        /// What was tried.
        what: &'static str,
        /// What the kernel said.
        source: io::Error,
    },
}
