//! Which class explains what.

use rustix::io::Errno;

use super::knock::Knock;
use super::*;
use crate::kernel::KernelCounters;
use crate::measure::errors::{ErrorTable, HTTP_ANSWER};
use crate::server_side::{Status, StatusLimits, StatusTotals};

/// Ten of twenty connections failed, of a server that is fine otherwise.
fn signs() -> Signs {
    Signs {
        conns: 20,
        connected: 10,
        target: "127.0.0.1:9001".to_owned(),
        is_here: true,
        sources: Some(1),
        status_before: Some(status(0)),
        status_after: Some(status(0)),
        ..Signs::default()
    }
}

fn status(accept_pauses: u64) -> Status {
    let limits = StatusLimits {
        descriptors: Some(16),
        connections_max: Some(16),
        connections_per_worker_max: Some(16),
        workers: Some(1),
        ..StatusLimits::default()
    };
    Status { limits, totals: StatusTotals { accept_pauses, ..StatusTotals::default() }, ..Status::default() }
}

fn overflowed(listen_overflows: u64) -> KernelCounters {
    KernelCounters { listen_overflows: Some(listen_overflows), ..KernelCounters::default() }
}

fn errno(errno: Errno) -> Cause {
    Cause::Errno(errno.raw_os_error())
}

/// The only diagnosis of ten such errors.
fn only(mut signs: Signs, stage: Stage, cause: Cause) -> Diagnosis {
    signs.errors.add_many(stage, cause, 10);
    let found = diagnose(&signs);
    assert_eq!(found.len(), 1, "{found:?}");
    found.into_iter().next().unwrap()
}

#[test]
fn one_error_means_different_things_beside_different_signs() {
    let timeout = |signs| only(signs, Stage::Connect, Cause::Timeout);
    let network = timeout(signs());
    assert_eq!((network.class, network.side), ("connect-unanswered", Side::Network));

    let queue = Signs { kernel_before: overflowed(3), kernel_after: overflowed(9), ..signs() };
    let burst = timeout(Signs { knock: Some(Knock::Accepted), ..queue.clone() });
    assert_eq!((burst.class, burst.side), ("backlog-overflow", Side::Server));
    assert!(burst.evidence[1].contains("ListenOverflows grew by 6"), "{burst:?}");
    assert!(burst.remedy.contains("somaxconn"), "{burst:?}");
    let stuck = timeout(Signs { knock: Some(Knock::Silent), ..queue.clone() });
    assert!(stuck.remedy.contains("stopped or stuck") && !stuck.remedy.contains("somaxconn"), "{stuck:?}");
    // This machine's counters tell nothing of another one.
    let away = Signs { is_here: false, ..queue.clone() };
    assert_eq!(timeout(away.clone()).class, "connect-unanswered");
    // That one tells of its own.
    let mut away = away;
    for (status, listen_overflows) in [(&mut away.status_before, 7), (&mut away.status_after, 8)] {
        status.as_mut().unwrap().tcp.listen_overflows = Some(listen_overflows);
    }
    let away = timeout(away);
    assert_eq!((away.class, away.side), ("backlog-overflow", Side::Server));
    assert!(away.evidence[1].contains("grew by 1, ListenDrops by 0 on the server's machine"), "{away:?}");

    let paused = Signs { status_after: Some(status(1)), connected: 16, ..queue.clone() };
    assert_eq!(timeout(paused.clone()).class, "server-table-full");
    assert_eq!(timeout(Signs { connected: 3, ..paused }).class, "server-accept-paused");
    assert_eq!(timeout(Signs { knock: Some(Knock::Refused), ..queue }).class, "server-gone");
}

#[test]
fn who_is_heard_too_late_is_so_by_the_machine_where_that_drops_packets() {
    let dropping =
        |softnet_dropped| KernelCounters { softnet_dropped: Some(softnet_dropped), ..Default::default() };
    for (stage, cause) in [(Stage::Steady, Cause::Close(4005)), (Stage::Upgrade, Cause::Http(408))] {
        let late = only(signs(), stage, cause.clone());
        assert_eq!((late.class, late.side), ("heard-too-late", Side::Generator));
        let signs = Signs { kernel_before: dropping(1), kernel_after: dropping(8), ..signs() };
        let dropped = only(signs, stage, cause);
        assert_eq!((dropped.class, dropped.side), ("packets-dropped", Side::Machine));
        assert!(dropped.evidence.iter().any(|line| line.contains("dropped 7 packets")), "{dropped:?}");
        assert!(dropped.remedy.contains("netdev_max_backlog"), "{dropped:?}");
    }
}

