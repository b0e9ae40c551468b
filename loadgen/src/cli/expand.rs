//! From words to a command line: the flags of the plan file, which every preset has, are put before those given.

use std::ffi::OsString;
use std::path::Path;

use clap::error::{ContextKind, ContextValue};
use clap::parser::ValueSource;
use clap::{CommandFactory, FromArgMatches};

use super::{Cli, Command, Request, help, hidden};
use crate::plan::{FileError, Flag, OFF, PlanFile};

/// The subcommand that stands for a file of the user's.
const FILE: &str = "FILE.toml";
/// The commands that have a preset.
const WITH_PRESET: [&str; 2] = ["run", "find"];
/// Flags that a file has no use for: its phases say how long it takes, and the rest is about one run only.
const NOT_IN_FILES: [&str; 5] = ["duration", "stages", "print-plan", "help", "version"];
/// Why a command line is not carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    /// A wrong flag, or a wish for help.
    #[error("{0}")]
    Words(#[from] clap::Error),
    /// No preset, nor a plan file.
    #[error(
        "`{0}` is no preset; permitted are {1}, or a plan of your own, in a file of TOML whose name ends in .toml: \
             loadgen {2} evening.toml"
    )]
    NoPreset(String, String, String),
    /// The plan file is none.
    #[error("{0}")]
    File(#[from] FileError),
    /// A flag of the plan file is wrong.
    #[error("{file}: {place}{problem}")]
    Flag { file: String, place: String, problem: String },
}

/// All commands and flags. What has no meaning for a preset does not stand in its help, and what does is told of it.
pub(super) fn command() -> clap::Command {
    PlanFile::names().chain([FILE]).fold(Cli::command(), |command, preset| {
        WITH_PRESET.iter().fold(command, |command, name| {
            command.mut_subcommand(*name, |parent| {
                parent.mut_subcommand(preset, |found| of_preset(found, name, preset))
            })
        })
    })
}

/// The help of one preset, of `run` or of `find`.
fn of_preset(found: clap::Command, command: &str, preset: &str) -> clap::Command {
    let found = hidden::flags(preset)
        .into_iter()
        .fold(found, |found, flag| found.mut_arg(flag, |arg| arg.hide(true)));
    let conns =
        help::conns(preset, command).unwrap_or_else(|| "Connections [default: the file's]".to_owned());
    let found = found.mut_arg("conns", |arg| arg.help(conns));
    if command == "find" { found.after_help(help::of_search(preset)) } else { found }
}

/// See [`Cli::read`].
pub(super) fn read(mut words: Vec<OsString>) -> Result<Request, Refused> {
    let mut file = None;
    let is_plain = words.len() == 4;
    join_negatives(&mut words);
    let typed = words.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    if let Some(at) = preset_at(&words) {
        let name = words[at].to_string_lossy().into_owned();
        let found = match PlanFile::preset(&name) {
            Some(preset) => Some(preset),
            None if name == FILE && !Path::new(&name).exists() => None,
            None => Some(PlanFile::read(Path::new(&words[at]))?),
        };
        if let Some(mut found) = found {
            if !is_preset(&name) {
                check(&name, &found)?;
                // What is unknown is said first: whoever mistypes a key wrote the phases with as little practice.
                found.has_phases()?;
                words[at] = FILE.into();
            }
            let is_over_rate = words.iter().any(|word| word == "--over=rate")
                || words.windows(2).any(|pair| pair[0] == "--over" && pair[1] == "rate");
            if words[1] == "find" && !is_over_rate {
                // The search chooses them.
                found.flags.retain(|(key, _)| key != "conns");
            }
            // Other phases begin with other connections; other targets are in place of the file's, not besides them.
            for (flag, key) in [("--stages", "conns"), ("--target", "target"), ("--admin", "admin")] {
                if words[at..].iter().any(|word| word.to_string_lossy().starts_with(flag)) {
                    found.flags.retain(|(given, _)| given != key);
                }
            }
            words.splice(at + 1..=at, flags(&found));
            file = Some(found);
        }
    }
    let matches = command().try_get_matches_from(&words).map_err(|error| no_preset(error, &words))?;
    let flags = file.as_ref().map_or_else(Vec::new, |_| given(&matches));
    let mut command = Cli::from_arg_matches(&matches)?.command;
    if let (Command::Doctor(args), Some((_, given))) = (&mut command, matches.subcommand()) {
        let is_typed = |id: &&clap::Id| given.value_source(id.as_str()) == Some(ValueSource::CommandLine);
        args.typed = given.ids().filter(is_typed).map(ToString::to_string).collect();
    }
    Ok(Request { command, file, flags, is_plain, words: typed })
}

