//! Each class of failure, provoked: the report names the side, the cause, what shows it, and what helps.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::thread;

use rustix::process::{Signal, kill_process};
use serde_json::Value;
use socket2::{Domain, SockFilter, Socket, Type};
use support::real_server::{self, RealServer};
use support::sandbox::{self, in_a_network};
use support::{Run, finish, run, run_through, schema, start};

const LOADGEN: &str = env!("CARGO_BIN_EXE_loadgen");
/// With an objective so loose that a busy machine does not make a run invalid.
const TIMES: [&str; 9] = [
    "--duration",
    "300ms",
    "--warmup",
    "100ms",
    "--connect-timeout",
    "700ms",
    "--force",
    "--slo",
    "connect_p99<20s",
];

fn idle(server: &RealServer, words: &[&str]) -> Run {
    let place = ["idle", "--target", &server.target, "--admin", &server.admin];
    let run = run(&[&place[..], words, &TIMES].concat());
    schema::assert_conforms(&run.report);
    run
}

#[test]
fn the_servers_descriptor_limit() {
    let limited = sandbox::descriptors(64);
    let limited: Vec<&str> = limited.iter().map(String::as_str).collect();
    let server = RealServer::start_through(&limited, &["--echo"]);
    let run = idle(&server, &["--conns", "80"]);
    run.expect(99, "missed");
    assert_eq!(run.report["conns"]["connected"], 64, "as the preflight said: {}", run.err);
    assert!(run.err.contains("64 of 80 connections fit") && run.err.contains("server side"), "{}", run.err);
    assert!(run.err.contains("LimitNOFILE=356"), "more than its tables, max_conns cannot be: {}", run.err);
    let words = ["descriptor tables are full", "the server's descriptor limit is 64", "LimitNOFILE=356"];
    run.is_diagnosed("server-table-full", "server", words);
}

#[test]
fn the_generators_descriptor_limit() {
    let server = RealServer::start(&["--echo"]);
    let place = ["idle", "--target", &server.target, "--admin", &server.admin];
    let limited = |limit, conns| {
        let before = sandbox::descriptors(limit);
        let before: Vec<&str> = before.iter().map(String::as_str).collect();
        run_through(&before, &[&place[..], &["--conns", conns], &TIMES].concat())
    };
    let refused = limited(64, "200");
    assert_eq!(refused.code, Some(3), "a table larger than the limit cannot even be tried: {}", refused.err);
    assert!(
        refused.err.contains("generator side")
            && refused.err.contains("--workers 4 ")
            && refused.err.contains("LimitNOFILE=506"),
        "{}",
        refused.err
    );
    // With fewer there is not even a ring, with one more there are sockets.
    for limit in 4..20 {
        let run = limited(limit, "3");
        if run.code == Some(3) {
            assert!(run.err.contains("no descriptor left for the ring"), "{}", run.err);
            continue;
        }
        run.expect(99, "missed");
        assert_eq!(run.errors(), [("connect".into(), "EMFILE".into(), 3, "generator".into())]);
        let shown = format!("RLIMIT_NOFILE of the generator is {limit}");
        let words = ["the generator has no descriptor left", shown.as_str(), "LimitNOFILE=4096"];
        return run.is_diagnosed("generator-descriptors", "generator", words);
    }
    panic!("no limit was found at which sockets fail");
}

/// In a network of its own with `settings`: a server, `middle`, and a run with a report to the path that is left.
fn in_network(settings: &str, middle: &str, run: &str) -> Option<(String, Run)> {
    let script = format!(
        r#"ip addr add 10.9.9.1/32 dev lo
        {settings}
        env -i TICKRING_PIN=off "$0" --listen 10.9.9.1:9001 --admin 10.9.9.1:9002 --workers 1 --echo --log error >"$3" &
        server=$!
        trap 'kill -KILL $server' EXIT
        tries=0
        until grep -q '^admin on' "$3"; do
            tries=$((tries + 1)); kill -0 $server; [ $tries -lt 400 ] || exit 71; sleep 0.05
        done
        {middle}
        code=0
        "$1" run {run} --out json="$2" {} || code=$?
        exit $code"#,
        TIMES.map(|word| format!("'{word}'")).join(" ")
    );
    let (report, heard) = (tempfile::NamedTempFile::new().unwrap(), tempfile::NamedTempFile::new().unwrap());
    let path = |file: &tempfile::NamedTempFile| file.path().to_str().unwrap().to_owned();
    let server = real_server::program();
    let output = in_a_network(&script, &[server.to_str().unwrap(), LOADGEN, &path(&report), &path(&heard)])?;
    let text = std::fs::read_to_string(report.path()).unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    // What `middle` printed comes first, and ends before the summary's empty line.
    let (before, out) = out.split_once("\n\n").unwrap_or_else(|| panic!("{out}\n{err}"));
    let run = Run {
        code: output.status.code(),
        out: out.to_owned(),
        err,
        report: serde_json::from_str(&text).unwrap_or(Value::Null),
    };
    Some((before.to_owned(), run))
}

