//! What is left of a search: a line for each trial, the answer, and a JSON file. Its keys are documented in
//! `docs/loadgen.md`; they only ever grow.

use serde::Serialize;

use super::args::Scale;
use super::search::{Attempt, Purpose};
use crate::cli::find::Over;
use crate::measure::errors::ErrorLine;
use crate::report::json::{Objective, Report};
use crate::slo::Slo;
use crate::verdict::{self, Verdict};

/// Version of the layout.
pub(super) const SCHEMA: u32 = 1;

/// One trial.
#[derive(Debug, Serialize)]
pub(super) struct Trial {
    /// In the search's unit.
    pub(super) load: f64,
    pub(super) purpose: Purpose,
    /// The same load did not hold just before.
    pub(super) again: bool,
    pub(super) verdict: Verdict,
    pub(super) reasons: Vec<String>,
    pub(super) objectives: Vec<Objective>,
    pub(super) connected: u64,
    pub(super) window_s: f64,
    pub(super) sent_per_s: f64,
    /// Percent of one core; `None`: the server does not tell.
    pub(super) server_cpu_percent: Option<f64>,
    /// Of the busiest worker, percent of one core.
    pub(super) generator_cpu_percent: f64,
    /// What went wrong with connections, with what helps.
    pub(super) errors: Vec<ErrorLine>,
}

/// How a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// What holds and what misses are as near as asked.
    Found,
    /// The upper bound holds.
    AtLeast,
    /// Not even the least load holds.
    Nothing,
    /// A trial's figures could not be believed, or an objective not measured.
    Invalid,
    /// Something arrived wrong.
    Correctness,
    /// The machine refused what the preflight had let through.
    Refused,
    /// Nobody listens any more.
    Gone,
    /// Ctrl-C or SIGTERM.
    Interrupted,
}

/// The whole search.
#[derive(Debug, Serialize)]
pub(super) struct Record {
    pub(super) schema: u32,
    pub(super) kind: &'static str,
    pub(super) preset: String,
    pub(super) target: String,
    pub(super) over: Over,
    /// What loads are.
    pub(super) unit: &'static str,
    pub(super) from: f64,
    /// As asked, or as much as fits.
    pub(super) to: f64,
    /// What will not fit and so was not attempted, if that made `to` smaller; with its remedy.
    pub(super) wall: Option<String>,
    pub(super) precision: f64,
    pub(super) confirm: u32,
    /// The whole window of a trial.
    pub(super) step_duration_s: f64,
    pub(super) slo: Vec<Slo>,
    pub(super) outcome: Outcome,
    pub(super) exit_code: u8,
    /// The largest load that held.
    pub(super) load: Option<f64>,
    /// The run with that load, as a command.
    pub(super) command: Option<String>,
    /// The smallest load that missed.
    pub(super) missed: Option<f64>,
    /// What stopped the search: the reasons of the smallest load that missed, or of the last trial.
    pub(super) reasons: Vec<String>,
    pub(super) trials: Vec<Trial>,
    pub(super) seed: u64,
    /// Seconds since 1970 at the end.
    pub(super) finished_unix_s: u64,
    /// loadgen's own.
    pub(super) version: &'static str,
}

impl Outcome {
    /// The process's exit code, when something held or nothing did.
    pub(super) const fn exit_code(self, held: bool) -> u8 {
        match self {
            Self::Found | Self::AtLeast => 0,
            Self::Nothing | Self::Gone => Verdict::Missed.exit_code(),
            Self::Invalid => Verdict::Invalid.exit_code(),
            Self::Correctness => Verdict::Correctness.exit_code(),
            Self::Refused if held => 0,
            Self::Refused => verdict::PREFLIGHT,
            Self::Interrupted => verdict::INTERRUPTED,
        }
    }
}