/// Makes one word of a flag and the number below zero behind it, `--conns -1`: clap would take that for a flag of its
/// own and not say what is permitted. No flag begins with a digit or a point.
fn join_negatives(words: &mut Vec<OsString>) {
    let is_negative = |word: &OsString| {
        let rest = word.to_str().and_then(|word| word.strip_prefix('-'));
        rest.is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit() || first == '.'))
    };
    let takes_it = |word: &OsString| {
        word.to_str().is_some_and(|word| word.len() > 2 && word.starts_with("--") && !word.contains('='))
    };
    for at in (1..words.len()).rev() {
        if is_negative(&words[at]) && takes_it(&words[at - 1]) {
            let value = words.remove(at);
            words[at - 1].push("=");
            words[at - 1].push(value);
        }
    }
}

/// The flags of a preset that stand among the words, with their values as written.
fn given(matches: &clap::ArgMatches) -> Vec<Flag> {
    let Some((name, matches)) = matches.subcommand() else { return Vec::new() };
    let Some((preset, matches)) = matches.subcommand() else { return Vec::new() };
    let all = command();
    let declared = all.find_subcommand(name).and_then(|found| found.find_subcommand(preset));
    let is_given = |arg: &&clap::Arg| {
        let id = arg.get_id().as_str();
        matches.try_contains_id(id).is_ok() && matches.value_source(id) == Some(ValueSource::CommandLine)
    };
    let args = declared.expect("clap has just found it").get_arguments().filter(is_given);
    let flags = |arg: &clap::Arg| -> Vec<Flag> {
        let key = arg.get_long().expect("presets have flags only").to_owned();
        if !arg.get_action().takes_values() {
            return vec![(key, None)];
        }
        let values = matches.get_raw(arg.get_id().as_str()).into_iter().flatten();
        values.map(|value| (key.clone(), Some(value.to_string_lossy().into_owned()))).collect()
    };
    args.flat_map(flags).collect()
}

/// What clap calls an unknown subcommand of `run` and `find` is an unknown preset.
fn no_preset(error: clap::Error, words: &[OsString]) -> Refused {
    let command = words.get(1).map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
    match error.get(ContextKind::InvalidSubcommand) {
        Some(ContextValue::String(name)) if WITH_PRESET.contains(&command.as_str()) => {
            let presets = PlanFile::names().collect::<Vec<_>>().join(" ");
            Refused::NoPreset(name.clone(), presets, command)
        }
        _ => error.into(),
    }
}

/// Which word names a preset or a plan file.
fn preset_at(words: &[OsString]) -> Option<usize> {
    let command = words.get(1)?.to_str()?;
    if !WITH_PRESET.contains(&command) {
        return None;
    }
    let names_one = |word: &OsString| {
        let word = word.to_string_lossy();
        is_preset(&word) || (word.ends_with(".toml") && !word.starts_with('-'))
    };
    words.iter().skip(2).position(names_one).map(|at| at + 2)
}

fn is_preset(word: &str) -> bool {
    PlanFile::names().any(|preset| preset == word)
}

/// The file's flags as words.
fn flags(file: &PlanFile) -> Vec<OsString> {
    // A preset that is named after its traffic says so for its readers; a flag would be somebody's wish.
    let is_preset = file.path.is_none();
    let names_itself = |(key, value): &&Flag| key == "traffic" && value.as_deref() == Some(&file.title);
    let flags = file.flags.iter().filter(|flag| !(is_preset && names_itself(flag)));
    let word = |(key, value): &(String, Option<String>)| match value {
        Some(value) => format!("--{key}={value}"),
        None => format!("--{key}"),
    };
    let on = flags.filter(|(_, value)| value.as_deref() != Some(OFF));
    on.map(|flag| word(flag).into()).collect()
}

