//! How much is enough: what tables hold that a hash shares out over workers, and how much to have of what ends. The
//! advice against a wall, the settings, and of a run's diagnosis what concerns tables and limits have their numbers from here.

use super::readings::Readings;
use crate::server_side::StatusLimits;

/// Of each worker's table, in `tuning/knobs.tsv`: what is not for connections.
const DESCRIPTORS_BESIDES: u64 = 256;
/// Room in `tuning/knobs.tsv` for open files besides ours.
const FILES_BESIDES: u64 = 8_192;
/// Room in `tuning/knobs.tsv` for connections that are tracked besides ours and a quarter.
const TRACKED_BESIDES: u64 = 8_192;

/// What a worker of either program opens: a ring, its doorbell, and a listener or the clock of its thread. Counted in
/// `/proc/PID/fd` with 1 to 16 workers.
const DESCRIPTORS_PER_WORKER: u64 = 3;

/// With a quarter to spare.
const fn spared(count: u64) -> u64 {
    count.saturating_add(count / 4)
}

/// What `workers` tables of `each` places take before the first of them is full, where a hash chooses the table: one
/// standard deviation of a binomial share less than all places. A single table is filled to the last place.
pub(crate) fn held(workers: u64, each: u64) -> u64 {
    let others = u128::from(workers.saturating_sub(1));
    let fourfold = (4 * u128::from(each)).saturating_mul(others) / u128::from(workers.max(1));
    // Rounded: half of the root of the fourfold, and up from a half.
    let deviation = u64::try_from(fourfold.isqrt().div_ceil(2)).unwrap_or(u64::MAX);
    // So many there is always room for.
    workers.saturating_mul(each.saturating_sub(deviation)).max(if workers == 0 { 0 } else { each })
}

/// The descriptor limit, and with it the places of a table, for `conns` connections of `workers` workers.
pub(crate) fn descriptors(conns: u64, workers: u64) -> u64 {
    (spared(conns) / workers.max(1)).saturating_add(DESCRIPTORS_BESIDES)
}

/// The workers that take `conns` connections where the descriptor limit is `limit`.
pub(crate) fn workers(conns: u64, limit: u64) -> u64 {
    // A limit this low has nothing to spare for others.
    let room = if limit < 2 * DESCRIPTORS_BESIDES { limit.max(1) } else { limit - DESCRIPTORS_BESIDES };
    // However many there are, a table is expected to lack no more than this.
    let uneven = limit.saturating_sub(limit.isqrt() + 1).max(1);
    spared(conns).div_ceil(room).max(conns.div_ceil(uneven)).clamp(1, conns.max(1))
}

/// A program that takes connections over workers, at most so many.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taker {
    name: &'static str,
    workers_max: u64,
    /// What the process opens besides its workers, the standard three among it.
    besides: u64,
    /// What so many workers' tables of so many places take.
    holds: fn(u64, u64) -> u64,
}

impl Taker {
    /// As its `workers` setting says. It starts with 12, and a few are for who asks its admin endpoint.
    pub(crate) const SERVER: Self = Self { name: "the server", workers_max: 256, besides: 16, holds: held };
    /// As `--workers` says; it shares its connections out evenly. It starts with 6, and has one for who asks for figures.
    pub(crate) const LOADGEN: Self =
        Self { name: "loadgen", workers_max: 1_024, besides: 8, holds: u64::saturating_mul };

    /// The most workers that it starts where the descriptor limit is `limit`; `None`: there is none.
    pub(crate) fn startable(self, limit: Option<u64>) -> u64 {
        let most = limit.map(|limit| limit.saturating_sub(self.besides) / DESCRIPTORS_PER_WORKER);
        // A single one is left to try.
        most.map_or(self.workers_max, |most| most.clamp(1, self.workers_max))
    }

    /// The descriptor limit that lets it start so many workers.
    pub(crate) const fn descriptors_to_start(self, workers: u64) -> u64 {
        workers.saturating_mul(DESCRIPTORS_PER_WORKER).saturating_add(self.besides)
    }

    /// [`workers`] with tables of `each` places, or as many as it starts where those hold them as well; `None`: it does not
    /// start as many as hold them.
    pub(crate) fn workers_for(self, conns: u64, each: u64, limit: Option<u64>) -> Option<u64> {
        let workers = workers(conns, each).min(self.startable(limit));
        ((self.holds)(workers, each) >= conns).then_some(workers)
    }

    /// What is said where it does not.
    pub(crate) fn too_few(self, conns: u64, limit: u64) -> String {
        let most = self.startable(Some(limit));
        let takes = if most == self.workers_max { "takes" } else { "starts" };
        format!(
            "no number of workers suffices for {conns} connections with a limit of {limit}: {} {takes} {most} at most; so a \
             higher hard limit first",
            self.name
        )
    }
}

