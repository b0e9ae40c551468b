//! `loadgen doctor`: will N connections fit, on this machine and on the server, which resource ends first, and what to
//! type. Nothing is connected to but the server's admin endpoint.

mod asked;
pub(crate) mod enough;
mod formula;
pub(crate) mod knobs;
pub(crate) mod ports;
mod readings;
mod words;

use std::sync::atomic::AtomicBool;

use serde::Serialize;

use crate::budget::{Budget, Demand, Rooms};
use crate::cli::{Cli, DoctorArgs};
use crate::machine::{self, Machine};
use crate::plan::{Peer, Place, Plan, PlanError, at_most_conns};
use crate::preflight::{self, Facts, Wall};
use crate::server_side::{self, Status};
use crate::sources::Sources;
use crate::terminal;
use crate::verdict;

use formula::Variables;
use knobs::{Judged, Role};
pub(crate) use readings::Readings;

/// Connections unless told otherwise: those of `run game`.
const CONNS_DEFAULT: u32 = 1_000;
/// New connections a second, of a run that nobody has named: those of `run game`.
const CONNECT_RATE_DEFAULT: u64 = 2_000;
/// What there may be of anything that the formulas multiply: beyond it none is meant.
const COUNT_MAX: i64 = 1 << 31;
/// The same of a machine's bytes.
const BYTES_MAX: i64 = 1 << 60;
/// The version of the JSON.
const SCHEMA: u32 = 1;

/// What the examination came to.
#[derive(Debug, Serialize)]
pub(crate) struct Findings {
    schema: u32,
    kind: &'static str,
    target: String,
    conns: u64,
    /// All of them will fit, as far as can be known beforehand.
    fits: bool,
    /// Connections that will fit; `None` when nothing is known to have an end.
    maximum: Option<u64>,
    /// Flags that ask for more than that of what each connection is in.
    #[serde(skip)]
    too_many: Vec<&'static str>,
    /// Index of the budget that ends first.
    first_wall: Option<usize>,
    budgets: Vec<Budget>,
    /// A source address that no connection can come from.
    sources_refused: Option<String>,
    /// What is no wall, and still not as it should be.
    warnings: Vec<String>,
    /// What the table of knobs says, machine by machine.
    machines: Vec<Examined>,
    /// Why the server, or one of several, could not be asked.
    server_unknown: Option<String>,
    /// What the others said was used.
    #[serde(skip)]
    others_known: bool,
    /// The rooms of the players are known, or nobody plays.
    seats_counted: bool,
    /// That of a run, where it is told instead of its report.
    #[serde(flatten)]
    refusal: Option<Refusal>,
}

/// Why a run was not started.
#[derive(Debug, Serialize)]
struct Refusal {
    verdict: &'static str,
    exit_code: u8,
    /// What stood in the way, budgets that are too small among it.
    walls: Vec<Wall>,
}

/// A machine, and the knobs that count there.
#[derive(Debug, Serialize)]
pub(crate) struct Examined {
    hostname: String,
    kernel: String,
    role: Role,
    workers: u64,
    /// The other side on this machine has more.
    #[serde(skip)]
    fewer: bool,
    /// What makes `tune.sh` say the same.
    tune_words: String,
    /// Files of sysctl.d that could not be read.
    #[serde(skip)]
    unread: Vec<std::path::PathBuf>,
    knobs: Vec<Judged>,
}

/// What is asked.
#[derive(Debug)]
pub(crate) struct Question {
    place: Place,
    demand: Demand,
    /// Either the rooms are known, or there are none.
    is_seated: bool,
    peer: Peer,
    form: Form,
}

/// How the answer looks.
#[derive(Clone, Copy, Debug)]
enum Form {
    Words,
    Commands,
    Json,
}

impl Question {
    /// Checks and completes the command line.
    ///
    /// # Errors
    /// [`PlanError`] names the flag, its value and what is allowed.
    pub(crate) fn new(args: DoctorArgs) -> Result<Self, PlanError> {
        let form = match args {
            DoctorArgs { json: true, .. } => Form::Json,
            DoctorArgs { fix_plan: true, .. } => Form::Commands,
            _ => Form::Words,
        };
        if let Some(preset) = &args.preset {
            return Self::of_run(preset, &args, form);
        }
        let conns = args.place.conns.unwrap_or(CONNS_DEFAULT);
        let place = Place::resolve(args.place, conns, conns, false)?;
        if let Some(rooms) = args.rooms {
            at_most_conns("rooms", rooms, place.conns)?;
        }
        let demand = Demand {
            conns: place.conns.into(),
            workers: place.workers.into(),
            is_loopback: place.targets.iter().all(|target| target.address.ip().is_loopback()),
            targets: place.targets.len() as u64,
            sources: place.sources.clone(),
            service: None,
            rooms: args.rooms.map(|rooms| Rooms::named(rooms.into())),
            connect_rate: CONNECT_RATE_DEFAULT,
            messages_bytes: 0,
        };
        Ok(Self { place, demand, is_seated: args.rooms.is_some(), peer: Peer::Server, form })
    }

