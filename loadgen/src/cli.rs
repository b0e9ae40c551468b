//! The command line, flag by flag; [`crate::plan`] checks how they go together.

pub(crate) mod calibrate;
pub(crate) mod find;
mod values;

use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::forge::Forge;
use crate::link_model::Stall;
use crate::slo::Slo;
use values::{number, short_time, stall, time, whole};

/// Most connections of one run: below it every count fits where it is used.
const CONNS_MAX: u64 = 4_000_000;
/// Longest gathering in the generator, us: beyond it, it would measure itself.
const GATHER_US_MAX: u64 = 5_000;
/// Longest latency and largest jitter of the modelled link, ms.
const LINK_MS_MAX: u64 = 500;
/// Largest message: what the echo endpoint takes.
const SIZE_MAX: u64 = tickring_protocol::limits::ECHO_MESSAGE_BYTES_MAX as u64;
/// Largest process number of Linux on 64 bits.
const PID_MAX: u64 = 4_194_304;

/// Load for a Tickring server, measured from the times messages were meant to be sent.
#[derive(Debug, Parser)]
#[command(name = "loadgen", version, about, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "Exit codes:
  0    pass: everything asked for was reached
  1    loadgen itself failed, for instance in writing the report
  2    usage: a flag or value is wrong, or asks for something this preset does not measure
  3    preflight: this machine or the server cannot carry the load; the text names the command that helps.
       That nothing listens at the target is no matter of the preflight but 99
  4    invalid: the generator was too busy for its figures to be believed
  5    correctness: gaps, duplicates, reordering, corrupted or wrong state
  99   missed: an objective, connections that failed (all, when nothing listens) or were lost,
       or messages not sent or never answered
  130  interrupted; the partial report is kept

Every preset explains itself: loadgen run game --help";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Put a load on a server and judge what came back
    Run {
        #[command(subcommand)]
        preset: Box<PresetArgs>,
    },
    /// Search the largest load that still meets the objectives
    #[command(after_help = find::HELP, args_override_self = true)]
    Find(find::FindArgs),
    /// Measure the generator's own ceiling, against a built-in sink
    #[command(after_help = calibrate::HELP, args_override_self = true)]
    Calibrate(calibrate::CalibrateArgs),
    /// Reckon whether N connections fit, here and on the server, which limit ends first, and what to type
    #[command(after_help = DOCTOR_HELP, args_override_self = true)]
    Doctor(DoctorArgs),
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum PresetArgs {
    /// Bots join rooms, move and shoot; every snapshot is decoded and checked
    #[command(after_help = GAME_HELP, args_override_self = true)]
    Game(GameArgs),
    /// Marksmen shoot at runners over a slow link: what was seen must be hit
    #[command(after_help = REWIND_HELP, args_override_self = true)]
    Rewind(RewindArgs),
    /// Messages go out and must come back unchanged, paced or as fast as they return
    #[command(after_help = ECHO_HELP, args_override_self = true)]
    Echo(EchoArgs),
    /// Connections that are held and say nothing
    #[command(after_help = IDLE_HELP, args_override_self = true)]
    Idle(IdleArgs),
}

const GAME_HELP: &str = "Measures input to effect: from the time an input was meant to be sent to the arrival of the first
snapshot whose `last_input` covers it. Each player's snapshots are checked for gaps, duplicates and
order, and their state against the server's checksum.

Examples:
  loadgen run game --conns 1000
      a thousand bots in 20 rooms of the default server for 30 s
  loadgen run game --conns 1000 --rooms 20 --duration 60s --slo 'effect_p99<34ms' --slo 'lateness_p99<=1ms' --out json=run.json
      the same for a minute, with objectives and a report
  loadgen run game --conns 200 --latency 40ms --jitter 10ms --stall 200ms/5s
      the same bots far away: 80 ms to 100 ms of round trip, and now and then a lost packet
  loadgen run game --raw --raw-in 64 --raw-out 512 --input-hz 30 --target tcp://127.0.0.1:7000 --server-pid 4242
      the same bytes at the same times against a bare program: no WebSocket, no game";

const REWIND_HELP: &str = "Proves lag compensation. Every room has two players: a runner that crosses a lane at full speed, back and
forth, and a marksman that aims at exactly what it sees and fires. Told is what the server granted, and
what would have hit where the target stood when the server judged the shot: one run shows both modes.