#[test]
fn a_server_that_went_away_is_told_from_one_that_never_was_and_one_that_cut() {
    let reset = |signs| only(signs, Stage::Steady, errno(Errno::CONNRESET));
    assert_eq!(reset(Signs { knock: Some(Knock::Refused), ..signs() }).class, "server-gone");
    assert_eq!(reset(Signs { restarted: true, ..signs() }).class, "server-restarted");
    let cut = reset(Signs { knock: Some(Knock::Accepted), ..signs() });
    assert_eq!(cut.class, "connections-cut");
    assert!(cut.evidence.iter().any(|line| line.contains("was accepted")), "{cut:?}");
    let never = Signs { connected: 0, knock: Some(Knock::Refused), ..signs() };
    let never = only(never, Stage::Connect, errno(Errno::CONNREFUSED));
    assert_eq!((never.class, never.side), ("nobody-listens", Side::Server));
    assert!(never.remedy.contains("listening on"), "the admin endpoint answers: {never:?}");
}

#[test]
fn our_own_limits_are_ours() {
    let ports = only(Signs { sources: None, ..signs() }, Stage::Connect, errno(Errno::ADDRNOTAVAIL));
    assert_eq!((ports.class, ports.side), ("ports-exhausted", Side::Machine), "as the doctor says");
    let [reserve, range] = ["ip_local_reserved_ports=9001-9002'", "ip_local_port_range="];
    let at = |part: &str| ports.remedy.find(part).unwrap_or_else(|| panic!("{part}: {ports:?}"));
    assert!(at(reserve) < at(range), "the server's own ports first: {ports:?}");
    let mut widest = Signs { sources: None, ..signs() };
    widest.here.sysctls.insert("net.ipv4.ip_local_port_range".to_owned(), "1024 65535".to_owned());
    let widest = only(widest, Stage::Connect, errno(Errno::ADDRNOTAVAIL));
    assert!(widest.remedy.starts_with("name more source addresses"), "it is as wide as can be: {widest:?}");
    let pairs = only(signs(), Stage::Connect, Cause::PortsExhausted);
    assert!(pairs.evidence[1].contains("64512 ports each") && pairs.remedy.contains("--src"), "{pairs:?}");
    let limit = only(Signs { descriptors: Some(64), ..signs() }, Stage::Connect, errno(Errno::MFILE));
    assert_eq!(limit.side, Side::Generator);
    assert!(limit.evidence[1].contains("64") && limit.remedy.contains("ulimit -Hn"), "{limit:?}");
    let table = only(signs(), Stage::Connect, errno(Errno::NFILE));
    assert_eq!((table.class, table.side), ("open-files", Side::Machine));
}

#[test]
fn what_the_machine_cannot_be_brought_to_here_is_told_too() {
    let mut tracked = signs();
    tracked.here.sysctls.insert("net.netfilter.nf_conntrack_max".to_owned(), "1000".to_owned());
    tracked.kernel_after.conntrack_count = Some(1000);
    let tracked = only(tracked, Stage::Connect, Cause::Timeout);
    assert_eq!((tracked.class, tracked.side), ("conntrack-full", Side::Machine));
    // N * 5 / 4 + 8192, as the table of knobs has it.
    assert!(tracked.remedy.contains("nf_conntrack_max=8217"), "{tracked:?}");
    let mut memory = signs();
    memory.kernel_before.aborts_on_memory = Some(1);
    memory.kernel_after.aborts_on_memory = Some(5);
    let memory = only(memory, Stage::Steady, errno(Errno::CONNRESET));
    assert_eq!((memory.class, memory.side), ("kernel-memory", Side::Machine));
    assert!(memory.evidence[1].contains("grew by 4"), "{memory:?}");
}

