//! Carrying a search out: trial after trial, with the server at rest in between.

use std::iter;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::Context;

use super::Question;
use super::record::{Outcome, Record, SCHEMA, Trial};
use super::search::{Attempt, Bounds, End, Search, Shown, Step};
use crate::clock;
use crate::preflight::{Facts, Wall};
use crate::report::{self, share, wording};
use crate::server_side::{self, Admin, Status};
use crate::verdict::Verdict;
use crate::{run, terminal};

/// How long the server may take to see the last trial's connections gone.
const REST_NS_MAX: u64 = 10_000_000_000;
/// Between two looks at the server.
const REST_LOOK: Duration = Duration::from_millis(100);
/// The pause where the server does not tell.
const REST_UNTOLD_NS: u64 = 500_000_000;

/// The classes of failure in which nobody listens any more.
const NOBODY: [&str; 2] = ["server-gone", "nobody-listens"];

/// A search with what it found so far.
pub(super) struct Hunt<'a> {
    question: &'a Question,
    interrupted: &'a AtomicBool,
    bounds: Bounds,
    wall: Option<Wall>,
    search: Search,
    trials: Vec<Trial>,
    /// Connections of others on the server before the first trial; `None`: it does not tell.
    others: Option<u64>,
    /// The ordinary reports of what held, where one is asked for.
    reports: Vec<(u64, String)>,
}

/// Why no further trial is made, other than by the search itself.
enum Stop {
    Correctness,
    Refused,
    Gone,
    Interrupted,
}

impl<'a> Hunt<'a> {
    pub(super) fn new(
        question: &'a Question,
        bounds: Bounds,
        wall: Option<Wall>,
        facts: &Facts,
        interrupted: &'a AtomicBool,
    ) -> Self {
        if let Some(Err(error)) = &facts.status {
            terminal::say(format_args!("loadgen: without the server's own figures: {error}"));
        }
        let status = facts.status.as_ref().and_then(|status| status.as_ref().ok());
        Self {
            question,
            interrupted,
            bounds,
            wall,
            search: Search::new(bounds),
            trials: Vec::new(),
            others: status.map(Status::open),
            reports: Vec::new(),
        }
    }

    /// Searches, tells, writes; returns the exit code.
    pub(super) fn run(mut self) -> anyhow::Result<u8> {
        let scale = self.question.scale;
        let plan = self.question.plan(self.bounds.from)?;
        let slo: Vec<String> = plan.slo.iter().map(ToString::to_string).collect();
        let objectives = if slo.is_empty() { "what every run must reach".to_owned() } else { slo.join(", ") };
        terminal::answer(format_args!(
            "find {} at {}: {} to {}, {} s each, for {objectives}",
            plan.title,
            plan.targets_named(),
            scale.shown(self.bounds.from),
            scale.words(self.bounds.to),
            plan.duration.as_secs_f64(),
        ))?;
        if let Some(wall) = &self.wall {
            terminal::answer(format_args!("  more will not fit: {}; {}", wall.problem, wall.remedy))?;
        }
        let outcome = self.search()?;
        let record = self.record(outcome)?;
        let written = self.write(&record);
        terminal::answer(format_args!("{}", record.answer()))?;
        written?;
        Ok(record.exit_code)
    }

    /// Trial after trial, to the end.
    fn search(&mut self) -> anyhow::Result<Outcome> {
        loop {
            let attempt = match self.search.next() {
                Step::Over(End::Found { .. }) => return Ok(Outcome::Found),
                Step::Over(End::AtLeast { .. }) => return Ok(Outcome::AtLeast),
                Step::Over(End::Nothing) => return Ok(Outcome::Nothing),
                Step::Over(End::Blind { .. }) => return Ok(Outcome::Invalid),
                Step::Try(attempt) => attempt,
            };
            match self.try_out(attempt)? {
                Ok(shown) => self.search.tell(shown),
                Err(Stop::Correctness) => return Ok(Outcome::Correctness),
                Err(Stop::Refused) => return Ok(Outcome::Refused),
                Err(Stop::Gone) => return Ok(Outcome::Gone),
                Err(Stop::Interrupted) => return Ok(Outcome::Interrupted),
            }
        }
    }

    /// One trial.
    fn try_out(&mut self, attempt: Attempt) -> anyhow::Result<Result<Shown, Stop>> {
        let scale = self.question.scale;
        let plan = self.question.plan(attempt.load)?;
        self.rest(&plan.admins);
        if self.is_interrupted() {
            return Ok(Err(Stop::Interrupted));
        }
        terminal::say(format_args!(
            "trial {}: {} for {} s",
            self.trials.len() + 1,
            scale.words(attempt.load),
            plan.duration.as_secs_f64()
        ));
        let Ok(findings) = run::attempt(plan, self.interrupted)? else { return Ok(Err(Stop::Refused)) };
        let (report, verdict) = report::judged(&findings, self.interrupted);
        if verdict == Verdict::Pass && self.question.best.is_some() {
            let text = serde_json::to_string_pretty(&report).context("the report does not serialise")?;
            self.reports.push((attempt.load, text));
        }
        let is_gone = report.diagnosis.iter().any(|found| NOBODY.contains(&found.class));
        let trial = Trial::new(attempt, scale, report);
        terminal::answer(format_args!("{}", trial.line(&findings.plan.slo)))?;
        self.trials.push(trial);
        Ok(match verdict {
            // Whatever comes next would meet nobody.
            Verdict::Missed | Verdict::Invalid if is_gone => Err(Stop::Gone),
            Verdict::Pass => Ok(Shown::Held),
            Verdict::Missed => Ok(Shown::Missed),
            Verdict::Invalid => Ok(Shown::Blind),
            Verdict::Correctness => Err(Stop::Correctness),
            Verdict::Interrupted => Err(Stop::Interrupted),
        })
    }

