//! The doctor: what it says fits is what fits, and its table is that of `tuning/tune.sh`.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up fails")]

mod support;

use std::process::{Command, Output};

use serde_json::Value;
use support::real_server::RealServer;
use support::{run, sandbox};

const LOADGEN: &str = env!("CARGO_BIN_EXE_loadgen");

fn doctor(words: &[&str]) -> Output {
    Command::new(LOADGEN).arg("doctor").args(words).output().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"))
}

/// What `tune.sh check --json` and the doctor say of each knob: current, wanted, verdict.
fn knobs(list: &Value) -> Vec<(String, String, String, String)> {
    let text = |knob: &Value, key: &str| knob[key].as_str().unwrap().to_owned();
    let line =
        |knob| (text(knob, "name"), text(knob, "current"), text(knob, "wanted"), text(knob, "verdict"));
    list.as_array().unwrap().iter().map(line).collect()
}

#[test]
fn it_agrees_with_the_tuning_script() {
    let nobody = ["--admin", "127.0.0.1:1", "--json"];
    let cases: [&[&str]; 4] = [
        &["--conns", "1000"],
        &["--conns", "100000", "--workers", "7"],
        &["--conns", "100000", "--workers", "3", "--target", "ws://192.0.2.1:9001"],
        &["--conns", "90000", "--workers", "2", "--src", "127.0.0.2-127.0.0.4"],
    ];
    for words in cases {
        let found = json(&doctor(&[words, &nobody].concat()));
        let machine = &found["machines"][0];
        let tune_words: Vec<&str> = machine["tune_words"].as_str().unwrap().split(' ').collect();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tuning/tune.sh");
        let tune =
            Command::new("sh").arg(script).arg("check").args(&tune_words).arg("--json").output().unwrap();
        assert_eq!(knobs(&machine["knobs"]), knobs(&json(&tune)["knobs"]), "{words:?}");
    }
}

#[test]
fn the_servers_limit_is_where_connecting_stops() {
    let server = RealServer::start(&["--max-conns", "50", "--echo"]);
    let place = ["--target", &server.target, "--admin", &server.admin, "--conns", "80"];
    // Before anybody connects: who is there counts.
    let words = String::from_utf8(doctor(&place).stdout).unwrap();
    assert!(words.contains("At most 50 of 80 will fit") && words.contains("--max-conns 80"), "{words}");
    let output = doctor(&[&place[..], &["--json"]].concat());
    let found = json(&output);
    assert_eq!(
        (output.status.code(), &found["fits"], &found["maximum"]),
        (Some(3), &false.into(), &50.into())
    );
    let wall = &found["budgets"][usize::try_from(found["first_wall"].as_u64().unwrap()).unwrap()];
    assert_eq!((&wall["side"], &wall["what"]), (&"server".into(), &"connections".into()));
    let times = ["--duration", "300ms", "--warmup", "100ms", "--force"];
    let run = run(&[&["idle"], &place[..], &times].concat());
    assert_eq!(run.report["conns"]["connected"], found["maximum"], "{}", run.out);
}

#[test]
fn the_rooms_choose_the_tables_of_players() {
    // Of two workers one has both rooms.
    let server = RealServer::start(&["--workers", "2", "RING__FIXED_TABLE=64"]);
    let of = |server: &RealServer| {
        let place = ["game", "--target", &server.target, "--admin", &server.admin, "--conns", "100"];
        place.map(str::to_owned)
    };
    let place = of(&server);
    let place: Vec<&str> = place.iter().map(String::as_str).collect();
    let found = json(&doctor(&[&place[..], &["--json"]].concat()));
    // The last place of a table is for those who come to it by themselves.
    assert_eq!((&found["fits"], &found["maximum"]), (&false.into(), &63.into()), "{found:#}");
    let wall = &found["budgets"][usize::try_from(found["first_wall"].as_u64().unwrap()).unwrap()];
    let remedy = wall["remedy"].as_str().unwrap();
    assert!(wall["why"].as_str().unwrap().contains("2 of 2 rooms are worker 0's"), "{wall}");
    let times = ["--duration", "300ms", "--warmup", "100ms", "--connect-timeout", "2s"];
    let refused = run(&[&place[..], &times].concat());
    assert_eq!(refused.code, Some(3), "{}", refused.err);
    let forced = run(&[&place[..], &times, &["--force"]].concat());
    let connected = forced.report["conns"]["connected"].as_u64().unwrap();
    assert!((56..=64).contains(&connected), "{connected}: {}", forced.out);
    assert!(server.metric("tickring_hand_overs_failed_total") > 0, "{}", forced.out);
    // What is advised mends it.
    let (_, workers) = remedy.split_once("--workers ").unwrap_or_else(|| panic!("{remedy}"));
    let server =
        RealServer::start(&["--workers", workers.split(' ').next().unwrap(), "RING__FIXED_TABLE=64"]);
    let place = of(&server);
    let place: Vec<&str> = place.iter().map(String::as_str).collect();
    let found = json(&doctor(&[&place[..], &["--json"]].concat()));
    assert_eq!(found["fits"], true, "{remedy}: {found:#}");
    let mended = run(&[&place[..], &times, &["--connect-rate", "200"]].concat());
    assert_eq!(mended.report["conns"]["connected"], 100, "{remedy}: {}", mended.out);
}

