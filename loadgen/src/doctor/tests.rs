use super::*;
use crate::server_side::StatusLimits;
use knobs::Verdict;

fn demand() -> Demand {
    Demand { conns: 120, workers: 1, is_loopback: true, targets: 1, sources: Sources::Kernel, rooms: None }
}

#[test]
fn each_process_is_judged_by_its_own_limit() {
    let demand = demand();
    let here = Readings { descriptors_hard: Some(20_000), ..Readings::default() };
    let limits = StatusLimits { descriptors: Some(64), workers: Some(2), ..StatusLimits::default() };
    let status = Status { limits, ..Status::default() };
    let found = machines(&demand, false, &here, Some(&status));
    let apart: Vec<_> = found[0]
        .knobs
        .iter()
        .filter(|knob| knob.name == "RLIMIT_NOFILE")
        .map(|knob| (knob.process, knob.verdict, &knob.current[..], &knob.wanted[..]))
        .collect();
    let ours = (Some(Role::Client), Verdict::Ok, "20000", ">= 406");
    assert_eq!(apart, [ours, (Some(Role::Server), Verdict::Fail, "64", ">= 331")]);
    let found = Findings {
        schema: SCHEMA,
        kind: "doctor",
        target: String::new(),
        conns: 120,
        fits: false,
        maximum: Some(116),
        first_wall: Some(0),
        budgets: vec![Budget {
            side: crate::budget::Side::Server,
            what: "connections",
            carries: 116,
            why: String::new(),
            remedy: "ulimit -Hn 331".to_owned(),
        }],
        sources_refused: None,
        machines: found,
        server_unknown: None,
        seats_counted: true,
        refusal: None,
    };
    let plan = words::fix_plan(&found);
    let at = |part: &str| plan.find(part).unwrap_or_else(|| panic!("{part}: {plan}"));
    assert!(at("which is the server") < at("prlimit --pid $$ --nofile=331:331"), "{plan}");
    assert!(at("# or, for the server: --workers 3") < at("# server connections (116 of 120)"), "{plan}");
    assert!(words::report(&found).contains("RLIMIT_NOFILE of the server: 64, wanted >= 331"));
    let alone = machines(&demand, false, &here, None);
    assert_eq!(alone[0].knobs.iter().filter(|knob| knob.name == "RLIMIT_NOFILE").count(), 1);
}

#[test]
fn the_ceiling_of_limits_is_judged_by_the_side_that_needs_the_larger() {
    for (ours, its) in [(1, 2), (4, 1), (3, 3)] {
        let demand = Demand { workers: ours, ..demand() };
        let limits = StatusLimits { descriptors: Some(64), workers: Some(its), ..StatusLimits::default() };
        let status = Status { limits, ..Status::default() };
        let found = machines(&demand, false, &Readings::default(), Some(&status));
        let wanted = |name: &str| {
            let knobs = found[0].knobs.iter().filter(|knob| knob.name == name);
            knobs.map(|knob| knob.wanted[3..].parse::<u64>().unwrap()).collect::<Vec<_>>()
        };
        let limits = wanted("RLIMIT_NOFILE");
        assert_eq!(limits, [ours, its].map(|workers| enough::descriptors(demand.conns, workers)));
        assert_eq!(wanted("fs.nr_open"), [limits[0].max(limits[1])], "{ours} and {its} workers");
    }
}