#[test]
fn ports_are_exhausted_where_the_doctor_says() {
    let range = "echo 40000 40049 >/proc/sys/net/ipv4/ip_local_port_range";
    let place = "--target ws://10.9.9.1:9001 --admin 10.9.9.1:9002 --conns 70";
    let doctor = format!(r#""$1" doctor {place} --json || [ $? -eq 3 ]"#);
    let Some((found, run)) = in_network(range, &doctor, &format!("idle {place}")) else { return };
    let found: Value = serde_json::from_str(&found).unwrap_or_else(|_| panic!("{found}"));
    run.expect(99, "missed");
    schema::assert_conforms(&run.report);
    assert_eq!(
        (&found["maximum"], &run.report["conns"]["connected"]),
        (&50.into(), &50.into()),
        "{}",
        run.out
    );
    let words = [
        "no source port",
        "ip_local_port_range is 40000 40049, 50 ports",
        "ip_local_reserved_ports=9001-9002' && sysctl -w 'net.ipv4.ip_local_port_range=",
    ];
    run.is_diagnosed("ports-exhausted", "machine", words);
}

#[test]
fn the_accept_queue_of_a_stopped_server_overflows() {
    let queue = "echo 8 >/proc/sys/net/core/somaxconn";
    let flags = "idle --target ws://10.9.9.1:9001 --admin 127.0.0.1:1 --conns 30";
    let Some((_, run)) = in_network(queue, "kill -STOP $server; echo stopped", flags) else { return };
    run.expect(99, "missed");
    assert!(
        run.errors().iter().all(|(_, error, _, side)| error == "timeout" && side == "server"),
        "{}",
        run.out
    );
    let words = ["does not accept at all", "net.core.somaxconn is 8", "stopped or stuck"];
    run.is_diagnosed("backlog-overflow", "server", words);
    run.is_diagnosed(
        "backlog-overflow",
        "server",
        ["accept queue", "ListenOverflows grew by ", "ps -o pid,stat"],
    );
}

#[test]
fn packets_that_vanish_are_nobodys_accept_queue() {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&"127.0.0.1:0".parse::<std::net::SocketAddr>().unwrap().into()).unwrap();
    // As a firewall does: it lets 0 bytes of every packet through.
    socket.attach_filter(&[SockFilter::new(6, 0, 0, 0)]).unwrap();
    socket.listen(8).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let target = format!("ws://{address}");
    let run =
        run(&[&["idle", "--target", &target, "--admin", "127.0.0.1:1", "--conns", "5"], &TIMES[..]].concat());
    run.expect(99, "missed");
    assert_eq!(run.errors(), [("connect".into(), "timeout".into(), 5, "network".into())]);
    let words = ["a firewall drops them", "ListenOverflows did not grow", "nft list ruleset"];
    run.is_diagnosed("connect-unanswered", "network", words);
}

#[test]
fn upgrades_are_refused() {
    let server = RealServer::start(&[]);
    let echo = idle(&server, &["--conns", "5"]);
    assert!(echo.err.contains("its echo is off (echo, server side)"), "the preflight knew: {}", echo.err);
    echo.expect(99, "missed");
    let words = ["started without --echo", "5 x HTTP 404", "start the server with --echo"];
    echo.is_diagnosed("no-such-endpoint", "server", words);
    let target = format!("{}/nowhere", server.target);
    let path =
        run(&[&["idle", "--target", &target, "--admin", &server.admin, "--conns", "5"], &TIMES[..]].concat());
    path.is_diagnosed("no-such-endpoint", "server", ["no endpoint /nowhere", "HTTP 404", "without a path"]);
    // The doctor counts seats, too: 50 in a room.
    let place = ["--target", &server.target, "--admin", &server.admin, "--conns", "60", "--rooms", "1"];
    let doctor = Command::new(LOADGEN).arg("doctor").args(place).arg("--json").output().unwrap();
    let found: Value = serde_json::from_slice(&doctor.stdout).unwrap();
    let seats = run(&[&["game"], &place[..], &TIMES].concat());
    assert_eq!(
        (&found["maximum"], &seats.report["conns"]["connected"]),
        (&50.into(), &50.into()),
        "{}",
        seats.out
    );
    let words = ["every seat", "players_max_per_room is 50", "--rooms 2"];
    seats.is_diagnosed("room-full", "server", words);
    let full = RealServer::start(&["--echo", "--max-conns", "5"]);
    let full = idle(&full, &["--conns", "20"]);
    full.expect(99, "missed");
    let words = ["takes 5 connections", "upgrades_refused grew by 15", "--max-conns 20"];
    full.is_diagnosed("server-full", "server", words);
}

