//! How many connections each resource carries, on both sides: what the preflight refuses by and the doctor shows.

mod memory;
mod seating;
mod seats;
mod served;
mod tables;

pub(crate) use memory::waiting_bytes;
use serde::Serialize;
pub(crate) use served::Service;

use crate::doctor::enough::{self, Taker};
use crate::doctor::{Readings, ports};
use crate::plan::{BOTS_PER_ROOM, Names, Pace, Plan, Preset};
use crate::preflight::{self, Facts, Wall};
use crate::server_side::{Listing, Part, Status};
use crate::sources::{PORTS, Sources};

/// The most connections of a run.
const CONNS_MAX: u64 = 4_000_000;

/// Whose resource it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Side {
    /// This process.
    Generator,
    /// This machine, which on loopback has both ends.
    Machine,
    /// The server, and its machine where that is another one.
    Server,
}

/// A resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Budget {
    pub(crate) side: Side,
    pub(crate) what: &'static str,
    /// Connections it carries, those of this run alone.
    pub(crate) carries: u64,
    /// The arithmetic.
    pub(crate) why: String,
    /// What moves it; the doctor's is empty where it need not be moved.
    #[serde(serialize_with = "if_any")]
    pub(crate) remedy: String,
}

/// Nothing rather than an empty text.
fn if_any<S: serde::Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    if text.is_empty() { serializer.serialize_none() } else { serializer.serialize_str(text) }
}

impl Side {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Generator => "generator",
            Self::Machine => "machine",
            Self::Server => "server",
        }
    }
}

/// What a run asks for.
#[derive(Clone, Debug)]
pub(crate) struct Demand {
    pub(crate) conns: u64,
    pub(crate) workers: u64,
    /// The servers are on this machine.
    pub(crate) is_loopback: bool,
    /// Towards each, every source may be used.
    pub(crate) targets: u64,
    pub(crate) sources: Sources,
    /// What the connections come for; `None`: nobody has said.
    pub(crate) service: Option<Service>,
    /// Rooms that players are spread over.
    pub(crate) rooms: Option<Rooms>,
    /// New connections a second.
    pub(crate) connect_rate: u64,
    /// What the messages of each connection take here at least, bytes.
    pub(crate) messages_bytes: u64,
}

/// Rooms of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rooms {
    pub(crate) count: u64,
    /// More connections make more rooms: nobody has named their number.
    pub(crate) follow: bool,
    /// Players that ever sit in one, whatever it seats; `None`: as many as it seats.
    pub(crate) players_max: Option<u64>,
    /// What they are called, and so where they are; `None`: nobody knows.
    pub(crate) names: Option<Names>,
}

impl Rooms {
    /// As somebody named them.
    pub(crate) const fn named(count: u64) -> Self {
        Self { count, follow: false, players_max: None, names: None }
    }

    /// Players of a full one.
    fn players_each(&self) -> u64 {
        self.players_max.unwrap_or(BOTS_PER_ROOM.into()).max(1)
    }

    /// How many there are for so many connections.
    fn count_for(&self, conns: u64) -> u64 {
        if self.follow { conns.div_ceil(self.players_each()) } else { self.count }
    }
}

impl Demand {
    /// What `plan` asks for.
    pub(crate) fn of(plan: &Plan) -> Self {
        let rooms = match &plan.preset {
            Preset::Game { rooms, .. } if plan.raw.is_none() => Some(Rooms {
                // Somebody may have named as many as there are when nobody names them.
                follow: u64::from(*rooms) == u64::from(plan.conns).div_ceil(BOTS_PER_ROOM.into()),
                names: Some(Names::of(plan)),
                ..Rooms::named((*rooms).into())
            }),
            // A marksman and a runner in each.
            Preset::Rewind { rooms, .. } if plan.raw.is_none() => {
                let names = Some(Names::of(plan));
                Some(Rooms { count: (*rooms).into(), follow: true, players_max: Some(2), names })
            }
            _ => None,
        };
        Self {
            conns: plan.conns.into(),
            workers: plan.workers.into(),
            is_loopback: plan.targets.iter().all(|target| target.address.ip().is_loopback()),
            targets: plan.targets.len() as u64,
            sources: plan.sources.clone(),
            service: Service::of(plan),
            rooms,
            connect_rate: plan.connect_rate.into(),
            messages_bytes: messages_bytes(plan),
        }
    }

    /// The most connections of a run like it that are no more than `conns`.
    pub(crate) fn whole(&self, conns: u64) -> u64 {
        let together = self.rooms.and_then(|rooms| rooms.players_max).unwrap_or(1).max(1);
        conns - conns % together
    }