#[test]
fn refusals_are_explained_by_what_the_server_allows() {
    let bound = only(signs(), Stage::Upgrade, Cause::Http(503));
    let cause = "it takes 16 connections (1 table(s) of 16 places, which is its descriptor limit)";
    assert!(bound.cause.contains(cause) && bound.remedy.contains("ulimit -Hn 281"), "{bound:?}");
    let mut named = status(0);
    (named.limits.descriptors, named.limits.connections_per_worker_max) = (Some(64), Some(64));
    let named = Signs { status_after: Some(named), ..signs() };
    let full = only(named, Stage::Upgrade, Cause::Http(503));
    assert_eq!(full.class, "server-full");
    assert!(
        full.cause.contains("takes 16 connections (max_conns)") && full.remedy.contains("--max-conns 20"),
        "{full:?}"
    );
    // It is not: whoever answers so is something else.
    assert_eq!(only(Signs { conns: 12, ..signs() }, Stage::Upgrade, Cause::Http(503)).class, "other");
    let leaving = Status { ready: Some(false), ..status(0) };
    let leaving = Signs { status_after: Some(leaving), ..signs() };
    assert_eq!(only(leaving, Stage::Upgrade, Cause::Http(503)).class, "server-draining");
    let echo = only(signs(), Stage::Upgrade, Cause::Http(404));
    assert_eq!((echo.class, echo.remedy.as_str()), ("no-such-endpoint", "start the server with --echo"));
    let path = Signs { path: Some("/game".to_owned()), ..signs() };
    assert!(only(path, Stage::Upgrade, Cause::Http(404)).cause.contains("/game"));
    assert_eq!(only(signs(), Stage::Upgrade, Cause::Http(200)).class, "not-a-server");
}

#[test]
fn a_tls_port_is_told_by_its_answer_to_a_greeting() {
    for cause in [Cause::EndOfStream, errno(Errno::CONNRESET), Cause::Http(400)] {
        let away = Signs { knock: Some(Knock::Accepted), status_before: None, status_after: None, ..signs() };
        let plain = only(away.clone(), Stage::Upgrade, cause.clone());
        assert!(["hung-up", "not-a-server"].contains(&plain.class), "{plain:?}");
        let tls = only(Signs { speaks_tls: Some("10.0.0.1:443".to_owned()), ..away }, Stage::Upgrade, cause);
        assert_eq!((tls.class, tls.side), ("speaks-tls", Side::Server));
        assert!(tls.evidence[1].contains("ClientHello") && tls.remedy.contains("ws:// only"), "{tls:?}");
    }
}

#[test]
fn of_several_targets_each_is_told_what_is_wrong_with_it() {
    let mut signs = Signs {
        targets: 2,
        connected: 0,
        knock: Some(Knock::Refused),
        speaks_tls: Some("127.0.0.1:443".to_owned()),
        ..signs()
    };
    signs.errors.add_many(Stage::Connect, errno(Errno::CONNREFUSED), 10);
    signs.errors.add_many(Stage::Upgrade, errno(Errno::CONNRESET), 10);
    let told = |signs: &Signs| {
        let mut told: Vec<_> = diagnose(signs).into_iter().map(|found| (found.class, found.cause)).collect();
        told.sort();
        told
    };
    let both = told(&signs);
    assert_eq!(
        both,
        [
            ("nobody-listens", "nobody listens on 127.0.0.1:9001".to_owned()),
            ("speaks-tls", "127.0.0.1:443 speaks TLS, and the connections do not".to_owned())
        ]
    );
    signs.speaks_tls = None;
    signs.errors.add_many(Stage::Steady, errno(Errno::CONNRESET), 3);
    let cut: Vec<_> = told(&signs).into_iter().map(|(class, _)| class).collect();
    assert!(!cut.contains(&"server-gone") && cut.contains(&"nobody-listens"), "the other one cuts: {cut:?}");
}

#[test]
fn a_full_server_is_told_what_it_starts_with() {
    let mut signs = Signs { conns: 140, ..signs() };
    for status in [&mut signs.status_before, &mut signs.status_after] {
        let limits = StatusLimits {
            descriptors: Some(20_000),
            connections_max: Some(100),
            connections_per_worker_max: Some(64),
            workers: Some(2),
            ..StatusLimits::default()
        };
        status.as_mut().unwrap().limits = limits;
    }
    let full = only(signs, Stage::Upgrade, Cause::Http(503));
    assert_eq!(full.class, "server-full");
    assert!(
        full.remedy.contains("ring.fixed_table = 343") && full.remedy.contains("--workers 3"),
        "{full:?}"
    );
}

#[test]
fn a_worker_may_be_full_while_the_server_is_not() {
    let mut signs = Signs { conns: 100, ..signs() };
    signs.status_after.as_mut().unwrap().totals.hand_overs_failed = 24;
    let full = only(signs, Stage::Upgrade, Cause::Http(503));
    assert_eq!((full.class, full.side), ("worker-full", Side::Server));
    assert!(full.evidence[1].contains("hand_overs_failed grew by 24"), "{full:?}");
    assert!(full.remedy.contains("ulimit -Hn 126") && full.remedy.contains("--rooms"), "{full:?}");
}

