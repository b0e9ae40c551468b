//! `loadgen calibrate`: the generator's own ceiling. The echo preset runs against a [`sink`] in this process at rising
//! rates, until the run is not valid any more.

mod peer;
mod sink;
mod step;
mod words;

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Context;
use tickring_ring::SetupError;

use crate::cli::Cli;
use crate::cli::calibrate::CalibrateArgs;
use crate::doctor;
use crate::find::search::{Bounds, End, Search, Step as Next};
use crate::machine;
use crate::plan::{Peer, Plan, PlanError, at_most_conns, parse_cpus};
use crate::preflight::{self, Facts, Wall};
use crate::run::{self, Refused};
use crate::terminal;
use crate::verdict::{self, Verdict};

use step::{Kind, Step};
use words::{Answer, Outcome};

/// Messages a second and connection that `echo` permits, at least and at most.
const RATE_HZ_MIN: f64 = 0.01;
const RATE_HZ_MAX: u64 = 1_000_000;
/// Most messages a second that are tried: more than any machine passes.
const TOTAL_HZ_MAX: u64 = 1_000_000_000;
/// Without a tighter objective a run is invalid by a tenth of this, see [`crate::verdict`].
const OBJECTIVE_MAX: Duration = Duration::from_millis(500);
/// Longest gathering of due messages, µs: that of echo.
const GATHER_US: u128 = 200;
/// The target of a plan that is only looked at.
const NOWHERE: &str = "ws://127.0.0.1:1";
/// Traffic before each step's window.
const WARMUP: &str = "300ms";

/// What is asked, checked.
#[derive(Debug)]
pub(crate) struct Question {
    /// The words of a step's run, but for the sink's address and the rate.
    words: Vec<String>,
    conns: u32,
    size: u32,
    workers: u32,
    /// CPUs of the workers and of the sink; empty: not pinned.
    cpus: Vec<usize>,
    sink_cpus: Vec<usize>,
    objective: Duration,
    bounds: Bounds,
    step_ns: u64,
    json: bool,
}

impl Question {
    /// Checks and completes the command line.
    ///
    /// # Errors
    /// [`PlanError`] names the flag, its value and what is allowed.
    pub(crate) fn new(args: &CalibrateArgs) -> Result<Self, PlanError> {
        at_most_conns("workers", args.workers, args.conns)?;
        let (cpus, sink_cpus) = places(args, &machine::usable_cpus())?;
        let least = RATE_HZ_MIN * f64::from(args.conns);
        if args.from < least {
            let problem = format!(
                "with {} connections permitted is {least} and more, for example --from 20000",
                args.conns
            );
            return Err(PlanError::new("from", args.from, problem));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "from 1 to 1e8, as the flag permits"
        )]
        let from = args.from.round() as u64;
        let to = (RATE_HZ_MAX * u64::from(args.conns)).min(TOTAL_HZ_MAX);
        if from > to {
            let problem = format!(
                "with {} connections permitted is {to} and less, for example --from {}",
                args.conns,
                to.min(20_000)
            );
            return Err(PlanError::new("from", args.from, problem));
        }
        if args.objective > OBJECTIVE_MAX {
            let given = format!("{}ms", args.objective.as_millis());
            let problem = "permitted is a time from 1ms to 500ms, where any run is invalid, for example --objective 50ms";
            return Err(PlanError::new("objective", given, problem));
        }
        let mut words = vec!["echo".to_owned(), "--warmup".to_owned(), WARMUP.to_owned()];
        let mut word = |flag: &str, value: String| words.extend([format!("--{flag}"), value]);
        word("conns", args.conns.to_string());
        word("size", args.size.to_string());
        word("workers", args.workers.to_string());
        word("duration", format!("{}ms", args.step_duration.as_millis()));
        // A quarter of what it may be late by, as where an objective says so.
        word("gather-us", (args.objective.as_micros() / 40).min(GATHER_US).to_string());
        if !cpus.is_empty() {
            word("cpus", list(&cpus));
        }
        let question = Self {
            words,
            conns: args.conns,
            size: args.size,
            workers: args.workers,
            cpus,
            sink_cpus,
            objective: args.objective,
            bounds: Bounds { from, to, grain: 1, precision_permille: args.precision, confirm: 0 },
            step_ns: u64::try_from(args.step_duration.as_nanos()).expect("at most a day"),
            json: args.json,
        };
        question.plan(NOWHERE, from)?;
        Ok(question)
    }

    /// The run of a step: `total_hz` messages a second towards the sink.
    fn plan(&self, target: &str, total_hz: u64) -> Result<Plan, PlanError> {
        let rate_hz = crate::report::share(total_hz, self.conns.into()).expect("there are connections");
        let rate = rate_hz.to_string();
        let own = ["--target", target, "--rate", &rate];
        let run = Cli::run(self.words.iter().map(String::as_str).chain(own));
        let (preset, file) = run.expect("every value was checked with the command line");
        let plan = Plan::new(&preset, &file)?;
        let peer = Peer::Sink { table: sink::table(self.conns) };
        // Nobody but us knows the sink's figures.
        Ok(Plan { is_trial: true, peer, admins: Vec::new(), ..plan })
    }
}

