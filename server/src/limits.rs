//! What the machine allows this process: descriptors and processors.
//!
//! Connections live in the rings' own file tables and need no descriptors. But the kernel allows no
//! such table to be larger than `RLIMIT_NOFILE` (the soft limit), so the soft limit is raised to the
//! hard one at start.

use std::thread;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What the machine allows, read once at start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The soft descriptor limit.
    pub descriptors_soft: u64,
    /// The hard descriptor limit: how large one ring's file table may become.
    pub descriptors_hard: u64,
    /// How many processors this process can use at once (affinity and cgroup quota counted).
    pub parallelism: usize,
    /// The processors this process may run on, ascending; empty when the system does not tell.
    pub cpus: Vec<usize>,
}

impl Machine {
    /// Asks the kernel.
    #[must_use]
    pub fn read() -> Self {
        let limit = getrlimit(Resource::Nofile);
        let cpus = rustix::thread::sched_getaffinity(None)
            .map(|set| (0..rustix::thread::CpuSet::MAX_CPU).filter(|&cpu| set.is_set(cpu)).collect())
            .unwrap_or_default();
        Self {
            descriptors_soft: limit.current.unwrap_or(u64::MAX),
            descriptors_hard: limit.maximum.unwrap_or(u64::MAX),
            parallelism: thread::available_parallelism().map_or(1, std::num::NonZero::get),
            cpus,
        }
    }
}

/// What became of the descriptor limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raised {
    /// The soft limit before.
    pub before: u64,
    /// The soft limit now.
    pub now: u64,
}

/// Raises the soft descriptor limit to the hard one. A refusal is no error: the limit then stays
/// what it was, and the result says so.
#[must_use]
pub fn raise_descriptors() -> Raised {
    let limit = getrlimit(Resource::Nofile);
    let before = limit.current.unwrap_or(u64::MAX);
    if limit.current != limit.maximum
        && let Err(error) =
            setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum })
    {
        tracing::warn!(%error, before, "cannot raise the descriptor limit; run `ulimit -n` higher before starting");
    }
    Raised { before, now: getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raising_reaches_the_hard_limit_and_stays_there() {
        let raised = raise_descriptors();
        let machine = Machine::read();
        assert_eq!(raised.now, machine.descriptors_hard);
        assert_eq!(machine.descriptors_soft, machine.descriptors_hard);
        assert_eq!(raise_descriptors(), Raised { before: raised.now, now: raised.now });
    }

    #[test]
    fn the_machine_has_at_least_one_processor() {
        let machine = Machine::read();
        assert!(machine.parallelism >= 1);
        assert!(machine.cpus.is_sorted());
    }
}