#[test]
fn who_goes_away_says_so() {
    let gone = only(Signs { knock: Some(Knock::Refused), ..signs() }, Stage::Steady, Cause::Close(1001));
    assert_eq!((gone.class, gone.side), ("server-draining", Side::Server));
    assert!(gone.cause.contains("shut down") && gone.remedy.contains("its log"), "{gone:?}");
}

#[test]
fn a_game_without_rooms_is_at_the_wrong_port() {
    let lost = |signs| only(Signs { plays: true, ..signs }, Stage::Upgrade, Cause::Http(404));
    for lost in [lost(signs()), lost(Signs { status_before: None, status_after: None, ..signs() })] {
        assert_eq!(lost.class, "no-such-endpoint");
        assert!(lost.cause.contains("no rooms") && !lost.remedy.contains("--echo"), "{lost:?}");
    }
    let several = only(Signs { targets: 2, ..signs() }, Stage::Upgrade, Cause::Http(404));
    assert!(several.cause.starts_with("one of the 2 targets"), "{several:?}");
}

#[test]
fn who_answered_before_it_broke_the_protocol_is_no_stranger() {
    let broken = |signs| only(signs, Stage::Steady, Cause::Protocol("bad_frame"));
    assert_eq!(broken(Signs { received: 59, ..signs() }).class, "protocol-broken");
    assert_eq!(broken(signs()).class, "not-a-server");
    let sizes = broken(Signs { received: 59, is_raw: true, ..signs() });
    assert_eq!((sizes.class, sizes.side), ("wrong-sizes", Side::Generator));
    assert!(sizes.remedy.contains("--raw-in 70 --raw-out 70"), "{sizes:?}");
}

#[test]
fn the_error_lines_help_as_the_diagnosis_does() {
    let mut signs = Signs { path: Some("/nowhere".to_owned()), ..signs() };
    signs.errors.add_many(Stage::Upgrade, Cause::Http(404), 10);
    let alone = signs.errors.lines();
    assert!(alone[0].remedy.contains("probably not a Tickring server"), "it tells no more: {alone:?}");
    let lines = lines(&signs);
    assert_eq!(lines[0].remedy, diagnose(&signs)[0].remedy);
    assert!(!lines[0].remedy.contains("not a Tickring server"), "its admin endpoint answers: {lines:?}");
}

#[test]
fn who_answers_everything_but_goodbyes_is_not_stuck() {
    let at_the_end = |signs| only(signs, Stage::Close, Cause::Timeout);
    let traffic = Signs { sent: 500, received: 500, ..signs() };
    let polite = at_the_end(traffic.clone());
    assert_eq!((polite.class, polite.side), ("goodbyes-unanswered", Side::Server));
    assert!(polite.cause.contains("answered the traffic") && polite.cause.contains("goodbyes"), "{polite:?}");
    assert!(
        polite.evidence[0] == "10 x timeout at close" && polite.evidence[1].contains("500"),
        "{polite:?}"
    );
    assert!(polite.remedy.contains("close frame") && polite.remedy.contains("stand"), "{polite:?}");
    let silent = at_the_end(signs());
    assert_eq!(silent.class, "goodbyes-unanswered");
    assert!(
        !silent.cause.contains("traffic") && !silent.remedy.contains("stand"),
        "there was none: {silent:?}"
    );
    assert_eq!(at_the_end(Signs { unanswered: 3, ..traffic.clone() }).class, "server-stuck");
    assert_eq!(at_the_end(Signs { knock: Some(Knock::Refused), ..traffic }).class, "server-gone");
}

#[test]
fn who_answers_nothing_is_told_though_there_is_no_error() {
    let mute = Signs { sent: 500, unanswered: 400, ..signs() };
    let found = diagnose(&mute);
    assert_eq!(
        (found.len(), found[0].class, found[0].side),
        (1, "messages-unanswered", Side::Server),
        "{found:?}"
    );
    assert!(found[0].cause.contains("upgraded 10 connections"), "{found:?}");
    assert_eq!(
        found[0].evidence[..2],
        ["400 x no answer at steady", "500 messages were sent and none received"]
    );
    assert!(found[0].remedy.contains("/v1/echo"), "{found:?}");
    let game = diagnose(&Signs { plays: true, ..mute.clone() });
    assert!(game[0].remedy.contains("every tick") && !game[0].remedy.contains("--echo"), "{game:?}");
    let raw = diagnose(&Signs { is_raw: true, ..mute.clone() });
    assert!(raw[0].cause.contains("took 10") && raw[0].remedy.contains("leave out --raw"), "{raw:?}");
    // It leaves goodbyes unanswered, too: that is one diagnosis.
    assert_eq!(only(mute.clone(), Stage::Close, Cause::Timeout).class, "messages-unanswered");
    let cut = Signs { knock: Some(Knock::Accepted), ..mute.clone() };
    assert_eq!(only(cut, Stage::Steady, Cause::EndOfStream).class, "connections-cut", "that is why");
    let mut one = Signs { knock: Some(Knock::Accepted), ..mute.clone() };
    one.errors.add_many(Stage::Steady, Cause::EndOfStream, 1);
    let classes: Vec<_> = diagnose(&one).iter().map(|found| found.class).collect();
    assert_eq!(classes, ["messages-unanswered", "connections-cut"], "nine of ten are still there, and mute");
    assert_eq!(diagnose(&Signs { interrupted: true, ..mute }), Vec::new());
}

