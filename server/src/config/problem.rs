//! How a configuration problem is told: the key, the value, where it came from, what is allowed.

use std::fmt;
use std::path::PathBuf;

use config::Value;

use super::layers;

/// Problems that are printed. More come from one mistake, such as the wrong file.
const SHOWN_MAX: usize = 20;
/// Characters of one line, key or value that are printed.
const EXCERPT_CHARS_MAX: usize = 100;

/// Everything that is wrong with a configuration, so that one run shows all of it.
#[derive(Debug, thiserror::Error)]
pub struct ConfigError {
    /// Never empty.
    pub problems: Vec<Problem>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().take(SHOWN_MAX).enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        match self.problems.len().saturating_sub(SHOWN_MAX) {
            0 => Ok(()),
            1 => write!(f, "\nand 1 more problem"),
            more => write!(f, "\nand {more} more problems"),
        }
    }
}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}

impl Problem {
    /// A key that no setting has, with what would be right.
    pub(super) fn unknown(key: &str, value: &Value, allowed: String) -> Self {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-.\"".contains(c);
        // What would confuse a terminal is written in escapes.
        let key = if !key.is_empty() && key.chars().all(plain) { key.to_owned() } else { format!("{key:?}") };
        Self::UnknownKey {
            key: excerpt(&key),
            value: layers::shown(value),
            origin: layers::origin(value),
            allowed,
        }
    }
}

/// As much of a text as is worth printing.
pub(super) fn excerpt(text: &str) -> String {
    let text = text.trim_end();
    match text.char_indices().nth(EXCERPT_CHARS_MAX) {
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
        None => text.to_owned(),
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
        /// The nearest key that exists, or those there are.
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
    /// The file's path has no characters.
    #[error(
        "the path of the configuration file (from --config or TICKRING_CONFIG) is empty\n  allowed: the path of a readable TOML file; to run without one, unset TICKRING_CONFIG"
    )]
    EmptyPath,
    /// The file is not TOML.
    #[error("the configuration file {} is not valid TOML: {why}\n  allowed: {allowed}", path.display())]
    NotToml {
        /// The file.
        path: PathBuf,
        /// What the parser said, with line and column.
        why: String,
        /// What would be right.
        allowed: String,
    },
}
