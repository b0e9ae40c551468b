//! What each resource carries, and what moves it.

use super::*;
use crate::cli::Cli;
use crate::server_side::{Admin, Part, Status, StatusLimits};

pub(super) fn demand(conns: u64, rooms: Option<Rooms>) -> Demand {
    Demand {
        conns,
        workers: 1,
        is_loopback: true,
        targets: 1,
        sources: Sources::Kernel,
        service: None,
        rooms,
        connect_rate: 2_000,
        messages_bytes: 0,
    }
}

pub(super) fn server(workers: u64, rooms_max: u64, seats: u64) -> Status {
    let limits = StatusLimits {
        workers: Some(workers),
        rooms_max_per_worker: Some(rooms_max),
        players_max_per_room: Some(seats),
        connections_max: Some(workers * 100),
        connections_per_worker_max: Some(100),
        descriptors: Some(100),
        ..StatusLimits::default()
    };
    Status { limits, ..Status::default() }
}

#[test]
fn reserved_ports_are_named_where_there_are_some() {
    let mut here = Readings::default();
    here.sysctls.insert("net.ipv4.ip_local_port_range".to_owned(), "32768 60999".to_owned());
    let setting = "net.ipv4.ip_local_reserved_ports";
    let wall = |here: &Readings| {
        ports(&demand(30_000, None), &Facts { here: here.clone(), ..Facts::default() }).unwrap()
    };
    let all = wall(&here);
    assert_eq!(all.carries, 28_232);
    assert!(!all.why.contains("without") && !all.remedy.contains("take from"), "{all:?}");
    here.sysctls.insert(setting.to_owned(), "80,40000-40009".to_owned());
    let fewer = wall(&here);
    assert_eq!(fewer.carries, 28_222);
    assert!(fewer.why.contains("without 10 of the range") && fewer.why.contains(setting), "{fewer:?}");
    assert!(fewer.remedy.contains(setting), "{fewer:?}");
    let reserve = "sysctl -w 'net.ipv4.ip_local_reserved_ports=80,9001-9002,40000-40009' && sysctl -w";
    assert!(fewer.remedy.starts_with(reserve), "the server's own ports first: {fewer:?}");
}

#[test]
fn tables_of_several_workers_are_not_filled_to_the_last_place() {
    let here = Readings::default();
    let connections = |demand: &Demand, status: &Status| connections(demand, status, &here);
    let one = connections(&demand(120, None), &server(1, 1, 1)).unwrap();
    let why = "the server takes 100 (1 table(s) of 100 places, which is its descriptor limit)";
    assert_eq!((one.carries, &one.why[..]), (100, why));
    let mut named = server(1, 1, 1);
    named.limits.descriptors = Some(4_096);
    let named = connections(&demand(120, None), &named).unwrap();
    assert_eq!((named.carries, &named.why[..]), (100, "the server takes 100 (max_conns)"));
    let two = connections(&demand(190, None), &server(2, 1, 1)).unwrap();
    assert_eq!(two.carries, 186);
    assert!(two.why.contains("2 tables of 100 places") && two.why.contains("186"), "{two:?}");
    assert!(two.remedy.contains("ulimit -Hn 374,") && two.remedy.contains("--workers 3 "), "{two:?}");
    let mut few = server(2, 1, 1);
    few.limits.connections_max = Some(150);
    let few = connections(&demand(160, None), &few).unwrap();
    assert_eq!((few.carries, &few.remedy[..]), (150, "start the server with --max-conns 160"));
}

