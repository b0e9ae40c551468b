//! What will be done: the command line, parsed and checked once. Nothing behind this looks at text.

mod link;
mod objectives;
mod out;
mod place;
mod target;

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::cli::{CommonArgs, EchoArgs, GameArgs, GameName, IdleArgs, PresetArgs, RewindArgs};
use crate::forge::Forge;
use crate::link_model::LinkModel;
use crate::pacing::Pacer;
use crate::slo::Slo;
use crate::sources::Sources;

pub(crate) use out::{parse as report_file, writable};
pub(crate) use place::Place;
pub(crate) use place::at_most_conns;
pub(crate) use target::Target;

/// A run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Plan {
    pub(crate) preset: Preset,
    pub(crate) target: Target,
    /// Base URL of the admin endpoint.
    pub(crate) admin: Option<String>,
    pub(crate) conns: u32,
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
    /// what is sent and measured.
    pub(crate) gather_us: u32,
    /// Due messages do not gather.
    pub(crate) exact: bool,
    pub(crate) seed: u64,
    pub(crate) slo: Vec<Slo>,
    #[serde(skip)]
    pub(crate) json: Option<PathBuf>,
    pub(crate) server_pid: Option<u32>,
    #[serde(skip)]
    pub(crate) sources: Sources,
    pub(crate) force: bool,
    /// No lines of progress: somebody else tells how far things are.
    #[serde(skip)]
    pub(crate) silent: bool,
    /// Plain TCP with these sizes.
    pub(crate) raw: Option<RawSizes>,
    /// What lies between the bots and the server; `None`: nothing but the machine.
    #[serde(skip)]
    pub(crate) link: Option<LinkModel>,
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
    /// many.
    const fn gather_us(&self) -> u32 {
        match self {
            Self::Game { .. } | Self::Rewind { .. } => 200,
            Self::Echo { pace: Pace::Open { .. }, .. } => 50,
            Self::Echo { pace: Pace::Closed { .. }, .. } => 20,
            Self::Idle => 1_000,
        }
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
    pub(crate) fn new(flag: &str, value: impl std::fmt::Display, problem: impl Into<String>) -> Self {
        Self { given: format!("--{flag} {value}"), problem: problem.into() }
    }
}

/// Inputs of a game without WebSocket, where no server says its tick rate, a second.
const RAW_INPUT_HZ: u16 = 30;
/// Bytes a game without WebSocket receives per message unless told otherwise.
const RAW_SNAPSHOT_BYTES: u32 = 512;
/// Bytes a game without WebSocket sends per message unless told otherwise: an input's frame.
const RAW_INPUT_BYTES: u32 = 64;
/// Answers may take this long after the window, ns.
const SETTLE_NS: u64 = 2_000_000_000;
/// Grace for the last connections, ns.
const RAMP_GRACE_NS: u64 = 5_000_000_000;
/// Measuring window unless told otherwise.
const DURATION: Duration = Duration::from_secs(30);
/// Echo messages a second and connection unless told otherwise.
const ECHO_RATE_HZ: f64 = 20.0;
/// Connections of the rewind probe unless told otherwise.
const PROBERS: u32 = 40;
/// Points of a run's course, not counting connecting and closing, at most.
const COURSE_POINTS: u64 = 1_200;
/// Bots of a room unless told otherwise.
const BOTS_PER_ROOM: u32 = 50;

impl Plan {
    /// Checks and completes the command line.
    ///
    /// # Errors
    /// [`PlanError`] names the flag, its value and what is allowed.
    pub(crate) fn new(args: PresetArgs) -> Result<Self, PlanError> {
        match args {
            PresetArgs::Game(args) => Self::game(args),
            PresetArgs::Rewind(args) => Self::rewind(args),
            PresetArgs::Echo(args) => Self::echo(args),
            PresetArgs::Idle(IdleArgs { common }) => {
                let raw = common.raw.then_some(RawSizes { in_bytes: 1, out_bytes: 1 });
                Self::complete(common, Preset::Idle, 1_000, raw)
            }
        }
    }

    fn game(args: GameArgs) -> Result<Self, PlanError> {
        let conns = args.common.place.conns.unwrap_or(1_000);
        let rooms = args.rooms.unwrap_or_else(|| conns.div_ceil(BOTS_PER_ROOM));
        at_most_conns("rooms", rooms, conns)?;
        let mut input_hz = args.input_hz;
        let raw = args.common.raw.then_some(RawSizes {
            in_bytes: args.common.raw_in.unwrap_or(RAW_INPUT_BYTES),
            out_bytes: args.common.raw_out.unwrap_or(RAW_SNAPSHOT_BYTES),
        });
        if raw.is_some() {
            input_hz = input_hz.or(Some(RAW_INPUT_HZ));
        }
        Self::complete(args.common, Preset::Game { game: args.game, rooms, input_hz }, 1_000, raw)
    }

