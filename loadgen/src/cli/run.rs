//! The flags of a run. Every preset has the same; those without a meaning for it are not shown, and refused.

use std::time::Duration;

use clap::{Args, Subcommand};

use super::values::{number, share, stages, time, whole};
use super::{CONNS_MAX, GameName, LinkArgs, PlaceArgs, help};
use crate::forge::Forge;
use crate::plan::{Backoff, Stages, TrafficName};
use crate::slo::Slo;

/// Longest gathering in the generator, us: beyond it, it would measure itself.
const GATHER_US_MAX: u64 = 5_000;
/// Largest message: what the echo endpoint takes.
pub(super) const SIZE_MAX: u64 = tickring_protocol::limits::ECHO_MESSAGE_BYTES_MAX as u64;
/// Largest process number of Linux on 64 bits.
const PID_MAX: u64 = 4_194_304;

/// What is run.
#[derive(Clone, Debug, Subcommand)]
#[command(after_help = help::RUN)]
pub(crate) enum PresetArgs {
    /// Bots join rooms, move and shoot; every snapshot is decoded and checked
    #[command(after_help = help::GAME, args_override_self = true)]
    Game(RunArgs),
    /// Marksmen shoot at runners over a slow link: what was seen must be hit
    #[command(after_help = help::REWIND, args_override_self = true)]
    Rewind(RunArgs),
    /// Messages go out and must come back unchanged, paced or as fast as they return
    #[command(after_help = help::ECHO, args_override_self = true)]
    Echo(RunArgs),
    /// Connections that are held and say nothing
    #[command(after_help = help::IDLE, args_override_self = true)]
    Idle(RunArgs),
    /// Players come, play and leave at a rate
    #[command(after_help = help::CHURN, args_override_self = true)]
    Churn(RunArgs),
    /// A share of the connections drops at once and comes back
    #[command(after_help = help::STORM, args_override_self = true)]
    Storm(RunArgs),
    /// Some connections stop reading: what the others notice
    #[command(after_help = help::SLOW_CONSUMER, args_override_self = true)]
    SlowConsumer(RunArgs),
    /// Upgrades a second, and what one costs
    #[command(after_help = help::HANDSHAKE, args_override_self = true)]
    Handshake(RunArgs),
    /// A plan of your own, such as evening.toml
    #[command(name = "FILE.toml", after_help = help::FILE, args_override_self = true)]
    File(RunArgs),
}

