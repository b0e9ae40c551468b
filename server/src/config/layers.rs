//! The four layers, merged key by key by the `config` crate. Each value keeps its origin.

use std::collections::BTreeMap;
use std::path::PathBuf;

use config::{Config, Map, Source, Value, ValueKind};

use super::games::Games;
use super::problem::{Problem, excerpt};
use super::settings::{SETTINGS, Setting};
use super::{environment, file, suggestion};

/// What the layers above the defaults say, and for which program. Gathered at the edge, so that tests can make it up.
#[derive(Clone, Debug, Default)]
pub struct Inputs {
    /// The games of the program; by default those that ship.
    pub games: Games,
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
                // Also when it is empty: whoever sets it means a file, and is told that none is named.
                self.file.get_or_insert_with(|| PathBuf::from(value));
            } else {
                self.environment.push((name, value));
            }
        }
        self
    }
}

/// The values of one layer by the key of their setting.
pub(super) type Layer = Vec<(&'static str, Value)>;
/// The merged values by the key of their setting; every setting has one.
pub(super) type Merged = BTreeMap<String, Value>;

/// All layers together.
pub(super) struct Layers {
    pub(super) merged: Merged,
    /// Keys that do not exist, tables in place of values, or a file that could not be read.
    pub(super) problems: Vec<Problem>,
    /// Whether the file's values are among the merged ones, if there is a file.
    pub(super) whole: bool,
}

/// Merges the layers. What is wrong with one of them does not keep the others from being looked at.
pub(super) fn merge(inputs: &Inputs) -> Layers {
    let default = |setting: &Setting| match setting.key {
        "game" => inputs.games.first(),
        _ => setting.default,
    };
    let value = |setting| Value::new(None, ValueKind::String(default(setting).to_owned()));
    let defaults = SETTINGS.iter().map(|setting| (setting.key, value(setting))).collect();
    let mut problems = Vec::new();
    let mut whole = true;
    let in_file = match inputs.file.as_ref().map(|path| file::read(path)).transpose() {
        Ok(values) => {
            let (in_file, wrong) = from_file(inputs, values.unwrap_or_default());
            problems.extend(wrong);
            in_file
        }
        Err(problem) => {
            problems.push(*problem);
            whole = false;
            Layer::new()
        }
    };
    let (in_environment, unknown) = environment::layer(&inputs.environment);
    problems.extend(unknown);
    let rust_log = environment::rust_log(&inputs.environment);
    let flags = inputs.flags.iter().map(|(key, value)| {
        let flag = Setting::find(key).and_then(|setting| setting.flag).unwrap_or(key);
        (*key, Value::new(Some(&format!("flag {flag}")), ValueKind::String(value.clone())))
    });
    let layers = [defaults, in_file, rust_log, in_environment, flags.collect()];
    Layers { merged: merged(layers), problems, whole }
}

fn merged(layers: [Layer; 5]) -> Merged {
    let builder =
        layers.into_iter().fold(Config::builder(), |builder, layer| builder.add_source(Given(layer)));
    let config = builder.build().expect("the sources hand out values that are there");
    let mut merged = Merged::new();
    flatten("", config.cache, &mut merged);
    merged
}

/// Sorts the file's values into settings and problems.
fn from_file(inputs: &Inputs, values: Map<String, Value>) -> (Layer, Vec<Problem>) {
    let path = inputs.file.as_deref().unwrap_or("".as_ref());
    let origin = format!("file {}", path.display());
    let mut flat = Merged::new();
    flatten("", Value::new(None, ValueKind::Table(values)), &mut flat);
    let mut layer = Layer::new();
    let mut problems = Vec::new();
    for (key, value) in flat {
        let value = Value::new(Some(&origin), value.kind);
        match Setting::find(&key) {
            // The merge takes an empty table for nothing.
            Some(setting) if matches!(value.kind, ValueKind::Table(_)) => problems.push(Problem::Value {
                key,
                value: "{}".to_owned(),
                origin: origin.clone(),
                why: "it is a table".to_owned(),
                allowed: setting.allowed.to_owned(),
            }),
            Some(setting) => layer.push((setting.key, value)),
            None => {
                let like = suggestion::for_key(&key, |like| like.key.to_owned());
                problems.push(match &value.kind {
                    ValueKind::Array(_) if suggestion::is_table(&key) => Problem::Value {
                        value: shown(&value),
                        origin: origin.clone(),
                        why: format!("it is an array, as [[{key}]] makes one"),
                        key,
                        allowed: like,
                    },
                    _ => Problem::unknown(&key, &value, like),
                });
            }
        }
    }
    (layer, problems)
}

/// Turns nested tables into dotted keys. An empty table stays, unless settings may lie in it.
fn flatten(prefix: &str, value: Value, out: &mut Merged) {
    match value.kind {
        ValueKind::Table(table) if !table.is_empty() => {
            for (key, inner) in table {
                // A key with a dot in quotes is no table with a key.
                let key = if key.contains('.') { format!("{key:?}") } else { key };
                let path = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
                flatten(&path, inner, out);
            }
        }
        ValueKind::Table(_) if prefix.is_empty() || suggestion::is_table(prefix) => {}
        _ => {
            out.insert(prefix.to_owned(), value);
        }
    }
}

/// Where a value was given, for people.
pub(super) fn origin(value: &Value) -> String {
    value.origin().unwrap_or("default").to_owned()
}

/// A value as it would be written; of a table only that it is one.
pub(super) fn shown(value: &Value) -> String {
    let text = match &value.kind {
        ValueKind::String(text) => format!("{text:?}"),
        ValueKind::Array(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(", ")),
        ValueKind::Table(_) => "{…}".to_owned(),
        _ => value.to_string(),
    };
    excerpt(&text)
}

/// Values of settings, each with its origin.
#[derive(Clone, Debug)]
struct Given(Layer);

impl Source for Given {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        Ok(self.0.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect())
    }
}
