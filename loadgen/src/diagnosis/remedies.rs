//! What helps against a class: what to type, or where to look.

use std::net::SocketAddr;

use super::knock::Knock;
use super::signs::Signs;
use crate::budget;
use crate::doctor::{enough, knobs, ports as kernel_ports};
use crate::server_side::{Status, StatusLimits};

pub(super) const SERVER_ENDED: &str = "find out why it ended: its log and exit status, and whether the kernel killed it \
     (journalctl -k | grep -i 'out of memory'); then start it again";
pub(super) const ACCEPT_PAUSED: &str = "the server's log names what ran out: raise fs.file-max or net.ipv4.tcp_mem there \
     (tuning/tune.sh plan --role server)";
pub(super) const OVERLOADED: &str = "fewer players per worker: more --workers on the server, or lower --conns; its \
     log and /status name the worker that is late. Where it used little CPU (the line `server`), others had it: give it a CPU \
     of its own";
pub(super) const SPEAKS_TLS: &str =
    "--target with the port behind the proxy that ends TLS: loadgen speaks ws:// only";
pub(super) const SHUT_DOWN: &str = "whoever or whatever stopped it stands in its log (SIGTERM, a deploy, systemctl stop); start it, and run again";
pub(super) const RAW_SIZES: &str = "--raw-in and --raw-out as that program takes and answers them: for one that answers with what it \
     was sent the same size for both, for example --raw-in 70 --raw-out 70";
pub(super) const PACKETS_DROPPED: &str =
    "sysctl -w net.core.netdev_max_backlog=10000, or a lower --connect-rate";
pub(super) const HEARD_TOO_LATE: &str = "see the generator's CPU and send lag: less load per worker, or CPUs of its own \
     (--workers, --cpus); a server that is too busy to read may also be late itself, or wait longer with \
     session.silent_close";
pub(super) const SILENT: &str = "check the port in --target: something else may listen there; if it is the server, it is \
     stuck or stopped: see its state with `ps -o pid,stat,wchan -C tickring-server`, and its log";
pub(super) const STUCK: &str =
    "see whether it is stopped or busy (`ps -o pid,stat,pcpu -C tickring-server`), and its log";
pub(super) const HUNG_UP: &str = "check --target (host, port, path): another protocol, or a proxy without a server behind \
     it, ends what it does not understand; if it is the server, see its log";
pub(super) const KERNEL_MEMORY: &str =
    "fewer --conns, or a larger net.ipv4.tcp_mem (tuning/tune.sh plan --role both)";
pub(super) const CUT: &str =
    "see the server's log for these connections, and the time limits of proxies in between";
pub(super) const NOT_ATTEMPTED: &str = "the other connections took too long: see what they met; else lower --conns, or \
     raise --connect-rate";

/// What answers is hardly a server of ours; where one answers beside it, at least the way to it is wrong.
pub(super) fn check_target(signs: &Signs) -> String {
    let (doubt, whether) = match signs.status() {
        None => ("probably not a Tickring server: ", "if it is one"),
        Some(_) => ("", "if it is the server whose admin endpoint answers"),
    };
    format!("{doubt}check --target (host, port, path); {whether}, compare `versions` in the report")
}

/// It speaks WebSocket well enough to have answered.
pub(super) fn broken(signs: &Signs) -> String {
    format!(
        "see the server's log for these connections; if a proxy stands in between, try without ({}); with a Tickring server \
         compare `versions` in the report",
        signs.target
    )
}

/// Nobody listens, though the admin endpoint may answer.
pub(super) fn nobody_listens(signs: &Signs) -> String {
    if signs.is_raw {
        format!("start the program that answers plain bytes on {}, or check --target", signs.target)
    } else if signs.status().is_some() {
        "the server runs, but players connect elsewhere: --target with the address it printed as `listening on`"
            .to_owned()
    } else {
        let target = &signs.target;
        let other = target.parse::<SocketAddr>().ok().filter(|listen| listen.port() != 9001);
        let admin = other.and_then(|listen| Some((listen.ip(), listen.port().checked_add(1)?)));
        let admin = admin.map_or(String::new(), |admin| format!(" --admin {}", SocketAddr::from(admin)));
        format!("start the server (tickring-server --listen {target}{admin}), or check --target")
    }
}

/// The doctor's advice: what it says before a run holds after it.
pub(super) fn table_full(signs: &Signs) -> String {
    more_places(signs).unwrap_or_else(|| server_room(signs, enough::server_tables))
}

/// Where the names of the rooms choose the workers, by these names.
fn more_places(signs: &Signs) -> Option<String> {
    budget::more_places(signs.demand.as_ref()?, signs.status_before.as_ref()?, &signs.here)
}

