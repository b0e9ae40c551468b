//! Memory: the machine's, and what this process may have of it.

use super::{Budget, Demand, Side};
use crate::doctor::Readings;
use crate::machine::memory::{Bound, BoundOf};
use crate::preflight::Facts;

/// Kernel memory of one end of an idle loopback connection, bytes (measured: 9.8 kB a pair).
const KERNEL_BYTES_PER_END: u64 = 5_000;
/// Our own memory per connection, generously, bytes.
const USER_BYTES_PER_CONNECTION: u64 = 2_000;
/// Addresses of a connection, bytes: what its lists grow through is reserved, too (measured: 5,000 need between 20 and
/// 40 MB more than ten).
const ADDRESS_BYTES_PER_CONNECTION: u64 = 6_000;
/// Addresses of this process without connections and workers, bytes: the allocator reserves a gibibyte at a time (and works
/// with what single pages take where it cannot, up to a moment that nobody can foretell), and the rest is the program.
const ADDRESS_BYTES: u64 = 5 << 28;
/// Addresses of a worker, bytes: what the C library reserves for a thread (64 MiB), and its stack, its ring, its receive
/// buffers.
const ADDRESS_BYTES_PER_WORKER: u64 = 72 << 20;
/// What may wait to be sent is one part in so many of the memory that is left.
const WAITING_PART: u64 = 10;

/// What a machine with so many ends of each connection has room for.
pub(super) fn of_machine(side: Side, demand: &Demand, ends: u64, machine: &Readings) -> Option<Budget> {
    let free = machine.memory_available_bytes;
    let each = of_each(demand, ends);
    let carries = free / each;
    // None at all is available where it is not told.
    (free > 0).then(|| Budget {
        side,
        what: "memory",
        carries,
        why: format!(
            "about {} MiB at {each} B a connection, and {} MiB are available",
            (demand.conns * each) >> 20,
            free >> 20
        ),
        remedy: format!("fewer connections: --conns {carries}"),
    })
}

/// What this process may have: the least of its limits and those of its control groups.
pub(super) fn of_process(demand: &Demand, facts: &Facts) -> Option<Budget> {
    facts.memory_bounds.iter().map(|bound| bounded(demand, bound)).min_by_key(|budget| budget.carries)
}

/// Pages of each connection, of which so many ends are here, bytes.
const fn of_each(demand: &Demand, ends: u64) -> u64 {
    (KERNEL_BYTES_PER_END * ends + USER_BYTES_PER_CONNECTION).saturating_add(demand.messages_bytes)
}

/// What a bound is taken up by, bytes: by the workers, by each connection, and already.
fn taken_up(demand: &Demand, bound: &Bound) -> (u64, u64, u64) {
    match bound.of {
        // What is mapped already is part of it: how much that is changes from one moment to the next.
        BoundOf::Addresses => (
            demand.workers.saturating_mul(ADDRESS_BYTES_PER_WORKER),
            ADDRESS_BYTES_PER_CONNECTION.saturating_add(demand.messages_bytes),
            ADDRESS_BYTES,
        ),
        BoundOf::Pages { used_bytes } => (0, of_each(demand, 1), used_bytes),
    }
}

/// What may wait to be sent on each connection, bytes: equal shares of a tenth of what is left of the machine's memory, and
/// of what this process may have of it, when all have connected. The other nine: lists are up to twice as long as what is in
/// them, as much as waits may be on its way into the kernel, and the kernel's own buffers fill at the same time.
pub(crate) fn waiting_bytes(demand: &Demand, facts: &Facts) -> usize {
    let free = facts.here.memory_available_bytes;
    let machine = (free > 0).then(|| (free, of_each(demand, demand.ends_here())));
    let bounds = facts.memory_bounds.iter().map(|bound| {
        let (fixed, each, used) = taken_up(demand, bound);
        (bound.limit_bytes.saturating_sub(used).saturating_sub(fixed), each)
    });
    let shares = machine.into_iter().chain(bounds).map(|(free, each)| {
        free.saturating_sub(demand.conns.saturating_mul(each)) / WAITING_PART / demand.conns.max(1)
    });
    shares.min().and_then(|share| usize::try_from(share).ok()).unwrap_or(usize::MAX)
}

