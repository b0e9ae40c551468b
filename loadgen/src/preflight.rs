//! Will N connections fit? Answered before the first one is made, with the command that helps.

mod sink;

use std::net::Ipv4Addr;

use serde::Serialize;
use tickring_ring::{Ring, SetupError};

use crate::budget::{Budget, Demand};
use crate::doctor::Readings;
use crate::doctor::enough::{self, Taker};
use crate::machine::memory::Bound;
use crate::machine::{self, Machine};
use crate::plan::{Peer, Plan};
use crate::server_side::{Status, Unknown};
use crate::slo;
use crate::sources::Sources;
use crate::terminal;

/// Something that cannot carry the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Wall {
    /// What it is, and how far it reaches.
    pub(crate) problem: String,
    /// The command that moves it.
    pub(crate) remedy: String,
}

/// What the preflight knows; gathered first, so that judging is pure.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    /// Soft descriptor limit after raising; `None`: unlimited.
    pub(crate) descriptors: Option<u64>,
    /// Of these, how many are open already.
    pub(crate) descriptors_open: u64,
    /// This machine.
    pub(crate) here: Readings,
    /// What bounds this process's memory besides the machine's.
    pub(crate) memory_bounds: Vec<Bound>,
    /// Why there can be no ring here, which every connection goes through.
    pub(crate) ring_refused: Option<Wall>,
    /// A source address that cannot be bound to, and why not.
    pub(crate) source_refused: Option<(Ipv4Addr, String)>,
    /// The CPUs this process may use; empty: unknown.
    pub(crate) cpus: Vec<usize>,
    /// The server's status, or why there is none.
    pub(crate) status: Option<Result<Status, Unknown>>,
    /// Whether the process named by `--server-pid` exists.
    pub(crate) server_process: Option<bool>,
}

impl Facts {
    /// Gathers them.
    pub(crate) fn gather(
        sources: &Sources,
        server_pid: Option<u32>,
        machine: &Machine,
        status: Option<Result<Status, Unknown>>,
    ) -> Self {
        Self {
            descriptors: machine.limits.descriptors,
            descriptors_open: machine.limits.descriptors.map_or(0, machine::descriptors_open),
            here: Readings::here(machine),
            memory_bounds: machine::memory::bounds(),
            ring_refused: ring_refused(),
            source_refused: sources.refused().map(|(address, error)| (address, error.to_string())),
            cpus: machine::usable_cpus(),
            status,
            server_process: server_pid.map(crate::server_side::process_exists),
        }
    }
}

impl Facts {
    /// Descriptors that this process may still open; `None`: without bound.
    pub(crate) fn descriptors_left(&self) -> Option<u64> {
        self.descriptors.map(|limit| limit.saturating_sub(self.descriptors_open))
    }

    /// What the servers that answered say of themselves.
    pub(crate) fn told(&self) -> Option<&Status> {
        self.status.as_ref()?.as_ref().map_or_else(|unknown| unknown.told.as_deref(), Some)
    }
}

impl Wall {
    /// Why there is no ring; the text of the error ends with its remedy.
    pub(crate) fn of_ring(error: &SetupError) -> Self {
        let text = error.to_string();
        let (problem, remedy) = text.split_once(". Remedy: ").unwrap_or((&text, ""));
        Self { problem: problem.to_owned(), remedy: remedy.to_owned() }
    }
}

/// Why there can be no ring; tried with a small one. Whether a table is larger than the descriptor limit is asked for the
/// run's own.
fn ring_refused() -> Option<Wall> {
    let error = Ring::probe().err()?;
    (!matches!(error, SetupError::TableTooLarge { .. })).then(|| Wall::of_ring(&error))
}

/// Everything that is known to have an end, with what moves it where `peer` answers.
pub(crate) fn budgets(demand: &Demand, peer: Peer, facts: &Facts) -> Vec<Budget> {
    let all = crate::budget::budgets(demand, facts);
    match peer {
        Peer::Server => all,
        Peer::Sink { table } => sink::fit(all, demand, table, facts),
    }
}

