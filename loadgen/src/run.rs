//! A run from preflight to report, seen from the thread that leads it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, ScopedJoinHandle};

use anyhow::{Context, anyhow};
use rand::SeedableRng;
use rand_pcg::Pcg64Mcg;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::bots::{Drummer, Fighter, Prober};
use crate::budget::{self, Demand};
use crate::cli::GameName;
use crate::clock;
use crate::doctor;
use crate::drivers::echo::Echo;
use crate::drivers::idle::Idle;
use crate::drivers::raw::{Raw, Traffic};
use crate::drivers::{Driver, game};
use crate::lead::{Leader, Timeline};
use crate::machine::{self, Machine};
use crate::plan::{Phase, Plan, Preset};
use crate::preflight::{self, Facts, Wall};
use crate::report::{self, Findings};
use crate::server_side;
use crate::shared::{Shared, Step};
use crate::terminal;
use crate::verdict;
use crate::worker::{Outcome, Worker};

/// Runs a plan; returns the exit code.
///
/// # Errors
/// What is neither the user's, the machine's nor the server's fault.
pub(crate) fn run(plan: Plan) -> anyhow::Result<u8> {
    let interrupted = watch_signals()?;
    match attempt(plan, &interrupted)? {
        Ok(findings) => report::deliver(&findings, &interrupted),
        Err(_) => Ok(verdict::PREFLIGHT),
    }
}

/// A run that was not started, because it does not fit; why has been said.
pub(crate) struct Refused {
    /// What the doctor says of it, as JSON.
    pub(crate) document: String,
}

/// Carries a plan out, from preflight to the last connection's end.
///
/// # Errors
/// What is neither the user's, the machine's nor the server's fault.
pub(crate) fn attempt(plan: Plan, interrupted: &AtomicBool) -> anyhow::Result<Result<Findings, Refused>> {
    let (machine, facts) = look_around(&plan, interrupted);
    let walls = preflight::walls(&plan, &facts);
    walls.iter().for_each(preflight::say);
    if facts.ring_refused.is_some() {
        terminal::say(format_args!("{}", plan.peer.without_ring()));
        return refuse(&plan, &facts, walls);
    }
    if !walls.is_empty() && !plan.force {
        terminal::say(format_args!("{}", plan.peer.not_started()));
        return refuse(&plan, &facts, walls);
    }
    if !plan.is_trial {
        let warnings = preflight::warnings(&Demand::of(&plan), &facts);
        warnings.iter().for_each(|warning| terminal::say(format_args!("loadgen: {warning}")));
    }
    if let Some(Err(error)) = facts.status.as_ref().filter(|_| !plan.is_trial) {
        terminal::say(format_args!("loadgen: without the server's own figures: {error}"));
    }
    if plan.phases.list().len() > 1 && !plan.is_trial {
        // Flags may have changed them: what --duration means is seen here.
        let seconds = |phase: &Phase| format!("{} {} s", phase.name, phase.duration.as_secs_f64());
        let phases: Vec<String> = plan.phases.list().iter().map(seconds).collect();
        terminal::say(format_args!(
            "phases: {} ({} s in all)",
            phases.join(", "),
            plan.duration.as_secs_f64()
        ));
    }
    if matches!(plan.preset, Preset::Idle) {
        machine::refuse_huge_pages();
    }
    let waiting_bytes_max = budget::waiting_bytes(&Demand::of(&plan), &facts);
    let plan = Arc::new(Plan { waiting_bytes_max, ..plan });
    match execute(&plan, &machine, interrupted, matches!(facts.status, Some(Ok(_)))) {
        Ok((timeline, outcomes)) => Ok(Ok(Findings { plan, machine, timeline, outcomes })),
        Err(Failure::Ring(error)) => {
            let not_started = plan.peer.without_ring();
            terminal::say(format_args!("loadgen: preflight: generator side: {error}\n{not_started}"));
            refuse(&plan, &facts, vec![Wall::of_ring(&error)])
        }
        Err(Failure::Threads(error)) => {
            let wall = Wall {
                problem: format!(
                    "{} worker(s) cannot have a thread each: {error} (generator side)",
                    plan.workers
                ),
                remedy:
                    "fewer --workers, or more threads (ulimit -u, TasksMax= of the unit, --pids-limit of the \
                         container) or addresses (ulimit -v) for this process"
                        .to_owned(),
            };
            preflight::say(&wall);
            refuse(&plan, &facts, vec![wall])
        }
        Err(Failure::Other(error)) => Err(error),
    }
}

/// Leaves what stood in the way where the report for machines would be.
fn refuse(plan: &Plan, facts: &Facts, walls: Vec<Wall>) -> anyhow::Result<Result<Findings, Refused>> {
    let document = doctor::refusal(plan, facts, walls)?;
    if let Some(path) = &plan.outs.json {
        report::write_file(path, document.as_bytes())?;
    }
    Ok(Err(Refused { document }))
}

/// What the preflight looks at, for a plan.
pub(crate) fn look_around(plan: &Plan, interrupted: &AtomicBool) -> (Machine, Facts) {
    machine::raise_descriptor_limit();
    let machine = Machine::read();
    let status = (!plan.admins.is_empty()).then(|| server_side::fetch_all(&plan.admins, interrupted));
    let facts = Facts::gather(&plan.sources, plan.server_pid, &machine, status);
    (machine, facts)
}

