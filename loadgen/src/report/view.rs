//! A report read back from its JSON: what pages and comparisons are made of, of a run that is just over as of a saved
//! one. It asks for the keys that schema 1 had from the start; those that came later may be missing.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, error::Category};

use super::crowd::{Crowd, PhaseFigures};
use super::json::{Game, KIND, LatencyUs, Messages, Objective, SCHEMA};
use super::sense;
use super::spectra::Spectra;
use crate::measure::latency::Percentiles;
use crate::measure::series::Point;

/// A report. Keys that it does not know are no concern of it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct View {
    pub(crate) preset: String,
    /// What the connections did; in reports of before there were plans, what the preset is called.
    #[serde(default)]
    pub(crate) traffic: Option<String>,
    pub(crate) verdict: String,
    pub(crate) exit_code: u64,
    pub(crate) reasons: Vec<String>,
    pub(crate) finished_unix_s: u64,
    pub(crate) window_s: f64,
    /// As planned; reports of before it was told have none.
    #[serde(default)]
    pub(crate) window_planned_s: Option<f64>,
    /// Whether the run was stopped before its end.
    #[serde(default)]
    pub(crate) interrupted: bool,
    /// Seconds from the first attempt to connect to the window.
    #[serde(default)]
    pub(crate) window_start_s: f64,
    pub(crate) link: Option<Map<String, Value>>,
    pub(crate) conns: Conns,
    pub(crate) messages: Messages,
    pub(crate) latency_us: LatencyUs,
    pub(crate) game: Game,
    pub(crate) rewind: Option<Map<String, Value>>,
    #[serde(default)]
    pub(crate) crowd: Option<Crowd>,
    #[serde(default)]
    pub(crate) phases: Vec<PhaseFigures>,
    pub(crate) server: Server,
    pub(crate) generator: Generator,
    pub(crate) kernel: Kernel,
    #[serde(default)]
    pub(crate) diagnosis: Vec<DiagnosisRow>,
    pub(crate) machine: Map<String, Value>,
    pub(crate) versions: Map<String, Value>,
    pub(crate) seed: u64,
    pub(crate) slo: Vec<Objective>,
    pub(crate) plan: Map<String, Value>,
    #[serde(default)]
    pub(crate) course_interval_s: f64,
    #[serde(default)]
    pub(crate) course: Vec<Point>,
    #[serde(default)]
    pub(crate) spectra: Spectra,
}

/// Connections.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Conns {
    pub(crate) requested: u64,
    pub(crate) connected: u64,
    pub(crate) failed: u64,
    pub(crate) lost: u64,
    pub(crate) connect_us: Option<Percentiles>,
    pub(crate) upgrade_us: Option<Percentiles>,
    pub(crate) errors: Vec<ErrorRow>,
}

/// What went wrong.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct ErrorRow {
    pub(crate) stage: String,
    pub(crate) error: String,
    pub(crate) count: u64,
    pub(crate) side: String,
    pub(crate) remedy: String,
}

/// Whose fault some of what went wrong is.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct DiagnosisRow {
    pub(crate) class: String,
    pub(crate) side: String,
    pub(crate) cause: String,
    pub(crate) evidence: Vec<String>,
    pub(crate) remedy: String,
}

/// The server as it saw itself.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Server {
    pub(crate) gap: Option<String>,
    pub(crate) cpu_us_per_message: Option<f64>,
    pub(crate) cpu_percent: Option<f64>,
    pub(crate) rss_bytes: Option<f64>,
    pub(crate) rss_bytes_per_conn: Option<f64>,
    pub(crate) tick_lateness_us: Option<Percentiles>,
    pub(crate) ticks: Option<u64>,
    pub(crate) ticks_missed: Option<u64>,
}

/// The generator's own health.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Generator {
    pub(crate) cpu_percent: f64,
    pub(crate) busy_seconds: u64,
    pub(crate) send_lag_us: Option<Percentiles>,
    pub(crate) left_out_share: Option<f64>,
    /// `None`: a report of before it was told.
    pub(crate) away_share: Option<f64>,
    pub(crate) rss_bytes: Option<f64>,
}

/// Counters of the kernel, by name.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Kernel {
    pub(crate) before: BTreeMap<String, Option<u64>>,
    pub(crate) during: BTreeMap<String, Option<u64>>,
    pub(crate) after: BTreeMap<String, Option<u64>>,
}