Judged with what the server's admin endpoint says of itself: with lag compensation 99% of the shots aimed
true must hit, with --lag-compensation off at most 5% may. With --forge no shot may gain a hit.

Examples:
  loadgen run rewind --latency 75ms --jitter 15ms
      a round trip of 150 ms to 180 ms; 20 marksmen for 30 s
  loadgen run rewind --latency 125ms --jitter 25ms
      250 ms and more: needs a server with a farther look back, TICKRING_ROOM__REWIND_MAX=450ms
  loadgen run rewind --latency 75ms --forge old
      cheats that claim to see the target as it was half a second before";

const ECHO_HELP: &str =
    "Needs a server started with --echo. Open loop by default: every connection sends --rate messages a
second at fixed times, and latency counts from those times. With --closed it keeps --pipeline
messages in flight and sends the next when one returns: throughput, not latency under a load.

Examples:
  loadgen run echo --conns 100 --rate 20 --slo 'p99<1ms'
      2,000 messages a second in all
  loadgen run echo --conns 100 --closed --pipeline 16 --size 64 --server-pid $(pidof tickring-server)
      as fast as they return, with the server's CPU per message
  loadgen run echo --raw --closed --target tcp://127.0.0.1:7000 --server-pid 4242
      the wire sizes of the same messages against a bare TCP echo";

const IDLE_HELP: &str =
    "Connects, upgrades on the echo endpoint (so the server needs --echo), answers pings and otherwise
stays silent. Reports what a connection costs the server in memory.

Examples:
  loadgen run idle --conns 15000 --duration 20s
  loadgen run idle --conns 60000 --workers 4 --connect-rate 4000 --slo 'rss_bytes_per_conn<1kB'
      more than the descriptor limit of 20,000: each worker's ring has a table of its own";

const DOCTOR_HELP: &str = "Budgets descriptors, port tuples, connection tracking, memory and the server's own limits, prints how many
connections each carries and which ends first, and judges the settings of both machines by the table of
tuning/. It makes no connection but one to the server's admin endpoint, and changes nothing.

Exit codes: 0 N will fit, 2 usage, 3 it will not.

Examples:
  loadgen doctor --conns 100000 --workers 8
      towards the default server on this machine
  loadgen doctor --conns 20000 --target ws://game.example.org:9001 --admin http://10.0.0.5:9002 --fix-plan
      what to type on either machine, as a list of commands
  loadgen doctor --conns 5000 --rooms 100 --json";

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    /// Rooms that players are spread over: counts the seats, too
    #[arg(long, value_name = "N", value_parser = whole::<u32>(1, CONNS_MAX, "--rooms 20"))]
    pub(crate) rooms: Option<u32>,
    /// Print only the commands that would make it fit and run well, for each machine
    #[arg(long, conflicts_with = "json")]
    pub(crate) fix_plan: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where the load comes from and goes to, and how much of it there is.
#[derive(Clone, Debug, Args)]
pub(crate) struct PlaceArgs {
    /// Server: ws://HOST:PORT[/PATH]; with --raw also tcp://HOST:PORT
    #[arg(long, value_name = "URL", default_value = "ws://127.0.0.1:9001")]
    pub(crate) target: String,
    /// Server's admin endpoint, for its own figures [default: the target's host, its port + 1;
    /// none with --raw]
    #[arg(long, value_name = "URL")]
    pub(crate) admin: Option<String>,
    /// Connections [default: game 1000, rewind 40, echo 100, idle 1000, doctor 1000]
    #[arg(long, value_name = "N", value_parser = whole::<u32>(1, CONNS_MAX, "--conns 1000"))]
    pub(crate) conns: Option<u32>,
    /// Threads, each with its own ring and its own share of the connections
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole::<u32>(1, 1_024, "--workers 4"))]
    pub(crate) workers: u32,
    /// Source addresses: auto, or a list like 127.0.0.2-127.0.0.17,127.0.0.40
    #[arg(long, value_name = "LIST", default_value = "auto")]
    pub(crate) src: String,
}

