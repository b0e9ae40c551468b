//! The command line, flag by flag; [`crate::plan`] checks how they go together.

pub(crate) mod calibrate;
mod expand;
pub(crate) mod find;
mod help;
mod hidden;
mod report;
mod run;
pub(crate) mod values;

use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::link_model::Stall;
use crate::plan::{Flag, Plan, PlanError, PlanFile, TrafficName};
use values::{short_time, stall, whole};

pub(crate) use expand::Refused;
pub(crate) use report::ReportArgs;
pub(crate) use run::{PresetArgs, RunArgs};

/// The server of somebody who names none.
pub(crate) const TARGET_DEFAULT: &str = "ws://127.0.0.1:9001";
/// Most connections of one run: below it every count fits where it is used.
const CONNS_MAX: u64 = 4_000_000;
/// Longest latency and largest jitter of the modelled link, ms.
const LINK_MS_MAX: u64 = 500;

/// Load for a Tickring server, measured from the times messages were meant to be sent.
#[derive(Debug, Parser)]
#[command(name = "loadgen", version, about, after_help = help::EXIT_CODES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

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
    /// Reckon whether N connections fit, which limit ends first, and what to type
    #[command(after_help = help::DOCTOR, args_override_self = true)]
    Doctor(DoctorArgs),
    /// Make the HTML page of a saved report, or compare two runs with the noise shown
    #[command(after_help = report::HELP)]
    Report(ReportArgs),
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// What will run, a preset or a plan of yours: its connections and rooms are those of that run
    #[arg(value_name = "PRESET")]
    pub(crate) preset: Option<String>,
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    /// Rooms that players are spread over: counts the seats, too
    #[arg(long, value_name = "N", value_parser = whole::<u32>(1, CONNS_MAX, "--rooms 20"))]
    pub(crate) rooms: Option<u32>,
    /// As of `loadgen run`: the rooms' names, and so their workers, come from it
    #[arg(long, value_name = "N", requires = "preset", value_parser = whole::<u64>(0, u64::MAX, "--seed 7"))]
    pub(crate) seed: Option<u64>,
    /// As of `loadgen run`: new connections a second
    #[arg(long, value_name = "N", requires = "preset", value_parser = whole::<u32>(1, 1_000_000, "--connect-rate 2000"))]
    pub(crate) connect_rate: Option<u32>,
    /// As of `loadgen run`: what the connections do
    #[arg(long, value_enum, value_name = "NAME", requires = "preset")]
    pub(crate) traffic: Option<TrafficName>,
    /// As of `loadgen run`: which game the server runs
    #[arg(long, value_enum, requires = "preset")]
    pub(crate) game: Option<GameName>,
    /// Print only the commands that would make it fit and run well, for each machine
    #[arg(long, conflicts_with = "json")]
    pub(crate) fix_plan: bool,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
    /// The flags that were typed, by their names in here: a default is no wish.
    #[arg(skip)]
    pub(crate) typed: Vec<String>,
}

/// Where the load comes from and goes to, and how much of it there is.
#[derive(Clone, Debug, Args)]
pub(crate) struct PlaceArgs {
    /// Server: ws://HOST:PORT[/PATH]; with --raw also tcp://HOST:PORT. Repeatable: connections, and rooms of players, are
    /// spread over all of them
    #[arg(long, value_name = "URL", default_value = TARGET_DEFAULT)]
    pub(crate) target: Vec<String>,
    /// Server's admin endpoint, for its own figures; one for each target, in their order [default: each target's host,
    /// its port + 1; none with --raw]
    #[arg(long, value_name = "URL")]
    pub(crate) admin: Vec<String>,
    /// Connections [default: 1000]
    #[arg(long, value_name = "N", value_parser = whole::<u32>(1, CONNS_MAX, "--conns 1000"))]
    pub(crate) conns: Option<u32>,
    /// Threads, each with its own ring and its own share of the connections
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole::<u32>(1, 1_024, "--workers 4"))]
    pub(crate) workers: u32,
    /// Source addresses: auto, or a list like 127.0.0.2-127.0.0.17,127.0.0.40
    #[arg(long, value_name = "LIST", default_value = "auto")]
    pub(crate) src: String,
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

/// The games that the bots play.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum GameName {
    Arena,
    Pulse,
}

impl GameName {
    /// As a server says it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Arena => "arena",
            Self::Pulse => "pulse",
        }
    }
}

impl Cli {
    /// Reads the words of a command line, the program's name first. A preset's file, or one of the user's own, comes in
    /// here: its flags stand before those given, so that these count.
    ///
    /// # Errors
    /// [`Refused`]: a wrong command line, a plan file that is none, or a wish for help.
    pub(crate) fn read(words: impl IntoIterator<Item = std::ffi::OsString>) -> Result<Request, Refused> {
        expand::read(words.into_iter().collect())
    }
}

/// A command line, and the plan file that its preset stands for.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) command: Command,
    /// Of the commands that have a preset.
    pub(crate) file: Option<PlanFile>,
    /// The flags of the file and those given besides it.
    pub(crate) flags: Vec<Flag>,
    /// Nothing but the preset and `--print-plan`.
    pub(crate) is_plain: bool,
    /// As typed; what is not Unicode is visibly wrong.
    pub(crate) words: Vec<String>,
}

impl Request {
    /// Whether the plan is to be printed, and not run.
    pub(crate) fn prints_plan(&self) -> bool {
        let preset = match &self.command {
            Command::Run { preset } => preset,
            Command::Find(args) => &args.preset,
            Command::Calibrate(_) | Command::Doctor(_) | Command::Report(_) => return false,
        };
        preset.args().print_plan && self.file.is_some()
    }

    /// What `--print-plan` prints: a file which makes the run that was asked for, or the first trial of the search.
    ///
    /// # Errors
    /// [`PlanError`], as the run itself would be refused.
    pub(crate) fn plan_text(&self) -> Result<String, PlanError> {
        let (preset, file) = match (&self.command, &self.file) {
            (Command::Run { preset }, Some(file)) => (preset, file),
            (Command::Find(args), Some(file)) => return crate::find::first_trial(args, file, &self.flags),
            _ => unreachable!("only of a run or a search with its file"),
        };
        let plan = Plan::new(preset, file)?;
        Ok(if self.is_plain { file.text.clone() } else { file.changed(&self.flags, plan.phases.list()) })
    }
}

impl Cli {
    /// What stands after `loadgen run`.
    ///
    /// # Errors
    /// See [`Cli::read`].
    pub(crate) fn run<'a>(
        words: impl IntoIterator<Item = &'a str>,
    ) -> Result<(PresetArgs, PlanFile), Refused> {
        let words = ["loadgen", "run"].into_iter().chain(words).map(std::ffi::OsString::from);
        let Request { command, file, .. } = Self::read(words)?;
        let Command::Run { preset } = command else { unreachable!("the words begin with run") };
        Ok((*preset, file.expect("every preset has a file")))
    }
}

#[cfg(test)]
impl Cli {
    /// The plan after `loadgen run`, or why there is none.
    pub(crate) fn plan<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Plan, String> {
        let (preset, file) = Self::run(words).map_err(|error| error.to_string())?;
        Plan::new(&preset, &file).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flags_are_consistent() {
        expand::command().debug_assert();
    }
}
