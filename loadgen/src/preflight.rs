//! Will N connections fit? Answered before the first one is made, with the command that helps.

use std::net::Ipv4Addr;

use crate::cli::GameName;
use crate::machine::{Machine, sysctl, sysctl_number};
use crate::plan::{Plan, Preset};
use crate::server_side::Status;
use crate::slo;
use crate::sources::{PORTS, Sources};

/// Kernel memory of one end of an idle loopback connection, bytes (measured: 9.8 kB a pair).
const KERNEL_BYTES_PER_END: u64 = 5_000;
/// Our own memory per connection, generously, bytes.
const USER_BYTES_PER_CONNECTION: u64 = 2_000;

/// Something that cannot carry the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    pub(crate) file_max: Option<u64>,
    pub(crate) files_open: Option<u64>,
    /// A source address that cannot be bound to, and why not.
    pub(crate) source_refused: Option<(Ipv4Addr, String)>,
    /// First and last port the kernel chooses from.
    pub(crate) kernel_ports: Option<(u64, u64)>,
    pub(crate) conntrack_free: Option<u64>,
    pub(crate) memory_available_bytes: Option<u64>,
    /// The CPUs this process may use; empty: unknown.
    pub(crate) cpus: Vec<usize>,
    /// The server's status, or why there is none.
    pub(crate) status: Option<Result<Status, String>>,
    /// Whether the process named by `--server-pid` exists.
    pub(crate) server_process: Option<bool>,
}

impl Facts {
    /// Gathers them.
    pub(crate) fn gather(plan: &Plan, machine: &Machine, status: Option<Result<Status, String>>) -> Self {
        let conntrack = sysctl_number("net.netfilter.nf_conntrack_max")
            .zip(sysctl_number("net.netfilter.nf_conntrack_count"))
            .map(|(max, count)| max.saturating_sub(count));
        let ports = sysctl("net.ipv4.ip_local_port_range").and_then(|text| {
            let (first, last) = text.split_once(' ')?;
            Some((first.parse().ok()?, last.parse().ok()?))
        });
        Self {
            descriptors: machine.limits.descriptors,
            file_max: sysctl_number("fs.file-max"),
            files_open: sysctl_number("fs.file-nr"),
            source_refused: plan.sources.refused().map(|(address, error)| (address, error.to_string())),
            kernel_ports: ports,
            conntrack_free: conntrack,
            memory_available_bytes: Some(machine.memory_available_bytes),
            cpus: crate::machine::usable_cpus(),
            status,
            server_process: plan.server_pid.map(crate::server_side::process_exists),
        }
    }
}

/// Everything that stands in the way, most fundamental first.
pub(crate) fn walls(plan: &Plan, facts: &Facts) -> Vec<Wall> {
    let checks = [descriptors, files, sources, ports, conntrack, memory, cpus, server, objectives];
    checks.iter().filter_map(|check| check(plan, facts)).collect()
}

fn wall(problem: String, remedy: String) -> Option<Wall> {
    Some(Wall { problem, remedy })
}

/// Each worker's ring has a table of direct descriptors, at most as large as RLIMIT_NOFILE.
fn descriptors(plan: &Plan, facts: &Facts) -> Option<Wall> {
    let limit = facts.descriptors?;
    let conns = u64::from(plan.conns);
    let largest = conns.div_ceil(u64::from(plan.workers));
    if largest <= limit {
        return None;
    }
    let workers = conns.div_ceil(limit.max(1));
    wall(
        format!("{largest} connections per worker, but a ring's table holds at most RLIMIT_NOFILE = {limit}"),
        format!("use --workers {workers} (a table each), or raise the hard limit: ulimit -Hn {largest}"),
    )
}

/// Direct descriptors are no descriptors of the process, but they are open files of the system.
fn files(plan: &Plan, facts: &Facts) -> Option<Wall> {
    let (max, open) = (facts.file_max?, facts.files_open?);
    let needed = u64::from(plan.conns) * ends_here(plan);
    let free = max.saturating_sub(open);
    (needed > free).then(|| Wall {
        problem: format!("{needed} more open files, but fs.file-max leaves {free}"),
        remedy: format!("sysctl -w fs.file-max={}", open + needed + needed / 4),
    })
}