/// Why some bytes are no report.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ViewError {
    #[error("is not JSON ({0}); name a file that --out json=FILE wrote")]
    NotJson(serde_json::Error),
    #[error(
        "ends in the middle ({0}): it was cut off, or is still being written; get the whole file, or run again"
    )]
    CutOff(serde_json::Error),
    #[error("is JSON, but no report of loadgen: it has no `schema`; name a file that --out json=FILE wrote")]
    NoSchema,
    #[error(
        "has the schema {0}, and this loadgen reads schema {SCHEMA}: use the loadgen that wrote it (`versions.loadgen`)"
    )]
    OtherSchema(String),
    #[error("is the answer of `loadgen {0}`, and pages are made of runs; {1}")]
    OtherKind(String, &'static str),
    #[error("is no whole report: {0}; was it edited? Name a file as --out json=FILE wrote it")]
    NotWhole(String),
    #[error("has a figure that cannot be: {0}; was it edited? Name a file as --out json=FILE wrote it")]
    Nonsense(String),
}

/// What tells a report from anything else.
#[derive(Deserialize)]
struct Head {
    schema: Option<Value>,
    /// Documents of before it was told are taken for reports.
    #[serde(default)]
    kind: Option<String>,
}

/// Of what is no object, whether it is JSON at all; serde would take an array for one.
fn other(bytes: &[u8]) -> Result<Head, serde_json::Error> {
    serde_json::from_slice::<IgnoredAny>(bytes).map(|_| Head { schema: None, kind: None })
}

/// What is wrong with a value, and its key; what is missing has its key in the words already.
fn said(error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    match error.path().to_string().as_str() {
        "." => error.inner().to_string(),
        path => format!("`{path}`: {}", error.inner()),
    }
}

/// What a document of another command is answered with.
fn other_kind(kind: String) -> ViewError {
    let remedy = match kind.as_str() {
        "find" => "search again with --best FILE, which writes the report of the largest run that held",
        _ => "name a file that `loadgen run PRESET --out json=FILE` wrote",
    };
    ViewError::OtherKind(kind.chars().take(40).collect(), remedy)
}

impl View {
    /// Reads the bytes of somebody's file, whose figures may be anything.
    ///
    /// # Errors
    /// [`ViewError`] says what they are instead, or which figure cannot be.
    pub(crate) fn parse_saved(bytes: &[u8]) -> Result<Self, ViewError> {
        // What some editors put in front of a text.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let view = Self::parse(bytes)?;
        let report = serde_json::from_slice(bytes).map_err(|error| ViewError::NotWhole(error.to_string()))?;
        sense::nonsense(&report).map_or(Ok(view), |problem| Err(ViewError::Nonsense(problem)))
    }