fn bounded(demand: &Demand, bound: &Bound) -> Budget {
    let (fixed, each, used) = taken_up(demand, bound);
    let free = bound.limit_bytes.saturating_sub(used);
    let carries = free.saturating_sub(fixed) / each;
    let needed = used.saturating_add(fixed).saturating_add(demand.conns.saturating_mul(each));
    let fewer =
        if carries == 0 { String::new() } else { format!(", or fewer connections: --conns {carries}") };
    let (why, remedy) = match bound.of {
        BoundOf::Addresses => (
            format!(
                "{each} B of addresses a connection, {} MiB for {} worker(s), {} MiB for the program and what its \
                 allocator reserves, and {} is {} MiB",
                fixed >> 20,
                demand.workers,
                used >> 20,
                bound.name,
                bound.limit_bytes >> 20
            ),
            format!(
                "ulimit -v unlimited; ulimit -d unlimited (or LimitAS= and LimitDATA= of its unit, at least {needed}){fewer}"
            ),
        ),
        BoundOf::Pages { .. } => (
            format!("{each} B a connection, and {} leaves {} MiB", bound.name, free >> 20),
            format!(
                "MemoryMax={needed} and MemoryHigh={needed} of its unit (or --memory {needed} of its container){fewer}"
            ),
        ),
    };
    Budget { side: Side::Generator, what: "memory", carries, why, remedy }
}

#[cfg(test)]
mod tests {
    use super::super::tests::demand;
    use super::*;

    fn bound(of: BoundOf, limit_bytes: u64) -> Bound {
        Bound { of, name: "RLIMIT".to_owned(), limit_bytes }
    }

    fn wall(of: BoundOf, limit_bytes: u64, conns: u64) -> Budget {
        let facts =
            Facts { memory_bounds: vec![bound(of, 1 << 50), bound(of, limit_bytes)], ..Facts::default() };
        of_process(&demand(conns, None), &facts).unwrap()
    }

    #[test]
    fn a_process_may_have_less_than_the_machine() {
        assert_eq!(of_process(&demand(9, None), &Facts::default()), None, "no bound is known");
        let of = BoundOf::Addresses;
        assert_eq!(wall(of, 1 << 30, 10).carries, 0, "the allocator's gibibyte");
        let tight = wall(of, 1_450_000_000, 9_000);
        assert!((5_000..9_000).contains(&tight.carries), "{tight:?}");
        assert!(tight.why.contains("72 MiB for 1 worker(s)") && tight.why.ends_with("RLIMIT is 1382 MiB"));
        assert!(tight.remedy.contains(&format!("--conns {}", tight.carries)), "{tight:?}");
        let needed =
            tight.remedy.split_once("at least ").and_then(|(_, rest)| rest.split_once(')')).unwrap().0;
        assert_eq!(wall(of, needed.parse().unwrap(), 9_000).carries, 9_000, "{tight:?}");
        let group = wall(BoundOf::Pages { used_bytes: 15_000_000 }, 50_000_000, 9_000);
        assert_eq!(group.carries, 5_000);
        assert!(
            group.remedy.contains("MemoryMax=78000000") && group.remedy.contains("--conns 5000"),
            "{group:?}"
        );
    }

    #[test]
    fn what_may_wait_is_a_part_of_what_is_left() {
        let messages = Demand { messages_bytes: 4 * 16_384, ..demand(300, None) };
        let fixed = ADDRESS_BYTES + ADDRESS_BYTES_PER_WORKER;
        let bound = |left_bytes| bound(BoundOf::Addresses, fixed + left_bytes);
        assert_eq!(
            bounded(&messages, &bound(357_680_000)).carries,
            5_000,
            "a message waits, one is sent, one comes"
        );
        let share = |conns, left_bytes| {
            let here = Readings { memory_available_bytes: 8 << 30, ..Readings::default() };
            let facts = Facts { here, memory_bounds: vec![bound(left_bytes)], ..Facts::default() };
            waiting_bytes(&Demand { conns, ..messages.clone() }, &facts)
        };
        assert_eq!(share(300, 357_680_000), (357_680_000 - 300 * 71_536) / 3_000);
        assert!(
            (75_000..90_000).contains(&share(10_000, 1 << 50)),
            "the machine's: {}",
            share(10_000, 1 << 50)
        );
        assert_eq!(share(5_000, 357_680_000), 0, "what fits just so has nothing to wait in");
        assert_eq!(waiting_bytes(&messages, &Facts::default()), usize::MAX, "nothing is known to end");
    }
}