/// More room for each worker; smaller rooms spread more evenly.
pub(super) fn worker_full(signs: &Signs) -> String {
    if let Some(advice) = more_places(signs) {
        return advice;
    }
    let limits = signs.status().map(|status| status.limits.clone()).unwrap_or_default();
    let is_fixed = signs.is_here && signs.here.limits_are_fixed;
    let larger = enough::larger_table(&limits, enough::table(signs.conns), is_fixed);
    format!(
        "start the server with {larger}, which is enough even if all rooms live on one worker; or more and smaller rooms, \
         --rooms; loadgen doctor tells beforehand what will fit"
    )
}

pub(super) fn server_full(signs: &Signs) -> String {
    let room = more_places(signs).unwrap_or_else(|| server_room(signs, enough::server_room));
    format!("{room}, or ask for fewer --conns")
}

/// Room for this run's connections and those that were there before.
fn server_room(signs: &Signs, advice: fn(&StatusLimits, u64, bool) -> String) -> String {
    let open = signs.status_before.as_ref().map_or(0, Status::taken);
    let limits = signs.status().map(|status| status.limits.clone()).unwrap_or_default();
    let is_fixed = signs.is_here && signs.here.limits_are_fixed;
    advice(&limits, signs.conns.saturating_add(open), is_fixed)
}

/// Players of each room where the run alone decides how many rooms it has, so that there is no --rooms.
fn paired(signs: &Signs) -> Option<u64> {
    signs.demand.as_ref()?.rooms?.players_max
}

pub(super) fn rooms_full(signs: &Signs) -> String {
    let fewer = if paired(signs).is_some() { "--conns" } else { "--rooms" };
    format!(
        "start the server with a larger --rooms-max (rooms of each worker) or more --workers, or ask for fewer: {fewer}"
    )
}

pub(super) fn room_full(signs: &Signs) -> String {
    let seats = signs.status().and_then(|status| status.limits.players_max_per_room);
    let larger = if let Some(players) = paired(signs) {
        // Where its own players have seats, somebody else has taken them.
        let players = players.max(seats.map_or(0, |seats| seats.saturating_add(1)));
        format!("start the server with larger rooms, --players-per-room {players}")
    } else {
        let rooms = seats.map_or("N".to_owned(), |seats| signs.conns.div_ceil(seats.max(1)).to_string());
        format!("--rooms {rooms}, or larger rooms: room.players_max on the server")
    };
    format!(
        "{larger}; where somebody else plays in the same rooms, such as another loadgen, another --seed gives rooms of \
         your own"
    )
}

pub(super) fn no_endpoint(signs: &Signs) -> String {
    match (&signs.path, signs.status()) {
        (None, Some(_)) if signs.plays => format!(
            "--target with the address that the server printed as `listening on`; {} is another port, such as its admin \
             endpoint",
            signs.target
        ),
        (None, None) if signs.plays => check_target(signs),
        (Some(_), _) => format!(
            "start the server with --echo, which `run idle` and `run echo` need, and --target ws://{} without a path",
            signs.target
        ),
        (None, Some(_)) => "start the server with --echo".to_owned(),
        (None, None) => format!("start the server with --echo; {}", check_target(signs)),
    }
}

/// Whoever does not accept at all is not helped by a longer queue.
pub(super) fn overflow(signs: &Signs) -> String {
    if signs.knock == Some(Knock::Silent) {
        return format!("the server is stopped or stuck: {STUCK}");
    }
    "sysctl -w net.core.somaxconn=4096 and start the server anew (the queue's length is fixed when it listens), more \
     --workers on the server, or a lower --connect-rate"
        .to_owned()
}

pub(super) fn conntrack(signs: &Signs) -> String {
    let max = signs.here.number("net.netfilter.nf_conntrack_max");
    raised(signs, "net.netfilter.nf_conntrack_max", ("net.netfilter.nf_conntrack_count", max))
}

/// What the doctor says who sees the table as the run met it: full, up to `max`, whoever has filled it.
fn raised(signs: &Signs, name: &str, (count, max): (&str, Option<u64>)) -> String {
    let mut here = signs.here.clone();
    here.sysctls.insert(count.to_owned(), max.unwrap_or(0).to_string());
    knobs::raise(name, signs.conns, signs.is_loopback, &here).join(" && ")
}

pub(super) fn unanswered(signs: &Signs) -> String {
    let host = signs.target.rsplit_once(':').map_or(signs.target.as_str(), |(host, _)| host);
    let there = if signs.is_here {
        "see nft list ruleset".to_owned()
    } else {
        format!(
            "see ping {host}, and on the server's machine nft list ruleset and nstat -az TcpExtListenOverflows"
        )
    };
    format!("check --target; {there}")
}