/// The CPUs of the workers and of the sink: as told, or the last one for the sink and the others for the workers.
fn places(args: &CalibrateArgs, usable: &[usize]) -> Result<(Vec<usize>, Vec<usize>), PlanError> {
    let parse = |flag, text: &Option<String>| text.as_deref().map(|text| parse_cpus(flag, text)).transpose();
    let (cpus, sink_cpus) = (parse("cpus", &args.cpus)?, parse("sink-cpus", &args.sink_cpus)?);
    for (flag, text, list) in [("cpus", &args.cpus, &cpus), ("sink-cpus", &args.sink_cpus, &sink_cpus)] {
        let missing = list.iter().flatten().find(|cpu| !usable.is_empty() && !usable.contains(cpu));
        if let (Some(missing), Some(text)) = (missing, text) {
            let usable = self::list(usable);
            let problem = format!("this process may not use CPU {missing}; permitted are some of {usable}");
            return Err(PlanError::new(flag, text, problem));
        }
    }
    let without = |taken: &[usize]| -> Vec<usize> {
        usable.iter().copied().filter(|cpu| !taken.contains(cpu)).collect()
    };
    Ok(match (cpus, sink_cpus) {
        (Some(cpus), Some(sink_cpus)) => (cpus, sink_cpus),
        (Some(cpus), None) => {
            let sink_cpus = without(&cpus).last().copied().into_iter().collect();
            (cpus, sink_cpus)
        }
        (None, Some(sink_cpus)) => (without(&sink_cpus), sink_cpus),
        (None, None) => match usable {
            [cpus @ .., last] if !cpus.is_empty() => (cpus.to_vec(), vec![*last]),
            _ => (Vec::new(), Vec::new()),
        },
    })
}