#[test]
fn the_server_is_killed() {
    let server = RealServer::start(&["--echo"]);
    let file = tempfile::NamedTempFile::new().unwrap();
    // Nothing is due here, so that a busy machine cannot make the run invalid.
    let words = ["idle", "--target", &server.target, "--admin", &server.admin, "--conns", "6"];
    let times = ["--warmup", "200ms", "--duration", "20s"];
    let mut child = start(&[&words[..], &times].concat(), file.path().to_str().unwrap());
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let measuring = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("measuring")));
    assert!(measuring.is_some(), "it says what it does");
    kill_process(server.pid(), Signal::KILL).unwrap();
    let drain = thread::spawn(move || lines.count());
    let run = finish(child, file);
    drain.join().unwrap();
    run.expect(99, "missed");
    schema::assert_conforms(&run.report);
    let words = ["the server is gone", "was refused: nobody listens", "out of memory"];
    run.is_diagnosed("server-gone", "server", words);
    assert_eq!(run.report["diagnosis"].as_array().unwrap().len(), 1, "{}", run.out);
}

#[test]
fn io_uring_is_forbidden() {
    let perl = Command::new("perl").args(["-MPOSIX", "-e", "1"]).status();
    if !perl.is_ok_and(|status| status.success()) {
        return sandbox::skipped("no perl, which installs the filter on system calls");
    }
    let server = RealServer::start(&["--echo"]);
    let place = ["idle", "--target", &server.target, "--admin", &server.admin, "--conns", "3"];
    // Nothing is forced here, and that is said.
    let run = run_through(&sandbox::NO_IO_URING, &[&place[..], &TIMES, &["--force"]].concat());
    if run.code == Some(77) {
        return sandbox::skipped("a filter on system calls cannot be installed here");
    }
    assert_eq!(run.code, Some(3), "{}", run.err);
    let forbids = |text: &str| {
        let cause =
            text.contains("io_uring_setup: not permitted (EPERM)") || text.contains("io_uring_disabled = ");
        assert!(cause && text.to_lowercase().contains("remedy: "), "{text}");
    };
    forbids(&run.err);
    assert!(
        run.err.contains("generator side") && run.err.contains("--force does not help here"),
        "{}",
        run.err
    );
    let told = |key: &str| run.report[key].as_str().unwrap_or_else(|| panic!("{key}: {}", run.report));
    assert_eq!((told("kind"), told("verdict")), ("doctor", "preflight"), "nothing was run");
    let problem = run.report["walls"][0]["problem"].as_str().unwrap();
    assert!(problem.starts_with("0 of 3 connections fit: io_uring_setup: "), "{problem}");
    let doctor = ["doctor", "idle", "--target", &server.target, "--admin", &server.admin, "--json"];
    let output = sandbox::command(&sandbox::NO_IO_URING, LOADGEN.as_ref()).args(doctor).output().unwrap();
    let found: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    assert_eq!((output.status.code(), &found["maximum"]), (Some(3), &0.into()), "{found:#}");
    let wall = &found["budgets"][usize::try_from(found["first_wall"].as_u64().unwrap()).unwrap()];
    assert_eq!((&wall["what"], &wall["remedy"]), (&"io_uring".into(), &run.report["walls"][0]["remedy"]));
    let mut command = sandbox::command(&sandbox::NO_IO_URING, &real_server::program());
    let words = ["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--workers", "1", "--log", "warn"];
    let output = command.env_clear().args(words).stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    forbids(&String::from_utf8_lossy(&output.stderr));
}