    /// Flags that a run of `conns` connections would have to have less of: each is in one room and on one worker.
    pub(crate) fn too_many(&self, conns: u64) -> Vec<&'static str> {
        let rooms = self.rooms.filter(|rooms| !rooms.follow).map_or(0, |rooms| rooms.count);
        let flags = [("--rooms", rooms), ("--workers", self.workers)].into_iter();
        flags.filter(|(_, count)| conns > 0 && *count > conns).map(|(flag, _)| flag).collect()
    }

    /// On loopback the server's ends are on this machine too.
    const fn ends_here(&self) -> u64 {
        if self.is_loopback { 2 } else { 1 }
    }
}

/// What the messages of a connection take at least, bytes: one waits while another is sent, and one arrives in a list that
/// grows. In a closed loop all that may be under way are written at once.
fn messages_bytes(plan: &Plan) -> u64 {
    let Preset::Echo { pace, size } = plan.preset else { return 0 };
    let at_once = match pace {
        Pace::Open { .. } => 1,
        Pace::Closed { pipeline } => u64::from(pipeline),
    };
    let size = plan.raw.map_or(size, |raw| raw.in_bytes);
    (2 * at_once + 2).saturating_mul(size.into())
}

/// Everything that is known to have an end.
pub(crate) fn budgets(demand: &Demand, facts: &Facts) -> Vec<Budget> {
    let status = facts.told();
    let there = status.and_then(|status| status.machine.as_ref()).filter(|_| !demand.is_loopback);
    let mut all = vec![
        ring(facts),
        descriptors(demand, facts),
        ports(demand, facts),
        memory::of_process(demand, facts),
    ];
    all.extend(machine(Side::Machine, demand, demand.ends_here(), &facts.here));
    all.extend(there.into_iter().flat_map(|there| machine(Side::Server, demand, 1, there)));
    all.extend(status.into_iter().flat_map(|status| {
        let served = served::budget(demand, status);
        [served, connections(demand, status, &facts.here), seats(demand, status)]
    }));
    all.into_iter().flatten().collect()
}

/// Of a server, or of the one of several whose part of the load ends first.
fn narrowest(
    demand: &Demand,
    status: &Status,
    budget: impl Fn(&Status, &Listing) -> Option<Budget>,
) -> Option<Budget> {
    if status.parts.is_empty() {
        return budget(status, &Listing::alone());
    }
    let budgets = status.parts.iter().filter_map(|Part { status, admin }| {
        let listing = Listing::of(demand.targets, &admin.targets);
        let found = budget(status, &listing)?;
        let why = format!("{}; {}, to the server behind {}", found.why, listing.named(), admin.url);
        Some(Budget { why, ..found })
    });
    budgets.min_by_key(|budget| budget.carries)
}

fn connections(demand: &Demand, status: &Status, here: &Readings) -> Option<Budget> {
    narrowest(demand, status, |status, listing| tables::budget(demand, status, listing, here))
}

fn seats(demand: &Demand, status: &Status) -> Option<Budget> {
    narrowest(demand, status, |status, listing| seats::budget(demand, status, listing))
}

/// What helps a run's players to places on a server, where their rooms choose its workers; `None` where there are no rooms,
/// or all of the players fit.
pub(crate) fn more_places(demand: &Demand, status: &Status, here: &Readings) -> Option<String> {
    demand.rooms?;
    let wall = connections(demand, status, here)?;
    (wall.carries < demand.conns).then_some(wall.remedy)
}

/// What a machine that has so many ends of each connection must have room for.
fn machine(side: Side, demand: &Demand, ends: u64, machine: &Readings) -> [Option<Budget>; 3] {
    [
        files(side, demand, ends, machine),
        conntrack(side, demand, machine),
        memory::of_machine(side, demand, ends, machine),
    ]
}

/// Every connection goes through a ring: where there can be none, nothing fits.
fn ring(facts: &Facts) -> Option<Budget> {
    facts.ring_refused.clone().map(|wall| none("io_uring", wall))
}

/// What this side does not get at all.
fn none(what: &'static str, wall: Wall) -> Budget {
    Budget { side: Side::Generator, what, carries: 0, why: wall.problem, remedy: wall.remedy }
}