/// As `--cpus` takes it.
fn list(cpus: &[usize]) -> String {
    cpus.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// Calibrates and reports; returns the exit code.
///
/// # Errors
/// What is not the user's fault.
pub(crate) fn run(question: &Question) -> anyhow::Result<u8> {
    let interrupted = run::watch_signals()?;
    if let Some(refused) = look_ahead(question, &interrupted)? {
        return refuse(question, &refused);
    }
    if !question.json {
        terminal::answer(format_args!("{}", words::head(question)))?;
    }
    let mut search = Search::new(question.bounds);
    let mut steps: Vec<Step> = Vec::new();
    let outcome = loop {
        let attempt = match search.next() {
            Next::Try(attempt) => attempt,
            Next::Over(End::Found { .. }) => break Outcome::Ceiling,
            Next::Over(End::AtLeast { .. }) => break Outcome::AtLeast,
            Next::Over(End::Nothing | End::Blind { held: None, .. }) => break Outcome::Nothing,
            Next::Over(End::Blind { held: Some(_), .. }) => break Outcome::Sink,
        };
        let mut step = match try_out(question, attempt.load, &interrupted)? {
            Ok(step) => step,
            Err(refused) => return refuse(question, &refused),
        };
        step.again = attempt.again;
        let kind = step.kind;
        if !question.json {
            terminal::answer(format_args!("{}", step.line()))?;
        }
        steps.push(step);
        match kind {
            Kind::Interrupted => break Outcome::Interrupted,
            Kind::Wrong => break Outcome::Wrong,
            Kind::Shown(shown) => search.tell(shown),
        }
    };
    let answer = Answer::new(question, outcome, &search, steps);
    if question.json {
        let text = serde_json::to_string_pretty(&answer).context("the answer does not serialise")?;
        terminal::answer(format_args!("{text}"))?;
    } else {
        terminal::answer(format_args!("{}", answer.words()))?;
    }
    Ok(answer.exit_code)
}

/// What stands in the way of every step, the sink's table among it, before anything is started.
fn look_ahead(question: &Question, interrupted: &AtomicBool) -> anyhow::Result<Option<Refused>> {
    let plan = question.plan(NOWHERE, question.bounds.from)?;
    let (_, facts) = run::look_around(&plan, interrupted);
    let walls = preflight::walls(&plan, &facts);
    (!walls.is_empty()).then(|| walled_in(&plan, &facts, walls)).transpose()
}

/// Tells what stands in the way.
fn walled_in(plan: &Plan, facts: &Facts, walls: Vec<Wall>) -> anyhow::Result<Refused> {
    walls.iter().for_each(preflight::say);
    terminal::say(format_args!("{}", plan.peer.not_started()));
    Ok(Refused { document: doctor::refusal(plan, facts, walls)? })
}

/// Nothing was calibrated, and why has been said to people.
fn refuse(question: &Question, refused: &Refused) -> anyhow::Result<u8> {
    if question.json {
        terminal::answer(format_args!("{}", refused.document.trim_end()))?;
    }
    Ok(verdict::PREFLIGHT)
}

/// One step, against a sink of its own.
fn try_out(
    question: &Question,
    total_hz: u64,
    interrupted: &AtomicBool,
) -> anyhow::Result<Result<Step, Refused>> {
    let sample_ns = (question.step_ns / 100).clamp(1_000_000, 1_000_000_000);
    let sink = match sink::Sink::start(&question.sink_cpus, question.conns, sample_ns) {
        Ok(sink) => sink,
        Err(error) => return without_sink(question, total_hz, interrupted, &error).map(Err),
    };
    let plan = question.plan(&format!("ws://{}", sink.address), total_hz)?;
    let findings = match run::attempt(plan, interrupted)? {
        Ok(findings) => findings,
        Err(refused) => return Ok(Err(refused)),
    };
    let readings = sink.stop()?;
    Ok(Ok(Step::new(total_hz, &findings, &readings, question.objective)))
}

/// A machine that does not let us have the sink is too small for a run as well, or for both together.
fn without_sink(
    question: &Question,
    total_hz: u64,
    interrupted: &AtomicBool,
    error: &anyhow::Error,
) -> anyhow::Result<Refused> {
    let plan = question.plan(NOWHERE, total_hz)?;
    let (_, facts) = run::look_around(&plan, interrupted);
    let ring = error.downcast_ref::<SetupError>().map(Wall::of_ring);
    let walls = vec![ring.unwrap_or_else(|| Wall {
        problem: format!("{error:#}"),
        remedy: "more descriptors (ulimit -n) or memory for this process, or fewer --conns".to_owned(),
    })];
    walled_in(&plan, &facts, walls)
}

impl Outcome {
    /// The process's exit code.
    const fn exit_code(self) -> u8 {
        match self {
            Self::Ceiling | Self::AtLeast | Self::Sink => 0,
            Self::Nothing => Verdict::Invalid.exit_code(),
            Self::Wrong => Verdict::Correctness.exit_code(),
            Self::Interrupted => verdict::INTERRUPTED,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Command;

    fn args(words: &[&str]) -> CalibrateArgs {
        match Cli::try_parse_from(["loadgen", "calibrate"].iter().chain(words)).unwrap().command {
            Command::Calibrate(args) => args,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_sink_has_a_cpu_of_its_own_where_there_are_two() {
        let of = |words: &[&str], usable: &[usize]| {
            places(&args(words), usable).map_err(|error| error.to_string())
        };
        assert_eq!(of(&[], &[0, 1]), Ok((vec![0], vec![1])));
        assert_eq!(of(&[], &[2, 3, 5]), Ok((vec![2, 3], vec![5])));
        assert_eq!(of(&[], &[0]), Ok((vec![], vec![])));
        assert_eq!(of(&["--cpus", "1"], &[0, 1]), Ok((vec![1], vec![0])));
        assert_eq!(of(&["--cpus", "0"], &[0]), Ok((vec![0], vec![])));
        assert_eq!(of(&["--sink-cpus", "0,1"], &[0, 1, 2, 3]), Ok((vec![2, 3], vec![0, 1])));
        assert_eq!(of(&["--cpus", "0", "--sink-cpus", "0"], &[0, 1]), Ok((vec![0], vec![0])));
        assert!(of(&["--sink-cpus", "7"], &[0, 1]).unwrap_err().contains("some of 0,1"));
        assert!(of(&["--cpus", "x"], &[0, 1]).unwrap_err().contains("--cpus x"));
    }

    #[test]
    fn a_step_is_an_echo_run_at_that_rate_in_all() {
        let question = Question::new(&args(&["--conns", "200", "--size", "99"])).unwrap();
        let plan = question.plan("ws://127.0.0.1:77", 30_000).unwrap();
        let rate_hz = match plan.preset {
            crate::plan::Preset::Echo { pace: crate::plan::Pace::Open { rate_hz }, size: 99 } => rate_hz,
            other => panic!("{other:?}"),
        };
        assert!((rate_hz - 150.0).abs() < 1e-9 && plan.conns == 200 && plan.admins.is_empty());
        let wrong = Question::new(&args(&["--conns", "100000", "--from", "5"])).unwrap_err().to_string();
        assert!(wrong.contains("1000 and more"), "{wrong}");
    }
}
