//! The command line. Values stay text here: the reader checks them, so that a bad flag is told in
//! the same words as a bad line in the file.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::layers::Inputs;

const ABOUT: &str = "A dedicated game server: fixed ticks, WebSocket, io_uring.";

const EXAMPLES: &str = "\
Examples:
  tickring-server
      the arena game on 127.0.0.1:9001, the admin endpoint on 127.0.0.1:9002
  tickring-server --listen 0.0.0.0:9001 --workers 4
      players from other machines, four workers
  tickring-server --config tickring.toml --tick-hz 128 --snapshot-hz 64
      settings from a file, except for the rates
  tickring-server --listen 127.0.0.1:0 --admin off
      a free port, printed as `listening on ADDR`; no admin endpoint
  TICKRING_ROOM__PLAYERS_MAX=100 tickring-server
      a setting of a table, from the environment
  tickring-server check-config --config tickring.toml
      every setting, its value, and where it came from
  tickring-server probe
      can this machine run it? if not, what to change

Settings come from defaults, then the file, then TICKRING_* variables, then flags; the later
one wins. SIGTERM or SIGINT drains: clients are told when to come back, the exit code is 0.
A second one exits at once with 143 or 130. Other exit codes: 2 for a bad setting, 1 for a
machine that cannot run it or a failure while running.
Look at a running server: curl http://127.0.0.1:9002/status (also /healthz /readyz /metrics).";

/// The command line of `tickring-server`.
#[derive(Clone, Debug, Parser)]
#[command(name = "tickring-server", version, about = ABOUT, after_help = EXAMPLES, max_term_width = 110)]
pub struct Cli {
    /// What to do; without it, serve.
    #[command(subcommand)]
    pub mode: Option<Mode>,
    #[command(flatten)]
    flags: Flags,
}

/// What the binary can do besides serving.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub enum Mode {
    /// Print the effective configuration as TOML, with origins and warnings; exit 2 if it is not usable
    CheckConfig,
    /// Try what the server needs of this machine; exit 0 if it can run here, 1 if not
    Probe,
}

#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Settings")]
struct Flags {
    /// A TOML file with settings [env: TICKRING_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where players connect; port 0 lets the kernel choose [default: 127.0.0.1:9001]
    #[arg(long, global = true, value_name = "ADDR:PORT")]
    listen: Option<String>,
    /// Where health, metrics and status are served, or off [default: 127.0.0.1:9002]
    #[arg(long, global = true, value_name = "ADDR:PORT|off")]
    admin: Option<String>,
    /// Worker threads [default: one per processor]
    #[arg(long, global = true, value_name = "N")]
    workers: Option<String>,
    /// Processors for the workers, such as 0-3,6
    #[arg(long, global = true, value_name = "LIST")]
    cpus: Option<String>,
    /// Simulation steps per second, 20 to 128 [default: 60]
    #[arg(long, global = true, value_name = "HZ", allow_hyphen_values = true)]
    tick_hz: Option<String>,
    /// Snapshots per second, dividing the tick rate [default: 30]
    #[arg(long, global = true, value_name = "HZ", allow_hyphen_values = true)]
    snapshot_hz: Option<String>,
    /// The game: arena or pulse [default: arena]
    #[arg(long, global = true, value_name = "NAME")]
    game: Option<String>,
    /// Answer on /v1/echo (--echo or --echo=on) [default: off]
    #[arg(long, global = true, value_name = "on|off", num_args = 0..=1, require_equals = true, default_missing_value = "on")]
    echo: Option<String>,
    /// Connections the process holds at most [default: workers x ring.fixed_table]
    #[arg(long, global = true, value_name = "N", allow_hyphen_values = true)]
    max_conns: Option<String>,
    /// Players one room seats [default: 50]
    #[arg(long, global = true, value_name = "N", allow_hyphen_values = true)]
    players_per_room: Option<String>,
    /// Rooms one worker holds [default: 1024]
    #[arg(long, global = true, value_name = "N", allow_hyphen_values = true)]
    rooms_max: Option<String>,
    /// How long a drain waits for players, such as 10s [default: 10s]
    #[arg(long, global = true, value_name = "TIME", allow_hyphen_values = true)]
    drain_timeout: Option<String>,
    /// Longest gathering of wake-ups, 0 to 1000 microseconds [default: 500]
    #[arg(long, global = true, value_name = "MICROSECONDS", allow_hyphen_values = true)]
    gather_us: Option<String>,
    /// Judge hits at the moment the shooter saw [default: on]
    #[arg(long, global = true, value_name = "on|off")]
    lag_compensation: Option<String>,
    /// Seed of every room's randomness [default: random]
    #[arg(long, global = true, value_name = "N", allow_hyphen_values = true)]
    seed: Option<String>,
    /// What is logged: a level, or a filter such as info,tickring_server=debug [default: info]
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,
    /// How a log line looks: auto, human or json [default: auto]
    #[arg(long, global = true, value_name = "FORMAT")]
    log_format: Option<String>,
}

impl Cli {
    /// What the command line says, as a layer of settings.
    #[must_use]
    pub fn inputs(self) -> Inputs {
        let flags = self.flags;
        let given = [
            ("listen", flags.listen),
            ("admin", flags.admin),
            ("workers", flags.workers),
            ("cpus", flags.cpus),
            ("tick_hz", flags.tick_hz),
            ("snapshot_hz", flags.snapshot_hz),
            ("game", flags.game),
            ("echo", flags.echo),
            ("max_conns", flags.max_conns),
            ("room.players_max", flags.players_per_room),
            ("room.rooms_max", flags.rooms_max),
            ("drain_timeout", flags.drain_timeout),
            ("ring.gather_us", flags.gather_us),
            ("room.lag_compensation", flags.lag_compensation),
            ("seed", flags.seed),
            ("log.level", flags.log),
            ("log.format", flags.log_format),
        ];
        Inputs {
            file: flags.config,
            environment: Vec::new(),
            flags: given.into_iter().filter_map(|(key, value)| Some((key, value?))).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::config::SETTINGS;

    #[test]
    fn the_command_line_has_a_flag_for_each_setting_that_names_one_and_says_its_default() {
        let command = Cli::command();
        command.clone().debug_assert();
        for setting in SETTINGS {
            let Some(flag) = setting.flag else { continue };
            let name = flag.trim_start_matches("--");
            let found = command.get_arguments().find(|argument| argument.get_long() == Some(name));
            let argument = found.unwrap_or_else(|| panic!("no flag {flag}"));
            let help = argument.get_help().unwrap().to_string();
            if !matches!(setting.default, "auto") {
                assert!(
                    help.contains(setting.default),
                    "{flag} does not say its default, {}",
                    setting.default
                );
            }
            let value = if name == "echo" { format!("{flag}=x") } else { flag.to_owned() };
            let cli = Cli::try_parse_from(["tickring-server", &value, "x"].iter().take(if name == "echo" {
                2
            } else {
                3
            }));
            assert_eq!(cli.unwrap().inputs().flags, [(setting.key, "x".to_owned())]);
        }
    }

    #[test]
    fn flags_go_before_or_after_the_mode() {
        for words in
            [["tickring-server", "check-config", "--echo"], ["tickring-server", "--echo", "check-config"]]
        {
            let cli = Cli::try_parse_from(words).unwrap();
            assert_eq!(cli.mode, Some(Mode::CheckConfig));
            assert_eq!(cli.inputs().flags, [("echo", "on".to_owned())]);
        }
    }
}