    /// The same of a run, which has its own connections, rooms and targets unless told otherwise.
    fn of_run(preset: &str, args: &DoctorArgs, form: Form) -> Result<Self, PlanError> {
        let place = &args.place;
        let mut words = vec![preset.to_owned()];
        words.extend(place.conns.map(|conns| format!("--conns={conns}")));
        words.extend(args.rooms.map(|rooms| format!("--rooms={rooms}")));
        words.extend(args.seed.map(|seed| format!("--seed={seed}")));
        words.extend(args.connect_rate.map(|rate| format!("--connect-rate={rate}")));
        words.extend(args.traffic.map(|traffic| format!("--traffic={}", traffic.word())));
        words.extend(args.game.map(|game| format!("--game={}", game.name())));
        words.extend(place.admin.iter().map(|url| format!("--admin={url}")));
        // What is not given is the plan's.
        let is_typed = |flag: &str| args.typed.iter().any(|typed| typed == flag);
        let targets = place.target.iter().filter(|_| is_typed("target"));
        words.extend(targets.map(|url| format!("--target={url}")));
        words.extend(is_typed("workers").then(|| format!("--workers={}", place.workers)));
        words.extend(is_typed("src").then(|| format!("--src={}", place.src)));
        let (run, file) = Cli::run(words.iter().map(String::as_str))
            .map_err(|error| PlanError::of("doctor".to_owned(), error.to_string()))?;
        let plan = Plan::new(&run, &file)?;
        let mut demand = Demand::of(&plan);
        if let Some(rooms) = demand.rooms.as_mut() {
            rooms.follow = run.args().rooms.is_none();
        }
        let place = Place {
            targets: plan.targets,
            admins: plan.admins,
            conns: plan.conns,
            workers: plan.workers,
            sources: plan.sources,
            sources_named: run.args().place.src != "auto",
        };
        Ok(Self { place, demand, is_seated: true, peer: Peer::Server, form })
    }
}

/// Examines and reports; the exit code is 0 when N fits, else 3.
///
/// # Errors
/// When the report cannot be printed.
pub(crate) fn run(question: &Question) -> anyhow::Result<u8> {
    machine::raise_descriptor_limit();
    let found = examine(question);
    let text = match question.form {
        Form::Json => serde_json::to_string_pretty(&found)?,
        Form::Commands => words::fix_plan(&found),
        Form::Words => words::report(&found),
    };
    terminal::answer(format_args!("{}", text.trim_end()))?;
    Ok(if found.fits { 0 } else { verdict::PREFLIGHT })
}

/// What is told in place of the report of a run that was not started, as JSON.
///
/// # Errors
/// When it does not serialise.
pub(crate) fn refusal(plan: &Plan, facts: &Facts, walls: Vec<Wall>) -> anyhow::Result<String> {
    let Plan { targets, admins, conns, workers, sources, .. } = plan;
    let addresses: Vec<_> = targets.iter().map(|target| target.address).collect();
    let place = Place {
        targets: targets.clone(),
        admins: admins.clone(),
        conns: *conns,
        workers: *workers,
        sources: sources.clone(),
        sources_named: *sources != Sources::auto(&addresses, plan.phases.ports_needed()),
    };
    let (demand, peer) = (Demand::of(plan), plan.peer);
    let question = Question { place, demand, is_seated: true, peer, form: Form::Json };
    let refusal = Refusal { verdict: "preflight", exit_code: verdict::PREFLIGHT, walls };
    let found = Findings { refusal: Some(refusal), ..judge(&question, facts) };
    Ok(serde_json::to_string_pretty(&found)? + "\n")
}

fn examine(question: &Question) -> Findings {
    let place = &question.place;
    let machine = Machine::read();
    // Ctrl-C ends the process: nothing is to be kept.
    let never = AtomicBool::new(false);
    let status = (!place.admins.is_empty()).then(|| server_side::fetch_all(&place.admins, &never));
    judge(question, &Facts::gather(&place.sources, None, &machine, status))
}

/// The findings, all facts given.
fn judge(question: &Question, facts: &Facts) -> Findings {
    let (place, demand) = (&question.place, &question.demand);
    let mut budgets = preflight::budgets(demand, question.peer, facts);
    // Where there is enough, what would move the wall is no advice.
    budgets
        .iter_mut()
        .filter(|budget| budget.carries >= demand.conns)
        .for_each(|budget| budget.remedy.clear());
    let first_wall = (0..budgets.len()).min_by_key(|at| budgets[*at].carries);
    let maximum = first_wall.map(|at| demand.whole(budgets[at].carries));
    let has_sink = matches!(question.peer, Peer::Sink { .. });
    let server_unknown = match &facts.status {
        _ if has_sink => None,
        None => Some("no admin endpoint is known; name it with --admin http://HOST:PORT".to_owned()),
        Some(Err(unknown)) => Some(unknown.to_string()),
        Some(Ok(_)) => None,
    };
    let refused = preflight::sources(facts).map(|wall| wall.problem);
    Findings {
        schema: SCHEMA,
        kind: "doctor",
        target: match has_sink {
            true => "the built-in sink".to_owned(),
            false => place.targets.iter().map(|target| target.url.as_str()).collect::<Vec<_>>().join(", "),
        },
        conns: demand.conns,
        fits: refused.is_none() && maximum.is_none_or(|maximum| maximum >= demand.conns),
        maximum,
        too_many: maximum.map_or(Vec::new(), |maximum| demand.too_many(maximum)),
        first_wall,
        sources_refused: refused,
        budgets,
        warnings: preflight::warnings(demand, facts),
        machines: machines(demand, place.sources_named, &facts.here, facts.told()),
        server_unknown,
        others_known: facts.told().is_some(),
        seats_counted: question.is_seated,
        refusal: None,
    }
}

