//! The phases of the measuring window: how many connections there are, and what befalls them.

use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;

use super::{nanoseconds, seconds};

/// Most stages of `--stages`, and most phases of a plan: each has figures of its own.
pub(crate) const STAGES_MAX: usize = 100;

/// How long the kernel keeps the port of a closed connection, s.
const TIME_WAIT_S: f64 = 60.0;

/// One phase.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Phase {
    pub(crate) name: String,
    #[serde(rename = "duration_s", serialize_with = "seconds")]
    pub(crate) duration: Duration,
    /// Connections at its end, reached evenly; `None`: as many as before.
    pub(crate) conns: Option<u32>,
    /// Connections that leave in a second, and are followed by others.
    pub(crate) leave_rate_hz: Option<f64>,
    /// Share of the connections that drops when it begins.
    pub(crate) drop: Option<f64>,
    /// How those come back.
    pub(crate) backoff: Option<Backoff>,
    /// Share of the connections that reads nothing while it lasts.
    pub(crate) stall_share: Option<f64>,
}

impl Phase {
    /// A phase in which nothing happens but traffic.
    pub(crate) const fn quiet(name: String, duration: Duration) -> Self {
        Self {
            name,
            duration,
            conns: None,
            leave_rate_hz: None,
            drop: None,
            backoff: None,
            stall_share: None,
        }
    }
}

/// How those come back that dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Backoff {
    /// Each after a random wait, which doubles with every failure: as the client crate does it
    Jitter,
    /// All at once, and once a second from then on
    None,
}

/// What `--stages` says: lengths, and the connections at their ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stages(pub(crate) Vec<(Duration, u32)>);

impl Stages {
    /// As phases.
    pub(super) fn phases(&self) -> Vec<Phase> {
        let phase = |(at, (length, conns)): (usize, &(Duration, u32))| Phase {
            conns: Some(*conns),
            ..Phase::quiet(format!("stage {}", at + 1), *length)
        };
        self.0.iter().enumerate().map(phase).collect()
    }
}

/// All of them, one after the other.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub(crate) struct Phases {
    list: Vec<Phase>,
    /// Connections when the first begins.
    #[serde(skip)]
    conns_at_start: u32,
}

impl Phases {
    /// Phases that begin with so many connections. There is at least one.
    pub(crate) fn new(list: Vec<Phase>, conns_at_start: u32) -> Self {
        assert!(!list.is_empty(), "a plan has a phase");
        Self { list, conns_at_start }
    }

    pub(crate) fn list(&self) -> &[Phase] {
        &self.list
    }

    /// The length of all together, ns.
    pub(crate) fn length_ns(&self) -> u64 {
        self.list.iter().map(|phase| nanoseconds(phase.duration)).sum()
    }

    /// Connections when the first begins.
    pub(crate) const fn conns_at_start(&self) -> u32 {
        self.conns_at_start
    }

    /// The most connections at any time.
    pub(crate) fn conns_max(&self) -> u32 {
        self.list.iter().filter_map(|phase| phase.conns).fold(self.conns_at_start, u32::max)
    }

    /// Whether the number of connections changes.
    pub(crate) fn is_staged(&self) -> bool {
        self.list.iter().any(|phase| phase.conns.is_some_and(|conns| conns != self.conns_at_start))
    }

    /// Whether connections are replaced by others.
    pub(crate) fn turns_over(&self) -> bool {
        self.list.iter().any(|phase| phase.leave_rate_hz.is_some())
    }

    /// Source ports that all of them need: those of the connections, and of those that have left in the last minute,
    /// whose ports rest for as long (TIME_WAIT).
    pub(crate) fn ports_needed(&self) -> u32 {
        let resting = |phase: &Phase| {
            phase.leave_rate_hz.map_or(0.0, |rate_hz| rate_hz * phase.duration.as_secs_f64().min(TIME_WAIT_S))
        };
        let resting = self.list.iter().map(resting).fold(0.0, f64::max);
        self.conns_max().saturating_add(whole(resting))
    }

