//! Plan files: the presets, which come with loadgen, and those of users.
//!
//! A plan file is TOML. Its keys are the flags of `loadgen run` without their dashes; `[[phase]]` tables are the phases
//! of the measuring window.

use std::num::IntErrorKind::{NegOverflow, PosOverflow};
use std::path::{Path, PathBuf};
use std::{fs, io};

use clap::ValueEnum;
use serde::Deserialize;
use toml::{Spanned, Table, Value};

use super::phases::{Backoff, Phase, STAGES_MAX};
use crate::cli::values::{number, share, time, whole};
use crate::terminal;

/// The presets: name and file.
const PRESETS: [(&str, &str); 8] = [
    ("game", include_str!("../../plans/game.toml")),
    ("rewind", include_str!("../../plans/rewind.toml")),
    ("echo", include_str!("../../plans/echo.toml")),
    ("idle", include_str!("../../plans/idle.toml")),
    ("churn", include_str!("../../plans/churn.toml")),
    ("storm", include_str!("../../plans/storm.toml")),
    ("slow-consumer", include_str!("../../plans/slow-consumer.toml")),
    ("handshake", include_str!("../../plans/handshake.toml")),
];
/// Largest plan file: a hundred phases take a tenth of it.
const FILE_BYTES_MAX: u64 = 256 * 1024;
/// What a switch that is off has for a value.
pub(crate) const OFF: &str = "false";
/// Longest name of a phase, characters.
const NAME_CHARS_MAX: usize = 60;

/// A plan file, read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PlanFile {
    /// The preset, or the file's name without its ending.
    pub(crate) title: String,
    /// Where it is; `None`: within loadgen.
    pub(crate) path: Option<PathBuf>,
    /// Its text.
    pub(crate) text: String,
    /// Its flags as (key, value); a value of `None` is a switch.
    pub(crate) flags: Vec<(String, Option<String>)>,
    pub(crate) phases: Vec<Phase>,
}

/// Why a plan file is none. Names the file, the line where it is known, and what is allowed.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {problem}")]
pub(crate) struct FileError {
    file: String,
    problem: String,
}

/// What of a file says where its phases stand.
#[derive(Debug, Deserialize)]
struct Phased {
    phase: Vec<Spanned<Written>>,
}

/// A phase as written.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table under a line [[phase]]")]
struct Written {
    name: Option<Spanned<String>>,
    duration: Option<Spanned<Value>>,
    conns: Option<Spanned<Value>>,
    leave_rate: Option<Spanned<Value>>,
    drop: Option<Spanned<Value>>,
    backoff: Option<Spanned<Value>>,
    stall_share: Option<Spanned<Value>>,
}

/// What is said of a file with nothing in it.
const EMPTY: &str = "is empty; `loadgen run game --print-plan` prints a plan to begin with";
/// What is said where TOML is expected.
const FORM: &str = "a plan is TOML, as `loadgen run game --print-plan` prints it";

/// What is wrong with a phase, and the byte of the file where it stands.
type Misplaced = (usize, String);

impl PlanFile {
    /// A preset.
    pub(crate) fn preset(name: &str) -> Option<Self> {
        let (name, text) = PRESETS.into_iter().find(|(preset, _)| *preset == name)?;
        Some(Self::parse(name, name.to_owned(), text.to_owned()).expect("a test reads every preset"))
    }