/// A hard limit that has room for sockets: loadgen raises the soft one itself.
pub(super) fn descriptors(signs: &Signs) -> String {
    let limit = enough::higher_limit(4_096, signs.here.limits_are_fixed);
    format!("a higher hard limit of descriptors for the generator, before it starts ({limit})")
}

/// More ports, or more addresses.
pub(super) fn ports(signs: &Signs) -> String {
    if signs.sources.is_some() {
        "more source addresses: --src 127.0.0.2-127.0.0.9 on loopback, or wait until TIME_WAIT is over (60 s)"
            .to_owned()
    } else if kernel_ports::usable(&signs.here)
        .is_some_and(|ports| u64::from(ports) >= kernel_ports::most(&signs.here))
    {
        "name more source addresses of this machine with --src; ports in TIME_WAIT are free after 60 s"
            .to_owned()
    } else {
        format!(
            "{}, or name more source addresses of this machine with --src; ports in TIME_WAIT are free after 60 s",
            kernel_ports::commands(&signs.here).join(" && ")
        )
    }
}

pub(super) fn open_files(signs: &Signs) -> String {
    let max = signs.here.number("fs.file-max").max(signs.kernel_after.files_open);
    raised(signs, "fs.file-max", ("fs.file-nr", max))
}

pub(super) fn unreachable(signs: &Signs) -> String {
    let host = signs.target.rsplit_once(':').map_or(signs.target.as_str(), |(host, _)| host);
    format!("check --target, and the way there: ip route get {host}")
}

/// It may be something else that listens, or be stuck.
pub(super) fn mute(signs: &Signs) -> String {
    if signs.is_raw {
        return format!(
            "check --target, and that --raw-in and --raw-out are the sizes that what listens there expects and answers; \
             where it speaks WebSocket, leave out --raw; else {STUCK}"
        );
    }
    if signs.plays {
        return format!(
            "check --target: a Tickring server that seats a player says something every tick; if it is one, {STUCK}"
        );
    }
    format!(
        "check that it echoes each binary message ({}; a Tickring server started with --echo does); if it is the server, {STUCK}",
        signs
            .path
            .as_deref()
            .map_or_else(|| "its path is /v1/echo".to_owned(), |path| format!("the path given is {path}"))
    )
}

/// Who answered before knows how: it is stuck, or has more to do than it can.
pub(super) fn fell_silent(signs: &Signs) -> String {
    let sizes = if signs.is_raw {
        "check that --raw-out is the size of its answers, since shorter ones never make up the last; else "
    } else {
        ""
    };
    format!(
        "{sizes}{STUCK}; where it is busy, the load is too much for it: lower --conns or --rate, or more --workers on the \
         server; find tells how much it carries"
    )
}

/// Who answered everything before is hardly stuck.
pub(super) fn goodbyes(signs: &Signs) -> String {
    let answer = "what listens there has to read to the end and to answer each close frame with one (RFC 6455 5.5.1), as a \
                  Tickring server does";
    let figures = if signs.received > 0 { "; the figures of the traffic stand" } else { "" };
    format!("{answer}{figures}; if it is the server, {STUCK}")
}