/// The flags.
#[derive(Clone, Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    /// What the connections do [default: game, or what the plan file says]
    #[arg(long, value_enum, value_name = "NAME")]
    pub(crate) traffic: Option<TrafficName>,
    /// New connections a second, all workers together
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = whole::<u32>(1, 1_000_000, "--connect-rate 2000"))]
    pub(crate) connect_rate: u32,
    /// From starting a connection to its being ready for traffic
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time(1, "--connect-timeout 10s"))]
    pub(crate) connect_timeout: Duration,
    /// Length of the measuring window, after connecting and warm-up; of several phases, of the longest [default:
    /// as --print-plan tells; a trial of find 10s]
    #[arg(long, value_name = "TIME", value_parser = time(1, "--duration 30s"))]
    pub(crate) duration: Option<Duration>,
    /// Traffic before the measuring window; handshake 1s unless told otherwise
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = time(0, "--warmup 3s"))]
    pub(crate) warmup: Duration,
    /// Phases in which the number of connections changes evenly: 30s:1000,1m:1000,10s:0 (in place of the
    /// preset's phases; from --conns, or none, at the start)
    #[arg(long, value_name = "TIME:CONNS,…", value_parser = stages, conflicts_with = "duration")]
    pub(crate) stages: Option<Stages>,
    /// So many connections a second leave, and others take their places [default: churn 50, handshake 1000]
    #[arg(long, value_name = "N", value_parser = number(0.01, 1e6, "--leave-rate 50"))]
    pub(crate) leave_rate: Option<f64>,
    /// Share of the connections that drops at once [default: storm 50%]
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub(crate) drop: Option<f64>,
    /// How those come back that dropped [default: jitter]
    #[arg(long, value_enum, value_name = "HOW")]
    pub(crate) backoff: Option<Backoff>,
    /// Share of the connections that stops reading [default: slow-consumer 5%]
    #[arg(long, value_name = "SHARE", value_parser = share)]
    pub(crate) stall_share: Option<f64>,
    /// Pin the workers to these CPUs, round robin: 1 or 0,2-3
    #[arg(long, value_name = "LIST")]
    pub(crate) cpus: Option<String>,
    /// How long due messages and answers may gather before the generator wakes for them; in echo's open loop it never
    /// wakes for answers, the kernel says when they came
    /// [default: game, rewind and echo 200, or a fortieth of the tightest latency objective if that is less; echo
    /// --closed 20, idle 1000, handshake 50]
    #[arg(long, value_name = "US", value_parser = whole::<u32>(0, GATHER_US_MAX, "--gather-us 200"))]
    pub(crate) gather_us: Option<u32>,
    /// Open loops only: wake for every due message at its own time; only answers gather. As peers on machines
    /// of their own would send, at the price of a wake-up for each
    #[arg(long)]
    pub(crate) exact: bool,
    /// Everything random comes from this: keys, masks, bots
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole::<u64>(0, u64::MAX, "--seed 7"))]
    pub(crate) seed: u64,
    /// Objective, repeatable: 'p99<20ms' 'gaps==0' 'lateness_p99<=1ms' (an unknown name lists them all)
    #[arg(long, value_name = "SLO")]
    pub(crate) slo: Vec<Slo>,
    /// Report, repeatable: json=FILE, csv=FILE (the course), hgrm=FILE (the latency, for the HdrHistogram plotter),
    /// html=FILE (one page with drawings), prom=IP:PORT (Prometheus asks there while the run lasts)
    #[arg(long, value_name = "KIND=PLACE")]
    pub(crate) out: Vec<String>,
    /// One plain line a second on standard error, even if that is a terminal, where a view is shown otherwise
    #[arg(long)]
    pub(crate) no_tui: bool,
    /// Read the server's CPU and memory from /proc/PID instead of the admin endpoint
    #[arg(long, value_name = "PID", value_parser = whole::<u32>(1, PID_MAX, "--server-pid $(pgrep -n -x tickring-server)"))]
    pub(crate) server_pid: Option<u32>,
    /// Start although the preflight says that it will not fit
    #[arg(long)]
    pub(crate) force: bool,
    /// Print the plan that would run, the flags given with it, as a file to begin one of your own with, and do nothing
    /// else
    #[arg(long)]
    pub(crate) print_plan: bool,
    /// Plain TCP against a floor program: no upgrade, no frames, no game
    #[arg(long)]
    pub(crate) raw: bool,
    /// With --raw: bytes sent per message [default: echo and game, the wire size of the WebSocket frame]
    #[arg(long, value_name = "BYTES", requires = "raw", value_parser = whole::<u32>(1, SIZE_MAX, "--raw-in 70"))]
    pub(crate) raw_in: Option<u32>,
    /// With --raw: bytes received per message [default: echo, the wire size of the frame; game 512]
    #[arg(long, value_name = "BYTES", requires = "raw", value_parser = whole::<u32>(1, SIZE_MAX, "--raw-out 66"))]
    pub(crate) raw_out: Option<u32>,
    #[command(flatten)]
    pub(crate) link: LinkArgs,
    /// Rooms the bots are spread over [default: one per 50 bots]
    #[arg(long, value_name = "N", value_parser = whole::<u32>(1, CONNS_MAX, "--rooms 20"))]
    pub(crate) rooms: Option<u32>,
    /// Which game the server runs [default: arena]
    #[arg(long, value_enum)]
    pub(crate) game: Option<GameName>,
    /// Messages a second and connection [default: echo 20; game the server's tick rate, with --raw 30]
    #[arg(long, value_name = "HZ", visible_alias = "input-hz", conflicts_with = "closed", value_parser = number(0.01, 1e6, "--rate 20"))]
    pub(crate) rate: Option<f64>,
    /// The marksmen lie about what they see, and aim at where the target is at the moment they claim
    #[arg(long, value_enum, value_name = "LIE")]
    pub(crate) forge: Option<Forge>,
    /// Closed loop: send the next message when one returns
    #[arg(long)]
    pub(crate) closed: bool,
    /// Closed loop: messages in flight per connection [default: 1]
    #[arg(long, value_name = "N", requires = "closed", value_parser = whole::<u32>(1, 4_096, "--pipeline 16"))]
    pub(crate) pipeline: Option<u32>,
    /// Payload of a message [default: 64]
    #[arg(long, value_name = "BYTES", value_parser = whole::<u32>(1, SIZE_MAX, "--size 64"))]
    pub(crate) size: Option<u32>,
}

impl PresetArgs {
    /// The flags.
    pub(crate) const fn args(&self) -> &RunArgs {
        match self {
            Self::Game(args)
            | Self::Rewind(args)
            | Self::Echo(args)
            | Self::Idle(args)
            | Self::Churn(args)
            | Self::Storm(args)
            | Self::SlowConsumer(args)
            | Self::Handshake(args)
            | Self::File(args) => args,
        }
    }

    /// The flags, to be changed.
    pub(crate) const fn args_mut(&mut self) -> &mut RunArgs {
        match self {
            Self::Game(args)
            | Self::Rewind(args)
            | Self::Echo(args)
            | Self::Idle(args)
            | Self::Churn(args)
            | Self::Storm(args)
            | Self::SlowConsumer(args)
            | Self::Handshake(args)
            | Self::File(args) => args,
        }
    }
}
