//! What will be done: the command line, parsed and checked once. Nothing behind this looks at text.

mod changes;
mod file;
mod link;
mod objectives;
mod out;
mod peer;
mod phases;
mod place;
mod print;
mod rooms;
mod target;
mod traffic;

use std::time::Duration;

use serde::Serialize;

use crate::cli::{GameName, PresetArgs, RunArgs};
use crate::forge::Forge;
use crate::link_model::LinkModel;
use crate::pacing::Pacer;
use crate::server_side::Admin;
use crate::slo::Slo;
use crate::sources::Sources;
use crate::verdict;

pub(crate) use file::{FileError, OFF, PlanFile};
pub(crate) use out::{Outs, is_same, probe, report_file, spare_plan, writable};
pub(crate) use peer::Peer;
pub(crate) use phases::{Backoff, Phase, Phases, STAGES_MAX, Stages};
pub(crate) use place::{Place, at_most_conns, parse_cpus};
pub(crate) use print::{Flag, stages_words, time_words};
pub(crate) use rooms::{BOTS_PER_ROOM, Names};
pub(crate) use target::Target;
pub(crate) use traffic::TrafficName;

/// A run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Plan {
    /// The preset, or the plan file's name.
    #[serde(skip)]
    pub(crate) title: String,
    pub(crate) preset: Preset,
    /// At least one.
    pub(crate) targets: Vec<Target>,
    /// Base URLs of their admin endpoints.
    pub(crate) admins: Vec<Admin>,
    /// The most connections at any time.
    pub(crate) conns: u32,
    /// The phases of the measuring window.
    pub(crate) phases: Phases,
    pub(crate) connect_rate: u32,
    #[serde(rename = "connect_timeout_s", serialize_with = "seconds")]
    pub(crate) connect_timeout: Duration,
    #[serde(rename = "duration_s", serialize_with = "seconds")]
    pub(crate) duration: Duration,
    #[serde(rename = "warmup_s", serialize_with = "seconds")]
    pub(crate) warmup: Duration,
    pub(crate) workers: u32,
    /// CPUs the workers are pinned to, round robin; empty: not pinned.
    pub(crate) cpus: Vec<usize>,
    /// How long due messages and answers may gather before a worker wakes for them, us: the resolution of
    /// what is sent and measured. Of answers only as long as the kernel does not say when they came.
    pub(crate) gather_us: u32,
    /// Due messages do not gather.
    pub(crate) exact: bool,
    pub(crate) seed: u64,
    pub(crate) slo: Vec<Slo>,
    #[serde(skip)]
    pub(crate) outs: Outs,
    /// Plain lines, even on a terminal.
    #[serde(skip)]
    pub(crate) no_tui: bool,
    pub(crate) server_pid: Option<u32>,
    #[serde(skip)]
    pub(crate) sources: Sources,
    pub(crate) force: bool,
    /// One of several runs in this process: whoever makes them tells how far things are, and they share its memory.
    #[serde(skip)]
    pub(crate) is_trial: bool,
    #[serde(skip)]
    pub(crate) peer: Peer,
    /// Plain TCP with these sizes.
    pub(crate) raw: Option<RawSizes>,
    /// What lies between the bots and the server; `None`: nothing but the machine.
    #[serde(skip)]
    pub(crate) link: Option<LinkModel>,
    /// Bytes that may wait to be sent on each connection: its share of the memory, once that is known.
    #[serde(skip)]
    pub(crate) waiting_bytes_max: usize,
}

/// What the connections do.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "name", rename_all = "lowercase")]
pub(crate) enum Preset {
    /// Bots play.
    Game {
        game: GameName,
        rooms: u32,
        /// Inputs a second; `None`: the server's tick rate.
        input_hz: Option<u16>,
    },
    /// Marksmen shoot at runners, a pair to a room.
    Rewind {
        rooms: u32,
        /// How the marksmen lie about what they see.
        forge: Option<Forge>,
    },
    /// Messages come back.
    Echo { pace: Pace, size: u32 },
    /// Nothing.
    Idle,
}

impl Preset {
    /// Its name on the command line and in the report.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Game { .. } => "game",
            Self::Rewind { .. } => "rewind",
            Self::Echo { .. } => "echo",
            Self::Idle => "idle",
        }
    }

    /// [`Plan::gather_us`] unless told otherwise: a fraction of what is measured, so that a wake-up serves
    /// many; of what the generator may be late by without being [`verdict::judge`]d invalid, a quarter.
    fn gather_us(&self, turns_over: bool, slos: &[Slo]) -> u32 {
        let most = match self {
            // Its upgrades are what is measured then.
            Self::Idle if turns_over => 50,
            Self::Game { .. } | Self::Rewind { .. } | Self::Echo { pace: Pace::Open { .. }, .. } => 200,
            Self::Echo { pace: Pace::Closed { .. }, .. } => 20,
            Self::Idle => 1_000,
        };
        if !self.is_open_loop() {
            return most;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a time, less than one second"
        )]
        let quarter = (verdict::late_us_max(slos.iter()) / 4.0) as u32;
        most.min(quarter)
    }

    /// Whether bots play.
    pub(crate) const fn plays(&self) -> bool {
        matches!(self, Self::Game { .. } | Self::Rewind { .. })
    }

    /// Whether every message has a time it is meant to be sent at.
    pub(crate) const fn is_open_loop(&self) -> bool {
        !matches!(self, Self::Idle | Self::Echo { pace: Pace::Closed { .. }, .. })
    }
}