impl Trial {
    /// What a run with this load came to.
    pub(super) fn new(attempt: Attempt, scale: Scale, report: Report<'_>) -> Self {
        Self {
            load: scale.shown(attempt.load),
            purpose: attempt.purpose,
            again: attempt.again,
            verdict: report.verdict,
            reasons: report.reasons,
            objectives: report.slo,
            connected: report.conns.connected,
            window_s: report.window_s,
            sent_per_s: report.messages.sent_per_s,
            server_cpu_percent: report.server.cpu_percent,
            generator_cpu_percent: report.generator.cpu_percent,
            errors: report.conns.errors,
        }
    }

    /// Its line: load, verdict, what was measured for each objective, CPU.
    pub(super) fn line(&self, slos: &[Slo]) -> String {
        let measured = |slo: &Slo| {
            let objective = self.objectives.iter().find(|objective| objective.objective == slo.to_string());
            let value = objective.and_then(|objective| objective.measured);
            format!("{}: {}", slo.metric.name(), value.map_or("-".to_owned(), |value| slo.show(value)))
        };
        let mut figures: Vec<String> = slos.iter().map(measured).collect();
        figures.push(match self.server_cpu_percent {
            Some(percent) => format!("server {percent:.0}% of a core"),
            None => "server -".to_owned(),
        });
        figures.push(format!("generator {:.0}%", self.generator_cpu_percent));
        match (self.purpose, self.again) {
            (_, true) => figures.push("tried once more".to_owned()),
            (Purpose::Confirm, false) => figures.push("confirming".to_owned()),
            _ => {}
        }
        format!("{:>12}  {:<11}  {}", self.load, self.verdict.word(), figures.join(" · "))
    }
}

impl Record {
    /// The answer, and what stopped the search.
    pub(super) fn answer(&self) -> String {
        let unit = self.unit;
        let held = self.load.map(|load| format!("{load} {unit}"));
        let (yes, no) = (held.clone().unwrap_or_default(), format!("{} {unit}", self.from));
        let first = match (self.outcome, self.missed) {
            (Outcome::Found, Some(missed)) => {
                format!("largest load that holds: {yes} ({missed} missed; held {} times)", self.times_held())
            }
            (Outcome::Found | Outcome::AtLeast, _) => {
                let bound = if self.wall.is_some() { "what fits" } else { "--to" };
                format!("at least {yes}: the upper bound holds ({bound}; held {} times)", self.times_held())
            }
            (Outcome::Nothing, _) => format!("not even {no} hold; try less with --from"),
            (Outcome::Invalid, _) if held.is_some() => {
                format!(
                    "at least {yes}: with more, the run itself is invalid and shows nothing of the server"
                )
            }
            (Outcome::Invalid, _) => {
                format!("nothing is known of the server: with {no} the run itself is invalid already")
            }
            (Outcome::Correctness, _) => "something arrived wrong, so no load holds".to_owned(),
            (Outcome::Refused, _) => match &held {
                Some(yes) => format!("at least {yes}: more did not fit after all"),
                None => format!("not even {no} fit"),
            },
            (Outcome::Gone, _) => match &held {
                Some(yes) => format!("the server is gone, so the search is over; {yes} held before"),
                None => "nobody listens, so nothing is known".to_owned(),
            },
            (Outcome::Interrupted, _) => match &held {
                Some(yes) => format!("interrupted; {yes} held until then"),
                None => "interrupted before anything held".to_owned(),
            },
        };
        let wall = self.wall.iter().filter(|_| self.outcome == Outcome::AtLeast);
        let reasons = self.reasons.iter().chain(wall).map(|reason| format!("\n  - {reason}"));
        let again = self.command.iter().map(|command| format!("\nonce more: {command}"));
        format!("{first}{}{}", reasons.collect::<String>(), again.collect::<String>())
    }

    fn times_held(&self) -> usize {
        let is_it = |trial: &&Trial| Some(trial.load) == self.load && trial.verdict == Verdict::Pass;
        self.trials.iter().filter(is_it).count()
    }
}