/// Flags every preset has.
#[derive(Clone, Debug, Args)]
pub(crate) struct CommonArgs {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    /// New connections a second, all workers together
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = whole::<u32>(1, 1_000_000, "--connect-rate 2000"))]
    pub(crate) connect_rate: u32,
    /// From starting a connection to its being ready for traffic
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time(1, "--connect-timeout 10s"))]
    pub(crate) connect_timeout: Duration,
    /// Length of the measuring window, after connecting and warm-up [default: 30s; in `find` its --step-duration]
    #[arg(long, value_name = "TIME", value_parser = time(1, "--duration 30s"))]
    pub(crate) duration: Option<Duration>,
    /// Traffic before the measuring window
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = time(0, "--warmup 3s"))]
    pub(crate) warmup: Duration,
    /// Pin the workers to these CPUs, round robin: 1 or 0,2-3
    #[arg(long, value_name = "LIST")]
    pub(crate) cpus: Option<String>,
    /// How long due messages and answers may gather before the generator wakes for them
    /// [default: game and rewind 200, echo 50, echo --closed 20, idle 1000]
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
    /// Report: json=FILE
    #[arg(long, value_name = "KIND=FILE")]
    pub(crate) out: Vec<String>,
    /// Read the server's CPU and memory from /proc/PID instead of the admin endpoint
    #[arg(long, value_name = "PID", value_parser = whole::<u32>(1, PID_MAX, "--server-pid $(pidof tickring-server)"))]
    pub(crate) server_pid: Option<u32>,
    /// Start although the preflight says that it will not fit
    #[arg(long)]
    pub(crate) force: bool,
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
}

/// The link between bots and server, see [`crate::link_model`].
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct LinkArgs {
    /// Bots only: delay of the link, one way, in both directions
    #[arg(long, value_name = "TIME", value_parser = short_time(LINK_MS_MAX, "--latency 75ms"))]
    pub(crate) latency: Option<Duration>,
    /// Bots only: what is added to the delay, at random from 0 to TIME, one way, in both directions;
    /// nothing is reordered
    #[arg(long, value_name = "TIME", value_parser = short_time(LINK_MS_MAX, "--jitter 15ms"))]
    pub(crate) jitter: Option<Duration>,
    /// Bots only: once a PERIOD the link holds everything back for TIME and then releases it at once, each
    /// direction at its own moments [default PERIOD: 5s]
    #[arg(long, value_name = "TIME[/PERIOD]", value_parser = stall)]
    pub(crate) stall: Option<Stall>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct GameArgs {
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    /// Rooms the bots are spread over [default: one per 50 bots]
    #[arg(long, value_name = "N", value_parser = whole::<u32>(1, CONNS_MAX, "--rooms 20"))]
    pub(crate) rooms: Option<u32>,
    /// Which game the server runs
    #[arg(long, value_enum, default_value_t = GameName::Arena)]
    pub(crate) game: GameName,
    /// Inputs a second and bot [default: the server's tick rate; with --raw 30]
    #[arg(long, value_name = "HZ", visible_alias = "rate", value_parser = whole::<u16>(1, 1_000, "--input-hz 30"))]
    pub(crate) input_hz: Option<u16>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct RewindArgs {
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    /// The marksmen lie about what they see, and aim at where the target is at the moment they claim
    #[arg(long, value_enum, value_name = "LIE")]
    pub(crate) forge: Option<Forge>,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct EchoArgs {
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    /// Messages a second and connection [default: 20]
    #[arg(long, value_name = "HZ", conflicts_with = "closed", value_parser = number(0.01, 1e6, "--rate 20"))]
    pub(crate) rate: Option<f64>,
    /// Closed loop: send the next message when one returns
    #[arg(long)]
    pub(crate) closed: bool,
    /// Closed loop: messages in flight per connection
    #[arg(long, value_name = "N", default_value_t = 1, requires = "closed", value_parser = whole::<u32>(1, 4_096, "--pipeline 16"))]
    pub(crate) pipeline: u32,
    /// Payload of a message
    #[arg(long, value_name = "BYTES", default_value_t = 64, value_parser = whole::<u32>(1, SIZE_MAX, "--size 64"))]
    pub(crate) size: u32,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct IdleArgs {
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// The games that the bots play.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum GameName {
    Arena,
    Pulse,
}

impl Cli {
    /// The preset after `loadgen run`.
    pub(crate) fn preset<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<PresetArgs, clap::Error> {
        match Self::try_parse_from(["loadgen", "run"].into_iter().chain(words))?.command {
            Command::Run { preset } => Ok(*preset),
            _ => unreachable!("the words begin with run"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_are_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