/// What gives a process the hard descriptor limit `limit`, in words; where limits are fixed, nobody here may raise one.
pub(crate) fn higher_limit(limit: u64, is_fixed: bool) -> String {
    if is_fixed {
        format!(
            "given to its unit, LimitNOFILE={limit}, or container, --ulimit nofile={limit}:{limit}: without \
             CAP_SYS_RESOURCE root may not raise it here"
        )
    } else {
        format!("ulimit -Hn {limit}, or LimitNOFILE={limit}")
    }
}

/// What makes a server with `limits` take `wanted` connections: more than its tables hold, `max_conns` is no help, and it
/// does not start with it. `is_fixed`: no limit can be raised where it is started.
pub(crate) fn server_room(limits: &StatusLimits, wanted: u64, is_fixed: bool) -> String {
    match limits.workers.zip(limits.connections_per_worker_max) {
        Some((workers, each)) if held(workers, each) < wanted => server_tables(limits, wanted, is_fixed),
        _ => format!("start the server with --max-conns {wanted}"),
    }
}

/// The same where its tables are too small.
pub(crate) fn server_tables(limits: &StatusLimits, wanted: u64, is_fixed: bool) -> String {
    let each = limits.connections_per_worker_max.unwrap_or(1);
    let has = limits.workers.unwrap_or(1);
    let larger = larger_table(limits, descriptors(wanted, has), is_fixed);
    let most = Taker::SERVER.startable(limits.descriptors);
    let workers = Taker::SERVER.workers_for(wanted, each, limits.descriptors);
    let spread = match workers.map(|workers| workers.max(has.saturating_add(1))).filter(|n| *n <= most) {
        Some(workers) => format!("or with --workers {workers} (a table each)"),
        None => format!("for no number of workers suffices: it starts {most} at most"),
    };
    format!(
        "start the server with {larger}, with a quarter to spare, {spread}; --max-conns, if it is set, at {wanted} or auto"
    )
}

/// The places of a table for so many connections: a quarter to spare.
pub(crate) const fn table(conns: u64) -> u64 {
    spared(conns).saturating_add(1)
}

/// What gives each worker of a server with `limits` a table of `table` places.
pub(crate) fn larger_table(limits: &StatusLimits, table: u64, is_fixed: bool) -> String {
    let each = limits.connections_per_worker_max.unwrap_or(1);
    // A table is as large as `ring.fixed_table` says, and never larger than the descriptor limit.
    match limits.descriptors {
        Some(limit) if limit > each && limit >= table => format!("ring.fixed_table = {table}"),
        Some(limit) if limit > each => {
            format!(
                "a higher descriptor limit ({}) and ring.fixed_table = auto",
                higher_limit(table, is_fixed)
            )
        }
        _ => format!("a higher descriptor limit ({})", higher_limit(table, is_fixed)),
    }
}

/// Rooms of each worker for `rooms` in all, whose names a hash shares out; with a quarter to spare where there is one to
/// share them with.
pub(crate) fn rooms_max(rooms: u64, workers: u64) -> u64 {
    if workers <= 1 {
        return rooms;
    }
    let mut each = spared(rooms).div_ceil(workers);
    while held(workers, each) < rooms {
        each += 1;
    }
    each
}

/// `fs.file-max` for `needed` more open files on `machine`: what the table asks for, unless more are open than it leaves
/// room for.
pub(crate) fn files_max(needed: u64, machine: &Readings) -> u64 {
    let open = machine.number("fs.file-nr").unwrap_or(0);
    needed.saturating_add(open.max(FILES_BESIDES))
}