/// Everything that stands in the way, most fundamental first.
pub(crate) fn walls(plan: &Plan, facts: &Facts) -> Vec<Wall> {
    let short = budgets(&Demand::of(plan), plan.peer, facts)
        .into_iter()
        .filter(|budget| budget.carries < plan.conns.into());
    let short = short.map(|budget| Wall {
        problem: format!(
            "{} of {} connections fit: {} ({}, {} side)",
            budget.carries,
            plan.conns,
            budget.why,
            budget.what,
            budget.side.name()
        ),
        remedy: budget.remedy,
    });
    let others = [cpus, server, objectives];
    short.chain(others.iter().filter_map(|check| check(plan, facts))).collect()
}

/// What is no wall, and still not as it should be.
pub(crate) fn warnings(demand: &Demand, facts: &Facts) -> Vec<String> {
    let cpus = facts.cpus.len() as u64;
    // As many tables as the descriptor limit asks for are none too many.
    let asked_for =
        |limit| enough::workers(demand.conns, limit).min(Taker::LOADGEN.startable(facts.descriptors_left()));
    let needed = facts.descriptors.map_or(1, asked_for).max(cpus);
    let too_many = cpus > 0 && demand.workers > needed;
    let fewer = || {
        format!(
            "{} workers on {cpus} CPU(s), which take turns and are late by that: fewer, --workers {needed}",
            demand.workers
        )
    };
    too_many.then(fewer).into_iter().collect()
}

/// Tells people.
pub(crate) fn say(wall: &Wall) {
    terminal::say(format_args!("loadgen: preflight: {}\n         remedy: {}", wall.problem, wall.remedy));
}

fn wall(problem: String, remedy: String) -> Option<Wall> {
    Some(Wall { problem, remedy })
}

/// Source addresses must be this machine's own.
pub(crate) fn sources(facts: &Facts) -> Option<Wall> {
    let (address, error) = facts.source_refused.as_ref()?;
    wall(
        format!("connections cannot come from {address}, which --src names: {error}"),
        "--src with addresses of this machine only, which `ip -4 -brief address` lists (all of 127.0.0.0/8 \
         towards a loopback target), or no --src at all"
            .to_owned(),
    )
}

fn cpus(plan: &Plan, facts: &Facts) -> Option<Wall> {
    let missing = plan.cpus.iter().find(|cpu| !facts.cpus.is_empty() && !facts.cpus.contains(cpu))?;
    let usable = facts.cpus.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    wall(
        format!("--cpus names CPU {missing}, which this process may not use"),
        format!("--cpus with some of {usable}"),
    )
}

/// The process behind `--server-pid` must be the server.
fn server(plan: &Plan, facts: &Facts) -> Option<Wall> {
    if facts.server_process == Some(false) {
        let pid = plan.server_pid.unwrap_or_default();
        return wall(
            format!("there is no process {pid}"),
            "--server-pid $(pgrep -n -x tickring-server)".to_owned(),
        );
    }
    let status = facts.told()?;
    let (given, told) = plan.server_pid.zip(status.pid).filter(|(given, told)| given != told)?;
    wall(
        format!("--server-pid {given} is not the server, which says that it is process {told}"),
        format!(
            "--server-pid {told}, or none, for the server's own figures (in a container it counts processes otherwise: \
             --force)"
        ),
    )
}