/// Looks at a user's file by itself, so that what is wrong is said of the file and not of the command line.
fn check(name: &str, file: &PlanFile) -> Result<(), Refused> {
    let refuse = |key: &str, problem: String| Refused::Flag {
        file: name.to_owned(),
        place: file.place_of(key),
        problem,
    };
    let run = command();
    let run = run.find_subcommand("run").and_then(|run| run.find_subcommand(FILE)).expect("it is declared");
    let mut known: Vec<&str> = run.get_arguments().filter_map(clap::Arg::get_long).collect();
    known.retain(|flag| !NOT_IN_FILES.contains(flag));
    known.sort_unstable();
    for (key, _) in &file.flags {
        if !known.contains(&key.as_str()) {
            let meant = key.replace('_', "-");
            let hint = match key.as_str() {
                "duration" | "stages" => {
                    "the phases say how long it takes: [[phase]] with a duration".to_owned()
                }
                _ if known.contains(&meant.as_str()) => format!("did you mean `{meant}`?"),
                _ => format!("permitted are {}", known.join(" ")),
            };
            return Err(refuse(key, format!("`{key}` is not a key of a plan; {hint}")));
        }
    }
    if !file.flags.iter().any(|(key, _)| key == "traffic") {
        let problem = "says no traffic; add traffic = \"game\" (or rewind, echo, idle)".to_owned();
        return Err(refuse("traffic", problem));
    }
    let alone = |flags: Vec<OsString>| {
        let words = ["loadgen", "run", FILE].into_iter().map(OsString::from).chain(flags);
        command().try_get_matches_from(words).err()
    };
    for (key, value) in &file.flags {
        let one = PlanFile { flags: vec![(key.clone(), value.clone())], ..file.clone() };
        let error = alone(flags(&one));
        // What one flag needs another for is looked at with all of them.
        if let Some(error) =
            error.filter(|error| error.kind() != clap::error::ErrorKind::MissingRequiredArgument)
        {
            return Err(refuse(key, first_line(&error)));
        }
    }
    match alone(flags(file)) {
        Some(error) => Err(refuse("", first_line(&error))),
        None => Ok(()),
    }
}