#[test]
fn without_a_ring_or_sources_of_its_own_nothing_fits() {
    let demand = Demand { sources: Sources::Explicit(vec![[10, 9, 9, 9].into()]), ..demand(300, None) };
    let facts = Facts {
        descriptors: Some(20_000),
        source_refused: Some(([10, 9, 9, 9].into(), "no such address".to_owned())),
        ..Facts::default()
    };
    let all = budgets(&demand, &facts);
    let ports = all.iter().find(|budget| budget.what == "source ports").unwrap();
    assert_eq!((ports.carries, ports.side), (0, Side::Generator));
    assert!(ports.why.contains("10.9.9.9") && ports.remedy.contains("ip -4 -brief address"), "{ports:?}");
    let ring = Wall { problem: "refused".to_owned(), remedy: "allow it".to_owned() };
    let all = budgets(&demand, &Facts { ring_refused: Some(ring), ..facts });
    assert_eq!((all[0].what, all[0].carries, &all[0].remedy[..]), ("io_uring", 0, "allow it"));
}

#[test]
fn limits_that_even_root_may_not_raise_are_no_advice() {
    let wall = |limits_are_fixed| {
        let here = Readings { limits_are_fixed, ..Readings::default() };
        let facts = Facts { descriptors: Some(64), here: here.clone(), ..Facts::default() };
        let server = connections(&demand(190, None), &server(2, 1, 1), &here).unwrap();
        [descriptors(&demand(190, None), &facts).unwrap().remedy, server.remedy]
    };
    for remedy in wall(false) {
        assert!(remedy.contains("ulimit -Hn") && remedy.contains("--workers"), "{remedy}");
    }
    for remedy in wall(true) {
        assert!(!remedy.contains("ulimit -Hn") && remedy.contains("--workers"), "{remedy}");
        assert!(remedy.contains("CAP_SYS_RESOURCE") && remedy.contains("LimitNOFILE="), "{remedy}");
    }
}

/// Servers of one table each, of so many places, behind those of the targets.
fn servers(listed: &[(u64, &[u64])]) -> Status {
    let part = |(at, (places, targets)): (u32, &(u64, &[u64]))| {
        let mut status = Status { pid: Some(at), ..server(1, 1_024, 50) };
        status.limits.connections_max = Some(*places);
        status.limits.connections_per_worker_max = Some(*places);
        Part { status, admin: Admin { url: format!("http://server-{at}"), targets: targets.to_vec() } }
    };
    Status { parts: (1..).zip(listed).map(part).collect(), ..Status::default() }
}

#[test]
fn of_several_servers_each_holds_what_a_run_gives_it() {
    let targets = "--target ws://127.0.0.1:1 --target ws://127.0.0.1:3 --target ws://127.0.0.1:5";
    for listed in [
        &[(100, &[0][..]), (60, &[1, 2])][..],
        &[(100, &[1]), (60, &[0, 2])],
        &[(60, &[2]), (110, &[0]), (80, &[1])],
    ] {
        for words in ["echo", "game", "game --rooms 7", "game --rooms 2", "rewind"] {
            let plan =
                |conns: u32| Cli::plan(format!("{words} --conns {conns} {targets}").split(' ')).unwrap();
            let fits = |conns: u32| {
                let plan = plan(conns);
                let mut there = [0; 3];
                (0..conns).for_each(|connection| there[usize::from(plan.target_index(connection))] += 1);
                let own = |targets: &[u64]| {
                    targets.iter().map(|at| there[usize::try_from(*at).unwrap()]).sum::<u64>()
                };
                listed.iter().all(|(places, targets)| own(targets) <= *places)
            };
            let demand = Demand::of(&plan(400));
            let wall = connections(&demand, &servers(listed), &Readings::default()).unwrap();
            let carries = u32::try_from(wall.carries - wall.carries % 2).unwrap();
            assert!(fits(carries), "{words} {listed:?}: {wall:?}");
            let mut more = (carries + 2..carries + 16).step_by(2).chain((carries + 2..400).step_by(50));
            assert_eq!(more.find(|conns| fits(*conns)), None, "{words} {listed:?}: {wall:?}");
            assert!(
                wall.why.contains("parts of the load go there, to the server behind http://"),
                "{wall:?}"
            );
        }
    }
}
