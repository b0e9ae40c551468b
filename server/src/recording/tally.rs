//! What became of recordings. Touched when one begins, ends or is written to, never for a message or a tick.

use std::sync::atomic::{AtomicU64, Ordering};

/// Why a recording ended before its room did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The disk was too far behind.
    Slow,
    /// It had the size that it may have.
    Limit,
    /// More came in within a tick than is buffered.
    Burst,
    /// The disk was full, or the quota used up.
    NoSpace,
    /// Nothing may be written there.
    Denied,
    /// No descriptor was left for its file.
    Descriptors,
    /// Anything else that the system said.
    Io,
    /// The game's settings cannot be written down.
    Settings,
}

/// Counts since start.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    numbers: AtomicU64,
    pub(crate) writing: AtomicU64,
    pub(crate) finished: AtomicU64,
    pub(crate) bytes: AtomicU64,
    stops: [AtomicU64; Stop::ALL.len()],
}

impl Stop {
    pub(crate) const ALL: [Self; 8] = [
        Self::Slow,
        Self::Limit,
        Self::Burst,
        Self::NoSpace,
        Self::Denied,
        Self::Descriptors,
        Self::Io,
        Self::Settings,
    ];

    /// The reason in metrics and logs.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Slow => "slow",
            Self::Limit => "limit",
            Self::Burst => "burst",
            Self::NoSpace => "no_space",
            Self::Denied => "denied",
            Self::Descriptors => "descriptors",
            Self::Io => "io",
            Self::Settings => "settings",
        }
    }
}

impl Tally {
    /// A number for a recording that no other one of this process has.
    pub(super) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A recording ended early.
    pub(crate) fn stopped(&self, why: Stop) {
        self.stops[why as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Recordings that ended early for this reason.
    pub(crate) fn stops(&self, why: Stop) -> u64 {
        self.stops[why as usize].load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_place_of_its_own() {
        let tally = Tally::default();
        for (times, why) in (1..).zip(Stop::ALL) {
            (0..times).for_each(|_| tally.stopped(why));
        }
        assert!((1..).zip(Stop::ALL).all(|(times, why)| tally.stops(why) == times));
    }
}
