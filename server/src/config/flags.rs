//! The command line. Values stay text here: the reader checks them, so that a bad flag is told in
//! the same words as a bad line in the file.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, CommandFactory as _, Error, FromArgMatches as _, Parser, Subcommand};

use super::games::Games;
use super::help;
use super::layers::Inputs;
use super::settings::Setting;
use crate::replay::Task;

/// The command line of `tickring-server`.
#[derive(Clone, Debug, Parser)]
#[command(name = "tickring-server", version, about = help::ABOUT, after_help = help::EXAMPLES, max_term_width = 110)]
pub struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    flags: Flags,
    #[arg(skip)]
    games: Games,
}

/// What the binary is asked to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Serve.
    Serve,
    /// Print the effective configuration.
    CheckConfig,
    /// Try what the server needs of this machine.
    Probe,
    /// Play recordings again.
    Replay(Task),
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Print the effective configuration as TOML, with origins and warnings; exit 2 if it is not usable
    #[command(after_help = help::CHECK_EXAMPLES)]
    CheckConfig(Box<Flags>),
    /// Try what the server needs of this machine; exit 0 if it can run here, 1 if not
    #[command(after_help = help::PROBE_EXAMPLES)]
    Probe,
    /// Play recordings again and hold every checksum against the room; exit 0 if all agree
    Replay(Task),
}

#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Settings")]
struct Flags {
    /// A TOML file with settings [env: TICKRING_CONFIG]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where players connect; port 0 lets the kernel choose [default: 127.0.0.1:9001]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<String>,
    /// Where health, metrics, status and rooms are served, or off [default: 127.0.0.1:9002]
    #[arg(long, value_name = "ADDR:PORT|off")]
    admin: Option<String>,
    /// Worker threads [default: one per processor]
    #[arg(long, value_name = "N")]
    workers: Option<String>,
    /// Processors for the workers, such as 0-3,6
    #[arg(long, value_name = "LIST")]
    cpus: Option<String>,
    /// Simulation steps per second, 20 to 128 [default: 60]
    #[arg(long, value_name = "HZ", allow_hyphen_values = true)]
    tick_hz: Option<String>,
    /// Snapshots per second, dividing the tick rate [default: 30]
    #[arg(long, value_name = "HZ", allow_hyphen_values = true)]
    snapshot_hz: Option<String>,
    // Its help says which games the program has.
    #[arg(long, value_name = "NAME")]
    game: Option<String>,
    /// Answer on /v1/echo (--echo or --echo=on) [default: off]
    #[arg(long, value_name = "on|off", num_args = 0..=1, require_equals = true, default_missing_value = "on")]
    echo: Option<String>,
    /// Connections the process holds at most [default: workers x ring.fixed_table]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    max_conns: Option<String>,
    /// Players one room seats [default: 50]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    players_per_room: Option<String>,
    /// Rooms one worker holds [default: 1024]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    rooms_max: Option<String>,
    /// Bytes of snapshots one player is sent per second [default: 32000]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    snapshot_bytes_per_s: Option<String>,
    /// How long a drain waits for players, such as 10s [default: 10s]
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    drain_timeout: Option<String>,
    /// Longest gathering of wake-ups, 0 to 1000 microseconds [default: 500]
    #[arg(long, value_name = "MICROSECONDS", allow_hyphen_values = true)]
    gather_us: Option<String>,
    /// Judge hits at the moment the shooter saw [default: on]
    #[arg(long, value_name = "on|off")]
    lag_compensation: Option<String>,
    /// Where every room is recorded, a directory [default: off]
    #[arg(long, value_name = "DIR")]
    record: Option<String>,
    /// Seed of every room's randomness [default: random]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    seed: Option<String>,
    /// What is logged: a level, or a filter such as info,tickring_server=debug [default: info]
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// How a log line looks: auto, human or json [default: auto]
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<String>,
}

impl Cli {
    /// Reads words such as `std::env::args_os()`, for a program of this version that has these games.
    ///
    /// # Errors
    /// What clap says of words that are not understood, and its text for `--help` and `--version`.
    pub fn read(
        words: impl Iterator<Item = OsString>,
        games: Games,
        version: &'static str,
    ) -> Result<Self, Error> {
        let words: Vec<OsString> = words.collect();
        let program = program(words.first());
        let examples = help::EXAMPLES.replace("tickring-server", &program);
        let told = Self::command_with(&games).display_name(program.clone()).version(version);
        let named = |command: clap::Command| match command.get_after_help().map(ToString::to_string) {
            Some(text) => command.after_help(text.replace("tickring-server", &program)),
            None => command,
        };
        let modes = ["check-config", "probe", "replay"];
        let told = modes.into_iter().fold(told, |told, mode| told.mut_subcommand(mode, named));
        let mut command = told.after_help(examples);
        let matches = command.try_get_matches_from_mut(&words);
        let matches = matches.map_err(|error| with_echo_explained(error, &words, &mut command))?;
        let cli = Self { games, ..Self::from_arg_matches(&matches)? };
        let Some((mode, why)) = cli.contradiction() else { return Ok(cli) };
        let mode = command.find_subcommand_mut(mode).expect("it is one of the words");
        Err(mode.error(ErrorKind::ArgumentConflict, why))
    }