/// `nf_conntrack_max` for `conns` more connections through `machine`.
pub(crate) fn tracked_max(conns: u64, machine: &Readings) -> u64 {
    let tracked = machine.number("net.netfilter.nf_conntrack_count").unwrap_or(0);
    spared(conns).saturating_add(tracked.max(TRACKED_BESIDES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_tables_hold_less_than_all_their_places() {
        for (workers, each, held_) in [
            (1, 64, 64),
            (1, 0, 0),
            (0, 9, 0),
            (2, 1, 1),
            (3, 1, 1),
            (3, 2, 3),
            (2, 3, 4),
            (2, 64, 116),
            (2, 100, 186),
            (2, 10_000, 19_858),
            (8, 20_000, 158_944),
        ] {
            assert_eq!(held(workers, each), held_, "{workers} x {each}");
        }
        assert_eq!(held(u64::MAX, u64::MAX), u64::MAX, "nonsense is no panic");
    }

    #[test]
    fn what_is_advised_holds_what_is_asked_for() {
        for conns in [1, 16, 120, 1_000, 100_000, 4_000_000] {
            for limit in [16, 64, 511, 512, 20_000, 1 << 20] {
                let workers = workers(conns, limit);
                let held = held(workers, limit);
                assert!(held >= conns || workers == conns, "{conns} of {workers} x {limit}: {held}");
            }
            for workers in [1, 2, 7, 64] {
                assert!(
                    held(workers, rooms_max(conns, workers)) >= conns,
                    "{conns} rooms, {workers} workers"
                );
                assert!(held(workers, descriptors(conns, workers)) >= conns, "{conns}, {workers} workers");
            }
        }
        assert_eq!((descriptors(100_000, 2), workers(100_000, 20_000)), (62_756, 7));
    }

    #[test]
    fn nobody_is_advised_more_workers_than_he_takes() {
        assert_eq!(Taker::SERVER.workers_for(150_000, 1_024, Some(1_024)), Some(245));
        assert_eq!(Taker::SERVER.workers_for(2_000_000, 1_024, Some(1_024)), None);
        assert_eq!(Taker::LOADGEN.workers_for(500_000, 1_024, None), Some(814));
        let words = Taker::SERVER.too_few(2_000_000, 1_024);
        assert!(words.contains("the server takes 256 at most; so a higher"), "{words}");
        for (workers, is_taken) in
            [(Taker::LOADGEN.workers_max, true), (Taker::LOADGEN.workers_max + 1, false)]
        {
            let words = format!("--workers={workers}");
            assert_eq!(
                crate::cli::Cli::plan(["idle", "--conns=5000", &words]).is_ok(),
                is_taken,
                "{workers}"
            );
        }
    }

    #[test]
    fn nobody_is_advised_more_workers_than_his_descriptors_let_start() {
        // Each has three, and a few are open besides.
        let startable =
            |taker: Taker| [8, 11, 19, 22, 512, 1 << 20].map(|limit| taker.startable(Some(limit)));
        assert_eq!(startable(Taker::LOADGEN), [1, 1, 3, 4, 168, 1_024]);
        assert_eq!(startable(Taker::SERVER), [1, 1, 1, 2, 165, 256]);
        for (taker, conns, advised) in [
            (Taker::LOADGEN, 60_000, Some(168)),
            (Taker::LOADGEN, 86_016, Some(168)),
            (Taker::LOADGEN, 86_017, None),
            (Taker::SERVER, 80_000, Some(165)),
            (Taker::SERVER, 84_480, None),
            (Taker::SERVER, 20_000, Some(98)),
        ] {
            assert_eq!(taker.workers_for(conns, 512, Some(512)), advised, "{taker:?} {conns}");
        }
        let words = Taker::LOADGEN.too_few(90_000, 512);
        assert!(words.contains("loadgen starts 168 at most;"), "{words}");
        for workers in [1, 5, 256] {
            for taker in [Taker::LOADGEN, Taker::SERVER] {
                assert_eq!(taker.startable(Some(taker.descriptors_to_start(workers))), workers);
            }
        }
    }

    #[test]
    fn a_server_is_told_what_it_does_not_have() {
        let limits = |descriptors, each| StatusLimits {
            descriptors,
            connections_per_worker_max: Some(each),
            workers: Some(2),
            ..StatusLimits::default()
        };
        let low = server_tables(&limits(Some(64), 64), 120, false);
        assert!(low.contains("ulimit -Hn 331,") && low.contains("--workers 3 "), "{low}");
        assert!(!low.contains("fixed_table"), "{low}");
        let small = server_tables(&limits(Some(20_000), 64), 120, true);
        assert!(small.contains("ring.fixed_table = 331,") && !small.contains("ulimit"), "{small}");
        let many = server_tables(&limits(Some(64), 64), 100_000, false);
        assert!(!many.contains("--workers") && many.contains("16 at most"), "{many}");
        let both = server_tables(&limits(Some(100), 64), 120, false);
        assert!(both.contains("ulimit -Hn 331,") && both.contains("ring.fixed_table = auto"), "{both}");
    }

    #[test]
    fn what_is_open_already_counts() {
        let mut machine = Readings::default();
        assert_eq!((files_max(200, &machine), tracked_max(1_000, &machine)), (8_392, 9_442));
        for name in ["fs.file-nr", "net.netfilter.nf_conntrack_count"] {
            machine.sysctls.insert(name.to_owned(), "500000".to_owned());
        }
        assert_eq!((files_max(200, &machine), tracked_max(1_000, &machine)), (500_200, 501_250));
    }
}