#[test]
fn who_falls_silent_and_holds_its_connections_is_told_though_there_is_no_error() {
    let silent = Signs { sent: 500, received: 100, unanswered: 390, ..signs() };
    let told = diagnose(&silent).remove(0);
    assert_eq!((told.class, told.side), ("messages-unanswered", Side::Server), "{told:?}");
    assert!(told.cause.contains("left 390 messages") && told.cause.contains("others"), "{told:?}");
    assert_eq!(told.evidence[..2], ["390 x no answer at steady", "100 messages were received before"]);
    assert!(told.remedy.contains("ps -o pid,stat") && !told.remedy.contains("--raw-out"), "{told:?}");
    assert!(diagnose(&Signs { is_raw: true, ..silent.clone() })[0].remedy.contains("--raw-out"));
    // What is told already, and what nobody knows.
    assert_eq!(only(silent.clone(), Stage::Close, Cause::Timeout).class, "server-stuck");
    let cut = Signs { knock: Some(Knock::Accepted), ..silent.clone() };
    assert_eq!(only(cut, Stage::Steady, Cause::EndOfStream).class, "connections-cut");
    assert_eq!(diagnose(&Signs { unanswered: 0, ..silent.clone() }), Vec::new());
    assert_eq!(diagnose(&Signs { interrupted: true, ..silent }), Vec::new());
}

#[test]
fn plain_bytes_to_a_tickring_server_are_our_own_mistake() {
    let answer = |signs| only(signs, Stage::Steady, Cause::Protocol(HTTP_ANSWER));
    let known = answer(Signs { is_raw: true, ..signs() });
    assert_eq!((known.class, known.side), ("wants-websocket", Side::Generator));
    assert!(
        known.cause.contains("is a Tickring server") && known.remedy.contains("leave out --raw"),
        "{known:?}"
    );
    let unknown = answer(Signs { status_before: None, status_after: None, ..signs() });
    assert!(unknown.cause.contains("127.0.0.1:9001 answers in HTTP"), "{unknown:?}");
    assert_eq!(unknown.evidence.len(), 1, "nobody was asked: {unknown:?}");
    assert_eq!(answer(signs()).side, Cause::Protocol(HTTP_ANSWER).advice(Stage::Steady).0);
}

#[test]
fn nothing_goes_unexplained_and_the_most_frequent_comes_first() {
    assert_eq!(diagnose(&signs()), Vec::new());
    let mut signs = Signs { kernel_before: overflowed(0), kernel_after: overflowed(1), ..signs() };
    let mut errors = ErrorTable::default();
    errors.add_many(Stage::Connect, Cause::Timeout, 2);
    errors.add_many(Stage::Upgrade, Cause::Timeout, 3);
    errors.add_many(Stage::Upgrade, Cause::Fault(103), 4);
    signs.errors = errors;
    let found = diagnose(&signs);
    let classes: Vec<&str> = found.iter().map(|found| found.class).collect();
    assert_eq!(classes, ["backlog-overflow", "other"], "{found:?}");
    assert!(found[0].evidence.contains(&"3 x timeout at upgrade".to_owned()), "{found:?}");
    let lines = lines(&signs);
    assert!(lines.iter().all(|line| line.side == Side::Server), "{lines:?}");
}

#[test]
fn every_class_and_every_error_has_all_its_words() {
    for class in CLASSES {
        let found = class.diagnosis(&signs(), String::new());
        assert!(!found.cause.is_empty() && !found.remedy.is_empty(), "{}", class.name);
    }
    for code in 1..134 {
        for stage in [Stage::Connect, Stage::Upgrade, Stage::Steady, Stage::Close] {
            let found = only(signs(), stage, Cause::Errno(code));
            assert!(!found.remedy.is_empty() && found.evidence[0].starts_with("10 x "), "{found:?}");
        }
    }
}