/// What clap says, without its usage.
fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text);
    text.split("\n\n").next().unwrap_or(text).replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Command;
    use std::io::Write as _;

    /// What a file with this text is answered with.
    fn answer(text: &str) -> Result<Request, String> {
        let mut file = tempfile::NamedTempFile::with_suffix(".toml").unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let words = ["loadgen".into(), "run".into(), file.path().as_os_str().to_owned()];
        read(words.to_vec()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_preset_is_read_with_its_file() {
        let words = ["loadgen", "run", "storm", "--conns", "7"].map(OsString::from);
        let request = read(words.to_vec()).unwrap();
        assert_eq!(request.file.unwrap().phases.len(), 2);
        let Command::Run { preset } = request.command else { panic!("a run") };
        assert_eq!(preset.args().place.conns, Some(7), "what is given counts more than the file");
    }

    #[test]
    fn a_file_may_be_called_like_a_preset() {
        let folder = tempfile::tempdir().unwrap();
        for name in PlanFile::names() {
            let preset = PlanFile::preset(name).unwrap();
            let path = folder.path().join(format!("{name}.toml"));
            std::fs::write(&path, &preset.text).unwrap();
            let read = |command: &str, name: &OsString| {
                read(["loadgen", command].map(OsString::from).into_iter().chain([name.clone()]).collect())
            };
            for command in WITH_PRESET {
                let own = read(command, &path.clone().into_os_string()).unwrap();
                assert_eq!(own.file.as_ref().unwrap().phases, preset.phases, "{name}");
                let Command::Run { preset: own } = own.command else { continue };
                let plan = crate::plan::Plan::new(&own, &PlanFile::read(&path).unwrap()).unwrap();
                let Command::Run { preset } = read(command, &name.into()).unwrap().command else { panic!() };
                let of_preset = crate::plan::Plan::new(&preset, &PlanFile::preset(name).unwrap()).unwrap();
                assert_eq!(plan.preset, of_preset.preset, "{name}");
            }
        }
    }

    #[test]
    fn what_is_wrong_in_a_file_is_said_of_the_file() {
        let phase = "\n[[phase]]\nduration = \"1s\"\n";
        for (text, said) in [
            ("traffic = \"game\"\nconn = 5", "line 2: `conn` is not a key of a plan; permitted are"),
            (
                "traffic = \"game\"\nconnect_rate = 5",
                "line 2: `connect_rate` is not a key of a plan; did you mean `connect-rate`?",
            ),
            (
                "traffic = \"game\"\nduration = \"5s\"",
                "line 2: `duration` is not a key of a plan; the phases say",
            ),
            ("conns = 5", "says no traffic; add traffic = \"game\""),
            ("traffic = \"ludo\"", "line 1: invalid value 'ludo'"),
            ("traffic = \"game\"\nconns = 0", "line 2: invalid value '0' for '--conns"),
            ("traffic = \"game\"\nconns = -3.5", "line 2: invalid value '-3.5' for '--conns"),
            ("traffic = \"game\"\nraw-in = 5", "--raw"),
            ("traffic = \"game\"\nraw = \"yes\"", "line 2: unexpected value 'yes'"),
            ("traffic = \"game\"\nconns = [[1]]", "line 2: conns: is array"),
            ("traffic = \"game\"\nnosuch = false", "line 2: `nosuch` is not a key of a plan"),
            ("traffic = \"game\"\ntarget = []", "line 2: target: is empty"),
        ] {
            let error = answer(&format!("{text}{phase}")).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
            assert!(error.contains(".toml: "), "{error}");
        }
        for (text, said) in [
            ("traffic = \"game\"\nconn = 5", "line 2: `conn` is not a key of a plan; permitted are"),
            ("traffic = \"ludo\"", "line 1: invalid value 'ludo'"),
            ("traffic = \"game\"", "has 0 phases; permitted are 1 to 100"),
        ] {
            let error = answer(text).unwrap_err();
            assert!(error.contains(said) && error.contains(".toml: "), "without a phase: {text}: {error}");
        }
        assert!(answer(&format!("traffic = \"game\"\nexact = true\nraw = false{phase}")).is_ok());
    }

    #[test]
    fn a_file_of_another_kind_is_told_what_a_plan_is() {
        let words = ["loadgen", "run", "plans/game.json"].map(OsString::from);
        let error = read(words.to_vec()).unwrap_err().to_string();
        assert!(
            error.contains("`plans/game.json` is no preset") && error.contains("a file of TOML"),
            "{error}"
        );
        assert!(!error.contains("json.toml"), "{error}");
    }

    #[test]
    fn every_help_is_of_its_own_command() {
        for preset in PlanFile::names().chain([FILE]) {
            for name in WITH_PRESET {
                let mut all = command();
                let found = all.find_subcommand_mut(name).and_then(|found| found.find_subcommand_mut(preset));
                let help = found.unwrap().render_long_help().to_string();
                let examples = help.split_once("Examples:").unwrap().1;
                assert!(examples.contains(&format!("loadgen {name} ")), "{name} {preset}: {examples}");
                assert!(!help.contains("--over") || name == "find", "{help}");
            }
        }
    }

    #[test]
    fn every_example_is_a_command_line() {
        let mut texts =
            vec![help::EXIT_CODES.to_owned(), help::RUN.to_owned(), crate::cli::find::HELP.to_owned()];
        texts.extend(
            [help::GAME, help::REWIND, help::ECHO, help::IDLE, help::DOCTOR, help::FILE].map(str::to_owned),
        );
        texts.extend([help::CHURN, help::STORM, help::SLOW_CONSUMER, help::HANDSHAKE].map(str::to_owned));
        texts.extend([crate::cli::calibrate::HELP, crate::cli::report::HELP].map(str::to_owned));
        texts.extend(PlanFile::names().map(help::of_search));
        let folder = tempfile::tempdir().unwrap();
        let plan = folder.path().join("evening.toml");
        std::fs::write(&plan, PlanFile::preset("storm").unwrap().text).unwrap();
        let text = texts.join("\n");
        for line in text.lines().filter(|line| line.starts_with("  ")) {
            assert!(line.chars().count() <= 80, "too long for a small terminal: {line}");
        }
        let mut seen = 0;
        for line in text.replace("\\\n", " ").lines().filter(|line| line.starts_with("  loadgen ")) {
            // Without what a shell does with it.
            let typed = line.split(" > ").next().and_then(|line| line.split(" | ").next()).unwrap();
            let typed = typed.replace('\'', "").replace("$(pgrep -n -x tickring-server)", "42");
            let words = typed.replace("evening.toml", &plan.to_string_lossy());
            match read(words.split_whitespace().map(OsString::from).collect()) {
                Ok(_) => {}
                Err(Refused::Words(error)) if error.kind() == clap::error::ErrorKind::DisplayHelp => {}
                Err(error) => panic!("{line}: {error}"),
            }
            seen += 1;
        }
        assert!(seen > 40, "{seen}");
    }

    #[test]
    fn every_word_of_the_table_is_a_flag() {
        // mut_arg panics at a flag that is not there.
        command().debug_assert();
    }
}
