//! What fits, what does not, and what is said of both.

use super::*;
use crate::server_side::StatusLimits;
use knobs::Verdict;

fn demand() -> Demand {
    Demand {
        conns: 120,
        workers: 1,
        is_loopback: true,
        targets: 1,
        sources: Sources::Kernel,
        service: None,
        rooms: None,
        connect_rate: 2_000,
        messages_bytes: 0,
    }
}

/// What `loadgen doctor` with these words asks.
pub(super) fn question(words: &str) -> Question {
    let words = "loadgen doctor".split(' ').chain(words.split(' ')).map(std::ffi::OsString::from);
    let crate::cli::Command::Doctor(args) = Cli::read(words).unwrap().command else { panic!("a doctor") };
    Question::new(args).unwrap()
}

#[test]
fn what_is_typed_counts_even_where_it_is_the_default() {
    let both = question("game --conns 9 --target ws://127.0.0.1:9001 --target ws://127.0.0.1:9130");
    assert_eq!(both.place.targets.len(), 2);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("w.toml");
    let text = "traffic = \"echo\"\nworkers = 3\ntarget = [\"ws://127.0.0.1:9130\", \"ws://127.0.0.1:9140\"]\n\
                [[phase]]\nduration = \"1s\"\n";
    std::fs::write(&file, text).unwrap();
    let of = |flags: &str| question(&format!("{}{flags}", file.display())).place;
    assert_eq!((of("").workers, of("").targets.len()), (3, 2), "the file's");
    let typed = of(" --workers 1 --target ws://127.0.0.1:9001");
    assert_eq!((typed.workers, typed.targets.len()), (1, 1));
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
        too_many: Vec::new(),
        first_wall: Some(0),
        budgets: vec![Budget {
            side: crate::budget::Side::Server,
            what: "connections",
            carries: 116,
            why: String::new(),
            remedy: "ulimit -Hn 331".to_owned(),
        }],
        sources_refused: None,
        warnings: Vec::new(),
        machines: found,
        server_unknown: None,
        others_known: false,
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
fn no_server_is_advised_the_workers_that_it_has() {
    let advised = |workers, rooms| {
        let demand = Demand { conns: 450, rooms, ..demand() };
        let here = Readings { descriptors_hard: Some(20_000), ..Readings::default() };
        let limits =
            StatusLimits { descriptors: Some(200), workers: Some(workers), ..StatusLimits::default() };
        let found = machines(&demand, false, &here, Some(&Status { limits, ..Status::default() }));
        let knobs = found.into_iter().flat_map(|machine| machine.knobs);
        let limit = knobs.into_iter().find(|knob| knob.process == Some(Role::Server)).unwrap();
        assert_eq!(limit.verdict, Verdict::Fail);
        limit.commands.join("; ")
    };
    assert!(advised(2, None).starts_with("--workers 3; prlimit"), "{}", advised(2, None));
    assert!(advised(3, None).starts_with("prlimit"), "{}", advised(3, None));
    // The names of the rooms choose the tables: how many workers help, the wall says.
    for workers in [2, 3] {
        let named = advised(workers, Some(Rooms::named(9)));
        assert!(named.starts_with("prlimit"), "{named}");
    }
}

#[test]
fn what_cannot_be_reached_at_all_is_the_first_wall() {
    let facts = Facts {
        descriptors: Some(20_000),
        source_refused: Some(([10, 9, 9, 9].into(), "no such address".to_owned())),
        ..Facts::default()
    };
    let nowhere = question("--conns 300 --src 10.9.9.9");
    let found = judge(&nowhere, &facts);
    assert_eq!((found.fits, found.maximum), (false, Some(0)));
    let first = &found.budgets[found.first_wall.unwrap()];
    assert_eq!((first.what, first.carries), ("source ports", 0));
    let words = words::report(&found);
    assert!(words.contains("At most 0 of 300 will fit") && !words.contains("64512"), "{words}");
    assert!(
        words.contains("generator source ports (0): --src with addresses of this machine only"),
        "{words}"
    );
    let ring = Wall { problem: "refused".to_owned(), remedy: "allow it".to_owned() };
    let found = judge(&nowhere, &Facts { ring_refused: Some(ring), ..facts });
    assert_eq!(found.budgets[found.first_wall.unwrap()].what, "io_uring");
    let words = words::report(&found);
    assert!(words.contains("the first wall first:\n  generator io_uring (0): allow it\n"), "{words}");
}

#[test]
fn the_kernels_range_of_ports_does_not_bound_named_sources() {
    let mut here = Readings { hostname: "one".to_owned(), ..Readings::default() };
    let mut set = |name: &str, value: &str| here.sysctls.insert(name.to_owned(), value.to_owned());
    set("net.ipv4.ip_local_port_range", "40000 40099");
    let demand = Demand { conns: 300, sources: Sources::Explicit(vec![[127, 0, 0, 2].into()]), ..demand() };
    let found = machines(&demand, true, &here, None);
    let range = found[0].knobs.iter().find(|knob| knob.name == "net.ipv4.ip_local_port_range").unwrap();
    assert_eq!((range.verdict, &range.wanted[..]), (Verdict::Ok, "0 ports"));
    assert!(found[0].tune_words.ends_with("--sources 1"), "as tune.sh then says: {}", found[0].tune_words);
    let away = Demand { is_loopback: false, ..demand };
    let found = machines(&away, true, &here, None);
    let range = found[0].knobs.iter().find(|knob| knob.name == "net.ipv4.ip_local_port_range").unwrap();
    assert_eq!((range.verdict, &range.wanted[..]), (Verdict::Ok, "100 ports"));
    assert!(found[0].tune_words.ends_with("--sources 3"), "as tune.sh then says: {}", found[0].tune_words);
    let away = Demand { sources: Sources::Kernel, ..away };
    let found = machines(&away, false, &here, None);
    let range = found[0].knobs.iter().find(|knob| knob.name == "net.ipv4.ip_local_port_range").unwrap();
    assert_eq!(range.verdict, Verdict::Fail, "where the kernel chooses it does");
}

#[test]
fn the_maximum_is_one_that_a_run_takes() {
    let status = |max: u64| {
        let limits = StatusLimits { connections_max: Some(max), ..StatusLimits::default() };
        Facts { status: Some(Ok(Status { limits, ..Status::default() })), ..Facts::default() }
    };
    let found = judge(&question("rewind --conns 100"), &status(51));
    assert_eq!((found.fits, found.maximum), (false, Some(50)), "a marksman and a runner in every room");
    for words in ["--conns 100 --rooms 60", "game --conns 100 --rooms 60"] {
        let words = words::report(&judge(&question(words), &status(50)));
        assert!(words.contains("At most 50 of 100 will fit, with --rooms 50 or less. What"), "{words}");
    }
    let words = words::report(&judge(&question("game --conns 100 --workers 40"), &status(50)));
    assert!(words.contains("At most 50 of 100 will fit. What"), "{words}");
}

#[test]
fn what_a_run_was_told_is_told_the_doctor() {
    let asked = question("game --seed 7 --connect-rate 50 --game pulse --conns 9").demand;
    let run =
        Demand::of(&Cli::plan("game --seed 7 --connect-rate 50 --game pulse --conns 9".split(' ')).unwrap());
    assert_eq!((asked.rooms, asked.connect_rate, asked.service), (run.rooms, 50, run.service));
    let echo = question("churn --traffic echo").demand;
    assert_eq!((echo.rooms, echo.service), (None, Some(crate::budget::Service::Echo)));
}

#[test]
fn what_is_absent_has_its_reason_and_the_machine_its_roles_in_words() {
    let found = judge_of_nothing(machines(&demand(), false, &Readings::default(), None));
    let words = words::report(&found);
    assert!(words.contains("tcp_mem: absent, wanted >= "), "{words}");
    assert!(
        words.contains(": cannot be read here (a container sees the host's only from outside)"),
        "{words}"
    );
    assert!(
        words.contains("settings for the server and loadgen on one machine, with 1 worker(s)"),
        "{words}"
    );
    let limits = StatusLimits { workers: Some(4), ..StatusLimits::default() };
    let status = Status { limits, ..Status::default() };
    let demand = Demand { workers: 2, ..demand() };
    let found = judge_of_nothing(machines(&demand, false, &Readings::default(), Some(&status)));
    let words = words::report(&found);
    assert!(words.contains("on one machine, with the fewer workers of the two, 2"), "{words}");
}

/// Findings of these machines alone.
fn judge_of_nothing(machines: Vec<Examined>) -> Findings {
    Findings {
        schema: SCHEMA,
        kind: "doctor",
        target: String::new(),
        conns: 120,
        fits: true,
        maximum: None,
        too_many: Vec::new(),
        first_wall: None,
        budgets: Vec::new(),
        sources_refused: None,
        warnings: Vec::new(),
        machines,
        server_unknown: None,
        others_known: false,
        seats_counted: true,
        refusal: None,
    }
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