/// The flag that SIGINT, SIGTERM and the end of the terminal (SIGHUP) raise. Watched before anything else is done, so that there is a
/// report however early they come. Who starts it with `nohup` wants no end of the terminal to end it.
pub(crate) fn watch_signals() -> anyhow::Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let hang_up = (!machine::is_ignored(SIGHUP)).then_some(SIGHUP);
    for signal in [SIGINT, SIGTERM].into_iter().chain(hang_up) {
        // A second signal ends the process at once.
        signal_hook::flag::register_conditional_shutdown(
            signal,
            verdict::INTERRUPTED.into(),
            Arc::clone(&interrupted),
        )
        .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&interrupted)))
        .context("cannot watch for signals")?;
    }
    Ok(interrupted)
}

/// Why there are no figures.
enum Failure {
    Ring(tickring_ring::SetupError),
    Threads(io::Error),
    Other(anyhow::Error),
}

/// Starts the workers, leads them, collects what they leave.
fn execute(
    plan: &Arc<Plan>,
    machine: &Machine,
    interrupted: &AtomicBool,
    admin_works: bool,
) -> Result<(Timeline, Vec<Outcome>), Failure> {
    let shared = Arc::new(Shared::new(plan.workers, clock::now_ns()));
    if interrupted.load(Ordering::Relaxed) {
        // No worker may get as far as a connection before the leader looks.
        shared.advance(Step::Settling);
    }
    let leader = Leader::new((plan, machine), &shared, interrupted, admin_works);
    thread::scope(|scope| {
        let start = |index| {
            let (plan, shared) = (Arc::clone(plan), Arc::clone(&shared));
            let body = move || {
                // A worker that leaves early must not keep the others waiting.
                let _leaving = Leaving { shared: Arc::clone(&shared), index };
                pin(plan.cpu_of(index).as_slice());
                work(plan, shared, index)
            };
            thread::Builder::new().name(format!("worker-{index}")).spawn_scoped(scope, body)
        };
        let workers: Vec<_> = (0..plan.workers).map(start).collect::<Result<_, _>>().map_err(|error| {
            // Those that were started wait for the others.
            shared.advance(Step::Closing);
            shared.begin();
            Failure::Threads(error)
        })?;
        let any_gone = || workers.iter().any(ScopedJoinHandle::is_finished);
        let timeline = leader.lead(any_gone, || workers.iter().all(ScopedJoinHandle::is_finished));
        let outcomes = workers.into_iter().map(|worker| {
            worker
                .join()
                .unwrap_or_else(|_| Err(Failure::Other(anyhow!("a worker panicked: a bug of loadgen"))))
        });
        Ok((timeline, outcomes.collect::<Result<_, _>>()?))
    })
}

/// Marks a worker's ramp as done when it ends, however it ends.
struct Leaving {
    shared: Arc<Shared>,
    index: u32,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        let live = &self.shared.live[self.index as usize];
        live.show_step(Step::Closing);
        live.finish_ramp();
    }
}

/// Pins the calling thread. A refusal is no reason to stop: the figures show it.
pub(crate) fn pin(cpus: &[usize]) {
    if cpus.is_empty() {
        return;
    }
    let mut set = rustix::thread::CpuSet::new();
    cpus.iter().for_each(|cpu| set.set(*cpu));
    if let Err(error) = rustix::thread::sched_setaffinity(None, &set) {
        terminal::say(format_args!("loadgen: cannot pin to CPUs {cpus:?}: {error}"));
    }
}

/// One worker, with the driver of the preset.
fn work(plan: Arc<Plan>, shared: Arc<Shared>, index: u32) -> Result<Outcome, Failure> {
    let rng = Pcg64Mcg::seed_from_u64(plan.seed ^ (u64::from(index) << 48));
    match (plan.preset, plan.raw) {
        (preset, Some(sizes)) => {
            let traffic = match preset {
                Preset::Echo { pace, .. } => Traffic::Echo(pace),
                Preset::Game { input_hz, .. } => {
                    Traffic::Tick { input_hz: input_hz.expect("the plan gives a raw game its rate").into() }
                }
                Preset::Rewind { .. } => unreachable!("the plan refuses a probe without a game"),
                Preset::Idle => Traffic::Silence,
            };
            drive(Raw::new(Arc::clone(&plan), traffic, sizes), &plan, shared, index)
        }
        (Preset::Echo { pace, size }, None) => {
            drive(Echo::new(Arc::clone(&plan), pace, size, rng), &plan, shared, index)
        }
        (Preset::Idle, None) => drive(Idle { plan: Arc::clone(&plan), rng }, &plan, shared, index),
        (Preset::Game { game: GameName::Arena, rooms, input_hz }, None) => {
            drive(game::Game::<Fighter>::new(Arc::clone(&plan), rooms, input_hz, None), &plan, shared, index)
        }
        (Preset::Game { game: GameName::Pulse, rooms, input_hz }, None) => {
            drive(game::Game::<Drummer>::new(Arc::clone(&plan), rooms, input_hz, None), &plan, shared, index)
        }
        (Preset::Rewind { rooms, forge }, None) => {
            drive(game::Game::<Prober>::new(Arc::clone(&plan), rooms, None, forge), &plan, shared, index)
        }
    }
}

fn drive<D: Driver>(
    driver: D,
    plan: &Arc<Plan>,
    shared: Arc<Shared>,
    index: u32,
) -> Result<Outcome, Failure> {
    // Two runs in a row, of one process or of two, should not meet each other's ports; nothing else depends on this.
    let started_ms =
        u32::try_from(shared.started_ns / 1_000_000 % u64::from(u32::MAX)).expect("the rest fits");
    let salt = std::process::id().wrapping_add(started_ms).wrapping_mul(7_919);
    let worker = Worker::new(plan, shared, index, driver, salt).map_err(Failure::Ring)?;
    worker.run().map_err(|error| Failure::Other(anyhow!("the ring of worker {index} failed: {error}")))
}
