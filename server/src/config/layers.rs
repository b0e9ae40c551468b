//! The four layers, merged key by key by the `config` crate. Each value keeps its origin.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use config::{Config, Environment, File, FileFormat, Map, Source, Value, ValueKind};

use super::problem::{ConfigError, Problem};
use super::settings::{SETTINGS, Setting};

/// What the layers above the defaults say. Gathered at the edge, so that tests can make it up.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// The TOML file.
    pub file: Option<PathBuf>,
    /// Environment variables; those of others are ignored.
    pub environment: Vec<(String, String)>,
    /// Flags: the setting's key and the value.
    pub flags: Vec<(&'static str, String)>,
}

impl Inputs {
    /// Adds the process environment, and takes the file from `TICKRING_CONFIG` if no flag named one.
    #[must_use]
    pub fn with_environment(mut self, variables: impl Iterator<Item = (String, String)>) -> Self {
        for (name, value) in variables {
            if name == "TICKRING_CONFIG" {
                if self.file.is_none() && !value.is_empty() {
                    self.file = Some(PathBuf::from(value));
                }
            } else if name == "RUST_LOG" || is_ours(&name) {
                self.environment.push((name, value));
            }
        }
        self
    }
}

/// Whether a variable sets something here. Not ours although the prefix fits: what Kubernetes sets
/// for a service called `tickring`, and the knob of the fuzz tests.
fn is_ours(name: &str) -> bool {
    let Some(rest) = name.strip_prefix("TICKRING_") else { return false };
    let service_link = rest == "PORT"
        || rest == "SERVICE_HOST"
        || rest == "SERVICE_PORT"
        || rest.starts_with("PORT_")
        || rest.starts_with("SERVICE_PORT_");
    !service_link && rest != "FUZZ_ITERATIONS"
}

/// The merged values by dotted key.
pub(super) type Merged = BTreeMap<String, Value>;

/// Merges the layers.
pub(super) fn merge(inputs: &Inputs) -> Result<Merged, ConfigError> {
    let mut builder = Config::builder().add_source(Defaults);
    if let Some(path) = &inputs.file {
        builder = builder.add_source(read_file(path)?);
    }
    if let Some((_, level)) =
        inputs.environment.iter().find(|(name, level)| name == "RUST_LOG" && !level.is_empty())
    {
        let origin = "environment variable RUST_LOG".to_owned();
        builder = builder.add_source(Given(vec![("log.level", level.clone(), origin)]));
    }
    let ours = inputs.environment.iter().filter(|(name, _)| is_ours(name)).cloned().collect();
    let environment = Environment::with_prefix("TICKRING").prefix_separator("_").separator("__");
    builder = builder.add_source(environment.source(Some(ours)));
    let flags = inputs.flags.iter().map(|(key, value)| {
        let flag = Setting::find(key).and_then(|setting| setting.flag).unwrap_or(key);
        (*key, value.clone(), format!("flag {flag}"))
    });
    builder = builder.add_source(Given(flags.collect()));
    let config = builder.build().map_err(|error| Problem::NotToml {
        path: inputs.file.clone().unwrap_or_default(),
        why: error.to_string(),
    })?;
    let mut merged = Merged::new();
    flatten("", config.cache, &mut merged);
    Ok(merged)
}

/// Reads and parses the file now, so that the two ways to fail stay apart.
fn read_file(path: &Path) -> Result<FromFile, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Problem::Unreadable { path: path.to_owned(), why: error.to_string() })?;
    let values = File::from_str(&text, FileFormat::Toml).collect().map_err(|error| Problem::NotToml {
        path: path.to_owned(),
        why: error.to_string().trim_end().to_owned(),
    })?;
    let origin = format!("file {}", path.display());
    Ok(FromFile(values.into_iter().map(|(key, value)| (key, with_origin(value, &origin))).collect()))
}

/// The same value, saying that it came from `origin`.
fn with_origin(value: Value, origin: &String) -> Value {
    let kind = match value.kind {
        ValueKind::Table(table) => ValueKind::Table(
            table.into_iter().map(|(key, inner)| (key, with_origin(inner, origin))).collect(),
        ),
        other => other,
    };
    Value::new(Some(origin), kind)
}

/// Turns nested tables into dotted keys. An empty table says nothing and vanishes.
fn flatten(prefix: &str, value: Value, out: &mut Merged) {
    match value.kind {
        ValueKind::Table(table) => {
            for (key, inner) in table {
                let path = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
                flatten(&path, inner, out);
            }
        }
        _ => {
            out.insert(prefix.to_owned(), value);
        }
    }
}