/// When echo messages are sent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "loop", rename_all = "lowercase")]
pub(crate) enum Pace {
    /// At fixed times, whatever comes back.
    Open { rate_hz: f64 },
    /// When one returns; `pipeline` in flight per connection.
    Closed { pipeline: u32 },
}

/// Bytes of a message without WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct RawSizes {
    /// Towards the server.
    pub(crate) in_bytes: u32,
    /// From the server.
    pub(crate) out_bytes: u32,
}

/// Something on the command line that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{given}: {problem}")]
pub(crate) struct PlanError {
    /// The flag, and its value if it has one.
    given: String,
    problem: String,
}

impl PlanError {
    /// Of something other than a flag with a value.
    pub(crate) const fn of(given: String, problem: String) -> Self {
        Self { given, problem }
    }

    pub(crate) fn new(flag: &str, value: impl std::fmt::Display, problem: impl Into<String>) -> Self {
        let value = crate::terminal::value(&value.to_string());
        Self { given: format!("--{flag} {value}"), problem: problem.into() }
    }
}

/// Answers may take this long after the window, ns.
const SETTLE_NS: u64 = 2_000_000_000;
/// Grace for the last connections, ns.
const RAMP_GRACE_NS: u64 = 5_000_000_000;
/// Points of a run's course, not counting late connections and closing, at most.
const COURSE_POINTS: u64 = 1_200;
impl Plan {
    /// Checks and completes the command line and the plan file behind it.
    ///
    /// # Errors
    /// [`PlanError`] names the flag, its value and what is allowed.
    pub(crate) fn new(preset: &PresetArgs, file: &PlanFile) -> Result<Self, PlanError> {
        let name = TrafficName::of(preset)?;
        let args = preset.args().clone();
        traffic::refuse_meaningless(&args, name, &file.title)?;
        let phases = changes::phases(&args, file)?;
        let (preset, raw) = traffic::of(&args, name, phases.conns_max())?;
        let plan = Self::complete(args, &file.title, preset, phases, raw)?;
        plan.outs.spare_plan(file)?;
        Ok(plan)
    }

    fn complete(
        args: RunArgs,
        title: &str,
        preset: Preset,
        phases: Phases,
        raw: Option<RawSizes>,
    ) -> Result<Self, PlanError> {
        let conns = phases.conns_max();
        let place = Place::resolve(args.place, conns, phases.ports_needed(), raw.is_some())?;
        let gather_us = args.gather_us.unwrap_or_else(|| preset.gather_us(phases.turns_over(), &args.slo));
        if args.exact && !preset.is_open_loop() {
            return Err(PlanError {
                given: "--exact".to_owned(),
                problem: "has no effect without intended send times, which neither `run idle` nor `run echo \
                          --closed` has; leave it out, or use it with an open loop: run echo --rate 20 --exact"
                    .to_owned(),
            });
        }
        let link = link::of(args.link, &preset, raw.is_some())?;
        objectives::check(&args.slo, title, &preset, &phases, raw.is_some())?;
        if let Some(target) = place.targets.iter().find(|target| preset.plays() && target.path.is_some()) {
            let problem = format!("the {} preset chooses the path (rooms) itself", preset.name());
            return Err(PlanError::new("target", &target.url, problem));
        }
        Ok(Self {
            title: title.to_owned(),
            preset,
            targets: place.targets,
            admins: place.admins,
            conns,
            connect_rate: args.connect_rate,
            connect_timeout: args.connect_timeout,
            duration: Duration::from_nanos(phases.length_ns()),
            // Without anybody there is nothing to warm up.
            warmup: if phases.conns_at_start() == 0 { Duration::ZERO } else { args.warmup },
            phases,
            workers: place.workers,
            cpus: args.cpus.as_deref().map(|cpus| parse_cpus("cpus", cpus)).transpose()?.unwrap_or_default(),
            gather_us,
            exact: args.exact,
            seed: args.seed,
            slo: args.slo,
            outs: out::parse(&args.out)?,
            no_tui: args.no_tui,
            server_pid: args.server_pid,
            sources: place.sources,
            force: args.force,
            is_trial: false,
            waiting_bytes_max: usize::MAX,
            peer: Peer::Server,
            raw,
            link,
        })
    }