#[test]
fn little_memory_for_this_process_is_a_wall() {
    let server = RealServer::start(&["--echo"]);
    let place = format!("--target {} --admin {}", server.target, server.admin);
    let script = format!("ulimit -v 60000 && exec {LOADGEN} doctor echo {place} --conns 5000 --json");
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    let found = json(&output);
    assert_eq!((output.status.code(), &found["fits"]), (Some(3), &false.into()), "{found:#}");
    let wall = &found["budgets"][usize::try_from(found["first_wall"].as_u64().unwrap()).unwrap()];
    assert_eq!((&wall["side"], &wall["what"]), (&"generator".into(), &"memory".into()), "{wall}");
    assert!(wall["why"].as_str().unwrap().contains("RLIMIT_AS = 61440000"), "{wall}");
}

/// The first thread, the one that leads, and the one that asks.
#[test]
fn three_threads_are_enough_to_ask_the_servers() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mut loadgen) = sandbox::with_threads(3, folder.path()) else { return };
    loadgen.args(["doctor", "--conns", "10"]);
    let servers = [RealServer::start(&[]), RealServer::start(&[])];
    for server in &servers {
        loadgen.args(["--target", &server.target, "--admin", &server.admin]);
    }
    let output = loadgen.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.code() == Some(0) && !said.contains("is not known"), "{said}");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_ring_that_may_not_be_entered_is_none() {
    let perl = Command::new("perl").args(["-MPOSIX", "-e", "1"]).status();
    if !perl.is_ok_and(|status| status.success()) {
        return sandbox::skipped("no perl, which installs the filter on system calls");
    }
    // Rings can be made there, and not used: io_uring_enter.
    let script = sandbox::NO_IO_URING[2].replace("425", "426");
    let before = [sandbox::NO_IO_URING[0], sandbox::NO_IO_URING[1], &script];
    let words = ["doctor", "--admin", "127.0.0.1:1", "--json"];
    let output = sandbox::command(&before, LOADGEN.as_ref()).args(words).output().unwrap();
    if output.status.code() == Some(77) {
        return sandbox::skipped("a filter on system calls cannot be installed here");
    }
    let found = json(&output);
    assert_eq!((output.status.code(), &found["maximum"]), (Some(3), &0.into()), "{found:#}");
    let wall = &found["budgets"][usize::try_from(found["first_wall"].as_u64().unwrap()).unwrap()];
    assert_eq!(wall["what"], "io_uring");
    assert!(wall["why"].as_str().unwrap().starts_with("io_uring_enter: not permitted (EPERM)"), "{wall}");
    assert!(wall["remedy"].as_str().unwrap().contains("io_uring_enter and io_uring_register"), "{wall}");
}

#[test]
fn a_low_descriptor_limit_is_where_connecting_stops() {
    let server = RealServer::start(&["--echo"]);
    let place = format!("--target {} --admin {}", server.target, server.admin);
    let limited = |words: String| {
        let script = format!("ulimit -n 96 && exec {LOADGEN} {words}");
        Command::new("sh").args(["-c", &script]).output().unwrap()
    };
    let found = json(&limited(format!("doctor {place} --conns 200 --json")));
    assert_eq!((&found["fits"], &found["maximum"]), (&false.into(), &96.into()), "{found:#}");
    let run =
        |conns: u32| limited(format!("run idle {place} --duration 300ms --warmup 100ms --conns {conns}"));
    let fits = run(96);
    let words = String::from_utf8(fits.stdout).unwrap();
    assert!(words.contains("96 of 96 connected"), "{words}");
    let too_many = run(97);
    assert_eq!(too_many.status.code(), Some(3), "{too_many:?}");
}

/// The first wall's side, and the workers that are advised against it.
fn advised(found: &Value) -> (&str, &str) {
    let wall = &found["budgets"][usize::try_from(found["first_wall"].as_u64().unwrap()).unwrap()];
    let remedy = wall["remedy"].as_str().unwrap();
    let (_, workers) = remedy.split_once("--workers ").unwrap_or_else(|| panic!("{remedy}"));
    (wall["side"].as_str().unwrap(), workers.split(' ').next().unwrap())
}

