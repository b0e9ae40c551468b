//! The command line of `loadgen calibrate`.

use std::time::Duration;

use clap::Args;

use super::CONNS_MAX;
use super::run::SIZE_MAX;
use super::values::{number, permille, time, whole};

pub(crate) const HELP: &str = "Starts a sink in this process, which accepts WebSocket connections on a loopback port and returns every \
    message as cheaply as can be, and runs `echo` against it in an open loop at rising rates: doubled until the \
    generator is too busy to be believed, then halved in between. Too busy is a worker above 85% of its CPU over a \
    step, or sends later than intended, at p99, by more than a tenth of --objective: what would make a run of \
    `loadgen run` invalid. A step that is too busy is tried once more. When the sink is what cannot keep up, that \
    is said, and the answer is a lower bound.

The sink has threads of its own, and with more than one CPU they are pinned apart from the generator's. No \
    server is needed.

Exit codes:
  0    a ceiling, or a lower bound of it, was found
  2    usage
  3    it does not fit
  4    no rate was valid
  5    something came back wrong
  130  interrupted

Examples:
  loadgen calibrate
      100 connections with 64 B, one worker, about half a minute
  loadgen calibrate --conns 1000 --size 512
      more connections, larger messages
  loadgen calibrate --objective 2ms --json
      for objectives on latency as tight as 2 ms; as JSON
  loadgen calibrate --workers 2 --cpus 0,1 --sink-cpus 2,3
      with four CPUs: what two workers can do, against two threads of the sink";

#[derive(Debug, Args)]
pub(crate) struct CalibrateArgs {
    /// Connections
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = whole::<u32>(1, CONNS_MAX, "--conns 100"))]
    pub(crate) conns: u32,
    /// Payload of a message
    #[arg(long, value_name = "BYTES", default_value_t = 64, value_parser = whole::<u32>(1, SIZE_MAX, "--size 64"))]
    pub(crate) size: u32,
    /// The generator's threads, each with its own ring and its own share of the connections
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole::<u32>(1, 1_024, "--workers 2"))]
    pub(crate) workers: u32,
    /// CPUs of the workers [default: all but the last; not pinned when there is one]
    #[arg(long, value_name = "LIST")]
    pub(crate) cpus: Option<String>,
    /// CPUs of the sink, a thread on each [default: the last; one thread that is not pinned when there is one]
    #[arg(long, value_name = "LIST")]
    pub(crate) sink_cpus: Option<String>,
    /// Messages a second of the first step, all connections together
    #[arg(long, value_name = "HZ", default_value_t = 20_000.0, value_parser = number(1.0, 1e8, "--from 20000"))]
    pub(crate) from: f64,
    /// How far the highest valid rate and the lowest invalid one may be apart
    #[arg(long, value_name = "SHARE", default_value = "10%", value_parser = permille("--precision 10%"))]
    pub(crate) precision: u64,
    /// Measuring window of each step
    #[arg(long, value_name = "TIME", default_value = "1500ms", value_parser = time(100, "--step-duration 2s"))]
    pub(crate) step_duration: Duration,
    /// The tightest objective on latency that runs will have, up to 500ms: sends may be late by a tenth of it, at p99
    #[arg(long, value_name = "TIME", default_value = "50ms", value_parser = time(1, "--objective 10ms"))]
    pub(crate) objective: Duration,
    /// Print one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}