/// An objective that needs figures the server does not give. What the preset itself does not measure is
/// refused with the plan.
fn objectives(plan: &Plan, facts: &Facts) -> Option<Wall> {
    let admin_works = matches!(facts.status, Some(Ok(_)));
    for slo in &plan.slo {
        let measurable = match slo.metric.source() {
            slo::Source::Client => true,
            slo::Source::Admin => admin_works,
            slo::Source::ServerProcess => admin_works || plan.server_pid.is_some(),
        };
        if !measurable {
            let reason = match &facts.status {
                Some(Err(unknown)) => unknown.to_string(),
                _ => "no admin endpoint is known".to_owned(),
            };
            return wall(
                format!("{slo} needs the server's own figures: {reason}"),
                "name the admin endpoint with --admin http://HOST:PORT".to_owned(),
            );
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;
    use crate::server_side::StatusLimits;

    fn plan(flags: &str) -> Plan {
        Cli::plan(flags.split_whitespace()).unwrap()
    }

    /// A machine with 8 GiB to spare, and these settings on top of the usual ones.
    fn here(settings: &[(&str, &str)]) -> Readings {
        let usual = [
            ("fs.file-max", "1000000"),
            ("fs.file-nr", "1000 0 1000000"),
            ("net.ipv4.ip_local_port_range", "32768 60999"),
        ];
        let all = usual.iter().chain(settings).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Readings { memory_available_bytes: 8 << 30, sysctls: all.collect(), ..Readings::default() }
    }

    fn roomy() -> Facts {
        Facts {
            descriptors: Some(20_000),
            descriptors_open: 0,
            here: here(&[]),
            memory_bounds: Vec::new(),
            ring_refused: None,
            source_refused: None,
            cpus: vec![0, 1],
            status: None,
            server_process: None,
        }
    }

    fn only_wall(flags: &str, facts: &Facts) -> Wall {
        let walls = walls(&plan(flags), facts);
        assert_eq!(walls.len(), 1, "{walls:?}");
        walls.into_iter().next().unwrap()
    }

    #[test]
    fn what_fits_has_no_wall() {
        assert_eq!(walls(&plan("game --conns 1000 --cpus 1"), &roomy()), Vec::new());
        assert_eq!(walls(&plan("idle --conns 60000 --workers 4"), &roomy()), Vec::new());
    }

    #[test]
    fn descriptors_ask_for_workers() {
        let wall = only_wall("idle --conns 60000", &roomy());
        assert!(wall.remedy.contains("--workers 4") && wall.remedy.contains("ulimit -Hn 75256"), "{wall:?}");
        let unlimited = Facts { descriptors: None, ..roomy() };
        assert_eq!(walls(&plan("idle --conns 60000"), &unlimited), Vec::new());
    }

    #[test]
    fn workers_need_descriptors_themselves() {
        let low = Facts { descriptors: Some(512), ..roomy() };
        let tables = only_wall("idle --conns 60000", &low);
        assert!(
            tables.remedy.contains("--workers 168 ") && tables.remedy.contains("ulimit -Hn 75256"),
            "{tables:?}"
        );
        assert_eq!(walls(&plan("idle --conns 60000 --workers 168"), &low), Vec::new());
        let many = only_wall("idle --conns 1000 --workers 300", &low);
        let problem = "0 of 1000 connections fit: 300 workers do not start: RLIMIT_NOFILE = 512 is enough for the \
                       descriptors of 168 (direct descriptors, generator side)";
        assert_eq!(many.problem, problem);
        assert!(many.remedy.contains("--workers 5 ") && many.remedy.contains("ulimit -Hn 908,"), "{many:?}");
        let warned = warnings(&Demand::of(&plan("idle --conns 60000 --workers 168")), &low);
        assert_eq!(warned, Vec::<String>::new(), "as many as are advised");
        let busy = Facts { descriptors_open: 90, ..low };
        assert!(only_wall("idle --conns 60000", &busy).remedy.contains("--workers 138 "), "30 fewer");
    }

    #[test]
    fn both_ends_of_loopback_are_open_files() {
        let facts = Facts { here: here(&[("fs.file-max", "30000")]), ..roomy() };
        let wall = only_wall("idle --conns 15000", &facts);
        assert!(wall.problem.contains("30000 more open files"), "{wall:?}");
        assert_eq!(walls(&plan("idle --conns 15000 --target ws://192.0.2.1:80"), &facts), Vec::new());
    }

    #[test]
    fn ports_ask_for_addresses_or_a_wider_range() {
        let flags = "idle --conns 130000 --workers 8 --src 127.0.0.2";
        assert!(only_wall(flags, &roomy()).remedy.contains("at least 3 addresses"));
        let flags = "idle --conns 30000 --workers 8 --target ws://192.0.2.1:80";
        assert!(only_wall(flags, &roomy()).remedy.contains("ip_local_port_range"));
    }

    #[test]
    fn more_workers_than_anything_asks_for_are_warned_of() {
        let warned = |flags: &str| warnings(&Demand::of(&plan(flags)), &roomy());
        let many = warned("idle --conns 1000 --workers 500");
        assert!(many.len() == 1 && many[0].contains("500 workers on 2 CPU(s)"), "{many:?}");
        assert!(many[0].ends_with("--workers 2"), "{many:?}");
        assert_eq!(warned("idle --conns 1000 --workers 2"), Vec::<String>::new());
        assert_eq!(warned("idle --conns 60000 --workers 4"), Vec::<String>::new(), "a table each");
    }

    #[test]
    fn a_source_address_of_another_machine_is_named() {
        let facts = Facts {
            source_refused: Some((Ipv4Addr::new(192, 0, 2, 1), "no such address".to_owned())),
            ..roomy()
        };
        let wall = only_wall("idle --src 192.0.2.1", &facts);
        assert!(wall.problem.contains("192.0.2.1") && wall.problem.contains("no such address"), "{wall:?}");
        assert!(wall.remedy.contains("ip -4 -brief address"), "{wall:?}");
        assert!(wall.problem.starts_with("0 of 1000 connections fit: connections cannot come"), "{wall:?}");
    }

    #[test]
    fn a_machine_without_io_uring_is_refused_with_the_remedy_of_the_ring() {
        let ring_refused = Some(Wall::of_ring(&SetupError::DisabledBySysctl { value: 2 }));
        let wall = only_wall("idle", &Facts { ring_refused, ..roomy() });
        assert!(wall.problem.contains("kernel.io_uring_disabled = 2 (io_uring, generator side)"), "{wall:?}");
        assert!(wall.remedy.starts_with("as root, `sysctl -w kernel.io_uring_disabled=0`"), "{wall:?}");
    }

    #[test]
    fn memory_conntrack_and_cpus_have_walls() {
        let little = Readings { memory_available_bytes: 1 << 20, ..here(&[]) };
        let facts = Facts { here: little, ..roomy() };
        assert!(only_wall("idle --conns 1000", &facts).remedy.contains("--conns 8"));
        let tracked =
            [("net.netfilter.nf_conntrack_max", "1009"), ("net.netfilter.nf_conntrack_count", "10")];
        let facts = Facts { here: here(&tracked), ..roomy() };
        assert!(only_wall("idle --conns 1000", &facts).remedy.contains("nf_conntrack_max=9442"));
        assert!(only_wall("idle --cpus 0,2", &roomy()).problem.contains("CPU 2"));
    }

    #[test]
    fn the_server_has_its_say() {
        let limits = StatusLimits {
            connections_max: Some(500),
            players_max_per_room: Some(50),
            ..StatusLimits::default()
        };
        let status = Status { game: Some("arena".to_owned()), limits, ..Status::default() };
        let facts = Facts { status: Some(Ok(status)), ..roomy() };
        assert!(only_wall("idle --conns 501", &facts).remedy.contains("--max-conns 501"));
        assert!(only_wall("game --conns 500 --rooms 5", &facts).remedy.contains("--rooms 10"));
        assert!(only_wall("game --conns 500 --game pulse", &facts).remedy.contains("--game arena"));
        assert_eq!(walls(&plan("game --conns 500"), &facts), Vec::new());
        let status = Status { game: Some("mygame".to_owned()), ..Status::default() };
        let wall = only_wall("game", &Facts { status: Some(Ok(status)), ..roomy() });
        assert!(!wall.remedy.contains("--game") && wall.remedy.contains("run idle"), "{wall:?}");
        let status = Status { pid: Some(23), ..Status::default() };
        let other = Facts { status: Some(Ok(status)), server_process: Some(true), ..roomy() };
        let wall = only_wall("game --server-pid 7", &other);
        assert!(wall.problem.contains("--server-pid 7") && wall.problem.contains("process 23"), "{wall:?}");
        assert_eq!(walls(&plan("game --server-pid 23"), &other), Vec::new());
        let gone = Facts { server_process: Some(false), ..roomy() };
        assert!(only_wall("game --server-pid 7", &gone).problem.contains("no process 7"));
    }

    #[test]
    fn objectives_nobody_measures_are_refused() {
        let facts = Facts { status: Some(Err("refused".to_owned().into())), ..roomy() };
        assert!(only_wall("game --slo lateness_p99<1ms", &facts).problem.contains("refused"));
        assert_eq!(walls(&plan("game --slo p99<1ms"), &facts), Vec::new());
        assert_eq!(walls(&plan("game --slo cpu_us_per_message<9 --server-pid 1"), &facts), Vec::new());
    }
}