    /// Waits until the last trial's connections are gone from the server: what it still has to do with them is none
    /// of the next trial's load.
    fn rest(&self, admins: &[Admin]) {
        if self.trials.is_empty() {
            return;
        }
        let started_ns = clock::now_ns();
        let is_over = |patience_ns| clock::now_ns() - started_ns >= patience_ns || self.is_interrupted();
        let Some(others) = self.others.filter(|_| !admins.is_empty()) else {
            while !is_over(REST_UNTOLD_NS) {
                thread::sleep(REST_LOOK);
            }
            return;
        };
        loop {
            // A server that does not answer now may be gone: the next trial will tell.
            let open = server_side::fetch_all(admins, self.interrupted).map_or(0, |status| status.open());
            if open <= others {
                return;
            }
            if is_over(REST_NS_MAX) {
                terminal::say(format_args!(
                    "loadgen: the server still has {open} connections, {others} of them from before the search"
                ));
                return;
            }
            thread::sleep(REST_LOOK);
        }
    }

    fn is_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    /// Everything found out.
    fn record(&mut self, outcome: Outcome) -> anyhow::Result<Record> {
        let (question, scale) = (self.question, self.question.scale);
        let plan = question.plan(self.bounds.from)?;
        let load =
            self.search.held().filter(|_| outcome != Outcome::Correctness).map(|load| scale.shown(load));
        let held = self.search.held().filter(|_| load.is_some());
        let missed = self.search.missed().map(|load| scale.shown(load));
        let trials = std::mem::take(&mut self.trials);
        Ok(Record {
            schema: SCHEMA,
            kind: "find",
            preset: plan.title.clone(),
            target: plan.targets_named(),
            over: scale.over,
            unit: scale.unit,
            from: scale.shown(self.bounds.from),
            to: scale.shown(self.bounds.to),
            wall: self.wall.as_ref().map(|wall| format!("{}; {}", wall.problem, wall.remedy)),
            precision: share(self.bounds.precision_permille, 1_000).expect("a thousand is something"),
            confirm: self.bounds.confirm,
            step_duration_s: plan.duration.as_secs_f64(),
            slo: plan.slo,
            outcome,
            exit_code: outcome.exit_code(load.is_some()),
            load,
            command: held.map(|held| question.command(held)).transpose()?,
            missed,
            reasons: stopped_by(outcome, &trials, missed),
            trials,
            seed: plan.seed,
            finished_unix_s: clock::unix_s(),
            version: env!("CARGO_PKG_VERSION"),
        })
    }

    /// Writes what is asked for.
    fn write(&self, record: &Record) -> anyhow::Result<()> {
        if let Some(path) = &self.question.json {
            let text = serde_json::to_string_pretty(record).context("the search does not serialise")?;
            report::write_file(path, (text + "\n").as_bytes())?;
        }
        let Some(path) = &self.question.best else { return Ok(()) };
        let best = self.search.held().filter(|_| record.load.is_some());
        match self.reports.iter().rev().find(|(load, _)| Some(*load) == best) {
            Some((_, text)) => report::write_file(path, format!("{text}\n").as_bytes()),
            None => {
                terminal::say(format_args!("loadgen: nothing held, so {} is not written", path.display()));
                Ok(())
            }
        }
    }
}

/// The reasons that ended a search, with what helps against failed connections.
fn stopped_by(outcome: Outcome, trials: &[Trial], missed: Option<f64>) -> Vec<String> {
    let telling = match outcome {
        Outcome::AtLeast | Outcome::Refused => None,
        Outcome::Found | Outcome::Nothing | Outcome::Interrupted => {
            trials.iter().rev().find(|trial| Some(trial.load) == missed && trial.verdict == Verdict::Missed)
        }
        Outcome::Invalid | Outcome::Correctness | Outcome::Gone => trials.last(),
    };
    let of = |trial: &Trial| -> Vec<String> {
        let errors = trial.errors.iter().map(|line| {
            let stage = format!("{:?}", line.stage).to_lowercase();
            format!(
                "{} x {} while {stage} ({} side): {}",
                line.count,
                wording::full(&line.error),
                line.side.name(),
                line.remedy
            )
        });
        let reasons = trial.reasons.iter().map(|reason| format!("{}: {reason}", trial.load));
        reasons.chain(errors).collect()
    };
    telling.map_or_else(|| iter::empty().collect(), of)
}
