//! How a configuration problem is told: the key, the value, where it came from, what is allowed.

use std::fmt;
use std::path::PathBuf;

/// Everything that is wrong with a configuration, so that one run shows all of it.
#[derive(Debug, thiserror::Error)]
pub struct ConfigError {
    /// Never empty.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// A value that its key does not allow.
    #[error("{key} = {value} (from {origin}) is not allowed: {why}\n  allowed: {allowed}")]
    Value {
        /// The setting.
        key: String,
        /// The value as given.
        value: String,
        /// Where it was given.
        origin: String,
        /// What is wrong with it.
        why: String,
        /// What would be right.
        allowed: String,
    },
    /// A key that does not exist.
    #[error("unknown key {key} = {value} (from {origin})\n  allowed: {allowed}")]
    UnknownKey {
        /// The key as given.
        key: String,
        /// Its value as given.
        value: String,
        /// Where it was given.
        origin: String,
        /// The nearest key that exists, or all of them.
        allowed: String,
    },
    /// Two values that do not go together.
    #[error(
        "{key} = {value} (from {origin}) does not go with {other_key} = {other_value} (from {other_origin}): {why}\n  allowed: {allowed}"
    )]
    Relation {
        /// The setting to change first.
        key: &'static str,
        /// Its value.
        value: String,
        /// Where it was given.
        origin: String,
        /// The setting it clashes with.
        other_key: &'static str,
        /// That one's value.
        other_value: String,
        /// Where that one was given.
        other_origin: String,
        /// What is wrong.
        why: String,
        /// What would be right.
        allowed: String,
    },
    /// The file could not be read.
    #[error(
        "cannot read the configuration file {} (from --config or TICKRING_CONFIG): {why}\n  allowed: the path of a readable TOML file; without one the defaults are used",
        path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
    /// The file is not TOML.
    #[error("the configuration file {} is not valid TOML: {why}\n  allowed: lines such as tick_hz = 60, tables such as [room]", path.display())]
    NotToml {
        /// The file.
        path: PathBuf,
        /// What the parser said, with line and column.
        why: String,
    },
}