    /// Whether anything befalls connections, so that some have more to endure than others.
    pub(crate) fn disturbs(&self) -> bool {
        let is_disturbing = |phase: &Phase| {
            phase.leave_rate_hz.is_some() || phase.drop.is_some() || phase.stall_share.is_some()
        };
        self.is_staged() || self.list.iter().any(is_disturbing)
    }

    /// The start of a phase after the window's, ns. One past the last is the end.
    pub(crate) fn start_ns(&self, index: usize) -> u64 {
        self.list[..index].iter().map(|phase| nanoseconds(phase.duration)).sum()
    }

    /// The phase so many ns after the window's start; the last one after the end.
    pub(crate) fn index_at(&self, after_ns: u64) -> usize {
        let mut end_ns = 0;
        let is_over = |phase: &Phase| {
            end_ns += nanoseconds(phase.duration);
            end_ns <= after_ns
        };
        self.list
            .iter()
            .take_while({
                let mut is_over = is_over;
                move |phase| is_over(phase)
            })
            .count()
            .min(self.list.len() - 1)
    }

    /// Connections there should be so many ns after the window's start. Each one that is to come or to go has its
    /// share of the phase, and does it when that begins: so the last of them is done before the phase is over.
    pub(crate) fn conns_at(&self, after_ns: u64) -> u32 {
        let (mut from, mut begun_ns) = (self.conns_at_start, 0);
        for phase in &self.list {
            let (to, length_ns) = (phase.conns.unwrap_or(from), nanoseconds(phase.duration));
            if after_ns < begun_ns + length_ns {
                let (gone, length) = (i128::from(after_ns - begun_ns), i128::from(length_ns));
                let change = i128::from(to) - i128::from(from);
                let way = (change.abs() * gone + length - 1) / length * change.signum();
                return u32::try_from(i128::from(from) + way).expect("between two numbers of connections");
            }
            (from, begun_ns) = (to, begun_ns + length_ns);
        }
        from
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of at most 60 million")]
const fn whole(count: f64) -> u32 {
    count as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn phases(list: &[(u64, Option<u32>)], conns_at_start: u32) -> Phases {
        let phase = |(ms, conns): &(u64, Option<u32>)| Phase {
            conns: *conns,
            ..Phase::quiet("x".to_owned(), Duration::from_millis(*ms))
        };
        Phases::new(list.iter().map(phase).collect(), conns_at_start)
    }

    const MS: u64 = 1_000_000;

    #[test]
    fn connections_change_evenly_and_stay() {
        let phases = phases(&[(100, Some(1_000)), (50, None), (100, Some(0))], 0);
        let at = |ms: u64| phases.conns_at(ms * MS);
        assert_eq!(
            (at(0), at(50), at(100), at(149), at(200), at(250), at(999)),
            (0, 500, 1_000, 1_000, 500, 0, 0)
        );
        assert_eq!((phases.conns_max(), phases.length_ns()), (1_000, 250 * MS));
        assert!(phases.is_staged() && phases.disturbs() && !phases.turns_over());
    }

    #[test]
    fn the_last_one_of_a_phase_comes_and_goes_within_it() {
        let phases = phases(&[(3_000, Some(30)), (3_000, Some(60)), (3_000, Some(1))], 1);
        let at = |ms: u64| phases.conns_at(ms * MS);
        assert_eq!((at(0), at(1), at(2_890), at(2_999), at(3_000)), (1, 2, 29, 30, 30));
        assert_eq!((at(5_899), at(5_999), at(8_940), at(8_999), at(9_000)), (59, 60, 2, 1, 1));
    }

    proptest! {
        #[test]
        fn every_moment_is_in_its_phase(
            list in prop::collection::vec((1_u64..500, prop::option::of(0_u32..9_000)), 1..20),
            start in 0_u32..9_000, after in 0_u64..12_000,
        ) {
            let phases = phases(&list, start);
            let index = phases.index_at(after * MS);
            prop_assert!(phases.start_ns(index) <= after * MS);
            prop_assert!(index == list.len() - 1 || after * MS < phases.start_ns(index + 1));
            let conns = phases.conns_at(after * MS);
            prop_assert!(conns <= phases.conns_max());
            prop_assert_eq!(phases.conns_at(phases.length_ns()), list.iter().filter_map(|phase| phase.1).next_back().unwrap_or(start));
        }
    }
}