#[test]
fn the_workers_that_are_advised_start() {
    let low = sandbox::descriptors(64);
    let low: Vec<&str> = low.iter().map(String::as_str).collect();
    let limited =
        |words: &str| sandbox::command(&low, LOADGEN.as_ref()).args(words.split(' ')).output().unwrap();
    let place = |server: &RealServer, conns: u32| {
        format!("idle --target {} --admin {} --conns {conns}", server.target, server.admin)
    };
    let roomy = RealServer::start(&["--echo"]);
    let place_there = place(&roomy, 1_000);
    let found = json(&limited(&format!("doctor {place_there} --json")));
    let (side, workers) = advised(&found);
    assert_eq!(side, "generator");
    let run = |workers: u32| {
        limited(&format!("run {place_there} --duration 300ms --warmup 100ms --workers {workers}"))
    };
    let workers = workers.parse().unwrap();
    let words = String::from_utf8(run(workers).stdout).unwrap();
    assert!(words.contains("1000 of 1000 connected"), "{workers}: {words}");
    let refused = run(workers + 4);
    let words = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(3) && words.contains("workers do not start"), "{words}");
    // The server's workers are bounded by its own limit.
    let started = |workers: &str| RealServer::start_through(&low, &["--echo", "--workers", workers]);
    let ask = |server: &RealServer| {
        let words = place(server, 880);
        json(&doctor(&words.split(' ').chain(["--json"]).collect::<Vec<_>>()))
    };
    let found = ask(&started("1"));
    let (side, workers) = advised(&found);
    assert_eq!(side, "server");
    assert_eq!(ask(&started(workers))["fits"], true, "{workers}");
}

#[test]
fn a_tiny_stack_is_no_obstacle() {
    for (words, part) in [
        ("--help", "loadgen"),
        ("run idle --print-plan", "[[phase]]"),
        ("doctor --admin 127.0.0.1:1", "will fit"),
    ] {
        let script = format!("ulimit -s 64 && exec {LOADGEN} {words}");
        let output = Command::new("sh").args(["-c", &script]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{words}: {output:?}");
        assert!(String::from_utf8_lossy(&output.stdout).contains(part), "{words}: {output:?}");
    }
}

#[test]
fn a_server_without_echo_is_told_to_have_it() {
    let server = RealServer::start(&[]);
    let place = ["--target", &server.target, "--admin", &server.admin];
    for preset in ["echo", "idle", "handshake"] {
        let output = doctor(&[&[preset], &place[..]].concat());
        let words = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(3), "{words}");
        assert!(words.contains("server echo (0): start the server with --echo"), "{words}");
    }
    for words in [&["game"][..], &["--conns", "10"]] {
        assert_eq!(doctor(&[words, &place[..]].concat()).status.code(), Some(0), "{words:?}");
    }
}

#[test]
fn one_server_that_is_silent_does_not_silence_the_others() {
    let server = RealServer::start(&["--max-conns", "50", "--echo"]);
    let targets = ["--target", &server.target, "--target", "ws://127.0.0.1:1", "--admin", &server.admin];
    let words = [&["idle", "--conns", "150"], &targets[..], &["--admin", "127.0.0.1:2"]].concat();
    let output = doctor(&words);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.code() == Some(3) && text.contains("At most 100 of 150 will fit"), "{text}");
    assert!(text.contains("may hold less than the others: http://127.0.0.1:2/status"), "{text}");
}

#[test]
fn what_fits_is_said_too_and_a_server_that_is_not_asked_is_named() {
    let server = RealServer::start(&[]);
    let place = ["--target", &server.target, "--admin", &server.admin, "--conns", "100"];
    let output = doctor(&[&place[..], &["--rooms", "1"]].concat());
    let words = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "a room seats 50: {words}");
    let output = doctor(&[&place[..], &["--rooms", "2"]].concat());
    let words = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{words}");
    assert!(words.contains("100 will fit"), "{words}");
    let output = doctor(&[&["game"], &place[..]].concat());
    let words = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.code() == Some(0) && words.contains("50 players a room"), "as run game: {words}");
    let words = String::from_utf8(doctor(&["--admin", "127.0.0.1:1"]).stdout).unwrap();
    assert!(words.contains("The server's side is not known: http://127.0.0.1:1/status"), "{words}");
    assert!(words.contains("Start the server (tickring-server), or name its admin endpoint"), "{words}");
}

#[test]
fn what_cannot_be_asked_is_named_with_what_can() {
    for (words, part) in [
        (&["--conns", "0"][..], "1 to 4000000"),
        (&["night"], "`night` is no preset; permitted are game rewind"),
        (&["idle", "--rooms", "2"], "--rooms"),
        (&["--rooms", "2000"], "1 to --conns (1000)"),
        (&["--src", "nowhere"], "IPv4 address"),
        (&["--json", "--fix-plan"], "cannot be used with"),
        (&["--target", "http://127.0.0.1:1"], "ws://HOST:PORT"),
    ] {
        let output = doctor(words);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(part), "{words:?}: {text}");
    }
}