    /// The names of all presets.
    pub(crate) fn names() -> impl Iterator<Item = &'static str> {
        PRESETS.into_iter().map(|(name, _)| name)
    }

    /// Reads a user's file.
    ///
    /// # Errors
    /// [`FileError`] when it cannot be read, or is no plan.
    pub(crate) fn read(path: &Path) -> Result<Self, FileError> {
        let file = path.display().to_string();
        let text = text_of(path)
            .and_then(|text| if text.trim().is_empty() { Err(EMPTY.to_owned()) } else { Ok(text) });
        let text = text.map_err(|problem| FileError { file: file.clone(), problem })?;
        let title = path.file_stem().map_or_else(|| file.clone(), |stem| stem.to_string_lossy().into_owned());
        Ok(Self { path: Some(path.to_owned()), ..Self::parse(&file, title, text)? })
    }

    fn parse(file: &str, title: String, text: String) -> Result<Self, FileError> {
        let wrong = |problem: String| FileError { file: file.to_owned(), problem };
        let plain = quoting_huge(&text);
        let mut table: Table = plain
            .parse()
            .map_err(|error: toml::de::Error| wrong(format!("{}; {FORM}", said(&error, &plain))))?;
        let phases = match table.remove("phase") {
            None => Vec::new(),
            Some(Value::Array(written)) => {
                let read =
                    toml::from_str(&plain).map_err(|error| wrong(said_of_phase(&error, &plain, &written)));
                let Phased { phase } = read?;
                let phases = phase.into_iter().enumerate().map(|(at, written)| read_phase(at + 1, written));
                phases
                    .collect::<Result<_, _>>()
                    .map_err(|(at, problem)| wrong(format!("line {}: {problem}", line_at(&plain, at))))?
            }
            Some(_) => return Err(wrong("phases are tables, each under a line [[phase]]".to_owned())),
        };
        let mut flags = Vec::new();
        for (key, value) in table {
            read_flag(&key, value, &mut flags)
                .map_err(|problem| wrong(format!("{}{key}: {problem}", line_of(&text, &key))))?;
        }
        Ok(Self { title, path: None, text, flags, phases })
    }

    /// Whether it has as many phases as a plan may have.
    ///
    /// # Errors
    /// [`FileError`] when it has none, or too many.
    pub(crate) fn has_phases(&self) -> Result<(), FileError> {
        let count = self.phases.len();
        if (1..=STAGES_MAX).contains(&count) {
            return Ok(());
        }
        let problem = format!(
            "has {count} phases; permitted are 1 to {STAGES_MAX}, each a table [[phase]] with a duration = \"30s\""
        );
        let file = self.path.as_ref().map_or_else(|| self.title.clone(), |path| path.display().to_string());
        Err(FileError { file, problem })
    }

    /// Where a key stands, `line 3: `, if that can be told.
    pub(crate) fn place_of(&self, key: &str) -> String {
        line_of(&self.text, key)
    }
}

/// The text of a file of reasonable kind and size.
fn text_of(path: &Path) -> Result<String, String> {
    let told = |error: io::Error| {
        let kind = match error.kind() {
            io::ErrorKind::NotFound => "there is no such file",
            io::ErrorKind::InvalidData => "it is not text in UTF-8",
            io::ErrorKind::PermissionDenied => "it may not be read by this user",
            _ => return format!("it cannot be read: {error}"),
        };
        kind.to_owned()
    };
    let found = fs::metadata(path).map_err(told)?;
    if !found.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    if found.len() > FILE_BYTES_MAX {
        return Err(format!("it has {} bytes; a plan has at most {FILE_BYTES_MAX}", found.len()));
    }
    fs::read_to_string(path).map_err(told)
}

/// The text, with quotes around the whole numbers that are beyond those of TOML: they are refused then as all others that a flag
/// does not permit.
fn quoting_huge(text: &str) -> String {
    let is_huge = |word: &str| {
        let number = word.replace('_', "").parse::<i64>();
        number.is_err_and(|error| matches!(error.kind(), PosOverflow | NegOverflow))
    };
    let mut text = text.to_owned();
    // As many as there may be phases are enough: the first that is refused is told.
    for _ in 0..STAGES_MAX {
        let at = text.parse::<Table>().err().and_then(|error| error.span());
        let Some(at) = at.filter(|at| text.get(at.clone()).is_some_and(is_huge)) else { break };
        text.insert(at.end, '"');
        text.insert(at.start, '"');
    }
    text
}

/// An error of the TOML parser, with its line.
fn said(error: &toml::de::Error, text: &str) -> String {
    let line = error.span().map_or(1, |span| line_at(text, span.start));
    format!("line {line}: {}", error.message())
}

/// The same of an error in the phases, with the phase's number and name where its place tells them.
fn said_of_phase(error: &toml::de::Error, text: &str, phases: &[Value]) -> String {
    let line = error.span().map_or(1, |span| line_at(text, span.start));
    let number = text.lines().take(line).filter(|line| line.trim_start().starts_with("[[phase]]")).count();
    let Some(phase) = number.checked_sub(1).and_then(|at| phases.get(at)) else { return said(error, text) };
    let name = named(phase.get("name").and_then(Value::as_str));
    format!("line {line}: phase {number}{name}: {}", error.message())
}