    /// The share of `worker`: indices `start..end` of all connections. Contiguous, so that the bots of
    /// a room mostly share a worker, which decodes their common snapshots once.
    pub(crate) fn share(&self, worker: u32) -> std::ops::Range<u32> {
        let at = |worker: u32| {
            let cut = u64::from(self.conns) * u64::from(worker) / u64::from(self.workers);
            u32::try_from(cut).expect("at most conns")
        };
        at(worker)..at(worker + 1)
    }

    /// Connections of a worker's `share` that there should be so many ns after the window's start.
    pub(crate) fn wanted(&self, after_ns: u64, share: &std::ops::Range<u32>) -> u32 {
        let wanted = u64::from(self.phases.conns_at(after_ns));
        let below = |connection: u32| wanted * u64::from(connection) / u64::from(self.conns);
        u32::try_from(below(share.end) - below(share.start)).expect("at most the share")
    }

    /// Whether a connection is among a share of all, spread evenly over rooms and workers.
    pub(crate) fn picks(&self, connection: u32, share: f64) -> bool {
        f64::from(self.turn_of(connection)) < share * f64::from(self.conns)
    }

    /// How long answers may take after the window, ns: what the link adds both ways, and some grace.
    pub(crate) fn settle_ns(&self) -> u64 {
        SETTLE_NS + self.link.map_or(0, |link| 2 * link.delay_ns_max())
    }

    /// How long connecting may take: what the rate asks for and half as much again, then the last
    /// connection's deadline, and some grace.
    pub(crate) fn ramp_ns_max(&self) -> u64 {
        let by_rate = u64::from(self.phases.conns_at_start()) * 1_500_000_000 / u64::from(self.connect_rate);
        let timeout_ns = u64::try_from(self.connect_timeout.as_nanos()).expect("at most a day");
        by_rate + timeout_ns + RAMP_GRACE_NS
    }

    /// Connections asked for when so many ns of connecting are over.
    pub(crate) fn requested(&self, after_ns: u64) -> u64 {
        let by_rate = u128::from(after_ns) * u128::from(self.connect_rate) / 1_000_000_000;
        u64::from(self.phases.conns_at_start()).min(u64::try_from(by_rate).unwrap_or(u64::MAX))
    }

    /// Between two points of the run's course: a second, or longer so that a long run has not too many.
    pub(crate) fn sample_ns(&self) -> u64 {
        let ramp = Duration::from_secs(u64::from(self.conns / self.connect_rate));
        let length = ramp + self.warmup + self.duration;
        let seconds = length.as_secs().div_ceil(COURSE_POINTS).max(1);
        seconds * 1_000_000_000
    }

    /// Which of the targets a connection goes to. All players of a room go to the same.
    pub(crate) fn target_index(&self, connection: u32) -> u16 {
        let number = match self.preset {
            Preset::Game { rooms, .. } | Preset::Rewind { rooms, .. } if self.raw.is_none() => {
                self.room_of(connection, rooms)
            }
            _ => connection,
        };
        let targets = u32::try_from(self.targets.len()).expect("every target was a word of the command line");
        u16::try_from(number % targets).expect("the plan allows 1,000 targets")
    }

    /// See [`Plan::target_index`].
    pub(crate) fn target_of(&self, connection: u32) -> &Target {
        &self.targets[usize::from(self.target_index(connection))]
    }

    /// All targets in words.
    pub(crate) fn targets_named(&self) -> String {
        let urls: Vec<&str> = self.targets.iter().map(|target| target.url.as_str()).collect();
        urls.join(", ")
    }

    /// The CPU of a worker, if the workers are pinned.
    pub(crate) fn cpu_of(&self, worker: u32) -> Option<usize> {
        let cpus = self.cpus.len().checked_sub(1)? + 1;
        Some(self.cpus[usize::try_from(worker).expect("a u32 fits in usize") % cpus])
    }

    /// The room of a connection: contiguous blocks of equal size, give or take one.
    pub(crate) fn room_of(&self, connection: u32, rooms: u32) -> u32 {
        let room = u64::from(connection) * u64::from(rooms) / u64::from(self.conns);
        u32::try_from(room).expect("below rooms")
    }

    /// When a connection sends `rate_hz` messages a second from `start_ns`.
    pub(crate) fn pacer(&self, connection: u32, start_ns: u64, rate_hz: f64) -> Pacer {
        Pacer::new(start_ns, rate_hz, self.turn_of(connection), self.conns)
    }

    /// A permutation of the connections that puts neighbours (and so the bots of one room) far apart:
    /// the order in which they send within a period.
    fn turn_of(&self, connection: u32) -> u32 {
        let conns = u64::from(self.conns);
        // The golden ratio spreads any run of consecutive numbers evenly; made coprime, it permutes.
        let mut stride = (conns * 618 / 1000).max(1);
        while gcd(stride, conns) != 1 {
            stride += 1;
        }
        u32::try_from(u64::from(connection) * stride % conns).expect("below conns")
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// A time of a plan, ns.
pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).expect("a hundred phases of a day each fit")
}

fn seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

#[cfg(test)]
mod tests;