/// Without a path: that is of the URL.
pub(super) fn websocket(signs: &Signs) -> String {
    format!(
        "leave out --raw (--target ws://{}); --raw is for programs that move plain bytes, without WebSocket",
        signs.target
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{Demand, budgets};
    use crate::cli::Cli;
    use crate::diagnosis::{Side, diagnose};
    use crate::doctor::Readings;
    use crate::kernel::KernelCounters;
    use crate::machine::Machine;
    use crate::measure::errors::{Cause, Stage};
    use crate::plan::Plan;
    use crate::preflight::Facts;

    fn plan(target: &str, conns: u64) -> Plan {
        Cli::plan(format!("echo --conns {conns} --target {target}").split_whitespace()).unwrap()
    }

    /// The value that a command or a sentence sets `name` to.
    fn set(text: &str, name: &str) -> u64 {
        let value = text.split_once(&format!("{name}=")).unwrap_or_else(|| panic!("{name}: {text}")).1;
        value.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse().unwrap()
    }

    #[test]
    fn tables_that_rooms_filled_are_mended_as_the_doctor_says() {
        let demand = Demand::of(&Cli::plan("game --conns 300".split(' ')).unwrap());
        let mut status = Status { pid: Some(1), ..Status::default() };
        let limits = &mut status.limits;
        (limits.workers, limits.connections_per_worker_max, limits.connections_max) =
            (Some(2), Some(120), Some(240));
        let facts = Facts { status: Some(Ok(status.clone())), ..Facts::default() };
        let wall = budgets(&demand, &facts).into_iter().find(|wall| wall.what == "connections").unwrap();
        let signs = Signs {
            demand: Some(demand),
            conns: 300,
            status_before: Some(status),
            plays: true,
            ..Signs::default()
        };
        assert_eq!((table_full(&signs), worker_full(&signs)), (wall.remedy.clone(), wall.remedy));
        assert_ne!(
            table_full(&signs),
            table_full(&Signs { demand: None, ..signs }),
            "a hash of names is another"
        );
    }

    #[test]
    fn who_is_to_be_started_is_what_the_run_asks_for() {
        let signs = Signs { target: "127.0.0.1:9190".to_owned(), ..Signs::default() };
        assert!(nobody_listens(&signs).contains("--listen 127.0.0.1:9190 --admin 127.0.0.1:9191)"));
        assert!(
            !nobody_listens(&Signs { target: "127.0.0.1:9001".to_owned(), ..signs.clone() })
                .contains("--admin")
        );
        assert!(!nobody_listens(&Signs { is_raw: true, ..signs }).contains("tickring-server"));
    }

    #[test]
    fn only_who_has_the_flag_is_advised_to_use_it() {
        for (preset, has_rooms) in [("game", true), ("rewind", false)] {
            let plan = Cli::plan([preset, "--conns", "70"]).unwrap();
            let signs = Signs::before(&plan, &Machine::read(), (KernelCounters::default(), None));
            for (code, flag) in [(100, "--players-per-room 2;"), (101, "--rooms-max")] {
                let mut signs = signs.clone();
                signs.status_before = Some(Status::default());
                let limits = &mut signs.status_before.as_mut().unwrap().limits;
                (limits.connections_max, limits.players_max_per_room) = (Some(100), Some(1));
                signs.errors.add_many(Stage::Upgrade, Cause::Fault(code), 7);
                let found = diagnose(&signs).remove(0);
                assert_eq!(
                    found.remedy.replace("--rooms-max", "").contains("--rooms"),
                    has_rooms,
                    "{found:?}"
                );
                assert!(has_rooms || found.remedy.contains(flag), "{found:?}");
            }
        }
    }

    /// The table's own formulas, for a machine that is full of others' or not.
    #[test]
    fn a_full_table_is_raised_to_what_the_doctor_and_the_script_say() {
        let errno = |errno: rustix::io::Errno| Cause::Errno(errno.raw_os_error());
        let walls = [
            ("net.netfilter.nf_conntrack_max", "net.netfilter.nf_conntrack_count", Cause::Timeout),
            ("fs.file-max", "fs.file-nr", errno(rustix::io::Errno::NFILE)),
        ];
        for (target, ends) in [("ws://127.0.0.1:9001", 2), ("ws://192.0.2.1:9001", 1)] {
            for (conns, full) in [(1_000, 1_000), (1_000, 8_192), (20_000, 300_000)] {
                for (max, count, cause) in &walls {
                    let plan = plan(target, conns);
                    let settings = [(*max, full), (*count, full)];
                    let sysctls = settings.map(|(name, n)| (name.to_owned(), n.to_string())).into();
                    let machine = Readings { sysctls, ..Readings::default() };
                    let facts = Facts { here: machine.clone(), ..Facts::default() };
                    let budgets = budgets(&Demand::of(&plan), &facts);
                    let doctor = budgets.iter().find(|budget| budget.remedy.contains(max)).unwrap();
                    let kernel = KernelCounters { conntrack_count: Some(full), ..KernelCounters::default() };
                    let mut signs = Signs {
                        here: machine,
                        ..Signs::before(&plan, &Machine::read(), (kernel.clone(), None))
                    };
                    signs.kernel_after = kernel;
                    signs.errors.add_many(Stage::Connect, cause.clone(), 7);
                    let found = diagnose(&signs).remove(0);
                    assert_eq!(found.side, Side::Machine, "{found:?}");
                    let value = set(&found.remedy, max);
                    assert_eq!(value, set(&doctor.remedy, max), "{found:?}");
                    assert!(value > full, "only ever raised: {found:?}");
                    if full <= 8_192 {
                        let formula =
                            if *max == "fs.file-max" { ends * conns } else { conns * 5 / 4 } + 8_192;
                        assert_eq!(value, formula, "the table's formula: {found:?}");
                    }
                }
            }
        }
    }
}