/// Each worker's ring has a table of direct descriptors, at most as large as RLIMIT_NOFILE, and needs a few others itself.
fn descriptors(demand: &Demand, facts: &Facts) -> Option<Budget> {
    let (limit, workers) = (facts.descriptors?, demand.workers);
    let most = Taker::LOADGEN.startable(facts.descriptors_left());
    let (carries, why) = if workers > most {
        (
            0,
            format!(
                "{workers} workers do not start: RLIMIT_NOFILE = {limit} is enough for the descriptors of {most}"
            ),
        )
    } else {
        let why = format!("{workers} worker(s), and a ring's table holds at most RLIMIT_NOFILE = {limit}");
        (workers.saturating_mul(limit), why)
    };
    let largest = enough::descriptors(demand.conns, workers)
        .max(Taker::LOADGEN.descriptors_to_start(workers).saturating_add(facts.descriptors_open));
    let higher = enough::higher_limit(largest, facts.here.limits_are_fixed);
    let remedy = match Taker::LOADGEN.workers_for(demand.conns, limit, facts.descriptors_left()) {
        Some(workers) => {
            format!(
                "use --workers {workers} (a table each), or, with a quarter to spare, a higher hard limit ({higher})"
            )
        }
        None => format!("{} ({higher})", Taker::LOADGEN.too_few(demand.conns, limit)),
    };
    Some(Budget { side: Side::Generator, what: "direct descriptors", carries, why, remedy })
}

/// Direct descriptors are no descriptors of the process, but they are open files of the system.
fn files(side: Side, demand: &Demand, ends: u64, machine: &Readings) -> Option<Budget> {
    let (max, open) = (machine.number("fs.file-max")?, machine.number("fs.file-nr")?);
    let (free, needed) = (max.saturating_sub(open), demand.conns * ends);
    Some(Budget {
        side,
        what: "open files",
        carries: free / ends,
        why: format!("{needed} more open files, and fs.file-max leaves {free}"),
        remedy: format!("sysctl -w fs.file-max={}", enough::files_max(needed, machine)),
    })
}

/// (source address, source port) pairs towards one destination.
fn ports(demand: &Demand, facts: &Facts) -> Option<Budget> {
    let here = &facts.here;
    if let Some(wall) = preflight::sources(facts) {
        return Some(none("source ports", wall));
    }
    if let Sources::Explicit(addresses) = &demand.sources {
        let needed = demand.conns.div_ceil(u64::from(PORTS) * demand.targets);
        let to = if demand.targets == 1 {
            String::new()
        } else {
            format!(" towards each of {} targets", demand.targets)
        };
        return Some(Budget {
            side: Side::Generator,
            what: "source ports",
            carries: demand.sources.capacity()? * demand.targets,
            why: format!("{} source address(es) with {PORTS} ports each{to}", addresses.len()),
            remedy: if demand.is_loopback {
                format!("name at least {needed} addresses: --src 127.0.0.2-127.0.0.{}", (needed + 1).min(254))
            } else {
                format!("name at least {needed} addresses of this machine with --src")
            },
        });
    }
    let ports::Counted { usable, reserved } = ports::counted(here)?;
    let (left_out, or_fewer) = match reserved {
        0 => (String::new(), ""),
        _ => (
            format!(
                ", without {reserved} of the range that net.ipv4.ip_local_reserved_ports keeps from them"
            ),
            ", or take from net.ipv4.ip_local_reserved_ports what nobody needs",
        ),
    };
    Some(Budget {
        side: Side::Machine,
        what: "source ports",
        carries: u64::from(usable) * demand.targets,
        why: format!("net.ipv4.ip_local_port_range has {usable} ports to each server{left_out}"),
        // Where not even the widest range is enough, only more addresses are.
        remedy: if demand.conns.div_ceil(demand.targets.max(1)) > ports::most(here) {
            let needed = demand.conns.div_ceil(u64::from(PORTS) * demand.targets.max(1));
            format!("name {needed} or more source addresses of this machine with --src{or_fewer}")
        } else {
            format!("{}, or name source addresses with --src{or_fewer}", ports::commands(here).join(" && "))
        },
    })
}

fn conntrack(side: Side, demand: &Demand, machine: &Readings) -> Option<Budget> {
    // The module may be loaded without a rule that makes it look at connections: then it has not even seen the one to
    // the admin endpoint, and never will.
    let count = machine.number("net.netfilter.nf_conntrack_count").filter(|count| *count > 0)?;
    let free = machine.number("net.netfilter.nf_conntrack_max")?.saturating_sub(count);
    Some(Budget {
        side,
        what: "connection tracking",
        carries: free,
        why: format!("nf_conntrack has room for {free} more"),
        remedy: format!(
            "sysctl -w net.netfilter.nf_conntrack_max={}",
            enough::tracked_max(demand.conns, machine)
        ),
    })
}

#[cfg(test)]
mod tests;