/// A phase's name behind its number.
fn named(name: Option<&str>) -> String {
    name.map_or_else(String::new, |name| format!(" ({})", name.escape_debug()))
}

/// The line of a byte, counted from 1.
fn line_at(text: &str, at: usize) -> usize {
    text.as_bytes()[..at.min(text.len())].iter().filter(|byte| **byte == b'\n').count() + 1
}

/// The line of a top-level key, as `line 3: `.
fn line_of(text: &str, key: &str) -> String {
    let is_key = |line: &str| {
        line.trim_start()
            .trim_start_matches('"')
            .strip_prefix(key)
            .is_some_and(|rest| rest.trim_start_matches('"').trim_start().starts_with(['=', '.']))
    };
    text.lines().position(is_key).map_or_else(String::new, |at| format!("line {}: ", at + 1))
}

/// A flag's value or values.
fn read_flag(key: &str, value: Value, flags: &mut Vec<(String, Option<String>)>) -> Result<(), String> {
    match value {
        Value::Boolean(true) => flags.push((key.to_owned(), None)),
        // A switch that is off is one not given; that it is one is looked at with the others.
        Value::Boolean(false) => flags.push((key.to_owned(), Some(OFF.to_owned()))),
        Value::Array(values) if values.is_empty() => {
            return Err("is empty; leave it out, or name some".to_owned());
        }
        Value::Array(values) => {
            for value in values {
                flags.push((key.to_owned(), Some(word(&value)?)));
            }
        }
        value => flags.push((key.to_owned(), Some(word(&value)?))),
    }
    Ok(())
}

/// A value as it would stand on the command line.
fn word(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(number.to_string()),
        Value::Table(_) => {
            Err("is a table; the only tables of a plan are its phases, each under a line [[phase]]"
                .to_owned())
        }
        other => Err(format!("is {}; permitted are text, numbers and switches", other.type_str())),
    }
}

/// A phase, the `number`th.
fn read_phase(number: usize, written: Spanned<Written>) -> Result<Phase, Misplaced> {
    let start = written.span().start;
    let written = written.into_inner();
    let name = named(written.name.as_ref().map(|name| name.get_ref().as_str()));
    phase(number, start, written).map_err(|(at, problem)| (at, format!("phase {number}{name}: {problem}")))
}

/// The `count`th phase, which stands at a byte.
fn phase(count: usize, start: usize, written: Written) -> Result<Phase, Misplaced> {
    let named = written.name.map(|name| (name.span().start, name.into_inner()));
    let (at, name) = named.unwrap_or_else(|| (start, format!("phase {count}")));
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || name.chars().any(terminal::is_obeyed) {
        return Err((at, format!("name: permitted are 1 to {NAME_CHARS_MAX} visible characters")));
    }
    let backoff = |text: &str| {
        Backoff::from_str(text, false).map_err(|_| "permitted are \"jitter\" and \"none\"".to_owned())
    };
    let is_lonely = written.drop.is_none();
    if let Some(backoff) = written.backoff.as_ref().filter(|_| is_lonely) {
        let problem = "backoff: nobody drops in this phase; add drop = \"50%\", or leave it out";
        return Err((backoff.span().start, problem.to_owned()));
    }
    let missing = || (start, "has no duration; add duration = \"30s\"".to_owned());
    Ok(Phase {
        name,
        duration: given("duration", written.duration, time(1, "duration = \"30s\""))?.ok_or_else(missing)?,
        conns: given("conns", written.conns, whole::<u32>(0, 4_000_000, "conns = 1000"))?,
        leave_rate_hz: given("leave-rate", written.leave_rate, number(0.01, 1e6, "leave-rate = 50"))?,
        drop: given("drop", written.drop, share)?,
        backoff: given("backoff", written.backoff, backoff)?,
        stall_share: given("stall-share", written.stall_share, share)?,
    })
}

/// A value that may be there, parsed.
fn given<T>(
    key: &str,
    value: Option<Spanned<Value>>,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, Misplaced> {
    let Some(value) = value else { return Ok(None) };
    let parsed =
        word(value.get_ref()).and_then(|text| parse(&text).map_err(|problem| format!("`{text}`: {problem}")));
    parsed.map(Some).map_err(|problem| (value.span().start, format!("{key}: {problem}")))
}

#[cfg(test)]
mod tests;
