//! Plan files: the presets, which come with loadgen, and those of users.
//!
//! A plan file is TOML. Its keys are the flags of `loadgen run` without their dashes; `[[phase]]` tables are the phases
//! of the measuring window.

use std::path::{Path, PathBuf};
use std::{fs, io};

use clap::ValueEnum;
use serde::Deserialize;
use toml::{Table, Value};

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

/// A phase as written.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Written {
    name: Option<String>,
    duration: Value,
    conns: Option<Value>,
    leave_rate: Option<Value>,
    drop: Option<Value>,
    backoff: Option<Value>,
    stall_share: Option<Value>,
}

impl PlanFile {
    /// A preset.
    pub(crate) fn preset(name: &str) -> Option<Self> {
        let (name, text) = PRESETS.into_iter().find(|(preset, _)| *preset == name)?;
        Some(Self::parse(name, name.to_owned(), text.to_owned()).expect("a test reads every preset"))
    }

    /// Reads a user's file.
    ///
    /// # Errors
    /// [`FileError`] when it cannot be read, or is no plan.
    pub(crate) fn read(path: &Path) -> Result<Self, FileError> {
        let file = path.display().to_string();
        let text = text_of(path).map_err(|problem| FileError { file: file.clone(), problem })?;
        let title = path.file_stem().map_or_else(|| file.clone(), |stem| stem.to_string_lossy().into_owned());
        Ok(Self { path: Some(path.to_owned()), ..Self::parse(&file, title, text)? })
    }

    fn parse(file: &str, title: String, text: String) -> Result<Self, FileError> {
        let wrong = |problem: String| FileError { file: file.to_owned(), problem };
        let mut table: Table = text.parse().map_err(|error: toml::de::Error| wrong(said(&error, &text)))?;
        let phases = match table.remove("phase") {
            None => Vec::new(),
            Some(Value::Array(written)) => written
                .into_iter()
                .enumerate()
                .map(|(at, phase)| read_phase(at + 1, phase))
                .collect::<Result<_, _>>()
                .map_err(wrong)?,
            Some(_) => return Err(wrong("phases are tables, each under a line [[phase]]".to_owned())),
        };
        if phases.is_empty() || phases.len() > STAGES_MAX {
            let problem = format!(
                "has {} phases; permitted are 1 to {STAGES_MAX}, each a table [[phase]] with a duration = \"30s\"",
                phases.len()
            );
            return Err(wrong(problem));
        }
        let mut flags = Vec::new();
        for (key, value) in table {
            read_flag(&key, value, &mut flags)
                .map_err(|problem| wrong(format!("{}{key}: {problem}", line_of(&text, &key))))?;
        }
        Ok(Self { title, path: None, text, flags, phases })
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

/// An error of the TOML parser, with its line.
fn said(error: &toml::de::Error, text: &str) -> String {
    let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    format!("line {line}: {}", error.message())
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
        other => Err(format!("is {}; permitted are text, numbers and switches", other.type_str())),
    }
}

/// A phase, the `number`th.
fn read_phase(number: usize, value: Value) -> Result<Phase, String> {
    let named = |name: Option<&str>, problem: String| {
        let name = name.map_or_else(String::new, |name| format!(" ({name})"));
        format!("phase {number}{name}: {problem}")
    };
    if !value.is_table() {
        let problem = format!(
            "is of type {}; a phase is a table under a line [[phase]], with a duration = \"30s\"",
            value.type_str()
        );
        return Err(named(None, problem));
    }
    let written: Written =
        value.try_into().map_err(|error: toml::de::Error| named(None, error.message().to_owned()))?;
    let name = written.name.clone();
    phase(number, written).map_err(|problem| named(name.as_deref(), problem))
}

fn phase(at: usize, written: Written) -> Result<Phase, String> {
    let name = written.name.unwrap_or_else(|| format!("phase {at}"));
    if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || name.chars().any(terminal::is_obeyed) {
        return Err(format!("name: permitted are 1 to {NAME_CHARS_MAX} visible characters"));
    }
    let backoff = |text: &str| {
        Backoff::from_str(text, false).map_err(|_| "permitted are \"jitter\" and \"none\"".to_owned())
    };
    let phase = Phase {
        name,
        duration: given("duration", Some(written.duration), time(1, "duration = \"30s\""))?
            .expect("a phase is not read without it"),
        conns: given("conns", written.conns, whole::<u32>(0, 4_000_000, "conns = 1000"))?,
        leave_rate_hz: given("leave-rate", written.leave_rate, number(0.01, 1e6, "leave-rate = 50"))?,
        drop: given("drop", written.drop, share)?,
        backoff: given("backoff", written.backoff, backoff)?,
        stall_share: given("stall-share", written.stall_share, share)?,
    };
    if phase.backoff.is_some() && phase.drop.is_none() {
        return Err("backoff: nobody drops in this phase; add drop = \"50%\", or leave it out".to_owned());
    }
    Ok(phase)
}

/// A value that may be there, parsed.
fn given<T>(
    key: &str,
    value: Option<Value>,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, String> {
    let parse = |value: &Value| {
        let text = word(value)?;
        parse(&text).map_err(|problem| format!("`{text}`: {problem}"))
    };
    value.as_ref().map(parse).transpose().map_err(|problem| format!("{key}: {problem}"))
}

#[cfg(test)]
mod tests;