    /// What does not go together, and in which mode.
    fn contradiction(&self) -> Option<(&'static str, String)> {
        let (mode, why, task) = match &self.command {
            Some(Command::Probe) => ("probe", "probe looks at the machine and takes no settings", None),
            Some(Command::Replay(task)) => ("replay", "a recording has the settings of its room", Some(task)),
            None | Some(Command::CheckConfig(_)) => return None,
        };
        let flag = self.flags.first_given().map(|flag| format!("{why}: leave out {flag}"));
        Some((mode, flag.or_else(|| task?.check().err())?))
    }

    fn command_with(games: &Games) -> clap::Command {
        let help = format!("The game: {} [default: {}]", games.allowed(), games.first());
        let told = |command: clap::Command| command.mut_arg("game", |game| game.help(help.clone()));
        told(Self::command()).mut_subcommand("check-config", told)
    }

    /// What to do.
    #[must_use]
    pub fn mode(&self) -> Mode {
        match &self.command {
            None => Mode::Serve,
            Some(Command::CheckConfig(_)) => Mode::CheckConfig,
            Some(Command::Probe) => Mode::Probe,
            Some(Command::Replay(task)) => Mode::Replay(task.clone()),
        }
    }

    /// What the command line says, as a layer of settings. Flags go before or after `check-config`;
    /// of the same flag in both places, the later one wins.
    #[must_use]
    pub fn inputs(self) -> Inputs {
        let after = match self.command {
            Some(Command::CheckConfig(flags)) => *flags,
            None | Some(Command::Probe | Command::Replay(_)) => Flags::default(),
        };
        Inputs {
            games: self.games,
            file: after.config.clone().or_else(|| self.flags.config.clone()),
            environment: Vec::new(),
            flags: [self.flags.given(), after.given()].concat(),
        }
    }
}

/// `--echo on` would leave it open whether `on` is its value or, as in `--echo check-config`, what to do.
fn with_echo_explained(error: Error, words: &[OsString], command: &mut clap::Command) -> Error {
    let odd = [ContextKind::InvalidSubcommand, ContextKind::InvalidArg];
    let Some(ContextValue::String(word)) = odd.iter().find_map(|kind| error.get(*kind)) else { return error };
    if !words.windows(2).any(|pair| pair[0] == "--echo" && pair[1] == word.as_str()) {
        return error;
    }
    let why = format!(
        "--echo takes no value after a space: write --echo or --echo=on to turn it on, --echo=off to turn it off, not --echo {word}"
    );
    command.error(ErrorKind::UnknownArgument, why)
}

/// What a program was called as, by the first word.
pub(crate) fn program(called: Option<&OsString>) -> String {
    let name = called.map(Path::new).and_then(Path::file_name).unwrap_or(OsStr::new("tickring-server"));
    name.to_string_lossy().into_owned()
}

impl Flags {
    /// The settings that were given, by key.
    fn given(self) -> Vec<(&'static str, String)> {
        let all = [
            ("listen", self.listen),
            ("admin", self.admin),
            ("workers", self.workers),
            ("cpus", self.cpus),
            ("tick_hz", self.tick_hz),
            ("snapshot_hz", self.snapshot_hz),
            ("game", self.game),
            ("echo", self.echo),
            ("max_conns", self.max_conns),
            ("room.players_max", self.players_per_room),
            ("room.rooms_max", self.rooms_max),
            ("room.snapshot_bytes_per_s", self.snapshot_bytes_per_s),
            ("drain_timeout", self.drain_timeout),
            ("ring.gather_us", self.gather_us),
            ("room.lag_compensation", self.lag_compensation),
            ("record.dir", self.record),
            ("seed", self.seed),
            ("log.level", self.log),
            ("log.format", self.log_format),
        ];
        all.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }

