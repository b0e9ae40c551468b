//! What ends first where the peer is the built-in sink of `calibrate`, which has flags of its own.

use super::{Facts, sources};
use crate::budget::{Budget, Demand, Side};
use crate::doctor::enough;

/// The same budgets, for `calibrate`: its sink has all connections in each of its tables, of `table` places, and they come
/// from addresses that nobody can name.
pub(super) fn fit(budgets: Vec<Budget>, demand: &Demand, table: u32, facts: &Facts) -> Vec<Budget> {
    let fit = |budget: Budget| {
        match budget.what {
        // Workers that do not start have no tables.
        "direct descriptors" if budget.carries > 0 => descriptors(demand, table, facts).unwrap_or(budget),
        "source ports" if sources(facts).is_some() => Budget {
            remedy: "bring the loopback interface up, ip link set lo up: connections to the sink come from 127.0.0.2 and up"
                .to_owned(),
            why: budget.why.replace(", which --src names", ""),
            ..budget
        },
        _ => budget,
    }
    };
    budgets.into_iter().map(fit).collect()
}

/// The sink's tables have more places than the workers' have, and more workers make them no smaller.
fn descriptors(demand: &Demand, table: u32, facts: &Facts) -> Option<Budget> {
    let limit = facts.descriptors?;
    let besides = u64::from(table).saturating_sub(demand.conns);
    let carries = limit.saturating_sub(besides);
    let wanted = enough::descriptors(demand.conns, 1).max(table.into());
    let higher =
        format!("a higher hard limit ({})", enough::higher_limit(wanted, facts.here.limits_are_fixed));
    Some(Budget {
        side: Side::Generator,
        what: "direct descriptors",
        carries,
        why: format!(
            "the built-in sink's table has a place for each connection and {besides} more, and holds at most RLIMIT_NOFILE \
             = {limit}"
        ),
        remedy: if carries == 0 { higher } else { format!("--conns {carries}, or {higher}") },
    })
}

#[cfg(test)]
mod tests {
    use super::super::walls;
    use super::*;
    use crate::cli::Cli;
    use crate::doctor::Readings;
    use crate::plan::{Peer, Plan};

    fn told(descriptors: u64, refused: Option<&str>) -> Vec<super::super::Wall> {
        told_of(1, descriptors, refused)
    }

    fn told_of(workers: u32, descriptors: u64, refused: Option<&str>) -> Vec<super::super::Wall> {
        let words = format!("echo --conns 100 --workers {workers}");
        let plan = Cli::plan(words.split_whitespace()).unwrap();
        let plan = Plan { peer: Peer::Sink { table: 164 }, ..plan };
        let facts = Facts {
            descriptors: Some(descriptors),
            here: Readings { memory_available_bytes: 8 << 30, ..Readings::default() },
            source_refused: refused.map(|error| ("127.0.0.2".parse().unwrap(), error.to_owned())),
            ..Facts::default()
        };
        walls(&plan, &facts)
    }

    #[test]
    fn the_sinks_table_ends_first_and_more_workers_are_no_help() {
        assert_eq!(told(164, None), []);
        let few = &told(140, None)[..];
        assert!(
            few.len() == 1 && few[0].problem.starts_with("76 of 100 connections fit: the built-in sink"),
            "{few:?}"
        );
        assert!(few[0].remedy.starts_with("--conns 76, or a higher hard limit (ulimit -Hn 381"), "{few:?}");
        let none = &told(10, None)[0];
        assert!(
            none.remedy.starts_with("a higher hard limit") && !none.remedy.contains("--workers"),
            "{none:?}"
        );
    }

    #[test]
    fn workers_that_do_not_start_are_fewer_to_be() {
        assert_eq!(told_of(52, 164, None), []);
        let many = &told_of(53, 164, None)[..];
        assert!(many.len() == 1 && many[0].problem.contains("53 workers do not start"), "{many:?}");
        assert!(many[0].remedy.starts_with("use --workers 1 "), "{many:?}");
    }

    #[test]
    fn nobody_is_told_of_flags_that_calibrate_does_not_have() {
        let refused = &told(1_000, Some("no such address"))[..];
        assert!(refused.len() == 1 && refused[0].remedy.contains("ip link set lo up"), "{refused:?}");
        assert!(!format!("{refused:?}").contains("--src"), "{refused:?}");
    }
}
