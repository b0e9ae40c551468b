//! Whatever a server says of itself, the doctor and the preflight have an answer.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::tests::question;
use super::*;
use crate::server_side::Status;

/// Numbers at which arithmetic ends, and some between.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(0),
        Just(1),
        Just(u64::MAX),
        Just(1 << 63),
        Just((1 << 63) - 1),
        Just(u64::from(u32::MAX)),
        any::<u64>(),
        0_u64..100_000,
    ]
}

/// Settings in the form of `/proc/sys`, and in none.
fn setting() -> impl Strategy<Value = String> {
    prop_oneof![
        number().prop_map(|one| one.to_string()),
        (number(), number()).prop_map(|(one, other)| format!("{one} {other}")),
        (number(), number(), number()).prop_map(|(one, other, third)| format!("{one} {other} {third}")),
        (number(), number()).prop_map(|(one, other)| format!("{one},{other}-{one},80")),
        Just(String::new()),
        Just("-1 99999999999999999999999".to_owned()),
    ]
}

fn status() -> impl Strategy<Value = Value> {
    let limits = [
        "descriptors",
        "connections_max",
        "connections_per_worker_max",
        "workers",
        "players_max_per_room",
        "rooms_max_per_worker",
    ];
    let limits = prop::collection::btree_map(prop::sample::select(limits.to_vec()), number(), 0..=6);
    let names: Vec<&str> = knobs::sysctls().collect();
    let sysctls = prop::collection::btree_map(prop::sample::select(names), setting(), 0..12);
    let machine = (prop::array::uniform5(number()), sysctls).prop_map(|(numbers, sysctls)| {
        json!({ "page_bytes": numbers[0], "memory_bytes": numbers[1], "memory_available_bytes": numbers[2],
                "descriptors_hard": numbers[3], "locked_memory_bytes_hard": numbers[4], "sysctls": sysctls })
    });
    let workers = prop::collection::vec((number(), number()), 0..4).prop_map(|workers| {
        let worker = |(playing, rooms)| json!({ "connections": { "playing": playing }, "rooms": rooms });
        workers.into_iter().map(worker).collect::<Vec<_>>()
    });
    (limits, machine, workers, number(), number()).prop_map(|(limits, machine, workers, playing, echo)| {
        json!({ "pid": 7, "limits": limits, "machine": machine, "workers": workers,
                "totals": { "connections": { "playing": playing, "echo": echo } } })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_status_makes_it_panic(
        status in status(),
        words in prop::sample::select(vec![
            "--conns 1000",
            "game --conns 1000 --workers 2",
            "rewind --conns 40",
            "--conns 4000000 --rooms 7 --workers 300",
            "game --conns 120 --target ws://192.0.2.1:9001",
        ]),
    ) {
        let status: Status = serde_json::from_value(status).unwrap();
        let facts = Facts { descriptors: Some(20_000), status: Some(Ok(status)), ..Facts::default() };
        for plan in ["game --conns 1000 --workers 3", "rewind --conns 10", "idle --conns 4000000"] {
            let plan = Cli::plan(plan.split(' ')).unwrap();
            preflight::walls(&plan, &facts);
            refusal(&plan, &facts, Vec::new()).unwrap();
        }
        let found = judge(&question(words), &facts);
        prop_assert!(!words::report(&found).is_empty());
        words::fix_plan(&found);
        serde_json::to_string(&found).unwrap();
    }
}