    /// Reads the bytes of a report.
    ///
    /// # Errors
    /// [`ViewError`] says what they are instead.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, ViewError> {
        let is_object = bytes.trim_ascii_start().starts_with(b"{");
        let head = if is_object { serde_json::from_slice(bytes) } else { other(bytes) };
        let head: Head = head.map_err(|error| match error.classify() {
            Category::Eof if !bytes.trim_ascii().is_empty() => ViewError::CutOff(error),
            Category::Data => ViewError::NoSchema,
            _ => ViewError::NotJson(error),
        })?;
        if let Some(kind) = head.kind.filter(|kind| kind != KIND) {
            return Err(other_kind(kind));
        }
        match head.schema {
            None => Err(ViewError::NoSchema),
            Some(schema) if schema.as_u64() == Some(SCHEMA) => {
                let mut text = serde_json::Deserializer::from_slice(bytes);
                serde_path_to_error::deserialize(&mut text).map_err(|error| ViewError::NotWhole(said(&error)))
            }
            Some(schema) => Err(ViewError::OtherSchema(schema.to_string().chars().take(40).collect())),
        }
    }

    /// What the run was against: the first server, and how many others.
    pub(crate) fn target(&self) -> String {
        let url = |target: Option<&Value>| Some(target?.get("url")?.as_str()?.to_owned());
        let all = self.plan.get("targets").and_then(Value::as_array);
        // Once a run had one target, and the key was another.
        let first = url(all.and_then(|all| all.first())).or_else(|| url(self.plan.get("target")));
        let first = first.unwrap_or_else(|| "an unknown server".to_owned());
        match all.map_or(0, Vec::len) {
            0 | 1 => first,
            count => format!("{first} and {} more", count - 1),
        }
    }

    /// What was run: the preset, or a plan and what the connections did in it.
    pub(crate) fn what(&self) -> String {
        match &self.traffic {
            Some(traffic) if *traffic != self.preset => format!("{} ({traffic})", self.preset),
            _ => self.preset.clone(),
        }
    }

    /// From the intended send time where there is one.
    pub(crate) fn latency(&self) -> Option<Percentiles> {
        self.latency_us.intended.or(self.latency_us.service)
    }

    /// The intervals that lie wholly within the measuring window.
    pub(crate) fn window(&self) -> impl Iterator<Item = &Point> {
        // Times are sums of binary fractions; a nanosecond more or less is no other interval.
        let (start_s, end_s) = (self.window_start_s - 1e-9, self.window_start_s + self.window_s + 1e-9);
        let interval_s = self.course_interval_s;
        self.course.iter().filter(move |point| {
            interval_s > 0.0 && point.at_s - interval_s >= start_s && point.at_s <= end_s
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples;

    fn problem(text: &str) -> String {
        View::parse(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn what_is_no_report_is_told_apart() {
        for (text, why) in [
            ("", "is not JSON"),
            ("  ", "is not JSON"),
            ("hello", "is not JSON"),
            ("\u{0}", "is not JSON"),
            ("{\"schema\": 1, \"pre", "ends in the middle"),
            ("[1, 2]", "no `schema`"),
            ("3", "no `schema`"),
            ("{}", "no `schema`"),
            ("{\"schema\": 2}", "has the schema 2"),
            ("{\"schema\": \"1\"}", "has the schema \"1\""),
            ("{\"schema\": 1}", "missing field `preset`"),
            (
                "{\"schema\": 1, \"kind\": \"find\"}",
                "the answer of `loadgen find`, and pages are made of runs; search again with --best",
            ),
            ("{\"schema\": 1, \"kind\": \"doctor\"}", "the answer of `loadgen doctor`"),
        ] {
            assert!(problem(text).contains(why), "{text}: {}", problem(text));
        }
        let deep = "[".repeat(100_000);
        assert!(!problem(&deep).is_empty());
    }

    #[test]
    fn a_value_of_another_kind_is_named_by_its_key() {
        let whole = samples::report();
        for (pointer, value, said) in [
            ("/course/3/sent_per_s", "\"many\"", "`course[3].sent_per_s`: invalid type: string \"many\""),
            ("/conns/lost", "-1", "`conns.lost`: invalid value: integer `-1`"),
            ("/latency_us/intended/p50", "1e999", "out of range"),
            ("/course", "{}", "`course`: invalid type: map"),
            ("/plan/conns", &format!("{}{}", "[".repeat(200), "]".repeat(200)), "recursion limit"),
            ("/plan/conns", "NaN", "is not JSON"),
        ] {
            let mut report = whole.clone();
            *report.pointer_mut(pointer).unwrap() = "HERE".into();
            let text = report.to_string().replace("\"HERE\"", value);
            let problem = View::parse_saved(text.as_bytes()).unwrap_err().to_string();
            assert!(problem.contains(said), "{pointer}: {problem}");
        }
        // What this loadgen does not know may be deep or anything else, as long as it is JSON.
        let text = format!("\u{feff}{whole}");
        assert!(View::parse_saved(text.as_bytes()).is_ok(), "a mark of the byte order is no fault");
        let text = text.replace("\"window_s\":20.0", "\"window_s\":-20.0");
        let problem = View::parse_saved(text.as_bytes()).unwrap_err().to_string();
        assert!(problem.contains("a figure that cannot be: `window_s` is -20"), "{problem}");
    }

    #[test]
    fn the_keys_of_the_beginning_are_needed_and_the_later_ones_are_not() {
        let whole = samples::report();
        let later = [
            "window_start_s",
            "course_interval_s",
            "course",
            "spectra",
            "traffic",
            "diagnosis",
            "crowd",
            "phases",
            "link",
            "rewind",
            "schema",
        ];
        for key in whole.as_object().unwrap().keys() {
            let mut report = whole.clone();
            report.as_object_mut().unwrap().remove(key);
            let result = View::parse(report.to_string().as_bytes());
            assert_eq!(result.is_ok(), later[..10].contains(&key.as_str()), "{key}");
        }
        let mut older = whole;
        older["messages"].as_object_mut().unwrap().remove("gaps_presumed").unwrap();
        assert!(View::parse(older.to_string().as_bytes()).is_ok());
    }

    #[test]
    fn the_target_is_told_in_every_layout_of_the_plan() {
        let mut view = samples::view();
        let target = |url: &str| serde_json::json!({"url": url, "address": "x"});
        assert_eq!(view.target(), "ws://127.0.0.1:9001");
        view.plan.insert(
            "targets".to_owned(),
            vec![target("ws://a:1"), target("ws://b:1"), target("ws://c:1")].into(),
        );
        assert_eq!(view.target(), "ws://a:1 and 2 more");
        view.plan.remove("targets");
        view.plan.insert("target".to_owned(), target("ws://old:1"));
        assert_eq!(view.target(), "ws://old:1");
        view.plan.clear();
        assert_eq!(view.target(), "an unknown server");
    }

    #[test]
    fn only_whole_intervals_of_the_window_count() {
        let view = samples::view();
        let times: Vec<f64> = view.window().map(|point| point.at_s).collect();
        assert_eq!(times, (4..=22).map(f64::from).collect::<Vec<_>>());
    }
}