/// One problem per key that does not exist.
pub(super) fn unknown_keys(merged: &Merged) -> Vec<Problem> {
    merged
        .iter()
        .filter(|(key, _)| Setting::find(key).is_none())
        .map(|(key, value)| Problem::UnknownKey {
            key: key.clone(),
            value: shown(value),
            origin: origin(key, value),
            allowed: suggestion(key),
        })
        .collect()
}

/// Where a value was given, for people.
pub(super) fn origin(key: &str, value: &Value) -> String {
    match value.origin() {
        Some("the environment") => {
            format!("environment variable TICKRING_{}", key.replace('.', "__").to_uppercase())
        }
        Some(origin) => origin.to_owned(),
        None => "default".to_owned(),
    }
}

/// A value as it would be written.
pub(super) fn shown(value: &Value) -> String {
    match &value.kind {
        ValueKind::String(text) => format!("{text:?}"),
        ValueKind::Array(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
        _ => value.to_string(),
    }
}

fn suggestion(key: &str) -> String {
    if SETTINGS.iter().any(|setting| setting.key.split_once('.').is_some_and(|(table, _)| table == key)) {
        return format!("{key} is a table: [{key}] and below it {}", keys_of(key).join(", "));
    }
    let last = |key: &'static str| key.rsplit('.').next().unwrap_or(key);
    let nearest = SETTINGS
        .iter()
        .map(|setting| (edits(key, setting.key).min(edits(key, last(setting.key)) + 1), setting.key))
        .min()
        .filter(|(distance, _)| *distance <= 3);
    match nearest {
        Some((_, near)) => format!("did you mean {near}? `tickring-server check-config` lists every key"),
        None => {
            format!("one of {}", SETTINGS.iter().map(|setting| setting.key).collect::<Vec<_>>().join(", "))
        }
    }
}

fn keys_of(table: &str) -> Vec<&'static str> {
    SETTINGS
        .iter()
        .filter_map(|setting| setting.key.split_once('.'))
        .filter(|(of, _)| *of == table)
        .map(|(_, key)| key)
        .collect()
}

/// Levenshtein distance: single-character edits between two words.
fn edits(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in to.iter().enumerate() {
            let substituted = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

/// The lowest layer.
#[derive(Clone, Debug)]
struct Defaults;

impl Source for Defaults {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        let value = |setting: &Setting| Value::new(None, ValueKind::String(setting.default.to_owned()));
        Ok(SETTINGS.iter().map(|setting| (setting.key.to_owned(), value(setting))).collect())
    }
}

/// The file's values.
#[derive(Clone, Debug)]
struct FromFile(Map<String, Value>);

impl Source for FromFile {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        Ok(self.0.clone())
    }
}

/// Values given one by one: key, value, origin.
#[derive(Clone, Debug)]
struct Given(Vec<(&'static str, String, String)>);

impl Source for Given {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        let value = |text: &String, origin| Value::new(Some(origin), ValueKind::String(text.clone()));
        Ok(self.0.iter().map(|(key, text, origin)| ((*key).to_owned(), value(text, origin))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_miss_is_answered_with_the_key_that_was_meant() {
        assert!(
            suggestion("tick_rate").contains("did you mean tick_hz")
                || suggestion("tick_rate").contains("one of")
        );
        assert!(suggestion("tickhz").contains("did you mean tick_hz?"));
        assert!(suggestion("players_max").contains("did you mean room.players_max?"));
        assert!(suggestion("room").contains("players_max"));
        assert!(suggestion("entirely_different").contains("one of listen, admin"));
    }

    #[test]
    fn edits_counts_single_character_changes() {
        assert_eq!(edits("tick", "tick"), 0);
        assert_eq!(edits("tick", "tock"), 1);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("kitten", "sitting"), 3);
    }

    #[test]
    fn what_kubernetes_sets_for_a_service_is_not_ours() {
        for other in [
            "TICKRING_PORT",
            "TICKRING_SERVICE_HOST",
            "TICKRING_SERVICE_PORT_GAME",
            "TICKRING_PORT_9001_TCP",
            "PATH",
        ] {
            assert!(!is_ours(other), "{other}");
        }
        for ours in ["TICKRING_LISTEN", "TICKRING_POTR", "TICKRING_ROOM__PLAYERS_MAX"] {
            assert!(is_ours(ours), "{ours}");
        }
    }
}