/// On loopback there is one machine, with both roles.
fn machines(demand: &Demand, named: bool, here: &Readings, status: Option<&Status>) -> Vec<Examined> {
    let server_workers = status.and_then(|status| status.limits.workers);
    if demand.is_loopback {
        // The table knows one number of workers. The fewer have the larger tables, and what bounds both sides' limits
        // (fs.nr_open) must reach the larger.
        let workers = server_workers.map_or(demand.workers, |workers| workers.min(demand.workers));
        let mut both = Examined::new(Role::Both, demand, named, workers, here);
        both.fewer = server_workers.is_some_and(|workers| workers != demand.workers);
        if let Some((workers, limit)) =
            server_workers.zip(status.and_then(|status| status.limits.descriptors))
        {
            // Each process has a limit and tables of its own.
            let its = Readings { descriptors_hard: Some(limit), ..here.clone() };
            let ours = Examined::new(Role::Client, demand, named, demand.workers, here);
            both.tell_apart([ours, Examined::new(Role::Server, demand, false, workers, &its)]);
        }
        return vec![both];
    }
    let there = status.and_then(|status| status.machine.as_ref());
    let server =
        there.map(|there| Examined::new(Role::Server, demand, false, server_workers.unwrap_or(1), there));
    [Examined::new(Role::Client, demand, named, demand.workers, here)].into_iter().chain(server).collect()
}

impl Examined {
    fn new(role: Role, demand: &Demand, named: bool, workers: u64, machine: &Readings) -> Self {
        let at_most = |n: u64, most: i64| i64::try_from(n).unwrap_or(most).min(most);
        let whole = |n: u64| at_most(n, COUNT_MAX);
        let ports = ports::usable(machine).map_or(0, u64::from);
        let sources = match &demand.sources {
            // The ports are handed out by us then, and not from the kernel's range, which the table asks a client alone
            // for: so many addresses as it would be enough with.
            Sources::Explicit(addresses) if named => {
                let enough = if role == Role::Client && ports > 0 { demand.conns.div_ceil(ports) } else { 1 };
                enough.max(addresses.len() as u64)
            }
            // As `tune.sh` reckons: as many as the kernel's range of ports asks for.
            _ if role == Role::Both && ports > 0 => demand.conns.div_ceil(ports),
            _ => 1,
        };
        let variables = Variables {
            conns: whole(demand.conns),
            ends: whole(if role == Role::Both { 2 * demand.conns } else { demand.conns }),
            workers: whole(workers.max(1)),
            sources: whole(sources),
            per_source: whole(demand.conns.div_ceil(sources.max(1))),
            page_bytes: whole(machine.page_bytes.max(1)),
            memory_bytes: at_most(machine.memory_bytes, BYTES_MAX),
        };
        let sources = if named { format!(" --sources {sources}") } else { String::new() };
        let mut knobs = knobs::judge_all(role, &variables, machine);
        if role != Role::Client && demand.rooms.is_some() {
            // The names of the rooms choose the tables: how many workers help, the wall says.
            knobs.iter_mut().for_each(|knob| knob.commands.retain(|command| !command.contains("workers")));
        }
        Self {
            hostname: machine.hostname.clone(),
            kernel: machine.kernel.clone(),
            role,
            workers,
            fewer: false,
            tune_words: format!(
                "--role {} --conns {} --workers {workers}{sources}",
                role.name(),
                demand.conns
            ),
            unread: machine.asked.unread.clone(),
            knobs,
        }
    }
}

impl Examined {
    /// Takes what the processes of `sides` find of their descriptor limit in place of its own.
    fn tell_apart(&mut self, sides: [Self; 2]) {
        let of_process = |knob: &Judged| knob.name == "RLIMIT_NOFILE";
        let Some(at) = self.knobs.iter().position(of_process) else { return };
        let apart = sides.into_iter().flat_map(|side| {
            let role = side.role;
            side.knobs.into_iter().filter(of_process).map(move |knob| Judged { process: Some(role), ..knob })
        });
        self.knobs.splice(at..=at, apart);
    }
}

impl Findings {
    /// The budgets that are too small, the smallest first.
    fn short(&self) -> Vec<&Budget> {
        let mut short: Vec<&Budget> =
            self.budgets.iter().filter(|budget| budget.carries < self.conns).collect();
        short.sort_by_key(|budget| budget.carries);
        short
    }
}

#[cfg(test)]
mod implausible;
#[cfg(test)]
mod tests;