    fn rewind(args: RewindArgs) -> Result<Self, PlanError> {
        let conns = args.common.place.conns.unwrap_or(PROBERS);
        if !conns.is_multiple_of(2) {
            let problem = "permitted are even numbers, for a marksman and a runner in every room, for example \
                           --conns 40";
            return Err(PlanError::new("conns", conns, problem));
        }
        if args.common.raw {
            return Err(PlanError {
                given: "--raw".to_owned(),
                problem: "a floor program plays no game; leave it out, or compare with run game --raw"
                    .to_owned(),
            });
        }
        Self::complete(args.common, Preset::Rewind { rooms: conns / 2, forge: args.forge }, PROBERS, None)
    }

    fn echo(args: EchoArgs) -> Result<Self, PlanError> {
        let pace = if args.closed {
            Pace::Closed { pipeline: args.pipeline }
        } else {
            Pace::Open { rate_hz: args.rate.unwrap_or(ECHO_RATE_HZ) }
        };
        let head = frame_head_bytes(args.size);
        let raw = args.common.raw.then_some(RawSizes {
            in_bytes: args.common.raw_in.unwrap_or(args.size + head + MASK_BYTES),
            out_bytes: args.common.raw_out.unwrap_or(args.size + head),
        });
        Self::complete(args.common, Preset::Echo { pace, size: args.size }, 100, raw)
    }

    fn complete(
        args: CommonArgs,
        preset: Preset,
        conns_default: u32,
        raw: Option<RawSizes>,
    ) -> Result<Self, PlanError> {
        let place = Place::resolve(args.place, conns_default, raw.is_some())?;
        let gather_us = args.gather_us.unwrap_or_else(|| preset.gather_us());
        if args.exact && !preset.is_open_loop() {
            return Err(PlanError {
                given: "--exact".to_owned(),
                problem: "has no effect without intended send times, which neither `run idle` nor `run echo \
                          --closed` has; leave it out, or use it with an open loop: run echo --rate 20 --exact"
                    .to_owned(),
            });
        }
        let link = link::of(args.link, &preset, raw.is_some())?;
        objectives::check(&args.slo, &preset, raw.is_some())?;
        if preset.plays() && place.target.path.is_some() {
            let problem = format!("the {} preset chooses the path (rooms) itself", preset.name());
            return Err(PlanError::new("target", &place.target.url, problem));
        }
        Ok(Self {
            preset,
            target: place.target,
            admin: place.admin,
            conns: place.conns,
            connect_rate: args.connect_rate,
            connect_timeout: args.connect_timeout,
            duration: args.duration.unwrap_or(DURATION),
            warmup: args.warmup,
            workers: place.workers,
            cpus: args.cpus.as_deref().map(|cpus| parse_cpus("cpus", cpus)).transpose()?.unwrap_or_default(),
            gather_us,
            exact: args.exact,
            seed: args.seed,
            slo: args.slo,
            json: out::parse(&args.out)?,
            server_pid: args.server_pid,
            sources: place.sources,
            force: args.force,
            silent: false,
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

    /// How long answers may take after the window, ns: what the link adds both ways, and some grace.
    pub(crate) fn settle_ns(&self) -> u64 {
        SETTLE_NS + self.link.map_or(0, |link| 2 * link.delay_ns_max())
    }

    /// How long connecting may take: what the rate asks for and half as much again, then the last
    /// connection's deadline, and some grace.
    pub(crate) fn ramp_ns_max(&self) -> u64 {
        let by_rate = u64::from(self.conns) * 1_500_000_000 / u64::from(self.connect_rate);
        let timeout_ns = u64::try_from(self.connect_timeout.as_nanos()).expect("at most a day");
        by_rate + timeout_ns + RAMP_GRACE_NS
    }

    /// Connections asked for when so many ns of the run are over.
    pub(crate) fn requested(&self, after_ns: u64) -> u64 {
        let by_rate = u128::from(after_ns) * u128::from(self.connect_rate) / 1_000_000_000;
        u64::from(self.conns).min(u64::try_from(by_rate).unwrap_or(u64::MAX))
    }

    /// Between two points of the run's course: a second, or longer so that a long run has not too many.
    pub(crate) fn sample_ns(&self) -> u64 {
        let length = self.warmup + self.duration;
        let seconds = length.as_secs().div_ceil(COURSE_POINTS).max(1);
        seconds * 1_000_000_000
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

/// Bytes of the mask in a client's frame.
const MASK_BYTES: u32 = 4;

/// Head of an unmasked frame (RFC 6455 5.2).
const fn frame_head_bytes(payload: u32) -> u32 {
    match payload {
        0..=125 => 2,
        126..=65_535 => 4,
        _ => 10,
    }
}

/// The CPUs that a flag names.
///
/// # Errors
/// [`PlanError`] says what is permitted.
pub(crate) fn parse_cpus(flag: &str, text: &str) -> Result<Vec<usize>, PlanError> {
    let wrong = || PlanError::new(flag, text, "CPU numbers and ranges like 1 or 0,2-3 (at most 1023)");
    let mut cpus = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let first: usize = first.trim().parse().map_err(|_| wrong())?;
        let last: usize = last.trim().parse().map_err(|_| wrong())?;
        if last < first || last > 1_023 {
            return Err(wrong());
        }
        cpus.extend(first..=last);
    }
    Ok(cpus)
}

fn seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}

#[cfg(test)]
mod tests;
