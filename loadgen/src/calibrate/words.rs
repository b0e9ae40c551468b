//! The answer: for people, and as JSON. Its keys are documented in `docs/loadgen.md`; they only ever grow.

use serde::Serialize;

use super::step::Step;
use super::{Question, list};
use crate::clock;
use crate::find::search::Search;
use crate::report::share;

/// Version of the layout.
const SCHEMA: u32 = 1;

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// More makes the generator too busy.
    Ceiling,
    /// The highest rate that can be asked for is valid.
    AtLeast,
    /// The sink cannot keep up with more.
    Sink,
    /// No rate was valid.
    Nothing,
    /// The sink's answers were wrong.
    Wrong,
    /// Ctrl-C or SIGTERM.
    Interrupted,
}

/// Everything found out.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    schema: u32,
    kind: &'static str,
    outcome: Outcome,
    pub(super) exit_code: u8,
    conns: u32,
    size: u32,
    workers: u32,
    /// CPUs of the workers and of the sink; empty: not pinned.
    cpus: Vec<usize>,
    sink_cpus: Vec<usize>,
    objective_us: u64,
    /// The highest rate that was valid, messages a second in all; and that by workers.
    ceiling_per_s: Option<u64>,
    ceiling_per_s_per_worker: Option<f64>,
    /// Of a message and its answer at that rate.
    generator_cpu_us_per_message: Option<f64>,
    sink_cpu_us_per_message: Option<f64>,
    /// The worker that was too late for more hardly used its CPU: others had it, and the ceiling is theirs too.
    starved: bool,
    /// What kept more from being valid.
    reasons: Vec<String>,
    steps: Vec<Step>,
    /// Seconds since 1970 at the end.
    finished_unix_s: u64,
    /// loadgen's own.
    version: &'static str,
}

/// What is done, and the head of the table.
pub(super) fn head(question: &Question) -> String {
    let place = |cpus: &[usize]| match cpus {
        [] => "not pinned".to_owned(),
        cpus => format!("on CPU {}", list(cpus)),
    };
    let mut head = format!(
        "calibrate: {} connections, messages of {} B, {} worker(s) {}, the sink {}\n",
        question.conns,
        question.size,
        question.workers,
        place(&question.cpus),
        place(&question.sink_cpus)
    );
    let shared = question.cpus.iter().any(|cpu| question.sink_cpus.contains(cpu));
    if shared || question.cpus.is_empty() || question.sink_cpus.is_empty() {
        head.push_str("  generator and sink may share a CPU: on one of its own the generator does more\n");
    }
    head.push_str("  messages/s  verdict            generator             sink   late, p99");
    head
}

impl Answer {
    pub(super) fn new(question: &Question, outcome: Outcome, search: &Search, steps: Vec<Step>) -> Self {
        let at =
            |rate| steps.iter().rev().find(|step| Some(step.rate_per_s) == rate && step.verdict == "valid");
        let held = search.held();
        let best = at(held);
        // A sink that could not keep up, or a signal, comes last.
        let failed = |step: &&Step| step.verdict != "valid";
        let bound = match outcome {
            Outcome::Ceiling => {
                steps.iter().rev().filter(failed).find(|step| Some(step.rate_per_s) == search.missed())
            }
            _ => steps.last().filter(failed),
        };
        let starved = bound.is_some_and(Step::is_starved);
        let reasons =
            bound.map(|step| step.reasons.iter().map(|reason| format!("{}/s: {reason}", step.rate_per_s)));
        Self {
            schema: SCHEMA,
            kind: "calibrate",
            outcome,
            exit_code: outcome.exit_code(),
            conns: question.conns,
            size: question.size,
            workers: question.workers,
            cpus: question.cpus.clone(),
            sink_cpus: question.sink_cpus.clone(),
            objective_us: u64::try_from(question.objective.as_micros()).unwrap_or(u64::MAX),
            ceiling_per_s: held,
            ceiling_per_s_per_worker: held.and_then(|held| share(held, question.workers.into())),
            generator_cpu_us_per_message: best.and_then(|step| step.generator_cpu_us_per_message),
            sink_cpu_us_per_message: best.and_then(|step| step.sink_cpu_us_per_message),
            reasons: reasons.into_iter().flatten().collect(),
            starved,
            steps,
            finished_unix_s: clock::unix_s(),
            version: env!("CARGO_PKG_VERSION"),
        }
    }

    /// What it comes to, and what that means.
    pub(super) fn words(&self) -> String {
        let reasons: String = self.reasons.iter().map(|reason| format!("\n  - {reason}")).collect();
        let Some((ceiling, each)) = self.ceiling_per_s.zip(self.ceiling_per_s_per_worker) else {
            return match self.outcome {
                Outcome::Interrupted => "interrupted before any rate was valid".to_owned(),
                _ => format!(
                    "no rate was valid; give the generator a CPU of its own, or begin with less: --from 1000{reasons}"
                ),
            };
        };
        let what = match self.outcome {
            Outcome::Ceiling if self.starved => "with others on its CPU as now, the generator's ceiling is",
            Outcome::Ceiling => "the generator's ceiling is",
            Outcome::Sink => "the sink is the limit: the generator's ceiling is at least",
            Outcome::AtLeast | Outcome::Nothing => "the generator's ceiling is at least",
            Outcome::Wrong => "the sink's answers were wrong, a bug of loadgen; valid until then was",
            Outcome::Interrupted => "interrupted; valid until then was",
        };
        let us = |us: Option<f64>| us.map_or("unknown".to_owned(), |us| format!("{us:.2} us"));
        format!(
            "{what} {ceiling} messages a second in all, {each:.0} for each worker{reasons}\n\
             CPU of a message and its answer at that rate: generator {}, sink {}\n\
             A server that answers more than {ceiling} messages a second on {} connections needs more --workers, each \
             with a CPU of its own, or another machine for the generator: beyond that a run is invalid.",
            us(self.generator_cpu_us_per_message),
            us(self.sink_cpu_us_per_message),
            self.conns
        )
    }
}
