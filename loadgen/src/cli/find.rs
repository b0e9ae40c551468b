//! The command line of `loadgen find`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::PresetArgs;
use super::values::{number, permille, time, whole};

pub(crate) const HELP: &str = "Every trial is a whole run of the preset with its flags, and with one value changed. From --from the load is \
    doubled until a trial misses; then what lies between is halved until the largest that held and the smallest \
    that missed are within --precision; what was found must hold --confirm times more. A trial that does not hold \
    is tried once more before it counts, since a machine that others use too has bad moments. Missed is what \
    `loadgen run` calls missed: an objective (--slo), and also without any, connections that failed or were lost, \
    messages not sent or never answered, and a game that the server slows down (slow_share<=1%, unless --slo names \
    slow or slow_share). Loads that will not fit, by the reckoning of `loadgen doctor`, are \
    never attempted.

Exit codes:
  0    found, also when the upper bound holds
  1    a report could not be written
  2    usage
  3    not even --from fits
  4    invalid: the generator was the limit, not the server, or an
       objective could not be measured
  5    something arrived wrong
  99   not even --from holds, or the server is gone
  130  interrupted; what was found until then is told

Examples:
  loadgen find game --slo 'p99<50ms'
      how many players this server carries
  loadgen find echo --conns 100 --over rate --slo 'p99<5ms' \\
      --out json=search.json
      how many messages a second each of 100 connections may send; the whole
      search as JSON
  loadgen find game --from 100 --to 400 --precision 5% --best best.json \\
      --slo 'p99<80ms' --slo 'ticks_missed==0'
      with the ordinary report of the largest run that held";

#[derive(Clone, Debug, Args)]
pub(crate) struct FindArgs {
    #[command(flatten)]
    pub(crate) search: SearchArgs,
    #[command(subcommand)]
    pub(crate) preset: Box<PresetArgs>,
}

/// What is searched, where and how. Given before or after the preset.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "The search")]
pub(crate) struct SearchArgs {
    /// What grows
    #[arg(long, global = true, value_enum, default_value_t = Over::Conns)]
    pub(crate) over: Over,
    /// First and least load [default: 100 connections, rewind 40, at least one for each worker; with --over
    /// rate 10 a second, handshake 100]
    #[arg(long, global = true, value_name = "N", value_parser = number(0.01, 4e6, "--from 100"))]
    pub(crate) from: Option<f64>,
    /// No load beyond this [default: what fits; with --over rate 1,000,000 a second, game 1,000]
    #[arg(long, global = true, value_name = "N", value_parser = number(0.01, 4e6, "--to 20000"))]
    pub(crate) to: Option<f64>,
    /// How far what held and what missed may be apart
    #[arg(long, global = true, value_name = "SHARE", default_value = "5%", value_parser = permille("--precision 5%"))]
    pub(crate) precision: u64,
    /// Measuring window of each trial, of several phases of the longest [default: --duration, or 10s; a plan file's own
    /// lengths]
    #[arg(long, global = true, value_name = "TIME", value_parser = time(100, "--step-duration 10s"))]
    pub(crate) step_duration: Option<Duration>,
    /// How often the answer must hold again
    #[arg(long, global = true, value_name = "N", default_value_t = 2, value_parser = whole::<u32>(0, 100, "--confirm 2"))]
    pub(crate) confirm: u32,
    /// The ordinary JSON report of the largest run that held (--out json=FILE is the search's own)
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) best: Option<PathBuf>,
}

/// What grows from trial to trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Over {
    /// Connections
    Conns,
    /// Messages a second of each connection; of handshake, all upgrades a second
    Rate,
}