/// On loopback the server's ends are on this machine too.
const fn ends_here(plan: &Plan) -> u64 {
    if plan.target.address.ip().is_loopback() { 2 } else { 1 }
}

/// Source addresses must be this machine's own.
fn sources(_plan: &Plan, facts: &Facts) -> Option<Wall> {
    let (address, error) = facts.source_refused.as_ref()?;
    wall(
        format!("connections cannot come from {address}, which --src names: {error}"),
        "--src with addresses of this machine only, which `ip -4 -brief address` lists (all of 127.0.0.0/8 \
         towards a loopback target), or no --src at all"
            .to_owned(),
    )
}

/// (source address, source port) pairs.
fn ports(plan: &Plan, facts: &Facts) -> Option<Wall> {
    let conns = u64::from(plan.conns);
    if let Sources::Explicit(addresses) = &plan.sources {
        let capacity = plan.sources.capacity()?;
        if conns <= capacity {
            return None;
        }
        let needed = conns.div_ceil(u64::from(PORTS));
        return wall(
            format!("{conns} connections, but {} source addresses have {capacity} ports", addresses.len()),
            format!("name at least {needed} addresses: --src 127.0.0.2-127.0.0.{}", (needed + 1).min(254)),
        );
    }
    let (first, last) = facts.kernel_ports?;
    let capacity = last.saturating_sub(first) + 1;
    if conns <= capacity {
        return None;
    }
    wall(
        format!(
            "{conns} connections, but the kernel's port range {first}-{last} has {capacity} ports to one server"
        ),
        "sysctl -w net.ipv4.ip_local_port_range='1024 65535', or name source addresses with --src".to_owned(),
    )
}

fn conntrack(plan: &Plan, facts: &Facts) -> Option<Wall> {
    let free = facts.conntrack_free?;
    let conns = u64::from(plan.conns);
    (conns > free).then(|| Wall {
        problem: format!("{conns} connections, but connection tracking has room for {free} more"),
        remedy: format!("sysctl -w net.netfilter.nf_conntrack_max={}", conns * 2),
    })
}

fn memory(plan: &Plan, facts: &Facts) -> Option<Wall> {
    let free = facts.memory_available_bytes?;
    let needed = u64::from(plan.conns) * (KERNEL_BYTES_PER_END * ends_here(plan) + USER_BYTES_PER_CONNECTION);
    (needed > free).then(|| Wall {
        problem: format!("about {} MiB of memory, but {} MiB are available", needed >> 20, free >> 20),
        remedy: format!("fewer connections: --conns {}", u64::from(plan.conns) * free / needed.max(1)),
    })
}

fn cpus(plan: &Plan, facts: &Facts) -> Option<Wall> {
    let missing = plan.cpus.iter().find(|cpu| !facts.cpus.is_empty() && !facts.cpus.contains(cpu))?;
    let usable = facts.cpus.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    wall(
        format!("--cpus names CPU {missing}, which this process may not use"),
        format!("--cpus with some of {usable}"),
    )
}