    /// The name of a flag that was given.
    fn first_given(&self) -> Option<&'static str> {
        if self.config.is_some() {
            return Some("--config");
        }
        let given = self.clone().given();
        given.first().and_then(|(key, _)| Setting::find(key)).and_then(|setting| setting.flag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::SETTINGS;

    #[test]
    fn the_command_line_has_a_flag_for_each_setting_that_names_one_and_says_its_default() {
        let command = Cli::command_with(&Games::default());
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

    fn read(words: &[&str]) -> Result<Cli, Error> {
        Cli::read(["tickring-server"].iter().chain(words).map(Into::into), Games::default(), "1.2.3")
    }

    #[test]
    fn an_own_program_names_its_games_itself_and_its_version() {
        let told = |words: &[&str]| {
            let words = ["/opt/mygame"].iter().chain(words).map(Into::into);
            Cli::read(words, Games::new("mine", &["other"]), "2.7.1").unwrap_err().to_string()
        };
        for help in [told(&["--help"]), told(&["check-config", "--help"])] {
            assert!(help.contains("mine or other [default: mine]") && !help.contains("arena"), "{help}");
            assert!(help.contains("mygame") && !help.contains("tickring-server"), "{help}");
        }
        for help in [told(&["probe", "--help"]), told(&["replay", "--help"])] {
            assert!(help.contains("  mygame ") && !help.contains("tickring-server"), "{help}");
        }
        assert_eq!(told(&["--version"]), "mygame 2.7.1\n");
    }

    #[test]
    fn flags_go_before_or_after_the_mode() {
        for words in [["check-config", "--echo"], ["--echo", "check-config"]] {
            let cli = read(&words).unwrap();
            assert_eq!(cli.mode(), Mode::CheckConfig);
            assert_eq!(cli.inputs().flags, [("echo", "on".to_owned())]);
        }
        let words = ["--config", "a", "--seed", "1", "check-config", "--config", "b", "--workers", "2"];
        let inputs = read(&words).unwrap().inputs();
        assert_eq!(inputs.file, Some(PathBuf::from("b")));
        assert_eq!(inputs.flags, [("seed", "1".to_owned()), ("workers", "2".to_owned())]);
        let cli = read(&[]).unwrap();
        assert_eq!(cli.mode(), Mode::Serve);
    }

    #[test]
    fn a_word_after_echo_is_answered_with_how_to_write_it() {
        let cases: [&[&str]; 5] = [
            &["--echo", "on"],
            &["--echo", "perhaps"],
            &["--echo", "off", "check-config"],
            &["check-config", "--echo", "on"],
            &["--listen", "127.0.0.1:0", "--echo", "on", "--seed", "1"],
        ];
        for words in cases {
            let error = read(words).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains("write --echo or --echo=on"), "{words:?}: {error}");
        }
        let other = read(&["--echo", "--seed", "1", "sevre"]).unwrap_err().to_string();
        assert!(other.contains("sevre") && !other.contains("--echo=on"), "{other}");
    }

    #[test]
    fn replay_takes_files_and_no_settings() {
        let Mode::Replay(task) = read(&["replay", "a", "b", "--workers", "4"]).unwrap().mode() else {
            panic!("it is a replay")
        };
        assert_eq!((task.files, task.workers), (vec![PathBuf::from("a"), PathBuf::from("b")], 4));
        assert!(read(&["replay", "a", "--dump", "--from", "5", "--to", "5"]).is_ok());
        let cases: [(&[&str], &str); 7] = [
            (&["replay"], "FILE"),
            (&["replay", "a", "--from", "5"], "--dump"),
            (&["replay", "a", "--dump", "--from", "5", "--to", "4"], "--from 5 is after --to 4"),
            (&["replay", "a", "b", "--dump"], "one recording"),
            (&["replay", "a", "--workers", "0"], "0 is not in"),
            (&["--seed", "1", "replay", "a"], "leave out --seed"),
            (&["replay", "a", "--seed", "1"], "--seed"),
        ];
        for (words, expected) in cases {
            let error = read(words).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{words:?}");
            assert!(error.to_string().contains(expected), "{words:?}: {error}");
            assert!(
                !error.to_string().contains("Usage: tickring-server ["),
                "not that of another mode: {error}"
            );
        }
    }

    #[test]
    fn probe_takes_no_settings() {
        assert_eq!(read(&["probe"]).unwrap().mode(), Mode::Probe);
        for words in [["--seed", "1", "probe"], ["--config", "x", "probe"], ["probe", "--seed", "1"]] {
            let error = read(&words).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(
                error.to_string().contains(words.iter().find(|word| word.starts_with("--")).unwrap()),
                "{error}"
            );
        }
    }
}