/// What the server says about itself.
fn server(plan: &Plan, facts: &Facts) -> Option<Wall> {
    if facts.server_process == Some(false) {
        let pid = plan.server_pid.unwrap_or_default();
        return wall(
            format!("there is no process {pid}"),
            "--server-pid $(pidof tickring-server)".to_owned(),
        );
    }
    let status = facts.status.as_ref()?.as_ref().ok()?;
    if let Some((given, told)) = plan.server_pid.zip(status.pid).filter(|(given, told)| given != told) {
        return wall(
            format!("--server-pid {given} is not the server, which says that it is process {told}"),
            format!(
                "--server-pid {told}, or none, for the server's own figures (in a container it counts processes \
                 otherwise: --force)"
            ),
        );
    }
    let conns = u64::from(plan.conns);
    if let Some(max) = status.limits.connections_max.filter(|max| conns > *max) {
        return wall(
            format!("{conns} connections, but the server takes {max}"),
            format!(
                "start the server with --max-conns {conns} (and more --workers, if its limit is descriptors)"
            ),
        );
    }
    let (game, rooms) = match &plan.preset {
        Preset::Game { game, rooms, .. } => (*game, rooms),
        Preset::Rewind { rooms, .. } => (GameName::Arena, rooms),
        Preset::Echo { .. } | Preset::Idle => return None,
    };
    let wanted = format!("{game:?}").to_lowercase();
    if let Some(runs) = status.game.as_ref().filter(|runs| **runs != wanted) {
        let remedy = match plan.preset {
            Preset::Rewind { .. } => "start the server with --game arena".to_owned(),
            _ => format!("--game {runs}"),
        };
        return wall(format!("the server runs {runs}, the bots play {wanted}"), remedy);
    }
    let max = status.limits.players_max_per_room?;
    let players = conns.div_ceil(u64::from(*rooms));
    (players > max).then(|| Wall {
        problem: format!("{players} players a room, but the server seats {max}"),
        remedy: format!(
            "--rooms {}, or larger rooms in the server's configuration",
            conns.div_ceil(max.max(1))
        ),
    })
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
                Some(Err(error)) => error.clone(),
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
    use crate::cli::{Cli, Command};
    use crate::server_side::StatusLimits;
    use clap::Parser;

    fn plan(flags: &str) -> Plan {
        let words = ["loadgen", "run"].into_iter().chain(flags.split_whitespace());
        let Command::Run { preset } = Cli::try_parse_from(words).unwrap().command;
        Plan::new(preset).unwrap()
    }

    fn roomy() -> Facts {
        Facts {
            descriptors: Some(20_000),
            file_max: Some(1_000_000),
            files_open: Some(1_000),
            source_refused: None,
            kernel_ports: Some((32_768, 60_999)),
            conntrack_free: None,
            memory_available_bytes: Some(8 << 30),
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
        assert!(wall.remedy.contains("--workers 3"), "{wall:?}");
        let unlimited = Facts { descriptors: None, ..roomy() };
        assert_eq!(walls(&plan("idle --conns 60000"), &unlimited), Vec::new());
    }

    #[test]
    fn both_ends_of_loopback_are_open_files() {
        let facts = Facts { file_max: Some(30_000), ..roomy() };
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
    fn a_source_address_of_another_machine_is_named() {
        let facts = Facts {
            source_refused: Some((Ipv4Addr::new(192, 0, 2, 1), "no such address".to_owned())),
            ..roomy()
        };
        let wall = only_wall("idle --src 192.0.2.1", &facts);
        assert!(wall.problem.contains("192.0.2.1") && wall.problem.contains("no such address"), "{wall:?}");
        assert!(wall.remedy.contains("ip -4 -brief address"), "{wall:?}");
    }

    #[test]
    fn memory_conntrack_and_cpus_have_walls() {
        let facts = Facts { memory_available_bytes: Some(1 << 20), ..roomy() };
        assert!(only_wall("idle --conns 1000", &facts).remedy.contains("--conns 8"));
        let facts = Facts { conntrack_free: Some(999), ..roomy() };
        assert!(only_wall("idle --conns 1000", &facts).remedy.contains("nf_conntrack_max=2000"));
        assert!(only_wall("idle --cpus 0,2", &roomy()).problem.contains("CPU 2"));
    }

    #[test]
    fn the_server_has_its_say() {
        let limits = StatusLimits { connections_max: Some(500), players_max_per_room: Some(50) };
        let status = Status { game: Some("arena".to_owned()), limits, ..Status::default() };
        let facts = Facts { status: Some(Ok(status)), ..roomy() };
        assert!(only_wall("idle --conns 501", &facts).remedy.contains("--max-conns 501"));
        assert!(only_wall("game --conns 500 --rooms 5", &facts).remedy.contains("--rooms 10"));
        assert!(only_wall("game --conns 500 --game pulse", &facts).remedy.contains("--game arena"));
        assert_eq!(walls(&plan("game --conns 500"), &facts), Vec::new());
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
        let facts = Facts { status: Some(Err("refused".to_owned())), ..roomy() };
        assert!(only_wall("game --slo lateness_p99<1ms", &facts).problem.contains("refused"));
        assert_eq!(walls(&plan("game --slo p99<1ms"), &facts), Vec::new());
        assert_eq!(walls(&plan("game --slo cpu_us_per_message<9 --server-pid 1"), &facts), Vec::new());
    }
}
